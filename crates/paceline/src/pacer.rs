//! The pacer: whom to ask before a call is made.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use paceline_limiter::{Metric, Request, TenantId};
use paceline_pace::{Acquired, Answered, Pool, Turn, observation};
use paceline_provider::LimitHeaders;

use crate::reserve::Reserve;
use crate::store::{Member, Sharing};
use crate::usage::{Settling, Usage};
use crate::view::{LimitState, limit_states, remaining};
use crate::{Call, PacerBuilder, Refused, Reservation, Tenant};

/// Keeps calls to a provider at the pace that its limits allow.
///
/// A pacer stands for one pool of limits: usually one key or account and one model. Clones share it,
/// from any number of tasks and threads. Set one up with [`Pacer::builder`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use paceline::{Call, Pacer, Usage};
///
/// let pacer = Pacer::builder()
///     .requests_per_minute(500)
///     .tokens_per_minute(200_000)
///     .build()?;
///
/// let turn = pacer.reserve(&Call::of_tokens(1_200)).await?;
/// // ... call the provider ...
/// turn.settle(Usage::of_tokens(1_032));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Pacer {
    pool: Arc<Pool<()>>,
    rules: Arc<Rules>,
}

/// What is the pacer's own beside the state of the pool.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) settling: Settling,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) tenants: HashMap<TenantId, Tenant>,
    /// What the others who share its limits know it by; kept so that it can take leave.
    pub(crate) _member: Option<Arc<Member>>,
}

impl fmt::Debug for Pacer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.pool.snapshot();
        out.debug_struct("Pacer")
            .field("limits", &limit_states(&snapshot))
            .field("in_flight", &snapshot.in_flight)
            .field("waiting", &snapshot.waiting)
            .finish_non_exhaustive()
    }
}

impl Pacer {
    pub(crate) fn new(pool: Arc<Pool<()>>, rules: Rules) -> Self {
        Self {
            pool,
            rules: Arc::new(rules),
        }
    }

    /// Sets up a pacer.
    pub fn builder() -> PacerBuilder {
        PacerBuilder::default()
    }

    /// Waits for the turn of a call.
    ///
    /// The place in the queue is taken when the future is polled first. Dropping the future gives
    /// the place back, or what was already reserved for it: nothing is lost by a timeout around it.
    ///
    /// # Errors
    /// Why the call may not go. A call that is too large, or would have to wait longer than it may,
    /// is refused at once.
    pub fn reserve(&self, call: &Call) -> Reserve {
        Reserve::new(self.clone(), *call)
    }

    /// Lets a call go if it may go now; it does not wait for its turn, and does not go before
    /// others that wait.
    ///
    /// State in this process answers at once. Where limits are shared through a [store](crate::Store),
    /// that is asked, which takes its time box twice at the most.
    ///
    /// # Errors
    /// Why the call may not go, or not yet: see [`Refused::NotNow`].
    pub async fn try_reserve(&self, call: &Call) -> Result<Reservation, Refused> {
        let lease = self.pool.try_acquire(self.request(call), ()).await?;
        Ok(Reservation::new(self, call, lease))
    }

    /// [`reserve`](Self::reserve) for programs without async: waits on this thread.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    ///
    /// # Panics
    /// If the call has to wait and this thread is driving an async runtime, which would then stand
    /// still. Use `spawn_blocking` there, or better [`reserve`](Self::reserve).
    pub fn blocking_reserve(&self, call: &Call) -> Result<Reservation, Refused> {
        match self.pool.acquire(self.request(call), ()) {
            Acquired::Now(lease) => Ok(Reservation::new(self, call, lease)),
            Acquired::Refused(refusal) => Err(refusal.into()),
            Acquired::Later(wait, _) => self.turn(call, wait.block()),
        }
    }

    /// [`try_reserve`](Self::try_reserve) for programs without async.
    ///
    /// # Errors
    /// As [`try_reserve`](Self::try_reserve).
    ///
    /// # Panics
    /// If a store has to be asked and this thread is driving an async runtime.
    pub fn blocking_try_reserve(&self, call: &Call) -> Result<Reservation, Refused> {
        let lease = self.pool.blocking_try_acquire(self.request(call), ())?;
        Ok(Reservation::new(self, call, lease))
    }

