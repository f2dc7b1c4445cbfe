//! What the provider deducts from its limits when it admits a request.

use super::endpoint::{EndpointKind, Pacing};
use super::request::RequestFacts;

/// How the estimate of the input and the allowed output combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Combine {
    /// The larger of the two (OpenAI's guide on rate limits).
    Max,
    /// Both together (Azure's guide on quota).
    Sum,
    /// The input alone.
    InputOnly,
    /// The allowed output alone.
    MaxTokensOnly,
}

/// The formula of a provider's token charge at admission.
///
/// The charge is not what the provider bills: it is made before any token is produced, from the
/// number of characters and the number of tokens that the request allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChargeRule {
    /// How the estimate of the input and the allowed output combine.
    pub combine: Combine,
    /// `tokens` are charged for every `characters` characters of text, rounded up once for the
    /// whole request. OpenAI: 1 for 4. A zero charges nothing for text.
    pub characters: u64,
    /// See `characters`.
    pub tokens: u64,
    /// Whether the allowed output is charged for each of the `n` or `best_of` choices.
    pub multiply_choices: bool,
    /// Allowed output assumed where the request names none. Azure assumes the model's maximum.
    pub default_max_output_tokens: u64,
    /// Tokens charged for an image sent at low detail.
    pub tokens_per_low_detail_image: u64,
    /// Tokens charged for any other image.
    pub tokens_per_image: u64,
}

impl ChargeRule {
    /// OpenAI: the larger of a quarter of the characters and the allowed output.
    ///
    /// Whether `n` multiplies is not documented; charging it is the safe side. Images count toward
    /// the limit by their size, which the body does not tell: 85 tokens are a low-detail image and
    /// 1,105 a large one on the models that count tiles.
    pub const OPENAI: Self = Self {
        combine: Combine::Max,
        characters: 4,
        tokens: 1,
        multiply_choices: true,
        default_max_output_tokens: 0,
        tokens_per_low_detail_image: 85,
        tokens_per_image: 1_105,
    };

    /// Azure: prompt and allowed output together, the output for each of `best_of`.
    ///
    /// [`default_max_output_tokens`](Self::default_max_output_tokens) is to be set to the model's
    /// maximum, which is what Azure reserves for a request that names none.
    pub const AZURE: Self = Self {
        combine: Combine::Sum,
        ..Self::OPENAI
    };

    /// The tokens that the provider deducts when it admits the request. Saturates.
    #[must_use]
    pub fn tokens(&self, facts: &RequestFacts<'_>) -> u64 {
        let (input, output) = (self.input_tokens(facts), self.output_tokens(facts));
        match self.combine {
            Combine::Max => input.max(output),
            Combine::Sum => input.saturating_add(output),
            Combine::InputOnly => input,
            Combine::MaxTokensOnly => output,
        }
    }

    /// The provider's estimate of the input: text, token ids and images. Saturates.
    #[must_use]
    pub fn input_tokens(&self, facts: &RequestFacts<'_>) -> u64 {
        let low = u64::from(facts.low_detail_image_parts.min(facts.image_parts));
        let high = u64::from(facts.image_parts) - low;
        self.text_tokens(facts.text.characters)
            .saturating_add(facts.token_ids)
            .saturating_add(low.saturating_mul(self.tokens_per_low_detail_image))
            .saturating_add(high.saturating_mul(self.tokens_per_image))
    }

    /// The output that the provider sets aside. Saturates.
    #[must_use]
    pub fn output_tokens(&self, facts: &RequestFacts<'_>) -> u64 {
        let each = facts.max_output_tokens.unwrap_or(match facts.kind {
            // These produce no tokens of text, whatever is assumed for those that do.
            EndpointKind::Embeddings | EndpointKind::Moderations => 0,
            _ => self.default_max_output_tokens,
        });
        let choices = if self.multiply_choices {
            facts.n.max(facts.best_of)
        } else {
            1
        };
        each.saturating_mul(u64::from(choices))
    }

    /// The images that the provider deducts when it admits a request of this pacing.
    #[must_use]
    pub const fn images(pacing: Pacing, facts: &RequestFacts<'_>) -> u64 {
        match pacing {
            // `as` because a const function cannot convert otherwise; it only widens.
            Pacing::Images => facts.n as u64,
            Pacing::RequestsAndTokens | Pacing::Requests | Pacing::None => 0,
        }
    }

