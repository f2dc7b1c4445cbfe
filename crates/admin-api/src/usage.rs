//! `GET /monitoring/token-usage` and `GET /monitoring/session-usage/{session_id}`: what calls used.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Times;

/// What calls used, in all, over time and by what they have in common.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TokenUsage {
    /// From when on calls are in it, in milliseconds since 1970. Earlier than asked for where only
    /// sums by hour or day are kept of that time.
    pub from_ms: i64,
    /// Until when, in the same way.
    pub until_ms: i64,
    /// All of them.
    pub total: UsageSums,
    /// The length of the stretches in `series`: `minute`, `hour` or `day`.
    pub bucket: String,
    /// How far the days and hours of `series` are ahead of UTC, in minutes.
    pub utc_offset_minutes: i32,
    /// The same calls over time, the oldest first; stretches without calls are left out.
    pub series: Vec<UsagePoint>,
    /// The same calls by what was asked for, those with most tokens first.
    pub groups: Vec<UsageGroup>,
    /// Whether there are more groups.
    pub truncated: bool,
    /// Characters of a request for each token of its input, on average over all answers that the
    /// gateway has learned from, whatever the time; `None` before the first.
    pub characters_per_token: Option<f64>,
}

/// Sums over calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageSums {
    /// Calls, refused ones among them.
    pub calls: u64,
    /// Calls that were sent to the provider at least once.
    pub sent: u64,
    /// Input tokens, cached ones among them.
    pub input_tokens: u64,
    /// Input tokens read from the provider's cache.
    pub cached_tokens: u64,
    /// Input tokens written to the provider's cache.
    pub cache_write_tokens: u64,
    /// Output tokens, reasoning among them.
    pub output_tokens: u64,
    /// Output tokens of reasoning.
    pub reasoning_tokens: u64,
    /// Input and output tokens.
    pub total_tokens: u64,
    /// Input tokens of audio.
    pub audio_in_tokens: u64,
    /// Output tokens of audio.
    pub audio_out_tokens: u64,
    /// Input tokens of images.
    pub image_in_tokens: u64,
    /// Output tokens of images.
    pub image_out_tokens: u64,
    /// Images made.
    pub images: u64,
    /// Audio billed by its length.
    pub audio_ms: u64,
    /// Cost of the calls whose price is known, in billionths of a dollar.
    pub cost_nanousd: u64,
    /// Calls that were sent and whose price, or that of their second attempt, is not known: the cost
    /// lacks it.
    pub unpriced: u64,
    /// Calls that a limit made wait or refused.
    pub limited: u64,
    /// Calls that waited at all.
    pub waited: u64,
    /// Time waited for turns, over all calls.
    pub wait_ms: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Input tokens of a sent call on average.
    pub average_input_tokens: u64,
    /// The most input tokens of one call.
    pub max_input_tokens: u64,
    /// How good the estimates of input tokens were.
    pub estimates: EstimateAccuracy,
}

/// Estimates of input tokens against what the provider reported, over calls that went well and had
/// both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EstimateAccuracy {
    /// Such calls.
    pub calls: u64,
    /// Tokens that were expected.
    pub estimate_tokens: u64,
    /// Tokens that were reported.
    pub input_tokens: u64,
    /// How far each estimate was off, to either side.
    pub error_tokens: u64,
    /// `error_tokens` over `input_tokens`; `None` without such calls.
    pub relative_error: Option<f64>,
    /// Calls whose estimate was off by 5 % of the truth at most.
    pub within_5_percent: u64,
    /// Calls whose estimate was off by 20 % of the truth at most.
    pub within_20_percent: u64,
}

/// One stretch of time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UsagePoint {
    /// Its start, in milliseconds since 1970.
    pub start_ms: i64,
    /// Its sums.
    pub usage: UsageSums,
}

/// Calls that have something in common.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UsageGroup {
    /// What they have in common, such as `{"model": "gpt-4o"}`. Empty texts stand for calls without
    /// one.
    pub by: BTreeMap<String, String>,
    /// Their sums.
    pub usage: UsageSums,
}

/// What a session did.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SessionUsage {
    /// Its name, as its callers choose it.
    pub session: String,
    /// Whose session; `None`: of all tenants that use this name.
    pub tenant: Option<String>,
    /// From when on calls are in it, in milliseconds since 1970.
    pub from_ms: i64,
    /// Until when.
    pub until_ms: i64,
    /// The end of its first call; `None`: there is no call.
    pub first_ms: Option<i64>,
    /// The end of its last call.
    pub last_ms: Option<i64>,
    /// Its sums.
    pub total: UsageSums,
    /// Waits for a turn.
    pub wait: Times,
    /// Times from the last sending to the first byte of the answer.
    pub first_byte: Times,
    /// Times from arrival to end.
    pub duration: Times,
    /// The length of the stretches in `series`.
    pub bucket: String,
    /// How far the days and hours of `series` are ahead of UTC, in minutes.
    pub utc_offset_minutes: i32,
    /// The same calls over time, the oldest first; stretches without calls are left out.
    pub series: Vec<UsagePoint>,
    /// The same by model, the dearest first.
    pub by_model: Vec<UsageGroup>,
    /// The same by outcome, the most frequent first.
    pub by_outcome: Vec<UsageGroup>,
}
