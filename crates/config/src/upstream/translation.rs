//! `[upstream.translation]`: what becomes of calls in another API's words where that leaves a choice.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of calls that a provider is sent in other words than the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Translation {
    /// The most tokens to generate, where the caller names none and the provider needs a number.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub default_max_tokens: u64,
    /// The name of that limit in chat completions: some servers know the older one alone.
    pub max_tokens_field: MaxTokensField,
    /// What becomes of the effort to think with: Claude before 4.6 needs a budget, and models that do
    /// not think refuse it.
    pub effort: Effort,
    /// What becomes of thinking in the conversation so far, which another provider's model cannot take
    /// up.
    pub earlier_thinking: EarlierThinking,
    /// What becomes of system messages after the conversation has begun, which Claude takes since
    /// Opus 4.8.
    pub late_system: LateSystem,
    /// Whether callers see the thinking in an answer.
    pub thinking: Thinking,
}

impl Default for Translation {
    fn default() -> Self {
        Self {
            default_max_tokens: 4096,
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            effort: Effort::Adaptive,
            earlier_thinking: EarlierThinking::Refused,
            late_system: LateSystem::Refused,
            thinking: Thinking::LeftOut,
        }
    }
}

/// The name of the limit on generated tokens in chat completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// The name that OpenAI's reasoning models insist on.
    MaxCompletionTokens,
    /// The older name.
    MaxTokens,
}

/// What becomes of the effort to think with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// To Anthropic as effort with adaptive thinking, to OpenAI as reasoning_effort.
    Adaptive,
    /// To Anthropic as a budget of tokens, to OpenAI as reasoning_effort.
    Budget,
    /// It is left out.
    LeftOut,
}

/// What becomes of thinking in the conversation so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EarlierThinking {
    /// The call is refused.
    Refused,
    /// It is left out: the model sees what was said and done, and not why.
    LeftOut,
}

/// What becomes of system messages after the conversation has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LateSystem {
    /// The call is refused.
    Refused,
    /// They stay where they are.
    InPlace,
    /// They are put behind the system text at the start.
    MovedToStart,
}

/// Whether callers see the thinking in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// It is left out; its tokens stay in the usage.
    LeftOut,
    /// It is shown: in chat completions as reasoning_content, in messages as thinking without a
    /// signature.
    Shown,
}
