//! What became of a request.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a request took, as the provider tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Tokens of the prompt, with those that came out of a cache.
    pub input: u64,
    /// Of these, tokens that came out of a cache.
    pub cached: u64,
    /// Tokens of the answer, with those of reasoning.
    pub output: u64,
    /// Of these, tokens of reasoning.
    pub reasoning: u64,
}

impl Tokens {
    pub(crate) fn add(&mut self, other: Self) {
        let Self {
            input,
            cached,
            output,
            reasoning,
        } = other;
        self.input = self.input.saturating_add(input);
        self.cached = self.cached.saturating_add(cached);
        self.output = self.output.saturating_add(output);
        self.reasoning = self.reasoning.saturating_add(reasoning);
    }
}

/// An answer over HTTP, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status of the answer.
    pub status: u16,
    /// The provider's name for the request.
    pub request_id: Option<String>,
    /// JSON, which goes into the results as it is; anything else goes there as a string.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A short word for programs, as in `deadline_passed`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// The end of a request. It is a success if there is an answer with a status below 400 and no failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// The request's name, as [`crate::Item::custom_id`] has it.
    pub custom_id: String,
    /// The last answer; `None`: there was none.
    pub answer: Option<Answer>,
    /// Why the request failed, if that is not in the answer.
    pub failure: Option<Failure>,
    /// What the error in the answer is called, where it is one.
    pub error_code: Option<String>,
    /// What it took.
    pub tokens: Tokens,
    /// What it cost, in billionths of a dollar; `None`: no price is known.
    pub cost_nanousd: Option<u64>,
    /// The model that was asked.
    pub model: Option<String>,
    /// How often it was sent.
    pub attempts: u32,
    /// How long it waited for its turns, in all.
    pub wait_ms: u64,
    /// How long it took from the first time it was to be sent to its end.
    pub duration_ms: u64,
}

impl Finished {
    /// Whether it goes to the results; the others go to the errors.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        let answered = self
            .answer
            .as_ref()
            .is_some_and(|answer| answer.status < 400);
        answered && self.failure.is_none()
    }
}
