//! OpenAI's and Anthropic's APIs, each in the other's words.
//!
//! A caller of chat completions, responses or messages reaches a provider of another of these APIs:
//! requests, answers, streams and errors are translated, bytes in and bytes out. Each is read into
//! what both sides can say (`conversation`, `answer`, `stream`) and written from there. What the
//! other API cannot express is refused with the field's name and a remedy, and never lost in silence.
//!
//! It deliberately knows no HTTP, no runtime, no clock (the time is an argument), no provider's
//! address, limits or prices, and not which model can do what. Foreign bytes never panic, and what is
//! kept of them is bounded.

mod answer;
mod chat;
mod conversation;
mod dialect;
#[cfg(test)]
mod documented;
mod error;
mod json;
mod messages;
mod options;
mod problem;
mod request;
mod responses;
mod stream;

pub use answer::translate_answer;
pub use dialect::{Dialect, Pair};
pub use error::{AnswerError, RequestError, Untranslatable};
pub use options::{
    AnswerOptions, Asked, EarlierThinking, EffortAs, LateSystem, MaxTokensField, RequestOptions,
    StreamLimits, Thinking,
};
pub use problem::{TranslatedError, translate_error};
pub use request::{Translated, count_answer, translate_count_request, translate_request};
pub use stream::{StreamEnd, StreamTranslator};
