//! Names and values that describe a span or a series.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

/// The longest text of one value, in bytes; callers choose some of them.
pub const VALUE_BYTES_MAX: usize = 256;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text; beyond [`VALUE_BYTES_MAX`] it is cut when it is encoded.
    Text(Cow<'static, str>),
    /// A text that is shared with others.
    Shared(Arc<str>),
    /// A whole number.
    Whole(i64),
    /// True or false.
    Flag(bool),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::Shared(text)
    }
}

impl From<u64> for Value {
    /// Numbers beyond what OTLP can carry become the largest that it can.
    fn from(number: u64) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Text(text) => map.serialize_entry("stringValue", clip(text))?,
            Self::Shared(text) => map.serialize_entry("stringValue", clip(text))?,
            Self::Whole(number) => map.serialize_entry("intValue", &number.to_string())?,
            Self::Flag(flag) => map.serialize_entry("boolValue", flag)?,
        }
        map.end()
    }
}

/// `text`, cut at a character where it is too long.
fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(VALUE_BYTES_MAX)]
}

/// Attributes in the order in which they were added; each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(&'static str, Value)>);

impl Attributes {
    /// Adds one. The caller sees to it that no name comes twice.
    pub fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push((name, value.into()));
    }

    /// Adds one if there is a value.
    pub fn add_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        pairs(
            serializer,
            self.0.iter().map(|(name, value)| (*name, value)),
        )
    }
}

#[derive(Serialize)]
struct KeyValue<'a, V> {
    key: &'a str,
    value: V,
}

/// Serialises `pairs` as OTLP's list of keys and values.
pub(super) fn pairs<'a, S: Serializer, V: Serialize>(
    serializer: S,
    pairs: impl ExactSizeIterator<Item = (&'a str, V)>,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(pairs.len()))?;
    for (key, value) in pairs {
        list.serialize_element(&KeyValue { key, value })?;
    }
    list.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_typed_and_large_numbers_are_text() {
        let mut attributes = Attributes::default();
        attributes.add("a", "x\"\n\u{7}");
        attributes.add("b", u64::MAX);
        attributes.add("c", true);
        attributes.add_some("d", None::<u64>);
        assert_eq!(
            serde_json::to_string(&attributes).unwrap(),
            r#"[{"key":"a","value":{"stringValue":"x\"\n\u0007"}},{"key":"b","value":{"intValue":"9223372036854775807"}},{"key":"c","value":{"boolValue":true}}]"#
        );
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let long: Arc<str> = "é".repeat(200).into();
        let json = serde_json::to_value(Value::from(format!("x{long}"))).unwrap();
        assert_eq!(json["stringValue"].as_str().unwrap().len(), 255);
    }
}
