//! `GET /monitoring/queue-status`: who waits, for what, and how long still.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The queues of all limit pools.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct QueueStatus {
    /// Requests waiting.
    pub waiting: u64,
    /// Requests running upstream.
    pub running: u64,
    /// Waiting requests by priority.
    pub tiers: Vec<TierDepth>,
    /// The waiting requests in the expected order of service, pool by pool; at most as many as were
    /// asked for.
    pub calls: Vec<WaitingCall>,
}

/// Waiting requests of one priority.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TierDepth {
    /// `interactive`, `standard` or `batch`.
    pub priority: String,
    /// Requests waiting.
    pub waiting: u64,
}

/// One waiting request.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WaitingCall {
    /// The id that its answer will carry in `x-paceline-request-id`.
    pub request_id: String,
    /// The limit pool that it waits for.
    pub pool: String,
    /// Its place in that pool's queue, from 1.
    pub position: u64,
    /// Time until it is expected to start; `None` when that cannot be known.
    pub eta_ms: Option<u64>,
    /// What holds it back.
    pub limited_by: String,
    /// Time it has waited.
    pub waited_ms: u64,
    /// Who asked.
    pub tenant: String,
    /// The session, if one was named.
    pub session: Option<String>,
    /// Its priority.
    pub priority: String,
    /// The model asked for.
    pub model: String,
    /// Tokens that the provider is expected to charge at admission.
    pub estimated_tokens: u64,
    /// Tokens that the answer will probably have, as learned from others like it; 0 where nothing
    /// is known.
    #[serde(default)]
    pub expected_output_tokens: u64,
}
