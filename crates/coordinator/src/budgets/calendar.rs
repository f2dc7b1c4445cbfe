//! Periods of the calendar, at a fixed distance from UTC.

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// When a budget starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// Every minute.
    Minute,
    /// Every hour.
    Hour,
    /// At midnight.
    Day,
    /// On Monday at midnight.
    Week,
    /// On the first at midnight.
    Month,
    /// Never.
    Forever,
}

/// A stretch of time, in milliseconds since 1970 began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Its first millisecond.
    pub start_ms: u64,
    /// The first one after it; `None`: it does not end.
    pub end_ms: Option<u64>,
}

impl Period {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Forever,
    ];

    /// Its name, as configuration and answers have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Forever => "forever",
        }
    }

    /// The window that a moment lies in, aligned to the calendar so many minutes east of UTC. What would
    /// begin before 1970 begins with it.
    #[must_use]
    pub fn window(self, now_ms: u64, utc_offset_min: i32) -> Window {
        let offset = i64::from(utc_offset_min) * MINUTE_MS;
        let local = i64::try_from(now_ms)
            .unwrap_or(i64::MAX)
            .saturating_add(offset);
        let days = local.div_euclid(DAY_MS);
        let (start, end) = match self {
            Self::Minute => even(local, MINUTE_MS),
            Self::Hour => even(local, HOUR_MS),
            Self::Day => even(local, DAY_MS),
            Self::Week => {
                // 1970 began on a Thursday.
                let monday = days - (days + 3).rem_euclid(7);
                (monday * DAY_MS, (monday + 7) * DAY_MS)
            }
            Self::Month => {
                let first = days - day_of_month(days) + 1;
                let beyond = first + 31;
                let next = beyond - day_of_month(beyond) + 1;
                (first * DAY_MS, next * DAY_MS)
            }
            Self::Forever => {
                return Window {
                    start_ms: 0,
                    end_ms: None,
                };
            }
        };
        let utc = |local: i64| u64::try_from(local - offset).unwrap_or(0);
        Window {
            start_ms: utc(start),
            end_ms: Some(utc(end)),
        }
    }
}

const fn even(local: i64, length: i64) -> (i64, i64) {
    let start = local - local.rem_euclid(length);
    (start, start + length)
}

/// The day of the month, from 1, of a day counted since 1970; by the Gregorian calendar, with years that
/// begin in March so that the day that leap years add is the last.
const fn day_of_month(days: i64) -> i64 {
    let since_march_0 = days + 719_468;
    let day_of_era = since_march_0.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    day_of_year - (153 * month + 2) / 5 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 15:30:00 UTC, a Sunday.
    const NOW: u64 = 1_795_361_400_000;

    fn window(period: Period, now_ms: u64, offset: i32) -> (u64, u64) {
        let window = period.window(now_ms, offset);
        (window.start_ms / 1_000, window.end_ms.unwrap_or(0) / 1_000)
    }

    #[test]
    fn windows_are_those_of_the_calendar() {
        assert_eq!(
            window(Period::Minute, NOW + 59_999, 0),
            (1_795_361_400, 1_795_361_460)
        );
        assert_eq!(window(Period::Hour, NOW, 0), (1_795_359_600, 1_795_363_200));
        assert_eq!(window(Period::Day, NOW, 0), (1_795_305_600, 1_795_392_000));
        // Monday 16th to Monday 23rd.
        assert_eq!(window(Period::Week, NOW, 0), (1_794_787_200, 1_795_392_000));
        // 1st of November to 1st of December.
        assert_eq!(
            window(Period::Month, NOW, 0),
            (1_793_491_200, 1_796_083_200)
        );
        assert_eq!(
            Period::Forever.window(NOW, 0),
            Window {
                start_ms: 0,
                end_ms: None
            }
        );
    }

    #[test]
    fn midnight_is_that_of_the_time_zone() {
        // 21:00 at +5:30, and 10:30 at -5:00.
        assert_eq!(
            window(Period::Day, NOW, 330),
            (1_795_285_800, 1_795_372_200)
        );
        assert_eq!(
            window(Period::Day, NOW, -300),
            (1_795_323_600, 1_795_410_000)
        );
        assert_eq!(
            window(Period::Hour, NOW, 330),
            (1_795_361_400, 1_795_365_000)
        );
    }

    #[test]
    fn february_has_the_days_that_it_has() {
        for (first, length) in [
            (1_706_745_600_u64, 29),           // 2024
            (1_738_368_000, 28),               // 2025
            (951_868_800 - 29 * 86_400, 29),   // 2000
            (4_107_542_400 - 28 * 86_400, 28), // 2100
        ] {
            for day in 0..length {
                let (start, end) = window(Period::Month, (first + day * 86_400) * 1_000, 0);
                assert_eq!((start, end), (first, first + length * 86_400));
            }
        }
    }

    #[test]
    fn windows_follow_each_other_without_gap_or_overlap() {
        for period in &Period::ALL[..5] {
            for offset in [-720, -1, 0, 330, 840] {
                let mut now = NOW;
                for _ in 0..400 {
                    let window = period.window(now, offset);
                    let end = window.end_ms.unwrap();
                    assert!(window.start_ms <= now && now < end);
                    assert_eq!(period.window(end - 1, offset), window);
                    assert_eq!(period.window(end, offset).start_ms, end);
                    now = end;
                }
            }
        }
    }
}
