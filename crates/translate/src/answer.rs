//! Answers: read in the provider's words, written in the caller's.

use crate::conversation::Call;
use crate::dialect::{Dialect, Pair};
use crate::error::AnswerError;
use crate::options::AnswerOptions;
use crate::{chat, messages, responses};
use bytes::Bytes;
use std::borrow::Cow;

/// An answer in nobody's words.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) model: Cow<'a, str>,
    /// What was said, in its order.
    pub(crate) said: Vec<Said<'a>>,
    pub(crate) stop: Stop<'a>,
    pub(crate) usage: Usage,
    pub(crate) tier: Option<ServedTier>,
}

#[derive(Debug)]
pub(crate) enum Said<'a> {
    Text(Cow<'a, str>),
    /// Why the model does not answer, in its words.
    Refusal(Cow<'a, str>),
    Thinking(Cow<'a, str>),
    Call(Call<'a>),
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop<'a> {
    End,
    Length,
    /// At a stop sequence, which only Anthropic names.
    Sequence(Option<Cow<'a, str>>),
    Tools,
    Refused,
}

impl Stop<'_> {
    pub(crate) fn to_static(&self) -> Stop<'static> {
        match self {
            Stop::End => Stop::End,
            Stop::Length => Stop::Length,
            Stop::Sequence(sequence) => {
                let owned = sequence.as_deref().map(str::to_owned);
                Stop::Sequence(owned.map(Cow::Owned))
            }
            Stop::Tools => Stop::Tools,
            Stop::Refused => Stop::Refused,
        }
    }
}

/// Tokens, each counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Input that was neither read from a cache nor written to one.
    pub(crate) input: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_written: u64,
    /// All output, thinking included.
    pub(crate) output: u64,
    /// The part of the output that was thinking, where the provider tells.
    pub(crate) thinking: Option<u64>,
}

impl Usage {
    /// All input, as OpenAI counts it.
    pub(crate) const fn all_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_written)
    }

    pub(crate) const fn total(&self) -> u64 {
        self.all_input().saturating_add(self.output)
    }
}

/// The tier that served a request, where both APIs have a name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServedTier {
    Standard,
    Priority,
}

impl Answer<'_> {
    /// Why the model stopped, as the API says it that was asked to call tools: OpenAI's gives `stop`
    /// where the caller had named the tool.
    pub(crate) fn stop_or_tools(&self) -> &Stop<'_> {
        let called = self.said.iter().any(|said| matches!(said, Said::Call(_)));
        let refused = self
            .said
            .iter()
            .any(|said| matches!(said, Said::Refusal(_)));
        match &self.stop {
            Stop::End if called => &Stop::Tools,
            Stop::End if refused => &Stop::Refused,
            stop => stop,
        }
    }

    /// All texts, one after the other.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        joined(self.said.iter().filter_map(|said| match said {
            Said::Text(text) => Some(text.as_ref()),
            _ => None,
        }))
    }

    pub(crate) fn refusal(&self) -> Option<Cow<'_, str>> {
        joined(self.said.iter().filter_map(|said| match said {
            Said::Refusal(text) => Some(text.as_ref()),
            _ => None,
        }))
    }

    pub(crate) fn thinking(&self) -> Option<Cow<'_, str>> {
        joined(self.said.iter().filter_map(|said| match said {
            Said::Thinking(text) => Some(text.as_ref()),
            _ => None,
        }))
    }

    /// The model's name as the caller is to see it.
    pub(crate) fn model_shown<'b>(&'b self, options: &'b AnswerOptions) -> &'b str {
        options.model.as_deref().unwrap_or(&self.model)
    }
}

fn joined<'a>(mut texts: impl Iterator<Item = &'a str>) -> Option<Cow<'a, str>> {
    let first = Cow::Borrowed(texts.next()?);
    Some(texts.fold(first, |all, text| Cow::Owned(all.into_owned() + text)))
}

/// Translates the body of an answer with status 200 that is no stream.
///
/// # Errors
///
/// Where the body is not what the provider's API describes, or holds what the caller's cannot.
pub fn translate_answer(
    pair: Pair,
    body: &[u8],
    options: &AnswerOptions,
) -> Result<Bytes, AnswerError> {
    let body = crate::request::json(body)?;
    let answer = match pair.provider() {
        Dialect::Messages => messages::answer::read(body)?,
        _ => chat::answer::read(body)?,
    };
    match pair.caller() {
        Dialect::Chat => Ok(chat::answer::write(&answer, options)),
        Dialect::Messages => messages::answer::write(&answer, options),
        Dialect::Responses => Ok(responses::answer::write(&answer, options)),
    }
}
