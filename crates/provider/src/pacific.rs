//! When it is midnight in California, where Google counts its days.

use crate::instant::days_since_1970;
use std::time::{Duration, SystemTime};

const DAY_S: i64 = 86_400;
const HOUR_S: i64 = 3_600;

/// The time until the next midnight of Pacific time; `None` before 1970.
pub(crate) fn until_midnight(now: SystemTime) -> Option<Duration> {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let now_s = i64::try_from(since.as_secs()).ok()?;
    let local_s = now_s - offset_s(now_s);
    // The midnight after may have another offset: clocks are changed at two in the morning, so that
    // the day of the change itself is longer or shorter.
    let midnight_s = (local_s.div_euclid(DAY_S) + 1) * DAY_S;
    let later_s = midnight_s + offset_s(midnight_s + offset_s(now_s));
    let left = Duration::from_secs(u64::try_from(later_s - now_s).ok()?);
    Some(left.saturating_sub(Duration::from_nanos(u64::from(since.subsec_nanos()))))
}

/// How far Pacific time is behind UTC: seven hours from the second Sunday of March, two o'clock in
/// the morning, to the first Sunday of November, and eight in winter.
fn offset_s(utc_s: i64) -> i64 {
    let day = utc_s.div_euclid(DAY_S);
    // No year is long enough for this to be wrong by more than the year before.
    let guess = 1970 + day / 366;
    let year = (guess..)
        .take_while(|year| days_since_1970(*year, 1, 1) <= day)
        .last()
        .unwrap_or(guess);
    let summer_begins_s = sunday_from(days_since_1970(year, 3, 8)) * DAY_S + 10 * HOUR_S;
    let summer_ends_s = sunday_from(days_since_1970(year, 11, 1)) * DAY_S + 9 * HOUR_S;
    if (summer_begins_s..summer_ends_s).contains(&utc_s) {
        7 * HOUR_S
    } else {
        8 * HOUR_S
    }
}

/// The first Sunday that is not before a day since 1970, which began on a Thursday.
const fn sunday_from(day: i64) -> i64 {
    day + (3 - day).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::until_midnight;
    use crate::instant::rfc3339;
    use std::time::{Duration, SystemTime};

    #[test]
    fn midnight_comes_when_the_clocks_of_california_say_so() {
        for (now, midnight) in [
            // Winter, summer.
            ("2026-11-22T10:00:20Z", "2026-11-23T08:00:00Z"),
            ("2026-11-22T07:59:59.5Z", "2026-11-22T08:00:00Z"),
            ("2026-07-01T06:59:00Z", "2026-07-01T07:00:00Z"),
            ("2026-07-01T07:00:00Z", "2026-07-02T07:00:00Z"),
            // The days on which clocks are changed: 8 March and 1 November.
            ("2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z"),
            ("2026-03-08T07:59:59Z", "2026-03-08T08:00:00Z"),
            ("2026-03-07T20:00:00Z", "2026-03-08T08:00:00Z"),
            ("2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z"),
            ("2026-10-31T20:00:00Z", "2026-11-01T07:00:00Z"),
            // A year's end, and a year whose first of March is a Sunday.
            ("2026-12-31T23:59:59Z", "2027-01-01T08:00:00Z"),
            ("2015-03-08T12:00:00Z", "2015-03-09T07:00:00Z"),
        ] {
            let left = rfc3339(midnight).unwrap() - rfc3339(now).unwrap();
            let now_at = SystemTime::UNIX_EPOCH + rfc3339(now).unwrap();
            assert_eq!(until_midnight(now_at), Some(left), "{now}");
        }
    }

    #[test]
    fn it_is_never_far() {
        for step in 0..(40 * 1_252) {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(step * 7 * 3_600 + 1);
            let left = until_midnight(now).unwrap();
            assert!(left > Duration::ZERO && left <= Duration::from_secs(25 * 3_600));
        }
        assert_eq!(
            until_midnight(SystemTime::UNIX_EPOCH - Duration::from_secs(1)),
            None
        );
    }
}
