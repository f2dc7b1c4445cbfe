//! What a provider counts: at admission, and in the end.

use super::Profile;
use crate::openai::{ChargeRule, EndpointKind, RequestFacts, Usage};

/// What is deducted from a limit on tokens when a request is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Admission {
    /// By the number of characters and the output that the request allows.
    Rule(ChargeRule, Unset),
    /// Input and output as they are expected to be: what the request allows plays no part.
    Expected,
    /// Input alone.
    InputOnly,
    /// Input, and the output that the request allows.
    InputAndAllowed(Unset),
}

/// The output that is assumed where the request names no maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unset {
    /// None.
    Nothing,
    /// As much as the model can give.
    ModelMaximum,
    /// As much as the context has room for beside the input.
    RestOfContext,
}

/// How output counts against a limit on tokens in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputWeight {
    /// Each token once.
    Once,
    /// Not at all.
    Never,
    /// Several times, by model (Bedrock's burndown).
    Burndown,
}

/// What is known of a request beyond its body. Tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// The estimated input.
    pub input_tokens: u64,
    /// The output that is typical, over all choices.
    pub output_tokens: u64,
    /// The most output that the model gives, where known.
    pub model_output_max: Option<u64>,
    /// The model's context, where known.
    pub context_max: Option<u64>,
}

/// What a request takes from each kind of limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Charges {
    /// Requests.
    pub requests: u64,
    /// From a limit on tokens of both kinds together.
    pub tokens: u64,
    /// From a limit on input tokens.
    pub input_tokens: u64,
    /// From a limit on output tokens.
    pub output_tokens: u64,
    /// Images.
    pub images: u64,
}

impl Profile {
    /// What the provider deducts when it admits the request. Saturates.
    ///
    /// Where the formula is not known, OpenAI's stands in, which the learner corrects.
    #[must_use]
    pub fn charge(&self, facts: &RequestFacts<'_>, expected: &Expected) -> Charges {
        let choices = u64::from(facts.n.max(facts.best_of).max(1));
        let bound = facts
            .max_output_tokens
            .map_or(u64::MAX, |tokens| tokens.saturating_mul(choices));
        let output_tokens = expected.output_tokens.min(bound);
        Charges {
            requests: 1,
            tokens: self.tokens_at_admission(facts, expected, output_tokens),
            input_tokens: expected.input_tokens,
            output_tokens,
            images: images(facts),
        }
    }

    fn tokens_at_admission(
        &self,
        facts: &RequestFacts<'_>,
        expected: &Expected,
        output_tokens: u64,
    ) -> u64 {
        let input = expected.input_tokens;
        let openai = Admission::Rule(ChargeRule::OPENAI, Unset::Nothing);
        match self.admission.value().unwrap_or(openai) {
            Admission::Rule(rule, unset) => ChargeRule {
                default_max_output_tokens: unset.output(facts, expected, output_tokens),
                ..rule
            }
            .tokens(facts),
            Admission::Expected => input.saturating_add(output_tokens),
            Admission::InputOnly => input,
            Admission::InputAndAllowed(unset) => {
                let choices = u64::from(facts.n.max(1));
                let allowed = match facts.max_output_tokens {
                    Some(tokens) => tokens.saturating_mul(choices),
                    None => unset.output(facts, expected, output_tokens),
                };
                input.saturating_add(allowed)
            }
        }
    }

    /// What the provider counts in the end, by what the call used; where
    /// [`unused_comes_back`](Self::unused_comes_back) is false, what was deducted at admission stays
    /// all the same. Saturates.
    ///
    /// `model` is the provider's name of it: some providers count models differently.
    #[must_use]
    pub fn used(&self, model: &str, usage: &Usage) -> Charges {
        let counts_cached = self.counts_cached_input(model).unwrap_or(true);
        let input_tokens = if counts_cached {
            usage.input_tokens
        } else {
            usage.input_tokens.saturating_sub(usage.cached_input_tokens)
        };
        let weight = match self.output {
            OutputWeight::Once => 1,
            OutputWeight::Never => 0,
            OutputWeight::Burndown => burndown(model),
        };
        Charges {
            requests: 1,
            tokens: input_tokens.saturating_add(usage.output_tokens.saturating_mul(weight)),
            input_tokens,
            output_tokens: usage.output_tokens,
            images: 0,
        }
    }

    /// Whether input that was read from a cache counts for a model; `None` where that is not known.
    #[must_use]
    pub fn counts_cached_input(&self, model: &str) -> Option<bool> {
        // Anthropic names one exception among its models.
        let is_exception = self.is("anthropic") && model.contains("claude-3-5-haiku");
        if is_exception {
            return Some(true);
        }
        self.cached_input_counts.value()
    }
}

impl Unset {
    /// What is not known of the model is taken as it is expected.
    fn output(self, facts: &RequestFacts<'_>, expected: &Expected, typical: u64) -> u64 {
        if !makes_text(facts.kind) {
            return 0;
        }
        match self {
            Self::Nothing => 0,
            Self::ModelMaximum => expected.model_output_max.unwrap_or(typical),
            Self::RestOfContext => expected
                .context_max
                .map_or(typical, |max| max.saturating_sub(expected.input_tokens)),
        }
    }
}

const fn makes_text(kind: EndpointKind) -> bool {
    use EndpointKind as K;
    !matches!(
        kind,
        K::Embeddings
            | K::Moderations
            | K::MessagesCountTokens
            | K::GeminiCountTokens
            | K::GeminiEmbed
            | K::BedrockCountTokens
    )
}

fn images(facts: &RequestFacts<'_>) -> u64 {
    use EndpointKind as K;
    match facts.kind {
        K::ImagesGenerations | K::ImagesEdits | K::ImagesVariations => u64::from(facts.n),
        _ => 0,
    }
}

/// How many times an output token counts on Bedrock's runtime endpoint (quotas, token burndown).
/// A version that is newer than the table is taken as the generation that it belongs to.
fn burndown(model: &str) -> u64 {
    let model = model.to_ascii_lowercase();
    let is = |names: &[&str]| names.iter().any(|name| model.contains(name));
    if is(&["opus-4-8"]) {
        15
    } else if is(&["sonnet-5", "opus-5", "fable-5", "gpt-5.6", "gpt-5-6"]) {
        10
    } else if is(&["claude-3-7", "sonnet-4", "opus-4", "haiku-4"]) {
        5
    } else {
        1
    }
}
