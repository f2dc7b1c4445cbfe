//! Amounts of dollars as integers of nano-dollars, read from and shown as plain decimals.

use std::fmt;

/// Decimals of a nano-dollar.
const DECIMALS: usize = 9;

/// Nano-dollars of a dollar; also how fine a factor is.
pub(crate) const NANOS: u64 = 1_000_000_000;

/// Reads a plain decimal number such as `0.25` as a count of billionths, exactly.
///
/// `None` for signs, exponents, more than nine decimals, and whatever does not fit.
pub fn parse_nanos(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) {
        return None;
    }
    let decimals = match decimals.trim_end_matches('0') {
        short if short.len() <= DECIMALS => format!("{short:0<DECIMALS$}"),
        _ => return None,
    };
    let whole: u64 = whole.parse().ok()?;
    whole
        .checked_mul(NANOS)?
        .checked_add(decimals.parse().ok()?)
}

/// Shows nano-dollars as dollars, exactly and with at least two decimals: `2.50`, `0.0036`.
pub fn usd(nanousd: u64) -> impl fmt::Display {
    Usd(nanousd)
}

struct Usd(u64);

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:09}", self.0 % NANOS);
        let decimals = decimals.trim_end_matches('0');
        write!(f, "{}.{decimals:0<2}", self.0 / NANOS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_decimals_are_read_exactly() {
        for (text, nanos) in [
            ("0", 0),
            ("2.5", 2_500_000_000),
            ("0.0036", 3_600_000),
            ("0.000000001", 1),
            ("0.1000000000000", 100_000_000),
            ("007", 7_000_000_000),
            ("18446744073.709551615", u64::MAX),
        ] {
            assert_eq!(parse_nanos(text), Some(nanos), "{text}");
        }
        for text in [
            "",
            ".",
            ".5",
            "5.",
            "-1",
            "+1",
            "1e3",
            "inf",
            "nan",
            "1_0",
            "0.0000000001",
            "18446744073.709551616",
            "99999999999999999999",
            "1.2.3",
        ] {
            assert_eq!(parse_nanos(text), None, "{text}");
        }
    }

    #[test]
    fn dollars_are_shown_exactly() {
        for (nanos, text) in [
            (0, "0.00"),
            (2_500_000_000, "2.50"),
            (3_600_000, "0.0036"),
            (1, "0.000000001"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(usd(nanos).to_string(), text);
            assert_eq!(parse_nanos(text), Some(nanos));
        }
    }
}
