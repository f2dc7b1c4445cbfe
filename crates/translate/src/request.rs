//! Requests: read in the caller's words, written in the provider's.

use crate::conversation::Conversation;
use crate::dialect::{Dialect, Pair};
use crate::error::RequestError;
use crate::options::{Asked, RequestOptions};
use crate::{chat, messages, responses};
use bytes::Bytes;
use serde_json::value::RawValue;

/// A request in the provider's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// The body to send.
    pub body: Bytes,
    /// What the answer's translation has to know.
    pub asked: Asked,
}

/// Translates a request's body.
///
/// What the provider's API cannot express is refused rather than left out, but for hints whose loss
/// changes no meaning. A stream of chat completions is always asked for its usage.
///
/// # Errors
///
/// Where the body is not what the caller's API describes, or says what the other cannot.
pub fn translate_request(
    pair: Pair,
    body: &[u8],
    options: &RequestOptions,
) -> Result<Translated, RequestError> {
    let body = json(body)?;
    let (conversation, echo) = match pair.caller() {
        Dialect::Chat => (chat::read::read(body, options)?, Vec::new()),
        Dialect::Messages => (messages::read::read(body, options, true)?, Vec::new()),
        Dialect::Responses => responses::read::read(body, options)?,
    };
    Ok(Translated {
        body: write(pair, &conversation, options)?,
        asked: Asked {
            stream: conversation.stream,
            include_usage: conversation.include_usage,
            echo,
        },
    })
}

/// The chat completions request whose tokens are to be counted for a request to Anthropic's
/// `POST /v1/messages/count_tokens`. OpenAI has no such endpoint: the gateway estimates them.
///
/// # Errors
///
/// As [`translate_request`].
pub fn translate_count_request(
    body: &[u8],
    options: &RequestOptions,
) -> Result<Bytes, RequestError> {
    let conversation = messages::read::read(json(body)?, options, false)?;
    chat::write::write(&conversation, options)
}

/// Anthropic's answer to a request for a count of tokens.
pub fn count_answer(input_tokens: u64) -> Bytes {
    crate::json::build::object()
        .with("input_tokens", input_tokens)
        .to_bytes()
}

fn write(
    pair: Pair,
    conversation: &Conversation<'_>,
    options: &RequestOptions,
) -> Result<Bytes, RequestError> {
    match pair.provider() {
        Dialect::Messages => messages::write::write(conversation, options),
        _ => chat::write::write(conversation, options),
    }
}

pub(crate) fn json(body: &[u8]) -> Result<&RawValue, RequestError> {
    let not_json = |detail: String| RequestError::NotJson { detail };
    let text = std::str::from_utf8(body).map_err(|error| not_json(error.to_string()))?;
    serde_json::from_str(text).map_err(|error| not_json(error.to_string()))
}
