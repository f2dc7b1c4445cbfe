//! From the make-up of a request to a number of tokens, in integer arithmetic that rounds up.

mod coefficients;
mod linear;
#[cfg(test)]
mod tests;

pub use linear::{COARSE_FEATURES, Family, SHAPED_FEATURES, coarse_features, shaped_features};

use crate::TextProfile;

/// The input estimate where nothing of the input could be counted: no text, no token ids, no
/// image. The input may still be large (a stored conversation, an unreadable body), so the
/// estimate is a deliberately high one, not zero.
pub const NOTHING_KNOWN_INPUT_TOKENS: u64 = 1_000;

/// Tokens that frame each chat message (see OpenAI's guide to counting chat tokens).
pub(crate) const TOKENS_PER_MESSAGE: u64 = 3;
/// Tokens that open the answer, once per chat.
pub(crate) const TOKENS_PER_ANSWER_PRIMER: u64 = 3;
/// The name of a role is a single token in every vocabulary.
const TOKENS_PER_ROLE: u64 = 1;
/// Tokens that frame each tool definition in the GPT-4o generation.
pub(crate) const TOKENS_PER_TOOL: u64 = 7;
/// Tokens that close the list of tools, once.
pub(crate) const TOKENS_PER_TOOL_LIST: u64 = 12;

/// What an estimate is made from: everything that a request says about its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EstimateInput {
    /// All text that the provider will tokenise, tool definitions included, role names not.
    pub profile: TextProfile,
    /// Chat messages. Zero where the request is not a chat.
    pub message_count: u64,
    /// Tool (function) definitions.
    pub tool_count: u64,
    /// Input that came as token ids, which needs no estimate.
    pub token_ids: u64,
    /// Tokens of the images in the input, see [`crate::image_tokens`].
    pub image_tokens: u64,
    /// The caller's own bound on the length of the answer.
    pub max_output_tokens: Option<u64>,
    /// The length of answer to assume where the caller gave no bound.
    pub default_output_tokens: u64,
    /// Percent that [`Estimator::Generous`] adds because the provider adds search results or tool
    /// output of its own to the input; 0 where it adds none.
    pub grounded_percent: u32,
    /// The vocabulary of the model.
    pub family: Family,
}

/// An estimated number of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens of the input.
    pub input_tokens: u64,
    /// Tokens to allow for the answer.
    pub output_tokens: u64,
}

/// A way to estimate. None of them can fail: where numbers pass what 64 bits hold they stay at
/// the highest value, and where nothing is known the estimate is a high one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Estimator {
    /// Four characters a token and 20 % on top. The answer is allowed for as it stands.
    Simple,
    /// Four characters a token, 100 tokens of framing and the answer, 20 % on top of all that,
    /// and [`EstimateInput::grounded_percent`] on the result.
    Generous,
    /// A linear model of the classes and runs of characters, fitted to exact counts, plus the
    /// framing of chat messages and tools. It aims at the middle and adds no margin.
    #[default]
    Calibrated,
}

impl EstimateInput {
    /// Whether nothing of the input could be counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.profile.bytes == 0
            && self.profile.characters == 0
            && self.token_ids == 0
            && self.image_tokens == 0
    }

    /// Characters of the text. A character has at most four bytes, which gives a lower bound
    /// where bytes that are not UTF-8 hid the characters.
    fn characters(&self) -> u64 {
        self.profile.characters.max(self.profile.bytes.div_ceil(4))
    }

    /// What four characters a token make of the input, without margin or framing.
    pub(crate) fn four_characters_tokens(&self) -> u64 {
        self.characters()
            .div_ceil(4)
            .saturating_add(self.counted_tokens())
    }

    /// Input that is known to the token.
    const fn counted_tokens(&self) -> u64 {
        self.token_ids.saturating_add(self.image_tokens)
    }

    fn output_tokens(&self) -> u64 {
        self.max_output_tokens.unwrap_or(self.default_output_tokens)
    }

    /// Tokens around the text of a chat and of its tools.
    const fn framing_tokens(&self) -> u64 {
        let mut framing = self
            .message_count
            .saturating_mul(TOKENS_PER_MESSAGE + TOKENS_PER_ROLE);
        if self.message_count > 0 {
            framing = framing.saturating_add(TOKENS_PER_ANSWER_PRIMER);
        }
        if self.tool_count > 0 {
            let tools = self.tool_count.saturating_mul(TOKENS_PER_TOOL);
            framing = framing
                .saturating_add(tools)
                .saturating_add(TOKENS_PER_TOOL_LIST);
        }
        framing
    }
}

impl Estimate {
    /// Input and output together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

impl Estimator {
    /// Every estimator, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Simple, Self::Generous, Self::Calibrated];

    /// The name that settings and metrics use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Generous => "generous",
            Self::Calibrated => "calibrated",
        }
    }

    /// Estimates a request.
    #[must_use]
    pub fn estimate(self, input: &EstimateInput) -> Estimate {
        let mut estimate = match self {
            Self::Simple => simple(input),
            Self::Generous => generous(input),
            Self::Calibrated => calibrated(input),
        };
        if input.is_empty() {
            estimate.input_tokens = estimate.input_tokens.max(NOTHING_KNOWN_INPUT_TOKENS);
        }
        estimate
    }
}

fn simple(input: &EstimateInput) -> Estimate {
    // Dividing once, by 4 / 1.2 as a fraction, rounds up once only.
    let text = scale(input.characters(), 12, 40);
    Estimate {
        input_tokens: text.saturating_add(input.counted_tokens()),
        output_tokens: input.output_tokens(),
    }
}

fn generous(input: &EstimateInput) -> Estimate {
    let bare = input
        .characters()
        .div_ceil(4)
        .saturating_add(100)
        .saturating_add(input.counted_tokens());
    // Both margins at once, so that it is rounded up once only.
    let numerator = 120 * (100 + u64::from(input.grounded_percent));
    Estimate {
        input_tokens: scale(bare, numerator, 10_000),
        output_tokens: scale(input.output_tokens(), numerator, 10_000),
    }
}

fn calibrated(input: &EstimateInput) -> Estimate {
    let text = input.family.text_tokens(&input.profile);
    Estimate {
        input_tokens: text
            .saturating_add(input.framing_tokens())
            .saturating_add(input.counted_tokens()),
        output_tokens: input.output_tokens(),
    }
}

/// `value * numerator / denominator`, rounded up, at the highest value where it does not fit.
pub(crate) fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    let scaled = (u128::from(value) * u128::from(numerator)).div_ceil(u128::from(denominator));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
