//! What a request costs at admission, which is not what it will turn out to have used.

use serde::{Deserialize, Serialize};

use crate::quota::Metric;

/// An amount of every metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Charge {
    /// Calls.
    pub requests: u64,
    /// Tokens as the charge formula counts them.
    pub tokens: u64,
    /// Prompt tokens.
    pub input_tokens: u64,
    /// Answer tokens.
    pub output_tokens: u64,
    /// Images.
    pub images: u64,
}

impl Charge {
    /// The charge of one request of `tokens` tokens.
    #[must_use]
    pub const fn of_tokens(tokens: u64) -> Self {
        Self {
            requests: 1,
            tokens,
            input_tokens: tokens,
            output_tokens: 0,
            images: 0,
        }
    }

    /// The amount of one metric.
    #[must_use]
    pub const fn of(&self, metric: Metric) -> u64 {
        match metric {
            Metric::Requests => self.requests,
            Metric::Tokens => self.tokens,
            Metric::InputTokens => self.input_tokens,
            Metric::OutputTokens => self.output_tokens,
            Metric::Images => self.images,
        }
    }

    /// Adds another charge, metric by metric.
    pub const fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.images = self.images.saturating_add(other.images);
    }

    /// What is left of this charge after another is taken off, metric by metric, never below zero.
    #[must_use]
    pub const fn saturating_sub(&self, other: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(other.requests),
            tokens: self.tokens.saturating_sub(other.tokens),
            input_tokens: self.input_tokens.saturating_sub(other.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(other.output_tokens),
            images: self.images.saturating_sub(other.images),
        }
    }
}

/// How the token charge at admission is computed. The estimate of the prompt is the number of
/// Unicode characters of its text divided by four, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeFormula {
    /// The larger of the estimate and the token limit of the request (OpenAI's documentation).
    #[default]
    MaxOfEstimateAndLimit,
    /// The estimate and the token limit of the request together (OpenAI's help pages).
    EstimatePlusLimit,
    /// The estimate, and the token limit times the larger of `n` and `best_of` (Azure).
    EstimatePlusLimitTimesChoices,
    /// The estimate alone (Gemini).
    InputOnly,
}

/// The size of a request, as far as a charge depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RequestSize {
    /// Unicode characters of all text content: message contents and text parts, names, the
    /// arguments of earlier tool calls, `input`, `instructions`, `prompt`, and the tools as
    /// compact JSON. A token given as a number counts as four characters.
    pub characters: u64,
    /// The request's own limit of answer tokens, where it has one.
    pub max_tokens: Option<u64>,
    /// The larger of `n` and `best_of`, at least one.
    pub choices: u64,
    /// Images asked for.
    pub images: u64,
}

impl RequestSize {
    /// The estimate of the prompt in tokens.
    #[must_use]
    pub const fn estimate(&self) -> u64 {
        self.characters.div_ceil(4)
    }
}

impl ChargeFormula {
    /// The charge of a request; `default_max_tokens` stands in where the request names no limit.
    #[must_use]
    pub fn charge(self, size: &RequestSize, default_max_tokens: u64) -> Charge {
        let estimate = size.estimate();
        let limit = size.max_tokens.unwrap_or(default_max_tokens);
        let tokens = match self {
            Self::MaxOfEstimateAndLimit => estimate.max(limit),
            Self::EstimatePlusLimit => estimate.saturating_add(limit),
            Self::EstimatePlusLimitTimesChoices => {
                estimate.saturating_add(limit.saturating_mul(size.choices.max(1)))
            }
            Self::InputOnly => estimate,
        };
        Charge {
            requests: 1,
            tokens,
            input_tokens: estimate,
            output_tokens: limit,
            images: size.images,
        }
    }

    /// What the request turned out to use, in the units of the charge, where everything counts once.
    #[must_use]
    pub const fn actual(self, prompt_tokens: u64, output_tokens: u64, images: u64) -> Charge {
        let tokens = match self {
            Self::InputOnly => prompt_tokens,
            _ => prompt_tokens.saturating_add(output_tokens),
        };
        Charge {
            requests: 1,
            tokens,
            input_tokens: prompt_tokens,
            output_tokens,
            images,
        }
    }
}

