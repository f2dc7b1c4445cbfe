//! `GET /monitoring/events`: the event `now` of the feed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that changes, in short. Each event is whole: one that was missed need not be asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Now {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Every limit pool.
    pub pools: Vec<PoolNow>,
    /// Requests that ended since the event before, by outcome; none in the first.
    pub finished: BTreeMap<String, u64>,
    /// Requests that ended since the gateway started, by outcome.
    pub finished_total: BTreeMap<String, u64>,
    /// Whether any provider may be reached: one that was when it was last tried, or that was not tried.
    pub upstream_reached: bool,
    /// How writing records goes; `None` where none are kept.
    pub ledger: Option<LedgerNow>,
    /// The lanes in short.
    #[serde(default)]
    pub lanes: LanesNow,
}

/// The lanes, and those that are not well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LanesNow {
    /// How many there are.
    pub total: u64,
    /// How many are left alone, or tried by one call at a time.
    pub out: u64,
    /// How many are coming back and get a part of their calls.
    pub returning: u64,
    /// Those that are not well: the ones that are out first, of these the longest ill; eight at the most.
    pub ill: Vec<LaneNow>,
}

/// A lane that is not well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneNow {
    /// `provider/model`.
    pub name: String,
    /// `open`, `half_open` or `returning`, as in `/monitoring/lanes`.
    pub state: String,
    /// The part of its calls that go while it is returning, from 0 to 1.
    pub share: Option<f64>,
    /// For how long it has not been well, in whole seconds; the one that has begun counts.
    pub ill_ms: u64,
    /// What it is ill of, such as `status` or `connect`.
    pub cause: Option<String>,
    /// The status of the answer that decided it, where there was one.
    pub status: Option<u16>,
}

/// A limit pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolNow {
    /// Its name.
    pub name: String,
    /// Its limits.
    pub limits: Vec<LimitNow>,
    /// Requests running upstream.
    pub in_flight: u64,
    /// Requests waiting.
    pub waiting: u64,
    /// What the first of them waits for, such as `tokens per minute`; `None`: nobody waits.
    #[serde(default)]
    pub limited_by: Option<String>,
    /// What is left of a pause after a refusal by the provider; 0: none.
    pub cool_down_ms: u64,
    /// The present episode of refusals, or the last one.
    pub episode: Option<EpisodeNow>,
    /// Who decides where limits are counted in a store; `None` without a store.
    pub store_mode: Option<String>,
}

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitNow {
    /// What it counts.
    pub metric: String,
    /// Length of its window.
    pub window_ms: u64,
    /// Units used now.
    pub used: u64,
    /// Units in each window.
    pub amount: u64,
}

/// An episode of refusals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EpisodeNow {
    /// Counts from 1 in each pool.
    pub number: u64,
    /// `quota`, `overload` or `acceleration`.
    pub kind: String,
    /// Whether the pace is whole again.
    pub over: bool,
    /// Refused attempts so far.
    pub refusals: u64,
}

/// How writing records goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerNow {
    /// Whether the store takes what it is given.
    pub writable: bool,
    /// Records in memory.
    pub queued: u64,
    /// Records in files until the store takes them.
    pub spilled: u64,
    /// Records that are gone.
    pub lost: u64,
}
