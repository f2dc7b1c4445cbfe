//! The names of the providers whose ways are known.

use paceline_provider::Profile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose ways a provider has: its dialect, where the key goes, how it counts and how it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProfileName {
    /// OpenAI.
    #[serde(rename = "openai")]
    OpenAi,
    /// Azure OpenAI.
    Azure,
    /// Anthropic.
    Anthropic,
    /// Gemini in its own dialect.
    Gemini,
    /// Gemini in OpenAI's dialect.
    GeminiCompatible,
    /// Vertex AI.
    Vertex,
    /// Amazon Bedrock.
    Bedrock,
    /// Groq.
    Groq,
    /// Mistral.
    Mistral,
    /// Cerebras.
    Cerebras,
    /// Together.
    Together,
    /// DeepSeek.
    #[serde(rename = "deepseek")]
    DeepSeek,
    /// OpenRouter.
    #[serde(rename = "openrouter")]
    OpenRouter,
    /// xAI.
    Xai,
    /// Cohere.
    Cohere,
    /// vLLM.
    Vllm,
    /// Any other server that speaks OpenAI's dialect.
    Compatible,
}

impl ProfileName {
    /// Every profile.
    #[cfg(test)]
    const ALL: [Self; 17] = [
        Self::OpenAi,
        Self::Azure,
        Self::Anthropic,
        Self::Gemini,
        Self::GeminiCompatible,
        Self::Vertex,
        Self::Bedrock,
        Self::Groq,
        Self::Mistral,
        Self::Cerebras,
        Self::Together,
        Self::DeepSeek,
        Self::OpenRouter,
        Self::Xai,
        Self::Cohere,
        Self::Vllm,
        Self::Compatible,
    ];

    /// The name used in files.
    fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::GeminiCompatible => "gemini-compatible",
            Self::Vertex => "vertex",
            Self::Bedrock => "bedrock",
            Self::Groq => "groq",
            Self::Mistral => "mistral",
            Self::Cerebras => "cerebras",
            Self::Together => "together",
            Self::DeepSeek => "deepseek",
            Self::OpenRouter => "openrouter",
            Self::Xai => "xai",
            Self::Cohere => "cohere",
            Self::Vllm => "vllm",
            Self::Compatible => "compatible",
        }
    }

    /// What is known of the provider.
    pub(crate) fn profile(self) -> &'static Profile {
        Profile::named(self.name()).unwrap_or(Profile::COMPATIBLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_that_of_its_profile_and_no_profile_lacks_one() {
        for name in ProfileName::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.name());
            assert_eq!(name.profile().name, name.name());
        }
        assert_eq!(Profile::ALL.len(), ProfileName::ALL.len());
    }
}
