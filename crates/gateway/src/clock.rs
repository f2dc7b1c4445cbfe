//! The clocks of the gateway: the pools' own, and the wall's.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use paceline_pace::Clock;
use paceline_tokens::prices::Date;

/// Milliseconds since 1970.
pub(crate) fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970 as the wall clock tells now.
pub(crate) fn unix_ms_now() -> u64 {
    unix_ms(SystemTime::now()).unsigned_abs()
}

/// Seconds since 1970 as the wall clock tells now, for what outlives the process.
pub(crate) fn unix_seconds_now() -> u64 {
    unix_ms_now() / 1_000
}

/// A time as `2026-11-22T15:04:05Z`.
pub(crate) fn utc(at_ms: u64) -> String {
    let seconds = at_ms / 1_000;
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let day = Date::of_unix_seconds(seconds);
    format!("{day}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_the_calendar() {
        for (at_ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_362_540_114, "2026-11-22T15:49:00Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59Z"),
        ] {
            assert_eq!(utc(at_ms), text);
        }
    }
}
