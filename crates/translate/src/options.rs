//! What the owner of a translation decides, and what an answer has to know of its request.

/// What to make of a request where the two APIs leave a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOptions {
    /// The model's name at the provider.
    pub model: String,
    /// The most tokens to generate, where the caller names none and Anthropic's API needs a number.
    pub default_max_tokens: u64,
    /// The name of that limit in chat completions.
    pub max_tokens_field: MaxTokensField,
    /// What becomes of the effort to think with.
    pub effort: EffortAs,
    /// What becomes of earlier thinking in a conversation, which no other model can take up.
    pub earlier_thinking: EarlierThinking,
    /// What becomes of system messages after the conversation has begun.
    pub late_system: LateSystem,
}

impl RequestOptions {
    /// The defaults, for a model: 4096 tokens, effort as adaptive thinking, nothing left out.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            default_max_tokens: 4096,
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            effort: EffortAs::Adaptive,
            earlier_thinking: EarlierThinking::Refused,
            late_system: LateSystem::Refused,
        }
    }
}

/// The name of the limit on generated tokens in chat completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MaxTokensField {
    /// `max_completion_tokens`, which OpenAI's reasoning models insist on.
    #[default]
    MaxCompletionTokens,
    /// `max_tokens`, the older name, which is all that some compatible servers know.
    MaxTokens,
}

/// How much the model is to think, in the provider's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EffortAs {
    /// To Anthropic `output_config.effort` with adaptive thinking, to OpenAI `reasoning_effort`.
    #[default]
    Adaptive,
    /// To Anthropic thinking with a budget, as models before 4.6 need it; to OpenAI `reasoning_effort`.
    Budget,
    /// Not passed on, for models that refuse the field.
    LeftOut,
}

/// What becomes of thinking blocks and reasoning items in the conversation so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EarlierThinking {
    /// The request is refused.
    #[default]
    Refused,
    /// They are left out. The model sees what was said and done, and not why.
    LeftOut,
}

/// What becomes of system messages that follow a turn, which not all of Anthropic's models take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LateSystem {
    /// The request is refused.
    #[default]
    Refused,
    /// They stay where they are. Claude takes that since Opus 4.8, though not on every platform.
    InPlace,
    /// They are put behind the system text at the start.
    MovedToStart,
}

/// What of a request its answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Whether a stream of chat completions is to end with the usage.
    pub include_usage: bool,
    /// What an answer of the Responses API repeats: names and values as JSON.
    pub(crate) echo: Vec<(&'static str, String)>,
}

/// How to write an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerOptions {
    /// What the translated request asked for.
    pub asked: Asked,
    /// Now, in seconds since 1970, for `created` and `created_at`.
    pub created_s: u64,
    /// The model's name as the caller is to see it; where absent, what the provider calls it.
    pub model: Option<String>,
    /// Whether the model's thinking is shown.
    pub thinking: Thinking,
    /// Bounds on what a stream may make this process hold.
    pub limits: StreamLimits,
}

impl AnswerOptions {
    /// The defaults: the provider's name of the model, no thinking.
    pub fn new(asked: Asked, created_s: u64) -> Self {
        Self {
            asked,
            created_s,
            model: None,
            thinking: Thinking::LeftOut,
            limits: StreamLimits::default(),
        }
    }
}

/// What becomes of the thinking in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Thinking {
    /// It is left out; its tokens stay in the usage.
    #[default]
    LeftOut,
    /// It is passed on: to callers of chat completions as `reasoning_content`, which OpenAI's API
    /// does not have but many servers and clients use; to callers of messages as thinking without a
    /// signature. Callers of responses do not get it.
    Shown,
}

/// Bounds on what a stream may make a translation hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// The longest line and the longest event, in bytes.
    pub event_bytes: usize,
    /// The most text and tool arguments of one answer, in bytes. Only streams of the Responses API,
    /// which end with the whole answer, are held.
    pub answer_bytes: usize,
    /// The most tool calls and blocks of one answer.
    pub blocks: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            event_bytes: 1 << 20,
            answer_bytes: 16 << 20,
            blocks: 1024,
        }
    }
}
