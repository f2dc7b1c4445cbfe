//! Which provider a simulated one is like.

mod presets;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A provider whose paths, bodies, headers and limits are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// OpenAI.
    #[default]
    #[serde(rename = "openai")]
    OpenAi,
    /// Azure OpenAI: deployments in the path, fixed minutes, whole seconds in its headers.
    Azure,
    /// Anthropic's own API: `/v1/messages`.
    Anthropic,
    /// Google's Gemini API: `:generateContent`.
    Gemini,
    /// Google's Gemini API as it is offered to clients of OpenAI's.
    GeminiCompatible,
    /// Gemini models on Google's Vertex AI: no fixed quota, but what there is room for.
    Vertex,
    /// Amazon Bedrock: Converse.
    Bedrock,
    /// Groq.
    Groq,
    /// Mistral.
    Mistral,
    /// Cerebras.
    Cerebras,
    /// Together: a limit that steady traffic raises.
    Together,
    /// `DeepSeek`: a limit on requests in flight.
    #[serde(rename = "deepseek")]
    DeepSeek,
    /// `OpenRouter`, for its free models.
    #[serde(rename = "openrouter")]
    OpenRouter,
    /// xAI: requests per second.
    #[serde(rename = "xai")]
    XAi,
    /// Cohere with a trial key, as it is offered to clients of OpenAI's.
    Cohere,
    /// A server of one's own that limits nothing, with vLLM's errors.
    #[serde(rename = "vllm")]
    Vllm,
}

/// A name that is none of the known providers'.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown provider `{0}`; known are {known}", known = Likeness::ALL.map(Likeness::name).join(", "))]
pub struct UnknownLikeness(String);

impl Likeness {
    /// Every provider that can be simulated.
    pub const ALL: [Self; 16] = [
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
        Self::XAi,
        Self::Cohere,
        Self::Vllm,
    ];

    /// The name by which it is chosen.
    #[must_use]
    pub const fn name(self) -> &'static str {
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
            Self::XAi => "xai",
            Self::Cohere => "cohere",
            Self::Vllm => "vllm",
        }
    }

    /// The path that client libraries are given after the host, as with the real provider.
    #[must_use]
    pub const fn base_path(self) -> &'static str {
        match self {
            Self::OpenAi
            | Self::Mistral
            | Self::Cerebras
            | Self::Together
            | Self::XAi
            | Self::Vllm => "/v1",
            // Their own client libraries add the version, the deployment or the operation themselves.
            Self::Azure | Self::Anthropic | Self::Bedrock | Self::DeepSeek => "",
            Self::Gemini => "/v1beta",
            Self::GeminiCompatible => "/v1beta/openai",
            Self::Vertex => "/v1/projects/simulator/locations/global/publishers/google",
            Self::Groq => "/openai/v1",
            Self::OpenRouter => "/api/v1",
            Self::Cohere => "/compatibility/v1",
        }
    }

    /// Whether it speaks as OpenAI does, whatever its limits and errors are.
    #[must_use]
    pub const fn speaks_openai(self) -> bool {
        !matches!(
            self,
            Self::Anthropic | Self::Gemini | Self::Vertex | Self::Bedrock
        )
    }
}

impl fmt::Display for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Likeness {
    type Err = UnknownLikeness;

    fn from_str(name: &str) -> Result<Self, UnknownLikeness> {
        let found = Self::ALL
            .into_iter()
            .find(|likeness| likeness.name() == name);
        found.ok_or_else(|| UnknownLikeness(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_is_the_name_in_files() {
        for likeness in Likeness::ALL {
            assert_eq!(likeness.name().parse(), Ok(likeness));
            let text = serde_json::to_string(&likeness).unwrap();
            assert_eq!(text, format!("\"{likeness}\""));
        }
        let error = "closedai".parse::<Likeness>().unwrap_err();
        assert!(error.to_string().contains("openai, azure, anthropic"));
    }
}
