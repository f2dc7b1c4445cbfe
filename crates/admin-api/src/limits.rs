//! `GET /monitoring/rate-limits`: every limit pool and how full it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All limit pools.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RateLimits {
    /// In the order of their names.
    pub pools: Vec<PoolState>,
    /// What the dates of answers tell of the provider's clock; missing before the first.
    #[serde(default)]
    pub provider_clock: Option<ClockState>,
}

/// How far the provider's clock is ahead of the gateway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockState {
    /// Milliseconds ahead; negative where it is behind.
    pub ahead_ms: i64,
    /// By how much that may be wrong either way.
    pub error_ms: u64,
    /// How many answers tell so.
    pub answers: u64,
}

/// One limit pool.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PoolState {
    /// Its name.
    pub name: String,
    /// The models and keys that are known to share it, as `model@hash`, where limits are learned.
    #[serde(default)]
    pub serves: Vec<String>,
    /// Its limits.
    pub limits: Vec<LimitState>,
    /// What is believed of the token charge.
    #[serde(default)]
    pub charge: Option<ChargeState>,
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
    /// Where the pool stands with the store that its limits are counted in; `None`: it has none.
    #[serde(default)]
    pub sharing: Option<SharingState>,
    /// Where the tokens of this pool went so far.
    pub tokens: TokenTotals,
}

/// Where a pool stands with the store that gateways share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SharingState {
    /// Who decides: `joining`, `exact` or `learning`: the store; `share`, `open` or `closed`: this
    /// gateway, because the store is away.
    pub mode: String,
    /// For how long.
    pub since_ms: u64,
    /// The part of the quota that is this gateway's while the store is away, from 0 to 1; `None`: the
    /// store never told.
    pub share: Option<f64>,
    /// Instances that share the quota, with this one.
    pub instances: u32,
    /// Exchanges that the store answered.
    pub exchanges: u64,
    /// Exchanges that it did not.
    pub failures: u64,
    /// Why the store counted as away last.
    pub reason: Option<String>,
}

/// One limit.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
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
    /// What answers have told of it; `None` while they have told nothing.
    #[serde(default)]
    pub belief: Option<BeliefState>,
}

/// What is believed of a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BeliefState {
    /// `bucket`, `fixed` or `sliding`; `None` while answers do not tell.
    pub kind: Option<String>,
    /// How sure the kind is, from 0 to 1.
    pub kind_confidence: f64,
    /// Answers it took to tell the kind.
    pub decided_after_answers: Option<u64>,
    /// Answers that spoke of this limit.
    pub answers: u64,
    /// Time until the present window ends, where windows are fixed.
    pub ends_in_ms: Option<u64>,
    /// How exactly that end is known.
    pub phase_spread_ms: Option<u64>,
    /// Whether windows follow a clock or open at the first use; `None` before it shows.
    pub aligned: Option<bool>,
    /// The highest level that the provider was seen to let in.
    pub confirmed: u64,
    /// What one piece holds, where the quota is enforced in pieces.
    pub piece: Option<u64>,
    /// The time in which one piece is refilled.
    pub quantum_ms: Option<u64>,
    /// The usual charge of one request.
    pub usual_charge: u64,
    /// Units a minute that others take from the same limit.
    pub foreign_per_minute: u64,
    /// Units kept free for what others take between two answers.
    pub reserve: u64,
    /// Whether an answer of this run has told of it; what is only remembered is probed first.
    pub verified: bool,
    /// Time since the latest change.
    pub changed_ms_ago: Option<u64>,
    /// Why it changed: `kind`, `amount` or `piece`.
    pub change_reason: Option<String>,
    /// The amount before the latest change, where that was one of the amount.
    pub amount_before: Option<u64>,
}

/// What is believed of the token charge at admission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChargeState {
    /// How input and allowed output combine: `max`, `sum` or `input`.
    pub formula: String,
    /// What is charged for the input, over an estimate of a quarter of its characters.
    pub input_coefficient: f64,
    /// Whether the charge is corrected to what was used when the request ends.
    pub refunds: bool,
    /// Whether requests that fail get their charge back.
    pub failures_free: bool,
    /// How sure that is, from 0 to 1; 0: it is assumed.
    pub confidence: f64,
    /// Pairs of answers it took.
    pub decided_after: Option<u64>,
}

/// A pause after a refusal by the provider.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CoolDown {
    /// Time left.
    pub remaining_ms: u64,
}

/// Refusals by the provider that belong together: one pause, one cut and one penalty for all.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
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
