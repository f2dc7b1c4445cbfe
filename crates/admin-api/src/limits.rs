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
