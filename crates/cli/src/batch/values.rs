//! Values as people type them: money, spans, moments.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use paceline_config::{parse_duration, parse_size};
use paceline_tokens::prices::parse_nanos;

use crate::ledger::moment::{Moment, now_ms};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// `20`, `$20`, `0.50usd`, `12.5 usd`: dollars, as billionths of one.
pub(super) fn money(text: &str) -> Result<u64, String> {
    let number = text.trim().trim_start_matches('$');
    let number = number.strip_suffix("usd").unwrap_or(number).trim();
    parse_nanos(number).ok_or_else(|| {
        format!("`{text}` is no amount of dollars: it takes a plain decimal, as in 20 or 0.50")
    })
}

/// `30s`, `10m`, `1.5h`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|span| !span.is_zero())
        .ok_or_else(|| {
            format!("`{text}` is no length of time: it takes one such as 30s, 10m or 2h")
        })
}

/// `32MiB`, `200MB`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let bytes = parse_size(text).and_then(|bytes| usize::try_from(bytes).ok());
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("`{text}` is no size: it takes one such as 32MiB or 200MB"))
}

/// `2h` from now, the next `18:30` of UTC, or `2026-11-22T18:30`, in UTC or with an offset from it.
pub(super) fn by(text: &str) -> Result<SystemTime, String> {
    if let Some(ahead) = parse_duration(text.trim_start_matches('+')) {
        return Ok(SystemTime::now() + ahead);
    }
    let wrong = || {
        format!(
            "`{text}` is no time to be done by: it takes a time in UTC such as 2026-11-22T18:30, or \
             how long from now, such as 90m or 2h"
        )
    };
    if let Some(time) = minutes(text) {
        let today_ms = now_ms().rem_euclid(DAY_MS);
        let ahead_ms = (time * MINUTE_MS - today_ms).rem_euclid(DAY_MS);
        return Ok(SystemTime::now() + Duration::from_millis(ahead_ms.unsigned_abs()));
    }
    let (local, offset) = without_offset(text);
    let moment = Moment::parse(local).map_err(|_| wrong())?;
    let unix_ms = moment.unix_ms(now_ms()) - offset * MINUTE_MS;
    let unix_ms = u64::try_from(unix_ms).map_err(|_| wrong())?;
    Ok(UNIX_EPOCH + Duration::from_millis(unix_ms))
}

/// `18:30` as minutes.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes) = match digits(hours) && digits(minutes) {
        true => (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?),
        false => return None,
    };
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// A time without the offset from UTC at its end, and that in minutes.
fn without_offset(text: &str) -> (&str, i64) {
    let Some(at) = text.len().checked_sub("+01:00".len()) else {
        return (text, 0);
    };
    let offset = text.get(at..).filter(|_| text.contains('T'));
    let found = offset.and_then(|offset| {
        let minutes = minutes(offset.get(1..)?)?;
        match offset.as_bytes().first() {
            Some(b'+') => Some(minutes),
            Some(b'-') => Some(-minutes),
            _ => None,
        }
    });
    match found {
        Some(offset) => (text.get(..at).unwrap_or(text), offset),
        None => (text, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_exactly() {
        for (text, nanousd) in [
            ("20", 20_000_000_000),
            ("$0.50", 500_000_000),
            ("12.5 usd", 12_500_000_000),
            ("1usd", 1_000_000_000),
        ] {
            assert_eq!(money(text), Ok(nanousd), "{text}");
        }
        for text in ["", "$", "-1", "1e3", "20 eur", "1.0000000001"] {
            assert!(money(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_and_sizes_need_their_units() {
        assert_eq!(span("90s"), Ok(Duration::from_secs(90)));
        assert!(span("90").is_err() && span("0s").is_err() && span("soon").is_err());
        assert_eq!(size("1KiB"), Ok(1024));
        assert!(size("0B").is_err() && size("12").is_err());
    }

    #[test]
    fn a_time_to_be_done_by_is_absolute_or_ahead() {
        let soon = by("2h").unwrap().duration_since(SystemTime::now()).unwrap();
        assert!((7_190..=7_200).contains(&soon.as_secs()), "{soon:?}");
        let then = by("2026-11-22T00:00").unwrap().duration_since(UNIX_EPOCH);
        assert_eq!(then.unwrap().as_millis(), 1_795_305_600_000);
        let offset = by("2026-11-22T01:30:00+01:30").unwrap();
        assert_eq!(offset, by("2026-11-22T00:00:00Z").unwrap());
        let next = by("18:30").unwrap();
        let ahead = next.duration_since(SystemTime::now()).unwrap_or_default();
        assert!(ahead <= Duration::from_secs(86_400), "{ahead:?}");
        let since = next.duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
        assert!((66_600..=66_602).contains(&(since % 86_400)), "{since}");
        for text in ["tomorrow", "25:00", "1:30", "2026-11-22T01:30+25:00"] {
            assert!(by(text).is_err(), "{text}");
        }
    }
}
