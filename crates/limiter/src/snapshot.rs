//! Views of a domain for people and metrics.

use std::time::Duration;

use crate::belief::{ChargeBelief, LimitBelief};
use crate::charge::{Charge, Metric};
use crate::request::{Binding, TenantId, Tier, WaiterId};
use crate::settings::WindowModel;
use crate::settlement::RefusalKind;
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
    /// What answers have told of it; `None` while they have told nothing.
    pub belief: Option<LimitBelief>,
}

/// The bound on requests in flight while the limits are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RampView {
    /// Requests that may be in flight.
    pub concurrency: u32,
    /// Successes in the present round; as many as `concurrency` double the bound.
    pub successes: u32,
}

/// Refusals by the provider that belong together: all of requests that were sent before the pause
/// was over. What is known about the limit comes from the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// Counts from 1 in each domain.
    pub number: u64,
    /// When the first refusal came.
    pub began: Timestamp,
    /// Quota, capacity or growth.
    pub kind: RefusalKind,
    /// Which metric was refused.
    pub metric: Option<Metric>,
    /// Units per window.
    pub limit: Option<u64>,
    /// Units that the provider counted as used.
    pub used: Option<u64>,
    /// Units that the refused request asked for.
    pub requested: Option<u64>,
    /// What was counted as used on top.
    pub penalty: Charge,
    /// Refusals so far.
    pub refusals: u64,
    /// When launches go on.
    pub cool_down_until: Timestamp,
    /// When the pace was whole again; `None`: it is not yet.
    pub ended: Option<Timestamp>,
}

/// Why the pace is bounded after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThrottleKind {
    /// The pace returns in steps after a pause.
    SlowStart,
    /// The rate of a refused limit is reduced for a while.
    Stabilisation,
    /// The provider refused the growth of the traffic.
    Growth,
}

impl ThrottleKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::SlowStart, Self::Stabilisation, Self::Growth];

    /// The kind in a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SlowStart => "slow_start",
            Self::Stabilisation => "stabilisation",
            Self::Growth => "growth",
        }
    }
}

/// A bound on the pace of launches after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleView {
    /// Why.
    pub kind: ThrottleKind,
    /// What it counts; `None`: every limit, whichever takes longest.
    pub metric: Option<Metric>,
    /// The share of the full rate that may be used now, in parts per million. The full rate of a
    /// growth is the one that it began with, so that this may be above the whole.
    pub share_ppm: u64,
    /// Units that may go in a minute at this share, where that is one number.
    pub units_per_minute: Option<u64>,
    /// Time until it is over; for a growth, if it holds nobody up until then.
    pub remaining: Duration,
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
    /// The bound on requests in flight that refusals have shown, if they did.
    pub concurrency_learned: Option<u32>,
    /// The shortest time between two launches.
    pub spacing: Duration,
    /// The end of the present pause, if there is one.
    pub cool_down_until: Option<Timestamp>,
    /// Waiting requests, in the order of [`Tier::ALL`].
    pub waiting: [usize; 3],
    /// The probe bound while the limits are not known.
    pub probe: Option<RampView>,
    /// The present episode of refusals, or the last one.
    pub episode: Option<Episode>,
    /// What bounds the pace after refusals.
    pub throttles: Vec<ThrottleView>,
    /// Whether the domain is shutting down.
    pub draining: bool,
    /// What is believed of the token charge.
    pub charge: ChargeBelief,
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
