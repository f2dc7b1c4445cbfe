//! Why a request is refused before it is sent.

use crate::json::{DEPTH_MAX, JsonError};
use std::borrow::Cow;

/// Characters of a caller's value that an error message repeats.
const SHOWN_MAX: usize = 32;

/// A request that no provider could accept, or that would evade the pacing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The body is not UTF-8.
    #[error("body is not valid UTF-8 at byte {offset}; send JSON encoded as UTF-8")]
    NotUtf8 {
        /// Offset of the first bad byte.
        offset: usize,
    },
    /// The body is not JSON.
    #[error("body is not valid JSON at line {line} column {column}: {reason}")]
    NotJson {
        /// Line, counted from 1.
        line: usize,
        /// Column in bytes, counted from 1.
        column: usize,
        /// What was expected or found there.
        reason: &'static str,
    },
    /// The body is JSON, but not an object.
    #[error("body must be a JSON object")]
    NotAnObject,
    /// The body is nested too deeply to be read safely.
    #[error("body is nested deeper than {limit} levels; flatten it")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// A field that pacing acts upon is there twice. Servers differ in which one they take, so a
    /// second one could evade the pacing.
    #[error("'{field}' appears more than once; send it once")]
    Duplicate {
        /// The field.
        field: &'static str,
    },
    /// No model is named.
    #[error("'model' is missing; name the model that is to answer")]
    ModelMissing,
    /// A field has a value that can never be valid.
    #[error("'{field}' must be {expected}, got {got}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What it has to be.
        expected: &'static str,
        /// What was sent, shortened.
        got: String,
    },
}

impl RequestError {
    /// The `param` of OpenAI's error envelope: the field at fault.
    #[must_use]
    pub const fn param(&self) -> Option<&'static str> {
        match self {
            Self::NotUtf8 { .. }
            | Self::NotJson { .. }
            | Self::NotAnObject
            | Self::TooDeep { .. } => None,
            Self::Duplicate { field } | Self::Invalid { field, .. } => Some(field),
            Self::ModelMissing => Some("model"),
        }
    }

    /// The `code` of OpenAI's error envelope.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotUtf8 { .. } | Self::NotJson { .. } => "invalid_json",
            Self::NotAnObject => "body_not_an_object",
            Self::TooDeep { .. } => "body_too_deep",
            Self::Duplicate { .. } => "duplicate_parameter",
            Self::ModelMissing => "missing_required_parameter",
            Self::Invalid { .. } => "invalid_value",
        }
    }

    /// The `message` of OpenAI's error envelope.
    #[must_use]
    pub fn message(&self) -> String {
        self.to_string()
    }

    pub(super) fn from_json(error: JsonError, body: &[u8]) -> Self {
        if error.reason == JsonError::TOO_DEEP {
            return Self::TooDeep { limit: DEPTH_MAX };
        }
        let before = &body[..error.offset.min(body.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        Self::NotJson {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: before.len() - line_start + 1,
            reason: error.reason,
        }
    }

    pub(super) fn invalid(field: &'static str, expected: &'static str, raw: &[u8]) -> Self {
        Self::Invalid {
            field,
            expected,
            got: shown(raw),
        }
    }
}

/// A caller's value in a message: its own words while they are short.
fn shown(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    match (raw.first(), text.char_indices().nth(SHOWN_MAX)) {
        (_, None) => Cow::into_owned(text),
        (Some(b'"'), _) => format!("a string of {} bytes", raw.len() - 2),
        (Some(b'['), _) => "an array".to_owned(),
        (Some(b'{'), _) => "an object".to_owned(),
        (_, Some((end, _))) => format!("{}...", &text[..end]),
    }
}