    /// Text in tokens, rounded up.
    fn text_tokens(&self, characters: u64) -> u64 {
        if self.characters == 0 {
            return 0;
        }
        let scaled = u128::from(characters) * u128::from(self.tokens);
        u64::try_from(scaled.div_ceil(u128::from(self.characters))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{ChargeRule, Combine};
    use crate::{EndpointKind, Pacing, RequestFacts};

    fn facts(kind: EndpointKind, body: &str) -> RequestFacts<'_> {
        RequestFacts::parse(kind, body.as_bytes()).unwrap()
    }

    /// Twenty characters of text, so five tokens.
    fn chat(rest: &str) -> String {
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]{rest}}}"#,
            "x".repeat(20)
        )
    }

    fn charge(rule: ChargeRule, rest: &str) -> u64 {
        rule.tokens(&facts(EndpointKind::ChatCompletions, &chat(rest)))
    }

    #[test]
    fn openai_charges_the_larger_of_text_and_allowed_output() {
        assert_eq!(charge(ChargeRule::OPENAI, ""), 5);
        assert_eq!(charge(ChargeRule::OPENAI, r#","max_tokens":4"#), 5);
        assert_eq!(charge(ChargeRule::OPENAI, r#","max_tokens":6"#), 6);
        assert_eq!(
            charge(ChargeRule::OPENAI, r#","max_completion_tokens":100,"n":3"#),
            300
        );
    }

    #[test]
    fn azure_charges_both_together() {
        let rule = ChargeRule {
            default_max_output_tokens: 4_096,
            ..ChargeRule::AZURE
        };
        assert_eq!(charge(rule, r#","max_tokens":100"#), 105);
        assert_eq!(charge(rule, ""), 4_101);
        let body = r#"{"model":"m","prompt":"12345678","max_tokens":10,"best_of":4,"n":2}"#;
        assert_eq!(rule.tokens(&facts(EndpointKind::Completions, body)), 2 + 40);
        let body = r#"{"model":"m","input":"12345678"}"#;
        assert_eq!(rule.tokens(&facts(EndpointKind::Embeddings, body)), 2);
    }

    #[test]
    fn one_side_alone_can_be_charged() {
        let rest = r#","max_tokens":100,"n":2"#;
        assert_eq!(
            charge(
                ChargeRule {
                    combine: Combine::InputOnly,
                    ..ChargeRule::OPENAI
                },
                rest
            ),
            5
        );
        let only = ChargeRule {
            combine: Combine::MaxTokensOnly,
            ..ChargeRule::OPENAI
        };
        assert_eq!(charge(only, rest), 200);
        assert_eq!(
            charge(
                ChargeRule {
                    multiply_choices: false,
                    ..only
                },
                rest
            ),
            100
        );
    }

    #[test]
    fn text_is_rounded_up_once() {
        let mut facts = facts(
            EndpointKind::Embeddings,
            r#"{"model":"m","input":["abc","de"]}"#,
        );
        assert_eq!(ChargeRule::OPENAI.tokens(&facts), 2);
        facts.text.characters = 135_021;
        assert_eq!(ChargeRule::OPENAI.tokens(&facts), 33_756);
        let three_halves = ChargeRule {
            characters: 2,
            tokens: 3,
            ..ChargeRule::OPENAI
        };
        facts.text.characters = 5;
        assert_eq!(three_halves.tokens(&facts), 8);
        assert_eq!(
            ChargeRule {
                characters: 0,
                ..ChargeRule::OPENAI
            }
            .tokens(&facts),
            0
        );
    }

    #[test]
    fn token_ids_and_images_count_as_input() {
        let body = r#"{"model":"m","input":[[1,2,3],[4,5]]}"#;
        assert_eq!(
            ChargeRule::OPENAI.tokens(&facts(EndpointKind::Embeddings, body)),
            5
        );
        let body = r#"{"model":"m","messages":[{"role":"user","content":[
            {"type":"image_url","image_url":{"url":"https://e.com/a.png","detail":"low"}},
            {"type":"image_url","image_url":{"url":"https://e.com/b.png"}}]}]}"#;
        assert_eq!(
            ChargeRule::OPENAI.tokens(&facts(EndpointKind::ChatCompletions, body)),
            85 + 1_105
        );
    }

    #[test]
    fn images_are_charged_where_images_are_made() {
        let facts = facts(
            EndpointKind::ImagesGenerations,
            r#"{"prompt":"a cat","n":4}"#,
        );
        assert_eq!(ChargeRule::images(Pacing::Images, &facts), 4);
        assert_eq!(ChargeRule::images(Pacing::RequestsAndTokens, &facts), 0);
    }

    #[test]
    fn a_charge_saturates() {
        let mut facts = facts(EndpointKind::ChatCompletions, r#"{"model":"m"}"#);
        facts.text.characters = u64::MAX;
        facts.token_ids = u64::MAX;
        facts.max_output_tokens = Some(u64::MAX);
        facts.n = u32::MAX;
        facts.image_parts = u32::MAX;
        for combine in [
            Combine::Max,
            Combine::Sum,
            Combine::InputOnly,
            Combine::MaxTokensOnly,
        ] {
            let rule = ChargeRule {
                combine,
                tokens: u64::MAX,
                ..ChargeRule::OPENAI
            };
            assert_eq!(rule.tokens(&facts), u64::MAX);
        }
    }
}
