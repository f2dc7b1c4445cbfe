//! What can be wrong with a line, and what would be right.

use super::line::{CUSTOM_ID_BYTES_MAX, URLS};

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("not UTF-8 at byte {byte}: save the file as UTF-8")]
    NotUtf8 { byte: usize },
    #[error("not JSON ({what}, byte {byte}): every line is one object")]
    NotJson { what: String, byte: usize },
    #[error("not an object: every line is one, in braces")]
    NotObject,
    #[error("no \"custom_id\": give each line a name of its own")]
    NoCustomId,
    #[error("\"custom_id\" is no text: put it in quotes")]
    CustomIdNotText,
    #[error("\"custom_id\" has {0} bytes: {max} are the most", max = CUSTOM_ID_BYTES_MAX)]
    CustomIdTooLong(usize),
    #[error("\"custom_id\" holds control characters: take them out")]
    CustomIdNotPlain,
    #[error("\"custom_id\" is that of line {0} too: give each line a name of its own")]
    Duplicate(u64),
    #[error("no \"method\": \"POST\" is the only one")]
    NoMethod,
    #[error("method {0}: \"POST\" is the only one")]
    Method(String),
    #[error(
        "does not say where it goes: give \"url\", or a body with \"messages\", \"prompt\" or \"input\""
    )]
    NoUrl,
    #[error("url {0}: one of {urls} is needed", urls = URLS.join(", "))]
    Url(String),
    #[error("no \"body\": it is the request that is sent")]
    NoBody,
    #[error("\"body\" is not an object: it is the request that is sent")]
    BodyNotObject,
    #[error("\"stream\" is true: results are written whole, take it out")]
    Streams,
    #[error("{length} bytes long: {max} are the most (--max-line-bytes)")]
    TooLong { length: u64, max: usize },
    #[error(
        "a quote is not closed, or something follows a closing one: write quotes in quotes twice"
    )]
    NotRow,
    #[error("{found} fields, and the header has {expected}: quote fields that hold commas")]
    Fields { found: usize, expected: usize },
}
