//! `[queue]`: how long and in what order requests wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::Checker;
use crate::quantity::Span;

use std::time::Duration;

/// How long and in what order requests wait.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Longest wait; a caller may ask for less.
    pub max_wait: Duration,
    /// Requests waiting at once in one domain.
    pub waiting_max: usize,
    /// Requests of one tenant waiting at once in one domain.
    pub waiting_per_tenant_max: usize,
    /// Tier of a request that names none and whose tenant has none.
    pub default_tier: Tier,
    /// Rules of each tier.
    pub tiers: Tiers,
    /// Time between two queue-position comments on a stream that waits.
    pub announce_interval: Duration,
}

/// The rules of each tier.
#[derive(Clone, Debug)]
pub struct Tiers {
    /// People waiting for an answer.
    pub interactive: TierRule,
    /// Everything that names no tier.
    pub standard: TierRule,
    /// Work that may take hours.
    pub batch: TierRule,
}

impl Tiers {
    /// The rule of `tier`.
    pub fn of(&self, tier: Tier) -> &TierRule {
        match tier {
            Tier::Interactive => &self.interactive,
            Tier::Standard => &self.standard,
            Tier::Batch => &self.batch,
        }
    }
}

/// What one tier gets while tiers above it have work.
#[derive(Clone, Debug, PartialEq)]
pub struct TierRule {
    /// Share of the quota, from 0 to 1, that the tier gets whatever waits above it.
    pub guaranteed_share: f64,
    /// Waiting time after which the guaranteed share doubles.
    pub aging: Duration,
}

/// Priority of a request.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Somebody is waiting for the answer.
    Interactive,
    /// Neither of the others.
    Standard,
    /// Work that may take hours.
    Batch,
}

impl Tier {
    /// Every tier, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Standard, Self::Batch];

    /// The name used in files, headers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Standard => "standard",
            Self::Batch => "batch",
        }
    }
}

/// How long and in what order requests wait.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawQueue {
    /// Longest wait; a caller may ask for less.
    #[schemars(extend("x-maximum" = "7d"))]
    max_wait: Span,
    /// Requests waiting at once in one limit pool.
    #[schemars(range(min = 1, max = 10_000_000))]
    waiting_max: usize,
    /// Requests of one tenant waiting at once in one limit pool.
    #[schemars(range(min = 1, max = 10_000_000))]
    waiting_per_tenant_max: usize,
    /// Tier of a request that names none and whose tenant has none.
    default_tier: Tier,
    tiers: RawTiers,
    /// Time between two queue-position comments on a stream that waits.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1m"))]
    announce_interval: Span,
}

/// What each tier gets while tiers above it have work.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawTiers {
    /// People waiting for an answer.
    interactive: RawTierRule,
    /// Everything that names no tier.
    standard: RawTierRule,
    /// Work that may take hours.
    batch: RawTierRule,
}

// The defaults of a tier are those that `RawTiers` gives it: they lie below everything that is
// written, so that a table with one key of a tier leaves the others as they are.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawTierRule {
    /// Share of the quota that the tier gets whatever waits above it; all three together give at
    /// most 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    guaranteed_share: f64,
    /// Waiting time after which the guaranteed share doubles.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "7d"))]
    aging: Span,
}

impl Default for RawQueue {
    fn default() -> Self {
        Self {
            max_wait: Span(Duration::from_secs(600)),
            waiting_max: 100_000,
            waiting_per_tenant_max: 20_000,
            default_tier: Tier::Standard,
            tiers: RawTiers::default(),
            announce_interval: Span(Duration::from_secs(1)),
        }
    }
}

impl Default for RawTiers {
    fn default() -> Self {
        let rule = |guaranteed_share, aging| RawTierRule {
            guaranteed_share,
            aging: Span(Duration::from_secs(aging)),
        };
        Self {
            interactive: rule(0.5, 10),
            standard: rule(0.25, 60),
            batch: rule(0.05, 600),
        }
    }
}

impl RawQueue {
    pub(crate) fn check(self, checker: &mut Checker<'_>) -> Queue {
        let (waiting, per_tenant) = (self.waiting_max, self.waiting_per_tenant_max);
        if per_tenant > waiting && checker.is_set("queue.waiting_per_tenant_max") {
            checker.problem(
                "queue.waiting_per_tenant_max",
                format!("must be at most queue.waiting_max, which is {waiting} (got {per_tenant})"),
                "",
            );
        }
        Queue {
            max_wait: self.max_wait.0,
            waiting_max: waiting,
            waiting_per_tenant_max: per_tenant.min(waiting),
            default_tier: self.default_tier,
            tiers: self.tiers.check(checker),
            announce_interval: self.announce_interval.0,
        }
    }
}

impl RawTiers {
    fn check(self, checker: &mut Checker<'_>) -> Tiers {
        let sum = [&self.interactive, &self.standard, &self.batch]
            .map(|rule| rule.guaranteed_share)
            .iter()
            .sum::<f64>();
        // Shares such as 0.7 + 0.2 + 0.1 miss 1 by a rounding error.
        if sum > 1.0 + 1e-9 {
            let what = format!("the guaranteed shares must give at most 1 together (got {sum:.3})");
            checker.problem("queue.tiers", what, "lower one of them");
        }
        let rule = |raw: RawTierRule| TierRule {
            guaranteed_share: raw.guaranteed_share,
            aging: raw.aging.0,
        };
        Tiers {
            interactive: rule(self.interactive),
            standard: rule(self.standard),
            batch: rule(self.batch),
        }
    }
}
