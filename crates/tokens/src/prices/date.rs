//! Days of the calendar, as prices know them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A day of the Gregorian calendar, in UTC. Shown and read as `2026-11-22`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A text that is not a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be a day of the calendar, as in 2026-11-22")]
pub struct NotADate;

const SECONDS_A_DAY: u64 = 86_400;

impl Date {
    /// The day, if the calendar has it and its year lies in 1970 to 9999.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let sound = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day);
        sound.then_some(Self { year, month, day })
    }

    /// The day of a moment, in seconds since 1970-01-01 00:00 UTC; the last day of 9999 for all
    /// that lies beyond it.
    pub fn of_unix_seconds(seconds: u64) -> Self {
        let mut days = seconds / SECONDS_A_DAY;
        let mut year = 1970;
        loop {
            let length = if is_leap(year) { 366 } else { 365 };
            if days < length {
                break;
            }
            if year == 9999 {
                return Self {
                    year,
                    month: 12,
                    day: 31,
                };
            }
            days -= length;
            year += 1;
        }
        let mut month = 1;
        while days >= u64::from(days_in_month(year, month)) {
            days -= u64::from(days_in_month(year, month));
            month += 1;
        }
        let day = u8::try_from(days).unwrap_or(30) + 1;
        Self { year, month, day }
    }

    /// Days from this one to `later`; 0 where that is not later.
    pub fn days_until(self, later: Self) -> u64 {
        later.days().saturating_sub(self.days())
    }

    /// Days since 1970-01-01.
    fn days(self) -> u64 {
        let years = (1970..self.year).map(|year| if is_leap(year) { 366 } else { 365 });
        let months = (1..self.month).map(|month| u64::from(days_in_month(self.year, month)));
        years.sum::<u64>() + months.sum::<u64>() + u64::from(self.day) - 1
    }
}

fn is_leap(year: u16) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for Date {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let read = || {
            let mut pieces = text.split('-');
            let mut number = |width: usize| {
                let piece = pieces.next()?;
                let digits = piece.len() == width && piece.bytes().all(|b| b.is_ascii_digit());
                digits.then(|| piece.parse::<u16>().ok()).flatten()
            };
            let (year, month, day) = (number(4)?, number(2)?, number(2)?);
            if pieces.next().is_some() {
                return None;
            }
            Self::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
        };
        read().ok_or(NotADate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn only_days_of_the_calendar_are_days() {
        for text in ["1970-01-01", "2024-02-29", "2000-02-29", "9999-12-31"] {
            assert_eq!(date(text).to_string(), text);
        }
        for text in [
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-04-31",
            "2026-1-01",
            "2026-01-01-01",
            "2026-01",
            "1969-12-31",
            "+026-01-01",
            "",
            "2026/01/01",
        ] {
            assert_eq!(text.parse::<Date>(), Err(NotADate), "{text}");
        }
    }

    #[test]
    fn the_day_of_a_moment_is_that_of_utc() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (86_400, "1970-01-02"),
            (951_782_400, "2000-02-29"),
            (1_795_305_600, "2026-11-22"),
            (1_798_761_599, "2026-12-31"),
            (u64::MAX, "9999-12-31"),
        ] {
            assert_eq!(Date::of_unix_seconds(seconds).to_string(), text);
        }
    }

    #[test]
    fn days_between_two_days_are_counted_over_leap_years() {
        assert_eq!(date("2024-02-28").days_until(date("2024-03-01")), 2);
        assert_eq!(date("2023-12-31").days_until(date("2025-01-01")), 367);
        assert_eq!(date("2025-01-01").days_until(date("2024-01-01")), 0);
    }
}
