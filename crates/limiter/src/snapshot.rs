//! Views of a domain for people and metrics.

use std::time::Duration;

use crate::charge::{Charge, Metric};
use crate::request::{Binding, TenantId, Tier, WaiterId};
use crate::settings::WindowModel;
use crate::time::Timestamp;
use crate::totals::Totals;

/// Where a limit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitSource {
    /// The settings.
    Configured,
    /// The provider's answers.
    Learned,
}

/// One limit at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitView {
    /// What is limited.
    pub metric: Metric,
    /// Units per window, as enforced now.
    pub amount: u64,
    /// Units per window as configured, where the provider was seen to enforce less.
    pub configured_amount: Option<u64>,
    /// The length of the window.
    pub window: Duration,
    /// How it is counted.
    pub model: WindowModel,
    /// The spread of the delay to the provider that is allowed for.
    pub guard: Duration,
    /// Units that count as used now.
    pub used: u64,
    /// Where the limit comes from.
    pub source: LimitSource,
    /// Time until nothing counts as used if nothing more is sent.
    pub clear_in: Duration,
}

/// The bound on requests in flight while the limits are not known, or after a cool-down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RampView {
    /// Requests that may be in flight.
    pub concurrency: u32,
    /// Successes in the present round; as many as `concurrency` double the bound.
    pub successes: u32,
}

/// A domain at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainSnapshot {
    /// Every limit, configured and learned.
    pub limits: Vec<LimitView>,
    /// Admitted and not settled.
    pub in_flight: usize,
    /// The configured bound on requests in flight.
    pub concurrency_max: Option<u32>,
    /// The shortest time between two launches.
    pub spacing: Duration,
    /// The end of the present pause, if there is one.
    pub cool_down_until: Option<Timestamp>,
    /// Waiting requests, in the order of [`Tier::ALL`].
    pub waiting: [usize; 3],
    /// The probe bound while the limits are not known.
    pub probe: Option<RampView>,
    /// The slow start after a cool-down.
    pub slow_start: Option<RampView>,
    /// Whether the domain is shutting down.
    pub draining: bool,
    /// The running totals.
    pub totals: Totals,
}

/// One waiting request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingView {
    /// Which waiter.
    pub waiter: WaiterId,
    /// Who it is for.
    pub tenant: TenantId,
    /// How urgent it is.
    pub tier: Tier,
    /// The place in the expected order of service, from 1.
    pub position: usize,
    /// The expected time until admission; `None` where it depends on calls in flight.
    pub eta: Option<Duration>,
    /// What makes it wait.
    pub binding: Binding,
    /// How long it has waited.
    pub waited: Duration,
    /// What it asks for.
    pub charge: Charge,
}
