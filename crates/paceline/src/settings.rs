//! Choices that a pacer is set up with.

use std::time::Duration;

use paceline_limiter::Tier;

/// How the provider counts an amount over a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Window {
    /// It is not known: paced evenly, which is safe under all the others, though large amounts do
    /// not go at once.
    #[default]
    Unknown,
    /// A bucket that holds the amount and is refilled evenly, as at OpenAI.
    Bucket,
    /// Windows that follow each other on the wall clock.
    Fixed,
    /// Windows that open with the first use after the last one closed.
    FixedFromFirstUse,
    /// At most the amount in any interval as long as the window. The right one for limits of your
    /// own.
    Sliding,
    /// A bucket that holds only what is refilled in this time: 60 a minute, judged as 1 a second.
    Pieces(Duration),
}

/// How much of the limits to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// A headroom of 20 %, a guard of 500 ms: for a quota that others use too, over a bad network.
    Conservative,
    /// A headroom of 5 %, a guard of 200 ms.
    Moderate,
    /// No headroom, a guard of 100 ms: for a quota of one's own, over a good network.
    Aggressive,
}

impl Profile {
    pub(crate) const fn headroom(self) -> f64 {
        match self {
            Self::Conservative => 0.2,
            Self::Moderate => 0.05,
            Self::Aggressive => 0.0,
        }
    }

    pub(crate) const fn guard(self) -> Duration {
        Duration::from_millis(match self {
            Self::Conservative => 500,
            Self::Moderate => 200,
            Self::Aggressive => 100,
        })
    }
}

/// How the calls of one tenant are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Tenant {
    pub(crate) weight: u32,
    pub(crate) tier: Tier,
    pub(crate) max_wait: Option<Duration>,
}

impl Default for Tenant {
    fn default() -> Self {
        Self::new()
    }
}

impl Tenant {
    /// A tenant of weight 1 in the tier [`Tier::Standard`].
    pub const fn new() -> Self {
        Self {
            weight: 1,
            tier: Tier::Standard,
            max_wait: None,
        }
    }

    /// Its part of the quota beside other tenants that wait in the same tier: a tenant of weight 3
    /// gets three times what one of weight 1 gets. Zero counts as one.
    pub const fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// How urgent its calls are that do not say so themselves.
    pub const fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// How long its calls may wait that do not say so themselves.
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }
}
