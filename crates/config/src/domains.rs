//! `[limits]` and `[[domains]]`: the provider-side limit pools.

mod limits;
mod pools;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Pattern;

pub(crate) use limits::{PERIODS, RawLimits};
pub(crate) use pools::{RawDomain, check};

/// One provider-side limit pool and how to stay within it.
#[derive(Clone, Debug)]
pub struct DomainRule {
    /// Name in metrics and answers; the pool of `[limits]` is called `default`.
    pub name: String,
    /// The provider whose limits these are.
    pub provider: String,
    /// Models that draw on this pool; empty for the default one, which takes what is left.
    pub models: Vec<Pattern>,
    /// Limits to keep, headroom already taken off.
    pub limits: Vec<LimitRule>,
    /// Whether limits that are not given are learned from the provider's answers.
    pub learn: bool,
    /// Requests in flight at once; `None` means no bound.
    pub concurrency_max: Option<u32>,
    /// Least time between two launches.
    pub spacing: Duration,
    /// Spread of the delay between here and the provider, kept free at window edges.
    pub guard: Duration,
    /// How the provider computes the charge of a request at admission.
    pub charge: ChargeRule,
    /// What happens when the true usage becomes known.
    pub settle: SettleRule,
    /// Tokens taken from the quota when the provider refuses a request all the same.
    pub penalty_tokens: u64,
    /// Requests in flight at once while no limit is known yet.
    pub probe_concurrency: u32,
    /// What this instance may use while the store that gateways share is away.
    pub when_store_is_away: WhenStoreIsAway,
}

impl DomainRule {
    /// Whether a request for `model` draws on this pool; the default pool names no models.
    pub fn takes(&self, model: &str) -> bool {
        self.models.iter().any(|pattern| pattern.matches(model))
    }
}

/// One limit of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRule {
    /// What is counted.
    pub metric: Metric,
    /// Units of `metric` for each `window`, headroom already taken off; at least 1.
    pub amount: u64,
    /// Length of the window.
    pub window: Duration,
    /// How the provider counts within the window.
    pub kind: WindowKind,
}

/// What a limit counts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Requests.
    Requests,
    /// Input and output tokens together.
    Tokens,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Images.
    Images,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 5] = [
        Self::Requests,
        Self::Tokens,
        Self::InputTokens,
        Self::OutputTokens,
        Self::Images,
    ];

    /// The name used in files and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Images => "images",
        }
    }

    /// Whether the metric counts tokens of some sort.
    pub fn counts_tokens(self) -> bool {
        matches!(self, Self::Tokens | Self::InputTokens | Self::OutputTokens)
    }
}

/// How a provider counts within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// Not known: a pace that is safe under all the others.
    Unknown,
    /// Continuous refill up to `burst` units; `None` means the whole amount.
    Bucket {
        /// Units that may go at once.
        burst: Option<u64>,
    },
    /// Windows of fixed length, one after the other.
    Fixed {
        /// Whether windows start at multiples of their length on the wall clock (otherwise at the
        /// first use after the last one closed).
        aligned: bool,
    },
    /// The amount over any span of the window's length.
    Sliding,
    /// The amount is enforced in shorter pieces, each with its part of it.
    Quantised {
        /// Length of a piece.
        quantum: Duration,
    },
}

/// How the provider computes the charge of a request at admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChargeRule {
    /// As the provider's answers tell.
    Learned,
    /// The larger of the estimated input and the output allowance.
    Max,
    /// Estimated input and output allowance together.
    Sum,
}

/// What an instance may use while the store that gateways share is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenStoreIsAway {
    /// Its last part of the quota, a tenth of it kept back.
    Share,
    /// The whole quota, as if it were alone.
    Open,
    /// Nothing: requests wait until the store is back.
    Closed,
}

/// What happens to a reservation when the true usage becomes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettleRule {
    /// As the provider's answers tell; the higher of both counts where they do not.
    Learned,
    /// Nothing: the charge at admission stands.
    AtAdmission,
    /// The usage counts: less is refunded, more becomes debt.
    Actual,
    /// The higher of both counts: more becomes debt, nothing is refunded.
    Highest,
}
