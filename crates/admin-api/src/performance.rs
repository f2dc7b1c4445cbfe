//! `GET /monitoring/performance`: how long calls waited and took, and how they ended.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EstimateAccuracy;

/// How calls went.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Performance {
    /// From when on calls are in it, in milliseconds since 1970. Earlier than asked for where only
    /// sums by hour or day are kept of that time.
    pub from_ms: i64,
    /// Until when, in the same way.
    pub until_ms: i64,
    /// All of them.
    pub total: PerformanceSums,
    /// A figure for all of it, and what it is made of; `None` without calls.
    pub score: Option<Score>,
    /// Time that the gateway itself took before sending, without waits for a turn: of all calls since
    /// it started, whatever was asked for. `None` before the first.
    pub added_latency: Option<AddedLatency>,
    /// The same calls by what was asked for, the most frequent first.
    pub groups: Vec<PerformanceGroup>,
    /// Whether there are more groups.
    pub truncated: bool,
    /// The length of the stretches in `series`: `minute`, `hour` or `day`.
    pub bucket: String,
    /// How far the days and hours of `series` are ahead of UTC, in minutes.
    pub utc_offset_minutes: i32,
    /// The same calls over time, the oldest first; stretches without calls are left out.
    pub series: Vec<PerformancePoint>,
}

/// How some calls went.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PerformanceSums {
    /// Calls, refused ones among them.
    pub calls: u64,
    /// Calls that were sent to the provider at least once.
    pub sent: u64,
    /// Calls that a limit made wait or refused.
    pub limited: u64,
    /// Waits for a turn.
    pub wait: Times,
    /// Times from the last sending to the first byte of the answer.
    pub first_byte: Times,
    /// Times from arrival to end.
    pub duration: Times,
    /// Attempts after the first.
    pub retries: u64,
    /// Attempts after the first for each sent call.
    pub retries_per_call: f64,
    /// How good the estimates of input tokens were.
    pub estimates: EstimateAccuracy,
    /// Calls by how they ended, all of `ok`, `provider_error`, `refused`, `upstream_failed` and
    /// `caller_gone`; empty in groups and series.
    pub outcomes: BTreeMap<String, u64>,
    /// The part of all calls that ended in `provider_error`, `refused` or `upstream_failed`; `None`
    /// where `outcomes` is empty.
    pub error_rate: Option<f64>,
}

/// How long something took. The quantiles are told from counts in slots whose ends are a factor of 2
/// or 2.5 apart, in a straight line between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// What was timed.
    pub count: u64,
    /// Half of them took no longer; `None` without any.
    pub p50_ms: Option<u64>,
    /// 95 of 100 took no longer.
    pub p95_ms: Option<u64>,
    /// 99 of 100 took no longer.
    pub p99_ms: Option<u64>,
    /// On average.
    pub mean_ms: Option<f64>,
    /// The longest, where that is kept.
    pub max_ms: Option<u64>,
}

/// Time that the gateway itself took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AddedLatency {
    /// Calls that were timed.
    pub count: u64,
    /// The mean.
    pub mean_ms: f64,
    /// Half of them took no longer than this; `None`: more than ten minutes.
    pub p50_ms: Option<f64>,
    /// 95 of 100 took no longer than this.
    pub p95_ms: Option<f64>,
    /// 99 of 100 took no longer than this.
    pub p99_ms: Option<f64>,
}

/// How well it goes, as one figure.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// From 0 to 100: the sum of the points of all parts.
    #[schemars(range(min = 0, max = 100))]
    pub value: u32,
    /// What it is made of.
    pub parts: Vec<ScorePart>,
}

/// One part of a [`Score`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ScorePart {
    /// `success`, `waiting`, `retries` or `estimates`.
    pub name: String,
    /// The points that it gives at best.
    pub points_max: u32,
    /// The points that it gives.
    pub points: f64,
    /// The figure that it is made from; `None`: nothing is known, which gives all points.
    pub figure: Option<f64>,
    /// How the points follow from the figure.
    pub rule: String,
}

/// Calls that have something in common.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PerformanceGroup {
    /// What they have in common, such as `{"model": "gpt-4o"}`.
    pub by: BTreeMap<String, String>,
    /// How they went.
    pub performance: PerformanceSums,
}

/// One stretch of time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PerformancePoint {
    /// Its start, in milliseconds since 1970.
    pub start_ms: i64,
    /// How its calls went.
    pub performance: PerformanceSums,
}
