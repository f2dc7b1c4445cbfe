//! The few facts of a request that pacing needs, read in one partial pass over its body.

mod error;
mod fields;
mod reader;
#[cfg(test)]
mod tests;

pub use error::RequestError;

use super::endpoint::EndpointKind;
use crate::text::TextProfile;
use std::borrow::Cow;

/// Bytes that a model's name may have.
const MODEL_BYTES_MAX: usize = 256;

/// Output tokens beyond which a number cannot be meant: no model comes near it.
const OUTPUT_TOKENS_MAX: u64 = 100_000_000;

/// Choices or images that one request may ask for.
const CHOICES_MAX: u32 = 1_024;

/// Output tokens of a legacy completion that names no number (see the API reference of
/// `/completions`).
const LEGACY_OUTPUT_TOKENS: u64 = 16;

/// The facts of a request that pacing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts<'a> {
    /// The call that the body was read as.
    pub kind: EndpointKind,
    /// The model asked for. Empty where the endpoint has a default and the caller named none.
    pub model: Cow<'a, str>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// `stream_options.include_usage`, where given.
    pub include_usage: Option<bool>,
    /// The most output tokens that the caller allows, by the name that the endpoint reads: the
    /// larger of `max_completion_tokens` and `max_tokens` (chat), `max_output_tokens` (responses),
    /// `max_tokens` (messages, and legacy completions, where it defaults to 16).
    pub max_output_tokens: Option<u64>,
    /// Choices (or images) asked for; 1 where not given.
    pub n: u32,
    /// Candidates that a legacy completion generates on the server; 1 where not given.
    pub best_of: u32,
    /// The text that the provider tokenises, counted by class of character.
    pub text: TextProfile,
    /// Token ids given in place of text (embeddings, legacy completions).
    pub token_ids: u64,
    /// Messages, or items of `input`.
    pub message_count: u32,
    /// Images sent.
    pub image_parts: u32,
    /// Those of the images that ask for low detail.
    pub low_detail_image_parts: u32,
    /// Audio clips sent.
    pub audio_parts: u32,
    /// Files sent or referred to.
    pub file_parts: u32,
    /// Tools and functions declared.
    pub tool_count: u32,
    /// `service_tier`, where given.
    pub service_tier: Option<Cow<'a, str>>,
    /// Whether the request continues a stored response or conversation, whose tokens count too and
    /// are not in this body.
    pub previous_response: bool,
    /// The stored response that the request continues.
    pub previous_response_id: Option<Cow<'a, str>>,
    /// Whether the response runs in the background.
    pub background: bool,
    /// Whether the model is told to think first, in Anthropic's or Gemini's words.
    pub thinking: bool,
}

impl<'a> RequestFacts<'a> {
    /// Reads the facts of a JSON body.
    ///
    /// Text is counted where the provider tokenises it: contents and text parts of messages, names,
    /// arguments and outputs of tool calls, `input`, `instructions`, `prompt`, `suffix`, `system`,
    /// declared tools and answer schemas (as compact JSON, an escape `\uXXXX` being one character).
    /// Roles, ids, addresses and the data of images, audio and files are not counted.
    ///
    /// Fields that pacing does not act upon pass whatever they hold.
    ///
    /// # Errors
    ///
    /// Only what no provider could accept, or what would evade the pacing: see [`RequestError`].
    pub fn parse(kind: EndpointKind, body: &'a [u8]) -> Result<Self, RequestError> {
        reader::read(kind, body, None, None)
    }

    /// Like [`parse`](Self::parse), for a path in Azure's form: where the body names no model, the
    /// deployment stands in for it.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_for_deployment(
        kind: EndpointKind,
        body: &'a [u8],
        deployment: &'a str,
    ) -> Result<Self, RequestError> {
        reader::read(kind, body, Some(deployment), None)
    }

    /// Everything at once: the model that the path names, see
    /// [`Endpoint::model_in_path`](crate::Endpoint::model_in_path), and a taker of the text as in
    /// [`parse_with_text`](Self::parse_with_text). Calls of Gemini and Bedrock are of the model in
    /// the path; elsewhere it stands in where the body names none.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_call(
        kind: EndpointKind,
        body: &'a [u8],
        model_in_path: Option<&'a str>,
        each_text: Option<&mut dyn FnMut(&str)>,
    ) -> Result<Self, RequestError> {
        reader::read(kind, body, model_in_path, each_text)
    }

    /// Like [`parse`](Self::parse), and hands every counted piece of text to `each_text` in the
    /// same pass, unescaped, in order. A text is cut into pieces at its escapes.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse). Pieces may have been handed out before the mistake was found.
    pub fn parse_with_text(
        kind: EndpointKind,
        body: &'a [u8],
        each_text: &mut dyn FnMut(&str),
    ) -> Result<Self, RequestError> {
        reader::read(kind, body, None, Some(each_text))
    }

    /// Characters (Unicode scalar values) of all counted text.
    #[must_use]
    pub const fn text_characters(&self) -> u64 {
        self.text.characters
    }

    /// Bytes of all counted text, unescaped.
    #[must_use]
    pub const fn text_bytes(&self) -> u64 {
        self.text.bytes
    }
}
