//! `GET /monitoring/ledger`: whether records are kept, and how writing them goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the ledger is. Every record that was handed in is counted in exactly one of `queued`,
/// `committed`, `spilled` and `lost`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerState {
    /// Whether records are kept at all (`ledger.enabled`).
    pub enabled: bool,
    /// Whether the store takes what it is given.
    pub writable: bool,
    /// Whether the store answers questions.
    pub readable: bool,
    /// Records in memory: waiting, or on their way to the store.
    pub queued: u64,
    /// Records in the store since the start.
    pub committed: u64,
    /// Records in files of the state folder until the store takes them.
    pub spilled: u64,
    /// Records that are gone.
    pub lost: u64,
    /// What the store or the disk said last, while something is wrong.
    pub last_error: Option<String>,
    /// Since when something is wrong, in milliseconds since 1970.
    pub since_ms: Option<i64>,
}
