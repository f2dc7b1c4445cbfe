//! Moments as headers name them: RFC 3339, HTTP dates, and seconds or milliseconds since 1970.

use std::time::{Duration, SystemTime};

/// Numbers above this are milliseconds since 1970: as seconds they are beyond the year 5000.
const SECONDS_MAX: u64 = 100_000_000_000;

/// Numbers below this are no moments but durations: as seconds they are before 2001.
const SECONDS_MIN: u64 = 1_000_000_000;

/// A moment in any of the forms.
pub(crate) fn parse_instant(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let since_1970 = match text.parse::<u64>() {
        Ok(number) if number > SECONDS_MAX => Duration::from_millis(number),
        Ok(number) if number >= SECONDS_MIN => Duration::from_secs(number),
        Ok(_) => return None,
        Err(_) => match rfc3339(text) {
            Some(since) => since,
            None => return httpdate::parse_http_date(text).ok(),
        },
    };
    SystemTime::UNIX_EPOCH.checked_add(since_1970)
}

/// RFC 3339, as in `2026-09-28T10:05:00.25Z` or with an offset such as `+02:00`; since 1970. `None` for
/// anything else and for what is before that.
pub fn rfc3339(text: &str) -> Option<Duration> {
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let well_formed = text.is_ascii()
        && separators
            .iter()
            .all(|(at, sign)| bytes.get(*at) == Some(sign))
        && matches!(bytes.get(10), Some(b'T' | b't' | b' '));
    if !well_formed {
        return None;
    }
    let number = |from: usize, to: usize| digits(text.get(from..to)?);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range {
        return None;
    }
    let rest = text.get(19..)?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (fraction, zone) = rest.split_at(zone_at);
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
        - offset_seconds(zone)?;
    let seconds = u64::try_from(seconds).ok()?;
    Some(Duration::from_secs(seconds) + fraction_of_a_second(fraction)?)
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

fn fraction_of_a_second(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return Some(Duration::ZERO);
    }
    let shown = text.strip_prefix('.')?;
    digits(shown.get(..shown.len().min(9))?)?;
    let nanos = format!("{:0<9}", shown.get(..shown.len().min(9))?);
    Some(Duration::from_nanos(nanos.parse().ok()?))
}

/// How far a zone is east of Greenwich.
fn offset_seconds(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Days of the Gregorian calendar: years are counted from March, so that the leap day comes last.
pub(crate) fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    // Days from 1 March of the year 0 to 1 January 1970.
    let until_1970 = 719_468;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - until_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_names_the_same_moment() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_589_900);
        for text in [
            "2026-09-28T10:05:00Z",
            "2026-09-28t10:05:00.000z",
            "2026-09-28 12:05:00+02:00",
            "2026-09-28T05:35:00-04:30",
            "Mon, 28 Sep 2026 10:05:00 GMT",
            "1790589900",
            "1790589900000",
        ] {
            assert_eq!(parse_instant(text), Some(moment), "{text}");
        }
        let quarter = parse_instant("2026-09-28T10:05:00.2500000001Z");
        assert_eq!(quarter, Some(moment + Duration::from_millis(250)));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let mut day = 0;
        for year in 1970..2500 {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let february = if is_leap { 29 } else { 28 };
            let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, length) in (1..).zip(months) {
                assert_eq!(days_since_1970(year, month, 1), day, "{year}-{month}");
                assert_eq!(days_since_1970(year, month, length), day + length - 1);
                day += length;
            }
        }
    }

    #[test]
    fn anything_else_is_no_moment() {
        for text in [
            "",
            "30",
            "999999999",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00,5Z",
            "2026-01-01T00:00:00+1",
            "2026-01-01T00:00:0éZ",
            "99999999999999999999",
            "6m0s",
        ] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }
}
