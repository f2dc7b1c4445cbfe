//! `GET /monitoring/rate-limits`: every limit pool and how full it is.

use serde::{Deserialize, Serialize};

/// All limit pools.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RateLimits {
    /// In the order of their names.
    pub pools: Vec<PoolState>,
}

/// One limit pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolState {
    /// Its name.
    pub name: String,
    /// The models and keys that are known to share it, as `model@hash`, where limits are learned.
    #[serde(default)]
    pub serves: Vec<String>,
    /// Its limits.
    pub limits: Vec<LimitState>,
    /// Requests running upstream.
    pub in_flight: u64,
    /// The most that may run at once, if that is bounded.
    pub concurrency_max: Option<u32>,
    /// Least time between two launches; 0 when there is none.
    pub spacing_ms: u64,
    /// Requests waiting.
    pub waiting: u64,
    /// Requests a minute by which the queue grows once a limit is hit, at the present demand.
    #[serde(default)]
    pub queue_growth_per_minute: f64,
    /// While the limits are unknown: the most that may run at once.
    pub probe_concurrency: Option<u32>,
    /// A pause after a refusal by the provider.
    pub cool_down: Option<CoolDown>,
    /// The present episode of refusals by the provider, or the last one.
    #[serde(default)]
    pub episode: Option<EpisodeState>,
    /// What bounds the rate after refusals, beside the limits.
    #[serde(default)]
    pub throttles: Vec<ThrottleState>,
    /// Where the tokens of this pool went so far.
    pub tokens: TokenTotals,
}

/// One limit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LimitState {
    /// What it counts, such as `requests` or `tokens`.
    pub metric: String,
    /// Units in each window.
    pub amount: u64,
    /// Length of the window.
    pub window_ms: u64,
    /// How the provider counts, such as `bucket` or `unknown`.
    pub kind: String,
    /// Units used in the window now.
    pub used: u64,
    /// Time until nothing is used, if nothing more is sent.
    pub clear_in_ms: u64,
    /// `configured` or `learned`.
    pub source: String,
    /// Time until the limit is hit at the present demand: 0 where it holds requests back now,
    /// `None` where the demand does not reach it.
    #[serde(default)]
    pub hit_in_ms: Option<u64>,
    /// The present demand over what the limit lets through: above 1 it cannot be met.
    #[serde(default)]
    pub demand_ratio: f64,
}

/// A pause after a refusal by the provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CoolDown {
    /// Time left.
    pub remaining_ms: u64,
}

/// Refusals by the provider that belong together: one pause, one cut and one penalty for all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EpisodeState {
    /// Counts from 1 in each pool.
    pub number: u64,
    /// Time since the first refusal.
    pub began_ms_ago: u64,
    /// Whether the pace is whole again.
    pub over: bool,
    /// `quota`, `overload` or `acceleration`.
    pub kind: String,
    /// What was refused, where the provider said so.
    pub metric: Option<String>,
    /// Units in each window, as the provider named them.
    pub limit: Option<u64>,
    /// Units that the provider counted as used.
    pub used: Option<u64>,
    /// Units that the refused request asked for.
    pub requested: Option<u64>,
    /// Refused attempts so far.
    pub refusals: u64,
    /// Tokens that were counted as used on top.
    pub penalty_tokens: u64,
}

/// A bound on the rate after a refusal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ThrottleState {
    /// `slow_start`, `stabilisation` or `growth`.
    pub kind: String,
    /// What it counts; nothing: every limit.
    pub metric: Option<String>,
    /// The share of the rate that may be used now; of a growth, of the rate that it began with.
    pub share: f64,
    /// Units that may go in a minute now, where that is one number.
    pub units_per_minute: Option<u64>,
    /// Time until it is over; for a growth, if nobody needs more until then.
    pub remaining_ms: u64,
}

/// Where tokens went. Always: reserved = settled + refunded + outstanding.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct TokenTotals {
    /// Reserved at admission.
    pub reserved: u64,
    /// Spent, out of what was reserved.
    pub settled: u64,
    /// Given back.
    pub refunded: u64,
    /// Reserved for calls that are not over.
    pub outstanding: u64,
    /// Spent beyond what was reserved.
    pub debt: u64,
}
