//! JSON of our own making: a small tree, written once.

use bytes::Bytes;
use std::borrow::Cow;

/// A value to be written. Its depth is that of our own code; what comes from others is verbatim.
#[derive(Debug, Clone)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Count(u64),
    Text(Cow<'a, str>),
    /// Text that is JSON already.
    Verbatim(Cow<'a, str>),
    List(Vec<Self>),
    Object(Fields<'a>),
}

/// The fields of an object, in the order in which they are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields<'a>(Vec<(&'static str, Json<'a>)>);

/// An object without fields yet.
pub(crate) fn object<'a>() -> Fields<'a> {
    Fields(Vec::new())
}

/// An object with the field `type`, as nearly all have it.
pub(crate) fn typed<'a>(kind: &'static str) -> Fields<'a> {
    object().with("type", kind)
}

impl<'a> Fields<'a> {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Json<'a>>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// The field, where there is a value.
    pub(crate) fn maybe(self, name: &'static str, value: Option<impl Into<Json<'a>>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The field, with null where there is no value.
    pub(crate) fn or_null(self, name: &'static str, value: Option<impl Into<Json<'a>>>) -> Self {
        let value = value.map_or(Json::Null, Into::into);
        self.with(name, value)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(256);
        self.write(&mut out);
        out.into()
    }

    /// Appends the object as JSON on one line.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(name, out);
            out.push(b':');
            value.write(out);
        }
        out.push(b'}');
    }
}

impl Json<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Json::Null => out.extend_from_slice(b"null"),
            Json::Bool(true) => out.extend_from_slice(b"true"),
            Json::Bool(false) => out.extend_from_slice(b"false"),
            Json::Count(count) => out.extend_from_slice(count.to_string().as_bytes()),
            Json::Text(text) => write_text(text, out),
            Json::Verbatim(json) => write_on_one_line(json, out),
            Json::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Json::Object(fields) => fields.write(out),
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    let written = out.len();
    if serde_json::to_writer(&mut *out, text).is_err() {
        // Writing text to memory cannot fail; were it to, the body stays JSON.
        out.truncate(written);
        out.extend_from_slice(b"\"\"");
    }
}

/// Line ends in JSON stand between tokens only, and would end a line of an event stream.
fn write_on_one_line(json: &str, out: &mut Vec<u8>) {
    if json.contains(['\n', '\r']) {
        let kept = json.bytes().map(|byte| match byte {
            b'\n' | b'\r' => b' ',
            other => other,
        });
        out.extend(kept);
    } else {
        out.extend_from_slice(json.as_bytes());
    }
}

impl<'a> From<Fields<'a>> for Json<'a> {
    fn from(fields: Fields<'a>) -> Self {
        Json::Object(fields)
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(text: &'a str) -> Self {
        Json::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Json<'_> {
    fn from(text: String) -> Self {
        Json::Text(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Json<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Json::Text(text)
    }
}

impl From<bool> for Json<'_> {
    fn from(flag: bool) -> Self {
        Json::Bool(flag)
    }
}

impl From<u64> for Json<'_> {
    fn from(count: u64) -> Self {
        Json::Count(count)
    }
}

impl<'a> From<Vec<Self>> for Json<'a> {
    fn from(items: Vec<Self>) -> Self {
        Json::List(items)
    }
}

/// JSON of others, passed on as it is.
pub(crate) fn verbatim<'a>(json: impl Into<Cow<'a, str>>) -> Json<'a> {
    Json::Verbatim(json.into())
}
