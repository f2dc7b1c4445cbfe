//! Values with units in their text, and amounts.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Nanoseconds of each unit of time, the longest first.
const TIME_UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Bytes of each unit of size, the largest first within its family.
const SIZE_UNITS: [(&str, u128); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// The largest amount of a limit. Far above every known quota, and small enough that no product
/// with a window overflows.
pub(crate) const AMOUNT_MAX: u64 = 1_000_000_000_000_000;

/// A length of time, written as `"250ms"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// A number of bytes, written as `"64MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

/// An amount of a limit: a whole number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Amount(pub(crate) u64);

/// Reads `"30s"`, `"1.5h"`; `None` for everything else, and for more than 584 years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let nanos = parse_scaled(text, &TIME_UNITS)?;
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

/// Reads `"64MiB"`, `"1.5GB"`; `None` for everything else.
pub fn parse_size(text: &str) -> Option<u64> {
    u64::try_from(parse_scaled(text, &SIZE_UNITS)?).ok()
}

/// Writes the shortest text that [`parse_duration`] reads back.
pub(crate) fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    format_scaled(nanos, TIME_UNITS.iter())
}

/// Writes the shortest text that [`parse_size`] reads back, in binary units.
pub(crate) fn format_size(bytes: u64) -> String {
    let units = SIZE_UNITS
        .iter()
        .filter(|(name, _)| *name == "B" || name.contains('i'));
    format_scaled(u128::from(bytes), units)
}

fn format_scaled<'a>(value: u128, units: impl Iterator<Item = &'a (&'a str, u128)>) -> String {
    let mut whole = units.filter(|(_, scale)| value.is_multiple_of(*scale));
    let (name, scale) = whole.next().copied().unwrap_or(("", 1));
    format!("{}{name}", value / scale)
}

/// Reads a decimal number followed by one of `units`, exactly.
fn parse_scaled(text: &str, units: &[(&str, u128)]) -> Option<u128> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    scale_decimal(number, *scale)
}

/// `number * scale` for a number such as `1.5`; `None` when the result is not whole.
pub(crate) fn scale_decimal(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 18 {
        return None;
    }
    let divisor = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = fraction.parse::<u128>().ok()?.checked_mul(scale)?;
    if !part.is_multiple_of(divisor) {
        return None;
    }
    let whole = whole.parse::<u128>().ok()?.checked_mul(scale)?;
    whole.checked_add(part / divisor)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_size(self.0))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = parse_duration(&text).map(Self);
        parsed.ok_or_else(|| D::Error::custom("not a duration"))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = parse_size(&text).map(Self);
        parsed.ok_or_else(|| D::Error::custom("not a size"))
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "x-kind": "duration",
            "pattern": r"^[0-9]+(\.[0-9]+)?(d|h|m|s|ms|us|ns)$",
        })
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "x-kind": "size",
            "pattern": r"^[0-9]+(\.[0-9]+)?(GiB|MiB|KiB|GB|MB|kB|B)$",
        })
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": AMOUNT_MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        for (text, nanos) in [
            ("30s", Some(30_000_000_000)),
            ("250ms", Some(250_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("0s", Some(0)),
            ("0.000000001s", Some(1)),
            ("0.0000000001s", None),
            ("1us", Some(1_000)),
            ("2d", Some(172_800_000_000_000)),
            ("30", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("+1s", None),
            ("1 s", None),
            ("1S", None),
            ("1.s", None),
            (".5s", None),
            ("1.2.3s", None),
            ("1e3s", None),
            ("1h30m", None),
            ("99999999999999999999d", None),
            ("340282366920938463463374607431768211456s", None),
            ("٣s", None),
        ] {
            let expected = nanos.map(Duration::from_nanos);
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        for (text, bytes) in [
            ("64MiB", Some(67_108_864)),
            ("1.5GB", Some(1_500_000_000)),
            ("0.5B", None),
            ("12B", Some(12)),
            ("12", None),
            ("1mb", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for nanos in [0, 1, 1_500, 250_000_000, 90_000_000_000, 600_000_000_000] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
        }
        for (bytes, text) in [(67_108_864, "64MiB"), (1_000, "1000B"), (1_536, "1536B")] {
            assert_eq!(format_size(bytes), text);
            assert_eq!(parse_size(text), Some(bytes));
        }
        assert_eq!(format_duration(Duration::from_secs(600)), "10m");
    }
}
