//! A value that must never be shown, and where it is read from.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Origin;
use crate::checker::Checker;

/// The largest secret, and the largest file that is read for one.
const BYTES_MAX: usize = 8192;

/// A key or token: its text is reached by [`Secret::expose`] alone.
///
/// `Debug` prints `[redacted]` and there is no `Display`, so that a secret cannot reach a log, a
/// metric or an error message by way of the structure that holds it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// In a time that tells nothing of where two secrets of one length differ.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let (own, others) = (self.0.as_bytes(), other.0.as_bytes());
        let differences = own.iter().zip(others).fold(0, |all, (a, b)| all | (a ^ b));
        own.len() == others.len() && differences == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A secret as written: itself, or where to find it.
pub(crate) enum RawSecret {
    Literal(Secret),
    Variable(String),
    File(PathBuf),
}

impl RawSecret {
    /// Whether the value itself was written, and not where to find it.
    pub(crate) fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    /// Fetches the secret of the setting at `path`, checks that it can be sent in a header, and
    /// points it out where it is written in the file.
    pub(crate) fn check(self, path: &str, checker: &mut Checker<'_>) -> Option<Secret> {
        if self.is_literal() && matches!(checker.origin(path), Origin::File { .. }) {
            let what = "is written in the file itself; \
                        { env = \"NAME\" } or { file = \"PATH\" } keeps it out";
            checker.notice(path, what);
        }
        self.fetch(path, checker)
    }

    /// Fetches the secret of the setting at `path` and checks that it can be sent in a header.
    pub(crate) fn fetch(self, path: &str, checker: &mut Checker<'_>) -> Option<Secret> {
        let text = match self {
            Self::Literal(secret) => secret.0,
            Self::Variable(name) => {
                let Some(text) = checker.variable(&name) else {
                    let what = format!("the environment variable {name} is missing or empty");
                    checker.problem(path, what, "set it, or leave the setting out");
                    return None;
                };
                text.to_owned()
            }
            Self::File(file) => {
                let file = checker.resolve(path, &file);
                match read(&file) {
                    Ok(text) => text,
                    Err(reason) => {
                        let what = format!("the file {} {reason}", file.display());
                        checker.problem(path, what, "");
                        return None;
                    }
                }
            }
        };
        let sendable = text.len() <= BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || !sendable {
            let what = "must be visible ASCII characters without spaces, 8192 at most";
            checker.problem(path, what, "the value is not shown here");
            return None;
        }
        Some(Secret(text))
    }
}

/// Reads a secret; the line break that editors leave at the end is not part of it.
fn read(file: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read ({error})");
    let metadata = fs::metadata(file).map_err(unreadable)?;
    // Reading a pipe or a device might never come to an end.
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if usize::try_from(metadata.len()).map_or(true, |length| length > BYTES_MAX) {
        return Err(format!(
            "is too large for a secret (got {} bytes)",
            metadata.len()
        ));
    }
    let text = fs::read_to_string(file).map_err(unreadable)?;
    Ok(text.trim().to_owned())
}

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = RawSecret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a table")
            }

            fn visit_str<E>(self, text: &str) -> Result<RawSecret, E> {
                Ok(RawSecret::Literal(Secret::new(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawSecret, A::Error> {
                match map.next_entry::<String, String>()? {
                    Some((key, name)) if key == "env" => Ok(RawSecret::Variable(name)),
                    Some((key, path)) if key == "file" => Ok(RawSecret::File(path.into())),
                    _ => Err(A::Error::custom("neither env nor file")),
                }
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

/// Needed for the defaults in the schema alone, and no secret has one.
impl Serialize for RawSecret {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("secrets are not written"))
    }
}

impl JsonSchema for RawSecret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let source = |name: &str| {
            serde_json::json!({
                "type": "object",
                "properties": { name: { "type": "string", "minLength": 1 } },
                "required": [name],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "x-kind": "secret",
            "oneOf": [{ "type": "string" }, source("env"), source("file")],
        })
    }
}