    /// Puts limiting around any future: waits for the turn of `call`, then runs it.
    ///
    /// What was reserved counts as spent. To count what was used instead, see
    /// [`with_rate_limiting_and_usage`](Self::with_rate_limiting_and_usage).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use paceline::{Call, Pacer};
    /// async fn ask(question: &str) -> Result<String, std::io::Error> {
    ///     Ok(format!("{question} Because."))
    /// }
    ///
    /// let pacer = Pacer::builder().requests_per_minute(60).build()?;
    /// let question = "Why is the sky blue?";
    /// let answer = pacer
    ///     .with_rate_limiting(&Call::of_text(question, 100), ask(question))
    ///     .await??;
    /// assert_eq!(answer, "Why is the sky blue? Because.");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Why the call may not go; the future is then never polled.
    pub async fn with_rate_limiting<F: Future>(
        &self,
        call: &Call,
        future: F,
    ) -> Result<F::Output, Refused> {
        self.with_rate_limiting_and_usage(call, future, |_| None)
            .await
    }

    /// The same, where `usage` reads from the output what the call used.
    ///
    /// # Errors
    /// Why the call may not go; the future is then never polled.
    pub async fn with_rate_limiting_and_usage<F: Future>(
        &self,
        call: &Call,
        future: F,
        usage: impl FnOnce(&F::Output) -> Option<Usage>,
    ) -> Result<F::Output, Refused> {
        let reservation = self.reserve(call).await?;
        let output = future.await;
        match usage(&output) {
            Some(usage) => reservation.settle(usage),
            None => reservation.served(),
        }
        Ok(output)
    }

    /// Tells what the headers of an answer say about limits, where the reservation of its call is
    /// not at hand; where it is, [`Reservation::observe_headers`] knows more.
    pub fn observe_headers(&self, headers: &HeaderMap) {
        self.observe(
            headers,
            &Answered {
                sent: self.pool.clock().now(),
                admitted: None,
                processing: None,
            },
        );
    }

    /// What is left now of the tightest limit on `metric`, in its window; `None` where it is not
    /// limited. More may not go at once where the limit is paced evenly.
    ///
    /// Of limits that are shared through a [store](crate::Store) this is the count of all who share
    /// them, as it was told last: with each call, and four times in each lease (3 s unless set) for a
    /// minute after the last one.
    #[must_use]
    pub fn remaining(&self, metric: Metric) -> Option<u64> {
        remaining(&self.pool.snapshot(), metric)
    }

    /// All limits, given and learned.
    #[must_use]
    pub fn limits(&self) -> Vec<LimitState> {
        limit_states(&self.pool.snapshot())
    }

    /// Where the pacer stands with its store; `None`: its limits are not
    /// [shared](PacerBuilder::shared).
    #[must_use]
    pub fn sharing(&self) -> Option<Sharing> {
        self.pool.sharing().map(Sharing::from)
    }

    /// Calls that wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pool.snapshot().waiting.iter().sum()
    }

    /// Calls that were let go and have not ended.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pool.snapshot().in_flight
    }

    /// Lets nobody go any more: who waits is refused, and whoever comes. Calls in flight can still
    /// be settled.
    pub fn close(&self) {
        self.pool.drain();
    }

    pub(crate) fn pool(&self) -> &Arc<Pool<()>> {
        &self.pool
    }

    pub(crate) fn settling(&self) -> Settling {
        self.rules.settling
    }

    /// The call as the limiter takes it.
    pub(crate) fn request(&self, call: &Call) -> Request {
        let tenant = self.rules.tenants.get(&call.tenant);
        let tenant = tenant.copied().unwrap_or_default();
        let max_wait = call.max_wait.or(tenant.max_wait).or(self.rules.max_wait);
        Request {
            tenant: call.tenant,
            weight: tenant.weight,
            tier: call.tier.unwrap_or(tenant.tier),
            charge: call.charge(),
            parts: match self.rules.settling {
                Settling::AsCharged => call.parts(),
                Settling::AsUsed => None,
            },
            deadline: max_wait.map(|wait| self.pool.clock().now() + wait),
            retry: call.retry,
        }
    }

    /// What became of a wait.
    pub(crate) fn turn(&self, call: &Call, turn: Turn<()>) -> Result<Reservation, Refused> {
        match turn {
            Turn::Go {
                lease,
                waited,
                binding,
            } => Ok(Reservation::new(self, call, lease).after(waited, binding)),
            Turn::Refused(refusal) => Err(refusal.into()),
        }
    }

    pub(crate) fn observe(&self, headers: &HeaderMap, answered: &Answered) {
        let told = LimitHeaders::parse(headers);
        let observations: Vec<_> = told
            .reports
            .iter()
            .filter_map(|report| observation(report, answered))
            .collect();
        self.pool.observe(&observations);
    }
}
