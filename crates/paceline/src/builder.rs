//! How a pacer is set up.

mod quota;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use paceline_limiter::{
    ChargeFormula, Combine, DomainSettings, Metric, QueueSettings, SettingsError, TenantId,
};
use paceline_pace::{Clock, Pool, TimerError, WhenAway, keep_time};

use crate::call::tenant_id;
use crate::pacer::{Pacer, Rules};
use crate::usage::Settling;
use crate::{Profile, Store, Tenant, Window};
use quota::Quota;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A reservation that is never settled is settled as spent after this time: longer than any call.
const RESERVATION_LIFETIME: Duration = Duration::from_hours(2);

/// Calls in flight while no limit is known: the first answers tell.
const PROBES: u32 = 2;

/// Why a pacer cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A limit of nothing lets nothing go.
    #[error("the limit on {metric} in {window:?} is 0, which lets nothing go; leave it out")]
    ZeroLimit {
        /// What is limited.
        metric: Metric,
        /// The length of the window.
        window: Duration,
    },
    /// Two limits for one metric and window leave open which one is meant.
    #[error("{metric} in {window:?} are limited twice; leave one of the limits out")]
    TwoLimits {
        /// What is limited.
        metric: Metric,
        /// The length of the window.
        window: Duration,
    },
    /// The headroom is no share.
    #[error("the headroom is {headroom}; it must be at least 0 and below 1")]
    Headroom {
        /// As it was given.
        headroom: f64,
    },
    /// A window that cannot be shared.
    #[error(
        "{metric} in {window:?} cannot be shared through a store, which counts windows in whole milliseconds; make it whole milliseconds"
    )]
    SharedWindow {
        /// What is limited.
        metric: Metric,
        /// The length of the window.
        window: Duration,
    },
    /// The quota to be shared has no name.
    #[error("the name of the shared quota is empty; name what all who share it name too")]
    Unnamed,
    /// The store to share by was left.
    #[error("the store was left; connect to it again")]
    StoreLeft,
    /// The system gives no random number, by which others would know the pacer.
    #[error("no random number can be had: {0}; it is needed to share a quota")]
    Random(String),
    /// A setting that cannot work.
    #[error(transparent)]
    Setting(#[from] SettingsError),
    /// The thread that timers run on outside of tokio cannot be started.
    #[error(transparent)]
    Timer(#[from] TimerError),
}

/// Sets up a [`Pacer`].
///
/// Without any limit, limits are learned from the headers of answers: see
/// [`Reservation::observe_headers`](crate::Reservation::observe_headers).
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PacerBuilder {
    quotas: Vec<Quota>,
    window: Window,
    profile: Option<Profile>,
    headroom: Option<f64>,
    guard: Option<Duration>,
    learn: Option<bool>,
    concurrency: Option<u32>,
    spacing: Duration,
    max_wait: Option<Duration>,
    queue: QueueSettings,
    settling: Settling,
    tenants: HashMap<TenantId, Tenant>,
    shared: Option<(Store, String)>,
    when_away: WhenAway,
}

impl PacerBuilder {
    /// At most so many requests in a minute.
    pub fn requests_per_minute(self, requests: u64) -> Self {
        self.limit(Metric::Requests, requests, MINUTE)
    }

    /// At most so many requests in an hour.
    pub fn requests_per_hour(self, requests: u64) -> Self {
        self.limit(Metric::Requests, requests, HOUR)
    }

    /// At most so many requests in a day.
    pub fn requests_per_day(self, requests: u64) -> Self {
        self.limit(Metric::Requests, requests, DAY)
    }

    /// At most so many tokens, input and output together, in a minute.
    pub fn tokens_per_minute(self, tokens: u64) -> Self {
        self.limit(Metric::Tokens, tokens, MINUTE)
    }

    /// At most so many tokens, input and output together, in an hour.
    pub fn tokens_per_hour(self, tokens: u64) -> Self {
        self.limit(Metric::Tokens, tokens, HOUR)
    }

    /// At most so many tokens, input and output together, in a day.
    pub fn tokens_per_day(self, tokens: u64) -> Self {
        self.limit(Metric::Tokens, tokens, DAY)
    }

    /// At most `amount` of `metric` in any `window`. All limits hold together, and there may be
    /// several on one metric.
    pub fn limit(mut self, metric: Metric, amount: u64, window: Duration) -> Self {
        self.quotas.push(Quota {
            metric,
            amount,
            window,
        });
        self
    }

    /// How the limits are counted. [`Window::Unknown`] where it is not said.
    pub fn window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// How much of the limits to use, and how much of a guard to keep. Where it is not said: all of
    /// them, with a guard of 200 ms.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// The share of each limit that is never used, for others who draw on the same quota: 0.1 makes
    /// 900 of 1,000. It goes before that of the profile.
    pub fn headroom(mut self, headroom: f64) -> Self {
        self.headroom = Some(headroom);
        self
    }

    /// How much the time varies that calls take to get to the provider. It goes before that of the
    /// profile; zero is right for limits of your own, which nobody else counts.
    pub fn guard(mut self, guard: Duration) -> Self {
        self.guard = Some(guard);
        self
    }

    /// Whether limits that are not given are learned from answers. Where it is not said: if no
    /// limit, no concurrency and no spacing is given.
    ///
    /// Until an answer has told of a limit, at most two calls are in flight; the number doubles
    /// with every full round of successes.
    pub fn learn(mut self, learn: bool) -> Self {
        self.learn = Some(learn);
        self
    }

    /// At most so many calls in flight.
    pub fn concurrency(mut self, calls: u32) -> Self {
        self.concurrency = Some(calls);
        self
    }

    /// At least so long from one launch to the next.
    pub fn spacing(mut self, spacing: Duration) -> Self {
        self.spacing = spacing;
        self
    }

    /// How long a call may wait that does not say itself and whose tenant does not either. A wait
    /// that would be longer is refused at once. Where it is not said: as long as it takes.
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }

    /// At most so many calls wait, and so many of each tenant. 20,000 and 12,000 where it is not
    /// said.
    pub fn waiting_max(mut self, calls: usize, of_each_tenant: usize) -> Self {
        self.queue.waiting_max = calls;
        self.queue.waiting_per_tenant_max = of_each_tenant;
        self
    }

    /// What is taken from the quota once the usage of a call is known.
    pub fn settling(mut self, settling: Settling) -> Self {
        self.settling = settling;
        self
    }

    /// How the calls of a tenant are treated. Those that are not named have weight 1.
    pub fn tenant(mut self, name: &str, tenant: Tenant) -> Self {
        self.tenants.insert(tenant_id(name), tenant);
        self
    }

    /// Shares the limits with all pacers that name the same quota in the same store, in whichever
    /// process they are: together they keep to the limits as if they were one, and tenants and
    /// tiers count across them.
    ///
    /// Those who share should be set up alike. What is learned is learned by all. Windows are whole
    /// milliseconds.
    pub fn shared(mut self, store: &Store, name: impl Into<String>) -> Self {
        self.shared = Some((store.clone(), name.into()));
        self
    }

    /// What to do while the store is away. [`WhenAway::Share`] where it is not said: the pacer goes on
    /// with its last share of the quota.
    pub fn when_store_is_away(mut self, when_away: WhenAway) -> Self {
        self.when_away = when_away;
        self
    }

    /// Starts the pacer.
    ///
    /// Called in a tokio runtime, it keeps time there, so that it follows a paused clock in tests;
    /// elsewhere, and when that runtime ends, on a thread of its own.
    ///
    /// # Errors
    /// The first setting that cannot work, or a thread that cannot be started.
    pub fn build(self) -> Result<Pacer, BuildError> {
        let clock = Clock::start();
        let pool = Arc::new(Pool::new(self.settings(&clock)?, clock, ())?);
        keep_time(&pool)?;
        let shared = self.shared.as_ref();
        let member = shared
            .map(|(store, name)| store.share(&pool, name, self.when_away))
            .transpose()?;
        let rules = Rules {
            _member: member,
            settling: self.settling,
            max_wait: self.max_wait,
            tenants: self.tenants,
        };
        Ok(Pacer::new(pool, rules))
    }

    fn settings(&self, clock: &Clock) -> Result<DomainSettings, BuildError> {
        self.check()?;
        let headroom = self
            .headroom
            .or_else(|| self.profile.map(Profile::headroom))
            .unwrap_or(0.0);
        let guard = self.guard_kept();
        let limits: Vec<_> = self
            .quotas
            .iter()
            .map(|quota| quota.limit(headroom, self.window, guard, clock))
            .collect();
        let bounded = !limits.is_empty() || self.concurrency.is_some() || !self.spacing.is_zero();
        let assumed_charge = ChargeFormula {
            // Limits that are given may be those of a provider that tells nothing: then its
            // documents are all there is.
            combine: if limits.is_empty() {
                Combine::Sum
            } else {
                Combine::Max
            },
            ..ChargeFormula::CAUTIOUS
        };
        Ok(DomainSettings {
            limits,
            concurrency_max: self.concurrency,
            spacing: self.spacing,
            reservation_lifetime: RESERVATION_LIFETIME,
            probe_concurrency: self.learn.unwrap_or(!bounded).then_some(PROBES),
            learned_guard: guard,
            assumed_charge,
            queue: self.queue,
            ..DomainSettings::default()
        })
    }

    fn check(&self) -> Result<(), BuildError> {
        if let Some(headroom) = self.headroom.filter(|share| !(0.0..1.0).contains(share)) {
            return Err(BuildError::Headroom { headroom });
        }
        for (index, quota) in self.quotas.iter().enumerate() {
            let &Quota {
                metric,
                amount,
                window,
            } = quota;
            if amount == 0 {
                return Err(BuildError::ZeroLimit { metric, window });
            }
            let same = |other: &Quota| other.metric == metric && other.window == window;
            if self.quotas[..index].iter().any(same) {
                return Err(BuildError::TwoLimits { metric, window });
            }
            if self.shared.is_some() && window.subsec_nanos() % 1_000_000 != 0 {
                return Err(BuildError::SharedWindow { metric, window });
            }
        }
        match &self.shared {
            Some((_, name)) if name.is_empty() => Err(BuildError::Unnamed),
            _ => Ok(()),
        }
    }

    /// One that is not given gives way to short windows, of which it would otherwise leave nothing.
    fn guard_kept(&self) -> Duration {
        let given = self.guard;
        let shortest = self.quotas.iter().map(|quota| quota.window).min();
        given.unwrap_or_else(|| {
            let guard = self.profile.unwrap_or(Profile::Moderate).guard();
            shortest.map_or(guard, |shortest| guard.min(shortest / 2))
        })
    }
}
