//! Moments as RFC 3339 writes them.

use crate::quota::NANOS_PER_SECOND;

const SECONDS_OF_A_DAY: u64 = 86_400;

/// A moment in whole seconds of UTC, rounded up: `2026-10-01T12:30:05Z`. Whoever waits until then has
/// waited long enough.
pub(crate) fn rfc3339(since_epoch_ns: u64) -> String {
    let seconds = since_epoch_ns.div_ceil(NANOS_PER_SECOND);
    let (days, second) = (seconds / SECONDS_OF_A_DAY, seconds % SECONDS_OF_A_DAY);
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The day of the Gregorian calendar that is so many days after 1 January 1970. Years are counted from
/// 1 March, so that the day of a leap year comes last; 400 of them have 146,097 days.
const fn date_of(days: u64) -> (u64, u64, u64) {
    let since_march_of_zero = days + 719_468;
    let era = since_march_of_zero / 146_097;
    let day_of_era = since_march_of_zero % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_the_calendar_has_them() {
        let written = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_790_812_800, "2026-10-01T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in written {
            assert_eq!(rfc3339(seconds * NANOS_PER_SECOND), text);
        }
        assert_eq!(rfc3339(1), "1970-01-01T00:00:01Z");
    }
}
