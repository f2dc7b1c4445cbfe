//! Durations as providers write them: `6ms`, `8.64s`, `1m26.4s`, `6m 11.52s`, `59.70`, `7 seconds`.
//!
//! The grammar is that of Go's `time.Duration`, which OpenAI and its copies print, widened by what
//! else was seen on the wire: blanks between the parts, whole words as units, and bare numbers,
//! which are seconds.

use std::time::Duration;

#[cfg(test)]
mod tests;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Decimals beyond this many are read but cannot matter: the largest unit, a day, has 8.64e13 ns.
const DECIMALS_KEPT: usize = 18;

/// Reads a duration exactly, to the nanosecond; what is finer is cut off.
///
/// `None` for anything else, negative values and values beyond `Duration::MAX` included.
///
/// ```
/// use paceline_provider::parse_duration;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration("1m26.4s"), Some(Duration::from_millis(86_400)));
/// assert_eq!(parse_duration("59.70"), Some(Duration::from_millis(59_700)));
/// assert_eq!(parse_duration("-1"), None);
/// ```
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim_matches([' ', '\t']);
    let (duration, length) = duration_at_start(text)?;
    (length == text.len()).then_some(duration)
}

/// Reads the longest duration that `text` begins with, and gives its length in bytes.
///
/// The full stop that ends a sentence is not part of it: `8.64s. Visit` is 8.64 s.
pub(crate) fn duration_at_start(text: &str) -> Option<(Duration, usize)> {
    let mut total_nanos: u128 = 0;
    let mut length = 0;
    loop {
        // A blank may stand between two parts, but not before the first.
        let gap = usize::from(length > 0 && text[length..].starts_with(' '));
        let part = &text[length + gap..];
        let Some(number) = Decimal::at_start(part) else {
            break;
        };
        let Some((unit_nanos, unit_length)) = unit_at_start(&part[number.length..]) else {
            if length > 0 {
                break;
            }
            return bare_seconds(part, &number);
        };
        total_nanos = total_nanos.checked_add(number.times(unit_nanos)?)?;
        length += gap + number.length + unit_length;
    }
    if length == 0 {
        return None;
    }
    Some((from_nanos(total_nanos)?, length))
}

/// A number without a unit is seconds, unless a word follows that is no unit: then it counts
/// something else.
fn bare_seconds(text: &str, number: &Decimal<'_>) -> Option<(Duration, usize)> {
    let rest = &text[number.length..];
    let word = rest.strip_prefix(' ').unwrap_or(rest);
    let glued = rest.starts_with(|c: char| c.is_alphabetic());
    if glued || word.starts_with(|c: char| c.is_ascii_lowercase()) {
        return None;
    }
    Some((from_nanos(number.times(NANOS_PER_SECOND)?)?, number.length))
}

fn from_nanos(nanos: u128) -> Option<Duration> {
    let seconds = u64::try_from(nanos / NANOS_PER_SECOND).ok()?;
    let rest = u32::try_from(nanos % NANOS_PER_SECOND).ok()?;
    Some(Duration::new(seconds, rest))
}

/// Reads a decimal number of some unit exactly, such as the milliseconds of `retry-after-ms`.
pub(crate) fn parse_decimal(text: &str, unit_nanos: u32) -> Option<Duration> {
    let text = text.trim_matches([' ', '\t']);
    let number = Decimal::at_start(text)?;
    if number.length != text.len() {
        return None;
    }
    from_nanos(number.times(u128::from(unit_nanos))?)
}

/// An unsigned decimal number that has not been converted yet.
struct Decimal<'a> {
    whole: &'a str,
    fraction: &'a str,
    length: usize,
}

impl<'a> Decimal<'a> {
    fn at_start(text: &'a str) -> Option<Self> {
        let whole = digits_at_start(text);
        let fraction = match text[whole.len()..].strip_prefix('.') {
            Some(rest) => digits_at_start(rest),
            None => "",
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let dot = usize::from(!fraction.is_empty());
        Some(Self {
            whole,
            fraction,
            length: whole.len() + dot + fraction.len(),
        })
    }

    /// This many units in nanoseconds; `None` on overflow.
    fn times(&self, unit_nanos: u128) -> Option<u128> {
        let whole: u64 = if self.whole.is_empty() {
            0
        } else {
            self.whole.parse().ok()?
        };
        let kept = &self.fraction[..self.fraction.len().min(DECIMALS_KEPT)];
        let mut nanos = u128::from(whole).checked_mul(unit_nanos)?;
        if !kept.is_empty() {
            let numerator: u128 = kept.parse().ok()?;
            let denominator = 10_u128.pow(u32::try_from(kept.len()).ok()?);
            nanos = nanos.checked_add(numerator * unit_nanos / denominator)?;
        }
        Some(nanos)
    }
}

fn digits_at_start(text: &str) -> &str {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    &text[..end]
}

/// The unit that `text` begins with, in nanoseconds, and its length with the blank before a word.
fn unit_at_start(text: &str) -> Option<(u128, usize)> {
    let gap = usize::from(text.starts_with(' '));
    let name: &str = {
        let rest = &text[gap..];
        let end = rest
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(rest.len());
        &rest[..end]
    };
    let nanos = match name {
        "ns" => 1,
        // Both the micro sign and the Greek letter are in use.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" | "millisecond" | "milliseconds" => 1_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => NANOS_PER_SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => 60 * NANOS_PER_SECOND,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600 * NANOS_PER_SECOND,
        "d" | "day" | "days" => 86_400 * NANOS_PER_SECOND,
        _ => return None,
    };
    Some((nanos, gap + name.len()))
}

/// Writes a duration as Go does, which is what clients of OpenAI's headers expect: `0s`, `6ms`,
/// `8.64s`, `1m26.4s`, `1h0m0s`.
///
/// ```
/// use paceline_provider::go_duration;
/// use std::time::Duration;
///
/// assert_eq!(go_duration(Duration::from_millis(86_400)), "1m26.4s");
/// ```
#[must_use]
pub fn go_duration(duration: Duration) -> String {
    let nanos = duration.subsec_nanos();
    if duration.as_secs() == 0 {
        return match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => {
                format!("{}\u{b5}s", with_fraction(nanos / 1_000, nanos % 1_000, 3))
            }
            _ => format!(
                "{}ms",
                with_fraction(nanos / 1_000_000, nanos % 1_000_000, 6)
            ),
        };
    }
    let (hours, minutes, seconds) = (
        duration.as_secs() / 3_600,
        duration.as_secs() / 60 % 60,
        duration.as_secs() % 60,
    );
    let seconds = with_fraction(seconds, nanos, 9);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `whole.fraction` without the zeros at the end, and without the point where nothing is left.
fn with_fraction(whole: impl std::fmt::Display, fraction: u32, digits: usize) -> String {
    let text = format!("{whole}.{fraction:0digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
