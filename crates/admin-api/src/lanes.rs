//! Lanes: the ways to reach models, and how each does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answer of `GET /monitoring/lanes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lanes {
    /// In the order of their names: those of the settings, and those that calls took.
    pub lanes: Vec<LaneState>,
    /// That of `[upstream]` first, then the others as they are in the settings.
    pub providers: Vec<ProviderState>,
}

/// One lane: a provider, and the model's name there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaneState {
    /// `provider/model`.
    pub name: String,
    /// The provider's name in the settings.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// The rules of `[models]` that it stands behind; none where callers reach it without one.
    pub models: Vec<String>,
    /// `closed` (well), `open` (left alone), `half_open` (one call at a time finds out), `returning` (a
    /// part of its calls go), or `unwatched` where `breaker.enabled` is false.
    pub state: String,
    /// The part of its calls that go while it is returning, from 0 to 1.
    pub share: Option<f64>,
    /// Since when it is in this state, in milliseconds since 1970; absent while it was always well.
    pub since_unix_ms: Option<u64>,
    /// Since when it has not been well, whatever its states since then, in milliseconds since 1970; absent
    /// while it is.
    #[serde(default)]
    pub ill_since_unix_ms: Option<u64>,
    /// What it was ill of last; absent if it never was, or was reset since.
    pub cause: Option<LaneCause>,
    /// When the next call may go and see, in milliseconds from now; only while it is open.
    pub next_probe_in_ms: Option<u64>,
    /// How often it was found to be ill.
    pub trips: u64,
    /// How often without calm in between: each one doubles the time for which it is left alone.
    pub trips_in_a_row: u32,
    /// Calls that were sent over it and have not ended.
    pub under_way: u64,
    /// What its latest calls told; absent where it is not watched.
    pub window: Option<LaneWindow>,
    /// Half of answers begin within this time; absent while too few are known.
    pub first_byte_p50_ms: Option<u64>,
    /// 95 % of answers begin within this time; absent while too few are known.
    pub first_byte_p95_ms: Option<u64>,
    /// The limit pools that its calls drew on lately, the latest to be seen first, eight at the most.
    pub pools: Vec<LanePool>,
}

/// Why a lane was left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LaneCause {
    /// `connect`, `tls`, `timeout`, `cut`, `status`, `overload`, `garbage`, `account`, `slow` or `hang`.
    pub kind: String,
    /// The status of the answer that decided it, where there was one.
    pub status: Option<u16>,
    /// The provider's words, or those of the error; 200 characters at the most.
    pub message: String,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
}

/// What the latest calls over a lane told of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LaneWindow {
    /// Calls that got a first byte, or failed before it.
    pub starts: u32,
    /// How many of them failed.
    pub starts_failed: u32,
    /// Answers that came to their end, or failed after their first byte.
    pub ends: u32,
    /// How many of them failed.
    pub ends_failed: u32,
    /// Faults in a row.
    pub faults_in_a_row: u32,
    /// Calls that wait for their first byte.
    pub without_first_byte: u64,
}

/// A limit pool that a lane draws on, as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LanePool {
    /// Its name, as in `/monitoring/rate-limits`, which tells more of it.
    pub name: String,
    /// Calls of all lanes that it let go and that have not ended.
    pub in_flight: u64,
    /// Calls of all lanes that wait for their turn.
    pub waiting: u64,
    /// How long its pause after a refusal lasts yet; 0 without one.
    pub cool_down_ms: u64,
    /// Its limits.
    pub limits: Vec<LaneLimit>,
}

/// A limit of a pool that a lane draws on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LaneLimit {
    /// What is counted, such as `tokens`.
    pub metric: String,
    /// How much a window allows.
    pub amount: u64,
    /// The length of the window.
    pub window_ms: u64,
    /// What counts as used now.
    pub used: u64,
    /// Whether it is `configured` or `learned`.
    pub source: String,
}

/// A provider of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderState {
    /// Its name in the settings; `upstream` for that of `[upstream]`.
    pub name: String,
    /// Whose ways it has.
    pub profile: String,
    /// Where it is.
    pub address: String,
    /// Whether a key of the gateway's own is set for it.
    pub has_own_key: bool,
    /// The account whose quota it draws on, where one is named.
    pub account: Option<String>,
}
