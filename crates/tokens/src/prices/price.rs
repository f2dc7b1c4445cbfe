//! A price: what a model costs from a day on.

use super::cost::{self, Cost, CostBound, Unpriced};
use super::date::Date;
use super::pattern::ModelPattern;
use super::rates::RateSheet;
use super::usage::{BilledUsage, ServiceTier};
use super::version::PriceVersion;

/// What a model costs from a day on, until a later price of the same model takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    provider: String,
    models: Vec<ModelPattern>,
    facts: PriceFacts,
    sheets: [Option<RateSheet>; ServiceTier::ALL.len()],
    version: PriceVersion,
}

/// What is known about a price besides its rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PriceFacts {
    pub(crate) effective_from: Date,
    pub(crate) as_of: Date,
    pub(crate) source: String,
    pub(crate) uncertain: Option<String>,
    pub(crate) context_tokens: Option<u64>,
    pub(crate) output_tokens_max: Option<u64>,
}

impl Price {
    pub(crate) fn new(
        provider: String,
        models: Vec<ModelPattern>,
        facts: PriceFacts,
        sheets: [Option<RateSheet>; ServiceTier::ALL.len()],
    ) -> Self {
        let mut price = Self {
            provider,
            models,
            facts,
            sheets,
            version: PriceVersion::from(String::new()),
        };
        price.version = PriceVersion::of(&price);
        price
    }

    /// The same price for fewer models.
    pub(crate) fn for_models(&self, models: Vec<ModelPattern>) -> Self {
        let Self {
            provider,
            facts,
            sheets,
            ..
        } = self.clone();
        Self::new(provider, models, facts, sheets)
    }

    /// Who charges it.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The models that it is for.
    pub fn models(&self) -> &[ModelPattern] {
        &self.models
    }

    /// The first day on which it is known to hold.
    pub fn effective_from(&self) -> Date {
        self.facts.effective_from
    }

    /// The day on which the source was seen to say so.
    pub fn as_of(&self) -> Date {
        self.facts.as_of
    }

    /// The address of the page that gives it.
    pub fn source(&self) -> &str {
        &self.facts.source
    }

    /// What is not certain about it.
    pub fn uncertain(&self) -> Option<&str> {
        self.facts.uncertain.as_deref()
    }

    /// Tokens that a context of the model holds, input and output together, where that is known.
    pub fn context_tokens(&self) -> Option<u64> {
        self.facts.context_tokens
    }

    /// The longest answer of the model in tokens, where that is known; 0 where it gives none, as
    /// for embeddings.
    pub fn output_tokens_max(&self) -> Option<u64> {
        self.facts.output_tokens_max
    }

    /// The rates of a tier; `None` where no price of the tier is known.
    pub fn sheet(&self, tier: ServiceTier) -> Option<&RateSheet> {
        self.sheets[tier.index()].as_ref()
    }

    /// Names this price for good.
    pub fn version(&self) -> &PriceVersion {
        &self.version
    }

    /// What a call cost, exactly.
    ///
    /// Where the input is longer than the threshold of a long context, the rates of that hold for
    /// the whole call.
    ///
    /// # Errors
    ///
    /// When the tier, or a part that was used, has no rate: the cost is unknown then.
    pub fn cost(&self, usage: &BilledUsage) -> Result<Cost, Unpriced> {
        cost::cost(self, usage)
    }

    /// The most, in nano-dollars, that a call of text can cost in the standard tier: all of its
    /// input at the dearest of the rates for fresh, cached and written tokens, and its output as
    /// long as it may be.
    ///
    /// # Errors
    ///
    /// As for [`cost`](Self::cost).
    pub fn most(&self, input_tokens: u64, output_tokens_max: u64) -> Result<u64, Unpriced> {
        self.most_of(&CostBound::text(input_tokens, Some(output_tokens_max)))
    }

    /// The most, in nano-dollars, that a call within these bounds can cost.
    ///
    /// # Errors
    ///
    /// As for [`cost`](Self::cost), and when nothing bounds the length of the answer.
    pub fn most_of(&self, bound: &CostBound) -> Result<u64, Unpriced> {
        cost::most(self, bound)
    }

    /// The name of the price in messages: its provider and first model.
    pub fn name(&self) -> String {
        let model = self.models.first().map_or("", ModelPattern::as_str);
        format!("{}/{model}", self.provider)
    }
}