/// How the charge at admission is set right by what a request turns out to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settlement {
    /// Whether prompt tokens that were read from a cache count nothing (Anthropic, Groq, Bedrock).
    pub cached_is_free: bool,
    /// How many tokens of the limit on tokens each token of the answer counts (Bedrock's burndown).
    pub output_weight: u64,
    /// Whether the charge follows the use while the answer is made: the prompt's tokens are right as
    /// soon as the answer begins, and the answer's tokens are taken as they are produced, even where the
    /// limit has no room for them (Anthropic). Such a request is charged one answer token at admission,
    /// whatever its own limit is. The end corrects what is left to correct.
    pub as_produced: bool,
}

impl Default for Settlement {
    fn default() -> Self {
        Self {
            cached_is_free: false,
            output_weight: 1,
            as_produced: false,
        }
    }
}

impl Settlement {
    /// The charge at admission, of what the formula charges.
    #[must_use]
    pub const fn at_admission(&self, charge: Charge) -> Charge {
        if self.as_produced {
            return Charge {
                output_tokens: 1,
                ..charge
            };
        }
        charge
    }

    /// What a request has used, in the units of the charge. Of the prompt tokens, `cached_tokens` were
    /// read from a cache.
    #[must_use]
    pub const fn actual(
        &self,
        formula: ChargeFormula,
        prompt_tokens: u64,
        cached_tokens: u64,
        output_tokens: u64,
        images: u64,
    ) -> Charge {
        let input_tokens = if self.cached_is_free {
            prompt_tokens.saturating_sub(cached_tokens)
        } else {
            prompt_tokens
        };
        let weighted = output_tokens.saturating_mul(self.output_weight);
        Charge {
            output_tokens,
            ..formula.actual(input_tokens, weighted, images)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(characters: u64, max_tokens: Option<u64>) -> RequestSize {
        RequestSize {
            characters,
            max_tokens,
            choices: 3,
            images: 0,
        }
    }

    #[test]
    fn characters_are_divided_by_four_and_rounded_up() {
        assert_eq!(size(135_021, None).estimate(), 33_756);
        assert_eq!(size(0, None).estimate(), 0);
        assert_eq!(size(1, None).estimate(), 1);
    }

    #[test]
    fn each_formula_charges_what_its_provider_says() {
        let asked = size(400, Some(1_000));
        let tokens = |formula: ChargeFormula| formula.charge(&asked, 0).tokens;
        assert_eq!(tokens(ChargeFormula::MaxOfEstimateAndLimit), 1_000);
        assert_eq!(tokens(ChargeFormula::EstimatePlusLimit), 1_100);
        assert_eq!(tokens(ChargeFormula::EstimatePlusLimitTimesChoices), 3_100);
        assert_eq!(tokens(ChargeFormula::InputOnly), 100);
    }

    #[test]
    fn what_was_used_counts_as_the_settlement_says() {
        let formula = ChargeFormula::EstimatePlusLimit;
        let plain = Settlement::default().actual(formula, 1_000, 800, 50, 0);
        assert_eq!((plain.input_tokens, plain.tokens), (1_000, 1_050));
        let burndown = Settlement {
            cached_is_free: true,
            output_weight: 5,
            as_produced: false,
        };
        let used = burndown.actual(formula, 1_000, 800, 50, 0);
        assert_eq!(
            (used.input_tokens, used.output_tokens, used.tokens),
            (200, 50, 450)
        );
    }

    #[test]
    fn a_charge_that_follows_the_use_begins_with_one_answer_token() {
        let produced = Settlement {
            as_produced: true,
            ..Settlement::default()
        };
        let charge = ChargeFormula::EstimatePlusLimit.charge(&size(400, Some(1_000)), 0);
        assert_eq!(produced.at_admission(charge).output_tokens, 1);
        assert_eq!(produced.at_admission(charge).input_tokens, 100);
        assert_eq!(Settlement::default().at_admission(charge), charge);
    }

    #[test]
    fn an_absent_token_limit_takes_the_configured_default() {
        let asked = size(400, None);
        assert_eq!(
            ChargeFormula::MaxOfEstimateAndLimit
                .charge(&asked, 0)
                .tokens,
            100
        );
        assert_eq!(
            ChargeFormula::EstimatePlusLimit
                .charge(&asked, 4_096)
                .tokens,
            4_196
        );
    }
}
