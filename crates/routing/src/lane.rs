//! One lane as it is at the moment of a choice.

use std::time::Duration;

use crate::breaker::Health;
use crate::hash;

/// A lane's place in the caller's list of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u32);

/// A lane's name as a number that is the same in every instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey(u64);

impl LaneKey {
    /// The key of the lane that reaches `model` at the provider entry `provider`.
    #[must_use]
    pub fn of(provider: &str, model: &str) -> Self {
        Self(hash::of_parts([provider, model]))
    }

    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

/// Whether a lane can take a call at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It can.
    Fits,
    /// The call is longer than the context of the lane's model.
    ContextTooLong,
    /// The call asks for something that the lane's provider or model does not have.
    Unsupported,
}

/// One lane, and what is known of it for one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// Which one.
    pub id: LaneId,
    /// Its name as a number, for sessions.
    pub key: LaneKey,
    /// Lanes with lower numbers go first.
    pub priority: u32,
    /// How much it is to be used beside others of its priority; zero is read as one.
    pub weight: u32,
    /// What its [`Breaker`](crate::Breaker) says.
    pub health: Health,
    /// Whether it can take the call.
    pub fit: Fit,
    /// How long its quota is expected to hold the call, behind all that wait already; `None` if
    /// its limits will never let it go.
    pub wait: Option<Duration>,
    /// The part of its quota that is left: 0 to 1, and 1 where nothing limits it.
    pub room: f64,
    /// The part of its quota that the call takes: 0 to 1, and 0 where nothing limits it. Where it
    /// is known of all lanes, those that are hardly used take turns in proportion to their quotas.
    pub takes: f64,
    /// How long it takes until the first byte, if known.
    pub latency: Option<Duration>,
    /// What the call is expected to cost there, in billionths of a dollar, if known.
    pub price_nanousd: Option<u64>,
    /// Calls under way there.
    pub in_flight: u32,
}

impl Lane {
    /// A lane that is well, of which nothing else is known.
    #[must_use]
    pub const fn new(id: LaneId, key: LaneKey) -> Self {
        Self {
            id,
            key,
            priority: 0,
            weight: 1,
            health: Health::Well,
            fit: Fit::Fits,
            wait: Some(Duration::ZERO),
            room: 1.0,
            takes: 0.0,
            latency: None,
            price_nanousd: None,
            in_flight: 0,
        }
    }

    pub(crate) fn weight(&self) -> f64 {
        f64::from(self.weight.max(1))
    }

    /// The part of its quota that is used, for its weight.
    pub(crate) fn used_for_weight(&self) -> f64 {
        // What is no number counts as used up.
        (1.0 - hash::share(self.room)) / self.weight()
    }
}
