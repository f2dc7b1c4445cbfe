//! Moments as parameters name them.

use paceline_provider::rfc3339;

use super::problem::Problem;

/// The end of the year 9999, in seconds since 1970.
const SECONDS_MAX: i64 = 253_402_300_799;

/// What a moment may look like.
const EXPECTED: &str = "RFC 3339 (2026-10-01T00:00:00Z), seconds since 1970, a time before now \
                        (-30m, -24h, -7d), or now";

/// A moment in milliseconds since 1970.
pub(super) fn moment(parameter: &str, text: &str, now_ms: i64) -> Result<i64, Problem> {
    parsed(text, now_ms).ok_or_else(|| Problem::invalid(parameter, EXPECTED))
}

fn parsed(text: &str, now_ms: i64) -> Option<i64> {
    if text == "now" {
        return Some(now_ms);
    }
    if let Some(ago) = text.strip_prefix('-') {
        return Some((now_ms - length_ms(ago)?).max(0));
    }
    if let Some(seconds) = digits(text) {
        return (seconds <= SECONDS_MAX).then(|| seconds * 1_000);
    }
    // A plus sign that was not encoded has come as a space.
    let written = match text.rfind(' ') {
        Some(at) if at > 10 => format!("{}+{}", text.get(..at)?, text.get(at + 1..)?),
        _ => text.to_owned(),
    };
    let since = rfc3339(&written)?.as_millis();
    let at_ms = i64::try_from(since).ok()?;
    (at_ms / 1_000 <= SECONDS_MAX).then_some(at_ms)
}

/// A number with a unit, as in `24h`.
fn length_ms(text: &str) -> Option<i64> {
    let at = text.len().checked_sub(1)?;
    let unit_ms = match text.get(at..)? {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    let count = digits(text.get(..at)?).filter(|count| *count < 1_000_000)?;
    Some(count * unit_ms)
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// How far local time is ahead of UTC, in minutes.
pub(super) fn utc_offset(parameter: &str, text: &str) -> Result<i32, Problem> {
    let parsed = || {
        if text == "Z" {
            return Some(0);
        }
        // A plus sign that was not encoded has come as a space.
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+" | " ", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let (hours, minutes) = rest.split_once(':')?;
        let two = |text: &str| digits(text).filter(|_| text.len() == 2);
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        let offset = i32::try_from(hours * 60 + minutes).ok()?;
        (hours < 24 && minutes < 60).then_some(sign * offset)
    };
    parsed().ok_or_else(|| Problem::invalid(parameter, "Z, or hours and minutes as in +02:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_790_589_900_000;

    #[test]
    fn each_way_to_name_a_moment_is_understood() {
        for (text, at_ms) in [
            ("now", NOW_MS),
            ("-90s", NOW_MS - 90_000),
            ("-24h", NOW_MS - 86_400_000),
            ("-2w", NOW_MS - 1_209_600_000),
            ("-999999w", 0),
            ("1790589900", NOW_MS),
            ("0", 0),
            ("2026-09-28T10:05:00Z", NOW_MS),
            ("2026-09-28T12:05:00+02:00", NOW_MS),
            ("2026-09-28T12:05:00 02:00", NOW_MS),
            ("2026-09-28T10:05:00.250Z", NOW_MS + 250),
        ] {
            assert_eq!(moment("from", text, NOW_MS), Ok(at_ms), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for text in [
            "",
            "-",
            "-h",
            "-1y",
            "-1000000d",
            "--1h",
            "1e9",
            "+5",
            "253402300800",
            "99999999999999999999",
            "9223372036854775807",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-09-28 ä",
            "-1ä",
        ] {
            assert_eq!(
                moment("from", text, NOW_MS),
                Err(Problem::invalid("from", EXPECTED)),
                "{text}"
            );
        }
    }

    #[test]
    fn offsets_are_less_than_a_day() {
        for (text, minutes) in [
            ("Z", 0),
            ("+02:00", 120),
            (" 05:45", 345),
            ("-23:59", -1439),
        ] {
            assert_eq!(utc_offset("utc_offset", text), Ok(minutes), "{text}");
        }
        for text in ["", "2", "+2:00", "+24:00", "+02:60", "+0200", "z", "ä02:00"] {
            assert!(utc_offset("utc_offset", text).is_err(), "{text}");
        }
    }
}
