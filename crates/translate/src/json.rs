//! JSON of others, read one level at a time: field order is kept, and what nobody took is noticed.

use crate::error::{RequestError, Untranslatable};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

pub(crate) mod build;

/// An object of either API has far fewer fields than this; more would make looking them up slow.
const MOST_FIELDS: usize = 128;

/// Where in a body something stands, written as `messages[3].content[0].text`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'p> {
    Root,
    Field(&'p Self, &'p str),
    Item(&'p Self, usize),
}

impl<'p> Place<'p> {
    pub(crate) const fn field(&'p self, name: &'p str) -> Self {
        Place::Field(self, name)
    }

    pub(crate) const fn item(&'p self, index: usize) -> Self {
        Place::Item(self, index)
    }

    /// The refusal of what stands here.
    pub(crate) fn refuse(
        &self,
        why: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> RequestError {
        RequestError::Untranslatable(Untranslatable {
            field: self.to_string(),
            why: why.into(),
            remedy: remedy.into(),
        })
    }

    /// The complaint that what stands here is no `expected`.
    pub(crate) fn malformed(&self, expected: &'static str) -> RequestError {
        RequestError::Malformed {
            field: self.to_string(),
            expected,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Root => formatter.write_str("the body"),
            Place::Field(Place::Root, name) => formatter.write_str(name),
            Place::Field(parent, name) => write!(formatter, "{parent}.{name}"),
            Place::Item(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

/// The text of a JSON string, or `None` where `raw` is none. Half a surrogate pair, which programs
/// leave that cut texts, is no character: replacement characters stand for it.
pub(crate) fn as_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        let Unescaped(text) = serde_json::from_str(json).ok()?;
        Some(Cow::Owned(text))
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// The items of a JSON array.
pub(crate) fn as_list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// Whether `raw` is a JSON string.
pub(crate) fn is_text(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}

/// A JSON object whose fields are taken out one by one.
#[derive(Debug)]
pub(crate) struct Object<'a, 'p> {
    place: &'p Place<'p>,
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// A number as it was written, and its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number<'a> {
    pub(crate) written: &'a str,
    pub(crate) value: f64,
}

impl<'a, 'p> Object<'a, 'p> {
    pub(crate) fn read(raw: &'a RawValue, place: &'p Place<'p>) -> Result<Self, RequestError> {
        let Fields(fields) =
            serde_json::from_str(raw.get()).map_err(|_| place.malformed("an object"))?;
        Ok(Self { place, fields })
    }

    /// Where this object stands.
    pub(crate) const fn place(&self) -> &'p Place<'p> {
        self.place
    }

    /// Takes a field out. One that is null counts as absent, in both APIs.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.fields.iter().position(|(known, _)| known == name)?;
        let (_, raw) = self.fields.swap_remove(at);
        (raw.get() != "null").then_some(raw)
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, RequestError> {
        self.take(name)
            .map(|raw| as_text(raw).ok_or_else(|| self.place.field(name).malformed("a string")))
            .transpose()
    }

    pub(crate) fn need_text(&mut self, name: &str) -> Result<Cow<'a, str>, RequestError> {
        self.text(name)?
            .ok_or_else(|| self.place.field(name).malformed("a string"))
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, RequestError> {
        self.take(name)
            .map(|raw| match raw.get() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(self.place.field(name).malformed("true or false")),
            })
            .transpose()
    }

    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u64>, RequestError> {
        self.take(name)
            .map(|raw| {
                let expected = "a whole number that is not negative";
                serde_json::from_str(raw.get())
                    .map_err(|_| self.place.field(name).malformed(expected))
            })
            .transpose()
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<Number<'a>>, RequestError> {
        self.take(name)
            .map(|raw| {
                let value = serde_json::from_str(raw.get())
                    .map_err(|_| self.place.field(name).malformed("a number"))?;
                Ok(Number {
                    written: raw.get(),
                    value,
                })
            })
            .transpose()
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<&'a RawValue>>, RequestError> {
        self.take(name)
            .map(|raw| as_list(raw).ok_or_else(|| self.place.field(name).malformed("an array")))
            .transpose()
    }

    /// A field whose value is an object and passes through unread: a JSON schema.
    pub(crate) fn verbatim_object(&mut self, name: &str) -> Result<Option<&'a str>, RequestError> {
        self.take(name)
            .map(|raw| {
                let json = raw.get();
                let is_object = json.starts_with('{');
                is_object
                    .then_some(json)
                    .ok_or_else(|| self.place.field(name).malformed("an object"))
            })
            .transpose()
    }

    /// Refuses each field of the table, unless it has one of the values that ask for nothing.
    pub(crate) fn refuse_each(&mut self, table: &[NotCarried]) -> Result<(), RequestError> {
        for row in table {
            if let Some(raw) = self.take(row.field)
                && !row.asks_for_nothing(raw)
            {
                return Err(self.place.field(row.field).refuse(row.why, row.remedy));
            }
        }
        Ok(())
    }

    /// Ends the reading: what is left and no mere hint is refused rather than lost.
    pub(crate) fn end(self, hints: &[&str]) -> Result<(), RequestError> {
        let left = self
            .fields
            .iter()
            .find(|(name, raw)| raw.get() != "null" && !hints.contains(&name.as_ref()));
        match left {
            None => Ok(()),
            Some((name, _)) => Err(self.place.field(name).refuse(
                "the translation does not know this field",
                "leave it out, or use a model whose provider speaks this API",
            )),
        }
    }
}

/// A field that the other API has no word for.
#[derive(Debug, Clone)]
pub(crate) struct NotCarried {
    pub(crate) field: &'static str,
    /// Values, as JSON, with which the field asks for nothing.
    pub(crate) harmless: &'static [&'static str],
    pub(crate) why: &'static str,
    pub(crate) remedy: &'static str,
}

impl NotCarried {
    fn asks_for_nothing(&self, raw: &RawValue) -> bool {
        let json = raw.get();
        // Longer ones are none of these, and need not be read.
        if json.len() > 64 {
            return false;
        }
        let value = serde_json::from_str::<Value>(json).ok();
        let is = |harmless: &&str| serde_json::from_str::<Value>(harmless).ok() == value;
        value.is_some() && self.harmless.iter().any(is)
    }
}

/// The fields of an object in their order; of two with one name the last counts.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::<(Cow<'de, str>, &'de RawValue)>::new();
        while let Some(Key(name)) = map.next_key()? {
            let raw = map.next_value()?;
            match fields.iter().position(|(known, _)| *known == name) {
                Some(at) => fields[at].1 = raw,
                None if fields.len() == MOST_FIELDS => {
                    return Err(A::Error::custom("too many fields"));
                }
                None => fields.push((name, raw)),
            }
        }
        Ok(Fields(fields))
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The text of a JSON string with escapes.
struct Unescaped(String);

impl<'de> Deserialize<'de> for Unescaped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(UnescapedVisitor)
    }
}

struct UnescapedVisitor;

impl Visitor<'_> for UnescapedVisitor {
    type Value = Unescaped;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Unescaped(String::from_utf8_lossy(bytes).into_owned()))
    }
}
