//! What an answer costs, by the prices that hold.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use paceline_provider::{Answered, EndpointKind, RequestFacts, Usage};
use paceline_tokens::prices::{BilledUsage, CostBound, Date, Price, PriceBook, ServiceTier};

/// Prices, and whose hold.
#[derive(Clone, Debug)]
pub struct Pricing {
    /// The prices.
    pub book: Arc<PriceBook>,
    /// The provider whose prices hold, as they name it.
    pub provider: Arc<str>,
}

impl Pricing {
    /// The price of a model today.
    pub fn of(&self, model: &str) -> Option<&Price> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let today = Date::of_unix_seconds(since.unwrap_or_default().as_secs());
        self.book.price_at(&self.provider, model, today)
    }

    /// What an answer cost, in billionths of a dollar; `None` where that is not known.
    pub(crate) fn cost(&self, asked: Option<&str>, answered: &Answered) -> Option<u64> {
        let usage = answered.usage.as_ref()?;
        let named = answered.model.as_deref().and_then(|model| self.of(model));
        let price = named.or_else(|| self.of(asked?))?;
        let tier = tier(answered.service_tier.as_deref());
        price
            .cost(&billed(usage, tier))
            .ok()
            .map(|cost| cost.nanousd)
    }

    /// The most that a request can cost, as far as it bounds its own answer.
    pub(crate) fn most(&self, asked: &Asked) -> Option<u64> {
        let price = self.of(asked.model.as_deref()?)?;
        let bound = CostBound::text(asked.input_tokens_max, Some(asked.output_tokens_max?));
        price.most_of(&bound).ok()
    }
}

/// What a request says of itself, read once.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) model: Option<String>,
    /// No text has more tokens than bytes.
    pub(crate) input_tokens_max: u64,
    /// Over all its answers; `None`: it does not say.
    pub(crate) output_tokens_max: Option<u64>,
}

impl Asked {
    pub(crate) fn read(kind: EndpointKind, body: &[u8]) -> Self {
        let facts = RequestFacts::parse(kind, body).ok();
        let output_tokens_max = facts.as_ref().and_then(|facts| {
            let answers = u64::from(facts.n.max(facts.best_of).max(1));
            Some(facts.max_output_tokens?.saturating_mul(answers))
        });
        let model = facts.map(|facts| facts.model.into_owned());
        Self {
            model: model.filter(|model| !model.is_empty()),
            input_tokens_max: body.len() as u64,
            output_tokens_max,
        }
    }

    /// The most tokens that it can take, as far as it says so.
    pub(crate) fn tokens_max(&self) -> Option<u64> {
        let output = self.output_tokens_max?;
        Some(output.saturating_add(self.input_tokens_max))
    }
}

/// The tier that a request or an answer names.
pub(crate) fn tier(name: Option<&str>) -> ServiceTier {
    match name {
        Some("flex") => ServiceTier::Flex,
        Some("priority" | "fast") => ServiceTier::Priority,
        Some("batch") => ServiceTier::Batch,
        _ => ServiceTier::Standard,
    }
}

fn billed(usage: &Usage, tier: ServiceTier) -> BilledUsage {
    BilledUsage {
        input_tokens: usage.input_tokens,
        cached_tokens: usage.cached_input_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        output_tokens: usage.output_tokens,
        audio_input_tokens: usage.audio_input_tokens,
        audio_output_tokens: usage.audio_output_tokens,
        image_input_tokens: usage.image_input_tokens,
        image_output_tokens: usage.image_output_tokens,
        audio_ms: usage.audio_ms,
        requests: 1,
        tier,
        ..BilledUsage::default()
    }
}
