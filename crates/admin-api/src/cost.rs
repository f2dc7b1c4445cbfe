//! `GET /monitoring/cost-breakdown`: what calls cost, and for whom.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What calls cost. Costs are of calls whose price is known; `unpriced` counts the others.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CostBreakdown {
    /// From when on calls are in it, in milliseconds since 1970. Earlier than asked for where only
    /// sums by hour or day are kept of that time.
    pub from_ms: i64,
    /// Until when, in the same way.
    pub until_ms: i64,
    /// All of them.
    pub total: CostSums,
    /// The same calls by what was asked for, the dearest first.
    pub groups: Vec<CostGroup>,
    /// Whether there are more groups.
    pub truncated: bool,
    /// The length of the stretches in `series`: `minute`, `hour` or `day`.
    pub bucket: String,
    /// How far the days and hours of `series` are ahead of UTC, in minutes.
    pub utc_offset_minutes: i32,
    /// The same calls over time, the oldest first; stretches without calls are left out.
    pub series: Vec<CostPoint>,
}

/// Costs over calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostSums {
    /// Calls, refused ones among them.
    pub calls: u64,
    /// Their cost in billionths of a dollar.
    pub cost_nanousd: u64,
    /// Calls that were sent and whose price is not known.
    pub unpriced: u64,
    /// The cost of a sent call with a known price, on average; `None` without such calls.
    pub average_nanousd: Option<u64>,
    /// Input tokens.
    pub input_tokens: u64,
    /// Input tokens read from the provider's cache.
    pub cached_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
}

/// Calls that have something in common.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CostGroup {
    /// What they have in common, such as `{"model": "gpt-4o"}`. Empty texts stand for calls without
    /// one.
    pub by: BTreeMap<String, String>,
    /// Their sums.
    pub cost: CostSums,
    /// Their part of the whole cost, from 0 to 1; groups by tag may add up to more.
    pub share: f64,
}

/// One stretch of time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CostPoint {
    /// Its start, in milliseconds since 1970.
    pub start_ms: i64,
    /// Its sums.
    pub cost: CostSums,
}
