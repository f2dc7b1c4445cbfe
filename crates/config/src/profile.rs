//! The providers whose ways are known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose ways a provider has: its dialect, where the key goes, how it counts and how it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileName {
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
    pub const ALL: [Self; 17] = [
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
    pub fn name(self) -> &'static str {
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

    /// Where the provider's API is, where it is at one place for everybody.
    pub fn base_url(self) -> Option<&'static str> {
        Some(match self {
            Self::OpenAi => "https://api.openai.com/v1",
            Self::Anthropic => "https://api.anthropic.com/v1",
            Self::Gemini => "https://generativelanguage.googleapis.com/v1beta",
            Self::GeminiCompatible => "https://generativelanguage.googleapis.com/v1beta/openai",
            Self::Groq => "https://api.groq.com/openai/v1",
            Self::Mistral => "https://api.mistral.ai/v1",
            Self::Cerebras => "https://api.cerebras.ai/v1",
            Self::Together => "https://api.together.xyz/v1",
            Self::DeepSeek => "https://api.deepseek.com/v1",
            Self::OpenRouter => "https://openrouter.ai/api/v1",
            Self::Xai => "https://api.x.ai/v1",
            Self::Cohere => "https://api.cohere.ai/compatibility/v1",
            Self::Azure | Self::Vertex | Self::Bedrock | Self::Vllm | Self::Compatible => {
                return None;
            }
        })
    }

    /// The profile of the provider that answers at `host`, where it is known.
    pub fn of_host(host: &str) -> Option<Self> {
        let ends_with = |domain: &str| {
            let rest = host.strip_suffix(domain);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let found = [
            ("api.openai.com", Self::OpenAi),
            ("openai.azure.com", Self::Azure),
            ("cognitiveservices.azure.com", Self::Azure),
            ("api.anthropic.com", Self::Anthropic),
            ("generativelanguage.googleapis.com", Self::GeminiCompatible),
            ("aiplatform.googleapis.com", Self::Vertex),
            ("api.groq.com", Self::Groq),
            ("api.mistral.ai", Self::Mistral),
            ("api.cerebras.ai", Self::Cerebras),
            ("api.together.xyz", Self::Together),
            ("api.together.ai", Self::Together),
            ("api.deepseek.com", Self::DeepSeek),
            ("openrouter.ai", Self::OpenRouter),
            ("api.x.ai", Self::Xai),
            ("api.cohere.ai", Self::Cohere),
            ("api.cohere.com", Self::Cohere),
        ];
        let known = found.into_iter().find(|(domain, _)| ends_with(domain));
        let regional = (host.starts_with("bedrock-runtime.") && ends_with("amazonaws.com"))
            .then_some(Self::Bedrock);
        let vertex = host
            .ends_with("-aiplatform.googleapis.com")
            .then_some(Self::Vertex);
        known.map(|(_, profile)| profile).or(regional).or(vertex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_files_and_addresses_lead_back_to_their_profiles() {
        for profile in ProfileName::ALL {
            let written = serde_json::to_value(profile).unwrap();
            assert_eq!(written, profile.name());
            let Some(url) = profile.base_url() else {
                continue;
            };
            let host = url::Url::parse(url).unwrap().host_str().unwrap().to_owned();
            let found = ProfileName::of_host(&host);
            // Gemini answers in both dialects at one host; callers mostly speak OpenAI's.
            let expected = match profile {
                ProfileName::Gemini => ProfileName::GeminiCompatible,
                other => other,
            };
            assert_eq!(found, Some(expected), "{host}");
        }
    }

    #[test]
    fn regions_are_known_and_look_alikes_are_not() {
        for (host, profile) in [
            ("acme.openai.azure.com", Some(ProfileName::Azure)),
            ("eu.api.openai.com", Some(ProfileName::OpenAi)),
            (
                "bedrock-runtime.us-east-1.amazonaws.com",
                Some(ProfileName::Bedrock),
            ),
            (
                "us-central1-aiplatform.googleapis.com",
                Some(ProfileName::Vertex),
            ),
            ("evilapi.openai.com.example.org", None),
            ("notapi.x.ai.example", None),
            ("xapi.x.ai", None),
            ("localhost", None),
        ] {
            assert_eq!(ProfileName::of_host(host), profile, "{host}");
        }
    }
}
