//! The clocks of the gateway: the pools' own, and the wall's.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use paceline_pace::Clock;

/// Seconds since the Unix epoch as the wall clock tells now, for what outlives the process.
pub(crate) fn unix_seconds_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
