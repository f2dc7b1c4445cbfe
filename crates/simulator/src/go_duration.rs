//! Durations as Go's `time.Duration` prints them, the format of OpenAI's reset headers and messages.

use std::fmt::Write as _;

use crate::quota::NANOS_PER_MS;

/// Writes a duration, truncated to whole milliseconds: `0s`, `132ms`, `8.64s`, `6m0s`,
/// `23h18m29.144s`.
#[must_use]
pub fn go_duration_ns(nanos: u64) -> String {
    go_duration_ms(nanos / NANOS_PER_MS)
}

/// Writes a duration of whole milliseconds.
#[must_use]
pub(crate) fn go_duration_ms(total_ms: u64) -> String {
    if total_ms == 0 {
        return "0s".to_owned();
    }
    if total_ms < 1_000 {
        return format!("{total_ms}ms");
    }
    let (seconds, ms) = (total_ms / 1_000, total_ms % 1_000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let mut text = String::with_capacity(16);
    // Writing to a string cannot fail.
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    let _ = write!(text, "{seconds}");
    if ms > 0 {
        let fraction = format!("{ms:03}");
        let _ = write!(text, ".{}", fraction.trim_end_matches('0'));
    }
    text.push('s');
    text
}

#[cfg(test)]
mod tests {
    use super::go_duration_ms;

    #[test]
    fn durations_read_as_the_provider_prints_them() {
        let printed = [
            (0, "0s"),
            (6, "6ms"),
            (983, "983ms"),
            (1_000, "1s"),
            (8_640, "8.64s"),
            (20_000, "20s"),
            (86_400, "1m26.4s"),
            (172_800, "2m52.8s"),
            (360_000, "6m0s"),
            (414_720, "6m54.72s"),
            (660_528, "11m0.528s"),
            (83_909_144, "23h18m29.144s"),
            (86_400_000, "24h0m0s"),
        ];
        for (ms, text) in printed {
            assert_eq!(go_duration_ms(ms), text);
        }
    }
}
