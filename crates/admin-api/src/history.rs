//! `GET /monitoring/history`: how full limits and queues were over time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the gateway remembers of its pools. All series are as long as `at_ms`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The beginning of what was asked for, in milliseconds since 1970, as far back as anything is
    /// remembered.
    pub from_ms: i64,
    /// The length of a step.
    pub step_ms: u64,
    /// When each step began, in milliseconds since 1970, the oldest first. The last one is under way.
    pub at_ms: Vec<i64>,
    /// Pools, in the order of their names.
    pub pools: Vec<PoolHistory>,
}

/// What is remembered of a pool. `null`: nothing is, of that step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolHistory {
    /// Its name.
    pub name: String,
    /// Its limits.
    pub limits: Vec<LimitHistory>,
    /// The most requests that waited at once.
    pub waiting: Vec<Option<u64>>,
    /// The most requests that ran upstream at once.
    pub in_flight: Vec<Option<u64>>,
    /// Attempts that the provider refused in that step.
    pub refusals: Vec<Option<u64>>,
}

/// What is remembered of a limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitHistory {
    /// What it counts.
    pub metric: String,
    /// Length of its window.
    pub window_ms: u64,
    /// The most units that were used at once.
    pub used: Vec<Option<u64>>,
    /// Units in each window, at the end of the step.
    pub amount: Vec<Option<u64>>,
}
