//! One line of JSON: a batch line or a bare body.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fault::Fault;

/// Longest name, in bytes.
pub(super) const CUSTOM_ID_BYTES_MAX: usize = 512;

/// Paths that answer with what a model made.
pub(super) const URLS: [&str; 7] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/messages",
];

/// A request, as a line tells it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed<'a> {
    /// `None`: it has none of its own.
    pub(super) custom_id: Option<Cow<'a, str>>,
    pub(super) url: Cow<'a, str>,
    pub(super) body: Cow<'a, str>,
}

/// Why a line is no request, and its name as far as it is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) fault: Fault,
    pub(super) custom_id: Option<String>,
}

impl From<Fault> for Rejected {
    fn from(fault: Fault) -> Self {
        let custom_id = None;
        Self { fault, custom_id }
    }
}

/// The keys that matter, of batch lines and bare bodies alike; a key with `null` is there.
#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow, default, deserialize_with = "there")]
    custom_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "there")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "there")]
    url: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "there")]
    body: Option<&'a RawValue>,
    #[serde(default)]
    messages: Option<IgnoredAny>,
    #[serde(default)]
    prompt: Option<IgnoredAny>,
    #[serde(default)]
    input: Option<IgnoredAny>,
    #[serde(borrow, default, deserialize_with = "there")]
    model: Option<&'a RawValue>,
}

fn there<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Reads a line; `url` is where bare bodies go, if that is not to be told from what is in them.
pub(super) fn parse<'a>(line: &'a [u8], url: Option<&'a str>) -> Result<Parsed<'a>, Rejected> {
    let text = text(line)?.trim_ascii();
    let keys = keys(text)?;
    if keys.custom_id.is_none() && keys.body.is_none() && keys.url.is_none() {
        let url = bare_url(&keys, url)?;
        check_stream(text)?;
        return Ok(Parsed {
            custom_id: None,
            url: Cow::Borrowed(url),
            body: Cow::Borrowed(text),
        });
    }
    let custom_id = custom_id(keys.custom_id)?;
    request(&keys)
        .map(|(url, body)| Parsed {
            custom_id: Some(custom_id.clone()),
            url,
            body,
        })
        .map_err(|fault| Rejected {
            fault,
            custom_id: Some(custom_id.into_owned()),
        })
}

/// Where a body goes that was made of a row, and whether it may.
pub(super) fn check_bare<'a>(body: &str, url: Option<&'a str>) -> Result<&'a str, Fault> {
    let keys = keys(body)?;
    let url = bare_url(&keys, url)?;
    check_stream(body)?;
    Ok(url)
}

pub(super) fn text(line: &[u8]) -> Result<&str, Fault> {
    str::from_utf8(line).map_err(|error| Fault::NotUtf8 {
        byte: error.valid_up_to() + 1,
    })
}

fn keys(text: &str) -> Result<Keys<'_>, Fault> {
    if !text.starts_with('{') {
        // Whether it is JSON at all is the more useful thing to say.
        return Err(match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Fault::NotObject,
            Err(error) => not_json(&error),
        });
    }
    serde_json::from_str(text).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> Fault {
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or(&message);
    Fault::NotJson {
        what: what.to_owned(),
        byte: error.column(),
    }
}

fn bare_url<'a>(keys: &Keys<'_>, url: Option<&'a str>) -> Result<&'a str, Fault> {
    let is_embedding = || {
        keys.model
            .is_some_and(|model| model.get().to_ascii_lowercase().contains("embed"))
    };
    match url {
        Some(url) => Ok(url),
        None if keys.messages.is_some() => Ok("/v1/chat/completions"),
        None if keys.prompt.is_some() => Ok("/v1/completions"),
        None if keys.input.is_some() && is_embedding() => Ok("/v1/embeddings"),
        None if keys.input.is_some() => Ok("/v1/responses"),
        None => Err(Fault::NoUrl),
    }
}

fn custom_id(raw: Option<&RawValue>) -> Result<Cow<'_, str>, Fault> {
    let raw = raw.ok_or(Fault::NoCustomId)?;
    let custom_id = string(raw).ok_or(Fault::CustomIdNotText)?;
    check_custom_id(&custom_id)?;
    Ok(custom_id)
}

pub(super) fn check_custom_id(custom_id: &str) -> Result<(), Fault> {
    if custom_id.is_empty() {
        return Err(Fault::NoCustomId);
    }
    if custom_id.len() > CUSTOM_ID_BYTES_MAX {
        return Err(Fault::CustomIdTooLong(custom_id.len()));
    }
    if custom_id.chars().any(char::is_control) {
        return Err(Fault::CustomIdNotPlain);
    }
    Ok(())
}

fn request<'a>(keys: &Keys<'a>) -> Result<(Cow<'a, str>, Cow<'a, str>), Fault> {
    let method = keys.method.ok_or(Fault::NoMethod)?;
    match string(method).as_deref() {
        Some("POST") => {}
        other => return Err(Fault::Method(other.unwrap_or(method.get()).to_owned())),
    }
    let raw = keys.url.ok_or(Fault::NoUrl)?;
    let url = string(raw).ok_or_else(|| Fault::Url(raw.get().to_owned()))?;
    check_url(&url)?;
    let body = keys.body.ok_or(Fault::NoBody)?.get();
    if !body.starts_with('{') {
        return Err(Fault::BodyNotObject);
    }
    check_stream(body)?;
    Ok((url, Cow::Borrowed(body)))
}

pub(super) fn check_url(url: &str) -> Result<(), Fault> {
    match URLS.contains(&url) {
        true => Ok(()),
        false => Err(Fault::Url(url.to_owned())),
    }
}

/// What a string says; `None`: it is no string.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    match inside.contains('\\') {
        true => serde_json::from_str(text).ok().map(Cow::Owned),
        false => Some(Cow::Borrowed(inside)),
    }
}

/// Answers have to come in one piece. The body is parsed only where the key may be in it, plain or with
/// letters escaped.
fn check_stream(body: &str) -> Result<(), Fault> {
    let has = |text: &str| memmem::find(body.as_bytes(), text.as_bytes()).is_some();
    if !has("\"stream\"") && !has("\\u006") && !has("\\u007") {
        return Ok(());
    }
    let streams = serde_json::from_str::<Streams>(body).is_ok_and(|streams| streams.0);
    match streams {
        true => Err(Fault::Streams),
        false => Ok(()),
    }
}

/// Whether an object has a key `stream` that says `true`.
struct Streams(bool);

impl<'de> Deserialize<'de> for Streams {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = bool;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
                let mut streams = false;
                while let Some(key) = map.next_key::<String>()? {
                    let value: &RawValue = map.next_value()?;
                    streams |= key == "stream" && value.get() == "true";
                }
                Ok(streams)
            }
        }
        from.deserialize_map(Keys).map(Self)
    }
}

#[cfg(test)]
mod tests;
