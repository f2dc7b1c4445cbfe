//! Numbers, times and bars as people read them.

use std::time::Duration;

use paceline_tokens::prices::usd;

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time with two or three digits that matter: `350 ms`, `1.2 s`, `48 s`, `12 min`, `3.5 h`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 0.9995 => format!("{:.0} ms", s * 1_000.0),
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 119.5 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// The same for milliseconds.
pub(crate) fn span_ms(milliseconds: u64) -> String {
    span(Duration::from_millis(milliseconds))
}

/// A window as it follows an amount: `a minute`, `an hour`, `in 30 s`.
pub(crate) fn per(window: Duration) -> String {
    match window.as_millis() {
        1_000 => "a second".to_owned(),
        60_000 => "a minute".to_owned(),
        3_600_000 => "an hour".to_owned(),
        86_400_000 => "a day".to_owned(),
        _ => format!("in {}", span(window)),
    }
}

/// A share as a percentage without decimals; just below all of it is not called all of it.
pub(crate) fn percent(share: f64) -> String {
    let rounded = (share * 100.0).round();
    let shown = if share < 1.0 {
        rounded.min(99.0)
    } else {
        rounded
    };
    format!("{shown:.0} %")
}

/// A bar of `width` cells, filled to `share`.
pub(crate) fn bar(share: f64, width: usize) -> String {
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "between 0 and a number of columns"
    )]
    let filled = (share * width as f64).round() as usize;
    format!("{}{}", "█".repeat(filled), "░".repeat(width - filled))
}

/// Every digit up to a hundred thousand, then `123K`, `4.5M`.
pub(crate) fn short(number: u64) -> String {
    if number < 100_000 {
        return grouped(number);
    }
    let units = [(1_000, "K"), (1_000_000, "M"), (1_000_000_000, "B")];
    // What rounds up to the next unit is told in that.
    let unit = units
        .iter()
        .rev()
        .find(|(size, _)| number >= size - size / 2_000);
    let (size, name) = unit.copied().unwrap_or((1, ""));
    let size = u128::from(size);
    let tenths = (u128::from(number) * 10 + size / 2) / size;
    match tenths {
        tenths if tenths % 10 == 0 || tenths >= 1_000 => format!("{}{name}", tenths / 10),
        tenths => format!("{}.{}{name}", tenths / 10, tenths % 10),
    }
}

/// A rate with the digits that matter: `0`, `0.42`, `12.3`, `120`.
pub(crate) fn decimal(number: f64) -> String {
    match number {
        n if n < 0.005 => "0".to_owned(),
        n if n < 9.995 => format!("{n:.2}"),
        n if n < 99.95 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    }
}

/// Dollars with as many decimals as matter.
pub(crate) fn dollars(nanousd: u64) -> String {
    const TEN_THOUSANDTH: u64 = 100_000;
    if nanousd < 1_000_000 {
        return usd(nanousd).to_string();
    }
    usd((nanousd + TEN_THOUSANDTH / 2) / TEN_THOUSANDTH * TEN_THOUSANDTH).to_string()
}

/// `count` with its noun, in the plural where that is due.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// `part` of `whole`; nothing of nothing is nothing.
#[expect(clippy::cast_precision_loss, reason = "shown with two or three digits")]
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn short_numbers_keep_the_digits_that_matter() {
        for (number, text) in [
            (0, "0"),
            (99_999, "99,999"),
            (100_000, "100K"),
            (123_456, "123K"),
            (999_999, "1M"),
            (1_250_000, "1.3M"),
            (2_000_000_000, "2B"),
        ] {
            assert_eq!(short(number), text);
        }
        for (number, text) in [(0.0, "0"), (0.424, "0.42"), (12.34, "12.3"), (120.4, "120")] {
            assert_eq!(decimal(number), text);
        }
    }

    #[test]
    fn times_keep_the_digits_that_matter() {
        for (milliseconds, text) in [
            (0, "0 ms"),
            (350, "350 ms"),
            (1_000, "1.0 s"),
            (9_949, "9.9 s"),
            (9_960, "10 s"),
            (119_000, "119 s"),
            (120_000, "2 min"),
            (7_200_000, "2.0 h"),
            (864_000_000, "10.0 days"),
        ] {
            assert_eq!(span_ms(milliseconds), text);
        }
    }

    #[test]
    fn a_share_below_all_of_it_is_not_called_all_of_it() {
        assert_eq!(percent(0.999), "99 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(1.034), "103 %");
        assert_eq!(percent(0.0), "0 %");
    }

    #[test]
    fn bars_keep_their_width_whatever_the_share() {
        for share in [-1.0, 0.0, 0.33, 1.0, 7.0, f64::NAN, f64::INFINITY] {
            assert_eq!(bar(share, 10).chars().count(), 10, "{share}");
        }
        assert_eq!(bar(0.5, 4), "██░░");
    }

    #[test]
    fn windows_follow_their_amount() {
        assert_eq!(per(Duration::from_secs(60)), "a minute");
        assert_eq!(per(Duration::from_secs(30)), "in 30 s");
    }
}
