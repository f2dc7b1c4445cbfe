//! `GET /monitoring/prompt-sizes`: where input tokens go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How large prompts are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PromptSizes {
    /// By endpoint and model, those with most input tokens in all first.
    pub prompts: Vec<PromptSize>,
}

/// The prompts for one endpoint and model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromptSize {
    /// The endpoint.
    pub route: String,
    /// The model.
    pub model: String,
    /// Calls that were sent.
    pub calls: u64,
    /// Input tokens of all of them.
    pub input_tokens: u64,
    /// Input tokens of a call on average.
    pub average_input_tokens: u64,
    /// The most of one call.
    pub max_input_tokens: u64,
    /// Input tokens that came from the provider's cache.
    pub cached_tokens: u64,
    /// The cost of these calls, input and output, in billionths of a dollar.
    pub cost_nanousd: u64,
    /// Input tokens that would be saved if these calls were as large, on average, as all calls.
    pub above_average_tokens: u64,
}
