//! Moments as people type them.

use std::time::{SystemTime, UNIX_EPOCH};

use paceline_tokens::prices::Date;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// A moment: a day or a time of UTC, or so long before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// In milliseconds since 1970.
    At(i64),
    /// Milliseconds before now.
    Ago(i64),
}

impl Moment {
    /// Reads `2026-11-22`, `2026-11-22T18:30`, `2026-11-22T18:30:05` (each with `Z` at the end or
    /// without), or `90m`, `24h`, `7d` before now.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let found = absolute(text).map(Self::At);
        found.or_else(|| ago(text).map(Self::Ago)).ok_or_else(|| {
            format!(
                "`{text}` is no time: a day or a time in UTC such as 2026-11-22 or \
                 2026-11-22T18:30, or how long ago, such as 24h or 7d"
            )
        })
    }

    /// Milliseconds since 1970.
    pub(crate) fn unix_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now_ms.saturating_sub(ago).max(0),
        }
    }
}

/// The present, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// A moment as text, in UTC.
pub(crate) fn shown(unix_ms: i64) -> String {
    let seconds = unix_ms.max(0).unsigned_abs() / 1_000;
    let date = Date::of_unix_seconds(seconds);
    let minutes = seconds % 86_400 / 60;
    let (hour, minute, second) = (minutes / 60, minutes % 60, seconds % 60);
    format!("{date} {hour:02}:{minute:02}:{second:02} UTC")
}

fn absolute(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (day, time) = match text.split_once(['T', ' ']) {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let day: Date = day.parse().ok()?;
    let days = i64::try_from(Date::new(1970, 1, 1)?.days_until(day)).ok()?;
    let of_day = time.map_or(Some(0), time_of_day_ms)?;
    Some(days * DAY_MS + of_day)
}

fn time_of_day_ms(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| {
        let is_two_digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        is_two_digits.then(|| part.parse::<i64>().ok()).flatten()
    });
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = match parts.next() {
        Some(second) => second?,
        None => 0,
    };
    let in_range = hour < 24 && minute < 60 && second < 60 && parts.next().is_none();
    in_range.then_some((hour * 60 + minute) * MINUTE_MS + second * 1_000)
}

fn ago(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "m" => MINUTE_MS,
        "h" => 60 * MINUTE_MS,
        "d" => DAY_MS,
        _ => return None,
    };
    let number: u32 = number.parse().ok()?;
    i64::from(number).checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_times_and_spans_are_read_and_nothing_else_is() {
        let midnight = 1_795_305_600_000;
        for (text, moment) in [
            ("1970-01-01", Moment::At(0)),
            ("2026-11-22", Moment::At(midnight)),
            (
                "2026-11-22T18:30",
                Moment::At(midnight + 18 * 3_600_000 + 1_800_000),
            ),
            (
                "2026-11-22 18:30:05Z",
                Moment::At(midnight + 18 * 3_600_000 + 1_805_000),
            ),
            ("90m", Moment::Ago(5_400_000)),
            ("24h", Moment::Ago(DAY_MS)),
            ("7d", Moment::Ago(7 * DAY_MS)),
        ] {
            assert_eq!(Moment::parse(text), Ok(moment), "{text}");
        }
        for text in [
            "",
            "d",
            "7",
            "7w",
            "-7d",
            "2026-02-30",
            "2026-11-22T24:00",
            "2026-11-22T1:00",
            "2026-11-22T18:30+02:00",
            "2026-11-22T18:30:05:00",
            "1é",
        ] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_as_the_same_second() {
        for at in [0, 1_795_305_600_000, 1_795_372_205_000] {
            let text = shown(at);
            let read = Moment::parse(text.trim_end_matches(" UTC"));
            assert_eq!(read, Ok(Moment::At(at)), "{text}");
        }
    }

    #[test]
    fn a_span_counts_back_from_now_and_not_beyond_1970() {
        assert_eq!(Moment::Ago(5).unix_ms(12), 7);
        assert_eq!(Moment::Ago(50).unix_ms(12), 0);
    }
}
