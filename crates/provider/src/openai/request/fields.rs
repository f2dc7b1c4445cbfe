//! The fields that pacing acts upon: taken as they stand, then checked.

use super::super::endpoint::EndpointKind;
use super::{CHOICES_MAX, MODEL_BYTES_MAX, OUTPUT_TOKENS_MAX, RequestError};
use crate::json::{Kind, Skimmer};
use std::borrow::Cow;

/// A field that may appear once only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Model,
    Stream,
    StreamOptions,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    N,
    BestOf,
    ServiceTier,
    PreviousResponseId,
    Conversation,
    Background,
}

impl Field {
    const COUNT: usize = 12;

    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"model" => Self::Model,
            b"stream" => Self::Stream,
            b"stream_options" => Self::StreamOptions,
            b"max_tokens" => Self::MaxTokens,
            b"max_completion_tokens" => Self::MaxCompletionTokens,
            b"max_output_tokens" => Self::MaxOutputTokens,
            b"n" => Self::N,
            b"best_of" => Self::BestOf,
            b"service_tier" => Self::ServiceTier,
            b"previous_response_id" => Self::PreviousResponseId,
            b"conversation" => Self::Conversation,
            b"background" => Self::Background,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Stream => "stream",
            Self::StreamOptions => "stream_options",
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
            Self::N => "n",
            Self::BestOf => "best_of",
            Self::ServiceTier => "service_tier",
            Self::PreviousResponseId => "previous_response_id",
            Self::Conversation => "conversation",
            Self::Background => "background",
        }
    }
}

/// The values of the fields, as the bytes that stand in the body.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    raw: [Option<&'a [u8]>; Field::COUNT],
    duplicate: Option<Field>,
}

impl<'a> Fields<'a> {
    pub(super) fn put(&mut self, field: Field, raw: &'a [u8]) {
        if self.raw[field as usize].replace(raw).is_some() {
            self.duplicate.get_or_insert(field);
        }
    }

    pub(super) const fn check_duplicates(&self) -> Result<(), RequestError> {
        match self.duplicate {
            Some(field) => Err(RequestError::Duplicate {
                field: field.name(),
            }),
            None => Ok(()),
        }
    }

    /// The value of a field, unless it is missing or null.
    fn get(&self, field: Field) -> Option<&'a [u8]> {
        self.raw[field as usize].filter(|raw| *raw != b"null")
    }

    pub(super) fn is_given(&self, field: Field) -> bool {
        self.get(field).is_some()
    }

    /// The model, where one is named.
    pub(super) fn model(&self) -> Result<Option<Cow<'a, str>>, RequestError> {
        let Some(raw) = self.raw[Field::Model as usize] else {
            return Ok(None);
        };
        match string(raw) {
            Some(model) if (1..=MODEL_BYTES_MAX).contains(&model.len()) => Ok(Some(model)),
            _ => Err(RequestError::invalid(
                "model",
                "a non-empty string of at most 256 bytes",
                raw,
            )),
        }
    }

    /// A flag that decides how the answer is read, so it must be sound.
    pub(super) fn flag(&self, field: Field) -> Result<bool, RequestError> {
        match self.get(field) {
            None | Some(b"false") => Ok(false),
            Some(b"true") => Ok(true),
            Some(raw) => Err(RequestError::invalid(field.name(), "true or false", raw)),
        }
    }

    /// Whether a field is exactly `true`; what else it may hold is the provider's business.
    pub(super) fn is_true(&self, field: Field) -> bool {
        self.get(field) == Some(b"true")
    }

    pub(super) fn include_usage(&self) -> Option<bool> {
        let mut skimmer = Skimmer::new(self.get(Field::StreamOptions)?);
        if skimmer.peek().ok()? != Kind::Object {
            return None;
        }
        let mut include_usage = None;
        let read = skimmer.object(|inner, key| {
            let value = inner.skip()?;
            if &*key.name() == b"include_usage" {
                include_usage = match value {
                    b"true" => Some(true),
                    b"false" => Some(false),
                    _ => None,
                };
            }
            Ok(())
        });
        read.ok().and(include_usage)
    }

    pub(super) fn service_tier(&self) -> Option<Cow<'a, str>> {
        string(self.get(Field::ServiceTier)?)
    }

    pub(super) fn previous_response_id(&self) -> Option<Cow<'a, str>> {
        string(self.get(Field::PreviousResponseId)?)
    }

    /// The most output tokens allowed, by the names that this kind of call reads.
    pub(super) fn max_output_tokens(
        &self,
        kind: EndpointKind,
    ) -> Result<Option<u64>, RequestError> {
        let (fields, min): (&[Field], u64) = match kind {
            EndpointKind::ChatCompletions => (&[Field::MaxTokens, Field::MaxCompletionTokens], 1),
            EndpointKind::Responses => (&[Field::MaxOutputTokens], 1),
            // Zero is valid for both: echo the prompt, or only warm the cache.
            EndpointKind::Completions
            | EndpointKind::Messages
            | EndpointKind::BedrockInvoke
            | EndpointKind::BedrockInvokeStream => (&[Field::MaxTokens], 0),
            _ => (&[], 0),
        };
        let mut largest = None;
        for field in fields {
            largest = largest.max(self.output_tokens(*field, min)?);
        }
        Ok(largest)
    }

    fn output_tokens(&self, field: Field, min: u64) -> Result<Option<u64>, RequestError> {
        let Some(raw) = self.get(field) else {
            return Ok(None);
        };
        match integer(raw) {
            Some(tokens) if tokens > i128::from(OUTPUT_TOKENS_MAX) => Err(RequestError::invalid(
                field.name(),
                "at most 100000000",
                raw,
            )),
            Some(tokens) if tokens >= i128::from(min) => Ok(u64::try_from(tokens).ok()),
            _ => Err(RequestError::invalid(
                field.name(),
                "a positive integer",
                raw,
            )),
        }
    }

    /// A number of choices; 1 where not given, or given as a zero that is allowed.
    pub(super) fn choices(&self, field: Field, min: u32) -> Result<u32, RequestError> {
        let Some(raw) = self.get(field) else {
            return Ok(1);
        };
        let choices = integer(raw).and_then(|number| u32::try_from(number).ok());
        match choices {
            Some(choices) if (min..=CHOICES_MAX).contains(&choices) => Ok(choices.max(1)),
            _ => Err(RequestError::invalid(
                field.name(),
                "an integer from 1 to 1024",
                raw,
            )),
        }
    }
}

fn string(raw: &[u8]) -> Option<Cow<'_, str>> {
    raw.starts_with(b"\"")
        .then(|| Skimmer::new(raw).string().ok().map(|string| string.text()))?
}

/// A JSON number without a fractional part; `16.0` and `1e3` are such numbers.
fn integer(raw: &[u8]) -> Option<i128> {
    if !matches!(raw.first()?, b'-' | b'0'..=b'9') {
        return None;
    }
    let text = std::str::from_utf8(raw).ok()?;
    if raw
        .iter()
        .all(|byte| byte.is_ascii_digit() || *byte == b'-')
    {
        // What does not even fit here is absurd, and the sign says in which direction.
        let absurd = if raw[0] == b'-' { i128::MIN } else { i128::MAX };
        return Some(text.parse().unwrap_or(absurd));
    }
    let number: f64 = text.parse().ok()?;
    // The conversion saturates, which keeps an absurd number absurd.
    #[expect(clippy::cast_possible_truncation, reason = "the fraction is zero")]
    (number.fract() == 0.0 || number.is_infinite()).then_some(number as i128)
}
