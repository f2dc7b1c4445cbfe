//! The permission to make one call.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use paceline_limiter::{Binding, Charge, Outcome, ProviderRefusal, Timestamp};
use paceline_pace::{
    Answered, Lease, charged_although_refused, is_quota, level, limiter_metric, pool_kind,
    processing,
};
use paceline_provider::{LimitHeaders, Refusal};

use crate::usage::{Settling, highest};
use crate::{Call, Pacer, Usage};

/// Added to every pause at random, so that processes that were refused together do not return
/// together.
const JITTER_MAX: Duration = Duration::from_millis(250);

/// The pause after a refusal that names none.
const PAUSE_UNNAMED: Duration = Duration::from_secs(1);

/// The permission to make one call: quota that was taken for it.
///
/// However the call ends, its reservation ends once. Dropping it counts what was reserved as spent,
/// since the provider may have seen the call: a reservation that gets lost in an early return or a
/// cancelled task cannot make the pace too fast.
#[derive(Debug)]
#[must_use = "what was reserved counts as spent once it is dropped"]
pub struct Reservation {
    pacer: Pacer,
    lease: Lease<()>,
    has_parts: bool,
    sent: Timestamp,
    waited: Duration,
    limited_by: Option<Binding>,
}

impl Reservation {
    pub(crate) fn new(pacer: &Pacer, call: &Call, mut lease: Lease<()>) -> Self {
        lease.dispatched();
        Self {
            pacer: pacer.clone(),
            lease,
            has_parts: call.parts().is_some(),
            sent: pacer.pool().clock().now(),
            waited: Duration::ZERO,
            limited_by: None,
        }
    }

    pub(crate) fn after(mut self, waited: Duration, limited_by: Binding) -> Self {
        (self.waited, self.limited_by) = (waited, Some(limited_by));
        self
    }

    /// What was taken for the call.
    #[must_use]
    pub fn charge(&self) -> Charge {
        self.lease.charge()
    }

    /// How long the call waited.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// What it waited for last; `None` where it did not wait.
    #[must_use]
    pub const fn limited_by(&self) -> Option<Binding> {
        self.limited_by
    }

    /// Tells what the headers of the answer to this call say about limits, as soon as they are here.
    ///
    /// This is how limits are learned, how limits that were given are kept in step with the
    /// provider's own count, and how what others use of the same quota is noticed. Headers of all
    /// known dialects are read; ones that say nothing do no harm.
    pub fn observe_headers(&self, headers: &HeaderMap) {
        self.observe(headers, true);
    }

    /// The call was served, and used this much.
    pub fn settle(self, usage: Usage) {
        let reserved = self.lease.charge();
        let used = usage.charge(reserved);
        let charged = match self.pacer.settling() {
            Settling::AsUsed => Some(used),
            // The formula that was learned decides.
            Settling::AsCharged if self.has_parts => None,
            Settling::AsCharged => Some(highest(reserved, used)),
        };
        self.lease.settle(charged, usage.parts(), Outcome::Success);
    }

    /// The call was served, and nothing is known of its usage: it stands as it was reserved.
    pub fn served(self) {
        self.lease.settle(None, None, Outcome::Success);
    }

    /// The call broke: a network error, a server error, a timeout. It stands as it was reserved,
    /// since the provider may have counted it.
    pub fn failed(self) {
        self.lease.settle(None, None, Outcome::Failed);
    }

    /// The call was never sent: everything goes back.
    pub fn release(self) {
        self.lease.release();
    }

    /// The provider answered with this error.
    ///
    /// A refusal for a quota takes what was reserved back, sets the level by its figures, and makes
    /// everybody wait for as long as it says; so does one for want of capacity, without touching
    /// levels. Other errors count as [`failed`](Self::failed). `body` may be empty where it is not
    /// at hand.
    ///
    /// What the error means is returned, with the advice whether to [try again](Call::again);
    /// `None` where the status is below 400.
    pub fn refused(self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Refusal> {
        let Some(refusal) = Refusal::from_response(status.as_u16(), headers, body) else {
            self.observe(headers, true);
            self.served();
            return None;
        };
        self.observe(headers, false);
        let charged = charged_although_refused(self.lease.charge(), &refusal);
        let outcome = if is_quota(refusal.kind) {
            Outcome::Refused
        } else {
            Outcome::Failed
        };
        self.lease.settle(charged, None, outcome);
        pause(&self.pacer, &refusal, headers, self.sent);
        Some(refusal)
    }

    fn observe(&self, headers: &HeaderMap, admitted: bool) {
        let answered = Answered {
            sent: self.sent,
            admitted: admitted.then(|| self.lease.id()),
            processing: processing(headers),
        };
        self.pacer.observe(headers, &answered);
    }
}

/// Lets everybody pause where the refusal concerns everybody.
fn pause(pacer: &Pacer, refusal: &Refusal, headers: &HeaderMap, sent_at: Timestamp) {
    let Some(kind) = pool_kind(refusal.kind) else {
        return;
    };
    let metric = refusal.metric.and_then(limiter_metric);
    let refused = ProviderRefusal {
        metric,
        limit: refusal.limit,
        used: refusal.used,
        level: metric.and_then(|metric| level(&LimitHeaders::parse(headers), metric)),
        requested: refusal.requested,
        window: refusal.window,
        sent_at,
        retry_after: refusal.retry_after.or(Some(PAUSE_UNNAMED)),
        wait_named: refusal.retry_after.is_some(),
        jitter: jitter(),
        penalty: Charge::ZERO,
        kind,
    };
    pacer.pool().refused(refused, &refusal.message);
}

/// Anything up to [`JITTER_MAX`]. The keys of a hasher are random.
fn jitter() -> Duration {
    let random = RandomState::new().hash_one(0);
    JITTER_MAX * u32::from(random.to_le_bytes()[0]) / u32::from(u8::MAX)
}
