//! What a provider's limit counts.

/// What a provider's limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitMetric {
    /// Requests (RPM, RPD).
    Requests,
    /// Tokens, input and output together (TPM, TPD).
    Tokens,
    /// Input tokens alone.
    InputTokens,
    /// Output tokens alone.
    OutputTokens,
    /// Generated images (IPM).
    Images,
    /// Anything else, such as minutes of audio or bytes.
    Other,
}

impl LimitMetric {
    /// Reads the plain name that headers and messages use, such as `tokens` or `requests`.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "requests" | "request" | "req" | "calls" | "call" => Self::Requests,
            "tokens" | "token" => Self::Tokens,
            "input-tokens" => Self::InputTokens,
            "output-tokens" => Self::OutputTokens,
            "images" | "image" => Self::Images,
            _ => Self::Other,
        }
    }
}
