//! How writing goes.

use serde::{Deserialize, Serialize};

/// Where the records are that were handed in. Every one is counted in exactly one of `queued`,
/// `committed`, `spilled` and `lost`; one that goes from the file to the store moves with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// In memory: waiting, or on their way to the store.
    pub queued: u64,
    /// In the store since the start.
    pub committed: u64,
    /// In files of the state folder, safely on disk, until the store takes them. Those that an
    /// earlier run left are among them.
    pub spilled: u64,
    /// Gone: neither the store nor the disk took them before there was no room left in memory, or
    /// they were found damaged.
    pub lost: u64,
    /// What the store or the disk said last, while something is wrong.
    pub last_error: Option<String>,
    /// Since when something is wrong, in milliseconds since 1970.
    pub since_ms: Option<i64>,
}

impl Health {
    /// Whether the store takes what it is given.
    pub fn is_well(&self) -> bool {
        self.last_error.is_none()
    }
}
