//! The provider of a scenario: its limits, what it charges, who else uses them, what breaks.

use paceline_simulator::{ChargeFormula, Metric, Quota, QuotaKind};
use serde::{Deserialize, Serialize};

/// A provider, and one pool of limits at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The limits; all must have room.
    pub quota: Vec<QuotaRule>,
    /// What is charged at admission.
    #[serde(default)]
    pub formula: Formula,
    /// The answer tokens charged for a request that names no limit.
    #[serde(default)]
    pub default_max_tokens: u64,
    /// Whether the charge is corrected to the actual use when a request ends.
    #[serde(default)]
    pub refund: bool,
    /// Whether a request that failed at the provider costs nothing.
    #[serde(default)]
    pub failures_are_free: bool,
    /// Whether refused requests count against limits on requests.
    #[serde(default)]
    pub refusals_count: bool,
    /// The most requests in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u64>,
    /// The limit on how fast traffic may grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<RampRule>,
    /// Which limit headers answers carry.
    #[serde(default)]
    pub headers: Headers,
    /// How a refusal says when to come back.
    #[serde(default)]
    pub retry_after: Retry,
    /// Other consumers of the same limits that take a little all the time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<Foreign>,
    /// Other consumers that come in bursts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_burst: Vec<ForeignBurst>,
    /// Changes of the limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub change: Vec<Change>,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaRule {
    /// What is counted.
    pub metric: Metric,
    /// Units per window.
    pub amount: u64,
    /// The length of the window in seconds.
    #[serde(default = "minute")]
    pub window_s: u64,
    /// How the window is kept.
    #[serde(default)]
    pub kind: Kind,
}

/// How a window is kept; see [`QuotaKind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// Refilled continuously, holds the whole amount.
    #[default]
    Bucket,
    /// Refilled continuously, holds `burst`.
    BucketBurst {
        /// Units it holds.
        burst: u64,
    },
    /// Windows on multiples of their length on the Unix clock.
    Fixed,
    /// Windows that open with the first use after the last one.
    FixedFromFirstUse,
    /// No span of a window's length holds more than the amount.
    Sliding,
    /// Refilled continuously, holds what a quantum brings.
    Quantised {
        /// The length of a quantum.
        quantum_ms: u64,
    },
}

/// What the provider charges in tokens; see [`ChargeFormula`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Formula {
    /// The larger of prompt and token limit.
    #[default]
    Max,
    /// Prompt and token limit together.
    Sum,
    /// The prompt alone.
    InputOnly,
}

/// See [`paceline_simulator::RampLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RampRule {
    /// What is measured.
    pub metric: Metric,
    /// What every step may hold, whatever went before.
    pub floor: u64,
    /// How much more than the busiest step of the last period a step may hold.
    pub growth_percent: u64,
    /// The length of a step.
    pub step_s: u64,
    /// The length of a period.
    pub period_s: u64,
}

/// Which limit headers answers carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Headers {
    /// Limit, remaining and reset, the latter in milliseconds.
    #[default]
    All,
    /// The same with whole seconds, rounded up.
    WholeSeconds,
    /// Limit and remaining only.
    NoReset,
    /// None at all.
    None,
}

/// How a refusal says when to come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// To the millisecond, as `retry-after-ms` does.
    #[default]
    Milliseconds,
    /// In whole seconds, rounded up, as `retry-after` does.
    Seconds,
    /// Not at all.
    Absent,
}

/// A consumer that takes a share of a limit evenly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    /// Which limit it uses: the first of this metric.
    #[serde(default = "tokens")]
    pub metric: Metric,
    /// How much of it, in percent.
    pub percent: f64,
    /// How often it comes.
    #[serde(default = "second_ms")]
    pub every_ms: u64,
}

/// A consumer that comes now and then with many requests at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignBurst {
    /// Requests in a burst.
    pub requests: u64,
    /// Tokens of each.
    pub tokens: u64,
    /// When the first burst comes.
    #[serde(default)]
    pub start_s: u64,
    /// The time from one burst to the next.
    pub every_s: u64,
}

/// A change of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When.
    pub at_s: u64,
    /// By how much of what the file says: -50 halves, 100 doubles, 0 goes back.
    pub percent: f64,
    /// Which limits; all where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// To how many of the requests.
    #[serde(default = "hundred")]
    pub percent: f64,
    /// From when on.
    #[serde(default)]
    pub from_s: u64,
    /// Until when; to the end where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_s: Option<u64>,
    /// How late an answer comes, or how far a clock jumps (back where negative).
    #[serde(default)]
    pub by_ms: i64,
    /// Whose clock jumps, from 0; all gateways' where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<usize>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// An admitted request ends in a 500.
    ServerError,
    /// A 503 before admission, with a wait of one second.
    Overloaded,
    /// A 429 that asks for slower growth, with a wait of one second.
    SlowDown,
    /// The answer breaks off behind its head.
    Cut,
    /// The request is served, and its answer never arrives.
    AnswerLost,
    /// No connection comes about.
    Unreachable,
    /// The answer carries no limit headers.
    NoHeaders,
    /// The answer comes late by `by_ms`.
    Late,
    /// A gateway's clock jumps by `by_ms` at `from_s`.
    ClockJump,
}

impl QuotaRule {
    /// The limit as the enforcer knows it.
    #[must_use]
    pub fn quota(&self) -> Quota {
        Quota {
            metric: self.metric,
            amount: self.amount,
            window_ms: self.window_s.saturating_mul(1_000),
            kind: match self.kind {
                Kind::Bucket => QuotaKind::Bucket,
                Kind::BucketBurst { burst } => QuotaKind::BucketBurst { burst },
                Kind::Fixed => QuotaKind::Fixed,
                Kind::FixedFromFirstUse => QuotaKind::FixedFromFirstUse,
                Kind::Sliding => QuotaKind::Sliding,
                Kind::Quantised { quantum_ms } => QuotaKind::Quantised { quantum_ms },
            },
        }
    }

    /// The limit with another amount; a burst grows and shrinks with it.
    pub(crate) fn scaled(&self, percent: f64) -> Self {
        let scale = |units: u64| {
            crate::random::whole(units as f64 * (100.0 + percent).max(0.0) / 100.0).max(1)
        };
        let kind = match self.kind {
            Kind::BucketBurst { burst } => Kind::BucketBurst {
                burst: scale(burst),
            },
            other => other,
        };
        Self {
            amount: scale(self.amount),
            kind,
            ..*self
        }
    }

    /// Units per second.
    pub(crate) fn rate(&self) -> f64 {
        self.amount as f64 / self.window_s.max(1) as f64
    }
}

impl Formula {
    pub(crate) const fn charge_formula(self) -> ChargeFormula {
        match self {
            Self::Max => ChargeFormula::MaxOfEstimateAndLimit,
            Self::Sum => ChargeFormula::EstimatePlusLimit,
            Self::InputOnly => ChargeFormula::InputOnly,
        }
    }
}

const fn minute() -> u64 {
    60
}

const fn second_ms() -> u64 {
    1_000
}

const fn hundred() -> f64 {
    100.0
}

const fn tokens() -> Metric {
    Metric::Tokens
}
