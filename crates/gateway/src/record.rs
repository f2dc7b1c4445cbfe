//! The usage record of each call: what it was, what it took, what it cost.

mod kept;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use paceline_config::{Settings, UPSTREAM, Upstream};
use paceline_ledger::{Entry, Ledger, OpenError, Outcome, Retention};
use paceline_provider::{EndpointKind, Pacing, Usage};
use paceline_tokens::prices::{
    BilledUsage, Date, Price, PriceBook, PriceFile, ServiceTier, provider_of_host,
};
use parking_lot::RwLock;

use crate::exchange::{Ending, Exchange, milliseconds};
use crate::labels;

pub use kept::ledger_location;
pub(crate) use kept::{Kept, wait_for};

/// Whose API it is where that cannot be told from the address.
const PROVIDER_UNKNOWN: &str = "custom";

/// Characters of output per token, for answers that were cut before they told their usage.
const CHARACTERS_PER_TOKEN: u64 = 4;

/// Why the ledger or the prices cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The ledger cannot be opened.
    #[error("the ledger cannot be used: {0}; ledger.enabled = false does without it")]
    Ledger(#[from] OpenError),
    /// The file of prices cannot be used.
    #[error("{0}")]
    Prices(String),
}

/// Keeps a record of each call, and knows what calls cost.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// `None`: no records are kept.
    kept: Option<Arc<Kept>>,
    prices: RwLock<Prices>,
}

/// Prices, and whose hold.
#[derive(Debug)]
struct Prices {
    book: Arc<PriceBook>,
    /// Whose hold at the provider of `[upstream]`.
    provider: Arc<str>,
    /// Whose hold at the others, by their names in the settings.
    further: HashMap<String, Arc<str>>,
}

impl Prices {
    fn read(settings: &Settings) -> Result<Self, String> {
        let own = &settings.prices;
        let book = match read_price_file(own)? {
            Some(file) => PriceBook::built_in().overlay(file),
            None => PriceBook::built_in(),
        };
        let by_address = whose_prices(&settings.upstream);
        let provider = own.provider.as_deref().unwrap_or(by_address);
        let providers = settings.providers.iter();
        let further = providers.map(|provider| {
            let whose = Arc::from(whose_prices(&provider.upstream));
            (provider.name.clone(), whose)
        });
        Ok(Self {
            book: Arc::new(book),
            provider: Arc::from(provider),
            further: further.collect(),
        })
    }

    /// Whose prices hold at a provider of the settings.
    fn at(&self, provider: &str) -> &Arc<str> {
        self.further.get(provider).unwrap_or(&self.provider)
    }
}

/// Whose prices hold at a provider: by its address, and where that says nothing by its profile.
fn whose_prices(upstream: &Upstream) -> &'static str {
    let by_address = upstream.base_url.host_str().and_then(provider_of_host);
    by_address.unwrap_or(match upstream.profile.name {
        "compatible" | "vllm" => PROVIDER_UNKNOWN,
        "gemini-compatible" | "vertex" => "gemini",
        name => name,
    })
}

fn read_price_file(own: &paceline_config::Prices) -> Result<Option<PriceFile>, String> {
    let shown = own.file.display().to_string();
    match std::fs::read(&own.file) {
        Ok(bytes) => PriceFile::parse(&shown, &bytes)
            .map(Some)
            .map_err(|problems| format!("the prices cannot be used: {problems}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !own.file_is_named => Ok(None),
        Err(error) => Err(format!("prices.file cannot be read: {shown}: {error}")),
    }
}

/// What a call that is over used, and what it cost.
#[derive(Debug)]
pub(crate) struct Account {
    now_ms: i64,
    provider: Arc<str>,
    usage: Usage,
    is_told: bool,
    priced: Priced,
}

impl Account {
    /// Billionths of a dollar; `None`: its price is not known.
    pub(crate) fn cost_nanousd(&self) -> Option<u64> {
        self.priced.cost_nanousd
    }

    /// Input and output together; `None`: nothing says how many there were.
    pub(crate) fn tokens(&self) -> Option<u64> {
        let usage = &self.usage;
        let tokens = usage.input_tokens.saturating_add(usage.output_tokens);
        self.is_told.then_some(tokens)
    }
}

/// What a call cost, by which price.
#[derive(Debug, Default)]
struct Priced {
    version: Option<String>,
    cost_nanousd: Option<u64>,
}

impl Recorder {
    /// Reads the prices, and opens the ledger if there is to be one. It needs a runtime.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, RecordError> {
        let prices = Prices::read(settings).map_err(RecordError::Prices)?;
        Ok(Self {
            kept: Kept::open(settings).await?,
            prices: RwLock::new(prices),
        })
    }

    /// The ledger, if there is one and it could be opened.
    pub(crate) fn ledger(&self) -> Option<&Ledger> {
        self.kept.as_ref().and_then(|kept| kept.ledger())
    }

    /// Where records go; `None` where none are kept.
    pub(crate) fn kept(&self) -> Option<&Arc<Kept>> {
        self.kept.as_ref()
    }

    /// Reads the prices again.
    pub(crate) fn reload(&self, settings: &Settings) -> Result<(), String> {
        *self.prices.write() = Prices::read(settings)?;
        Ok(())
    }

    /// The prices in force, and whose hold at the upstream.
    pub(crate) fn prices(&self) -> (Arc<PriceBook>, Arc<str>) {
        let prices = self.prices.read();
        (Arc::clone(&prices.book), Arc::clone(&prices.provider))
    }

    /// The prices in force, and whose hold at a provider of the settings.
    pub(crate) fn prices_at(&self, provider: &str) -> (Arc<PriceBook>, Arc<str>) {
        let prices = self.prices.read();
        (Arc::clone(&prices.book), Arc::clone(prices.at(provider)))
    }

    /// What a call that is over used, and what it cost.
    pub(crate) fn account(&self, exchange: &Exchange, ending: Ending) -> Account {
        let now_ms = exchange.shared.now_ms();
        let lane = exchange.lane.as_deref();
        let (book, provider) = self.prices_at(lane.map_or(UPSTREAM, |lane| &lane.provider));
        let usage = usage_of(exchange, ending);
        let day = Date::of_unix_seconds(now_ms.unsigned_abs() / 1_000);
        let asked = exchange.model.as_deref().unwrap_or_default();
        // A name that the lane does not keep may be that of another model, with another price.
        let there = lane.map_or(asked, |lane| &lane.model);
        let names = [exchange.model_answered.as_deref(), Some(there)];
        let mut names = names.into_iter().flatten();
        let price = names.find_map(|model| book.price_at(&provider, model, day));
        let was_billed = was_billed(exchange, ending);
        // What was not billed took nothing, and that is known too.
        let is_told = !was_billed || is_known(exchange, ending);
        let billed = billed(exchange, &usage);
        let priced = cost(price.filter(|_| is_told), &billed, was_billed);
        Account {
            now_ms,
            provider,
            usage,
            is_told,
            priced,
        }
    }

    /// Whether a record of such a call is kept: what generates nothing, such as a list of models, is no
    /// call.
    pub(crate) fn keeps(&self, exchange: &Exchange) -> bool {
        let is_call = exchange.endpoint.pacing != Pacing::None
            || exchange.endpoint.kind == EndpointKind::Realtime;
        is_call && self.kept.is_some()
    }

    /// Keeps the record of a call that is over, unless there are to be none.
    pub(crate) fn record(&self, exchange: &Exchange, ending: Ending, account: Account) {
        let Some(kept) = self.kept.as_ref().filter(|_| self.keeps(exchange)) else {
            return;
        };
        if kept.record(entry(exchange, ending, account)).is_err() {
            // Counted and shown with the ledger's health, beside the reason.
            tracing::debug!(id = %exchange.request_id, "the usage record is lost");
        }
    }
}

/// The prices of a gateway with these settings, and the provider whose prices hold.
///
/// # Errors
/// When the file of prices cannot be used.
pub fn prices(settings: &Settings) -> Result<(Arc<PriceBook>, Arc<str>), String> {
    let prices = Prices::read(settings)?;
    Ok((prices.book, prices.provider))
}

fn entry(exchange: &Exchange, ending: Ending, account: Account) -> Entry {
    let Account {
        now_ms,
        provider,
        usage,
        priced,
        ..
    } = account;
    let hedged = exchange.hedged();
    let (cost_nanousd, hedge_cost_nanousd) = match &hedged {
        Some(hedged) => hedged.costs(priced.cost_nanousd),
        None => (priced.cost_nanousd, None),
    };
    let caller = &exchange.caller;
    let asked = exchange.model.as_deref().unwrap_or_default();
    let answered = exchange.model_answered.as_deref();
    let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
    Entry {
        session: text(&caller.session),
        key_id: caller.key.as_ref().map(|key| key.id.to_string()),
        tags: caller.tags.as_deref().map(split_tags).unwrap_or_default(),
        route: labels::endpoint(exchange.endpoint.kind).to_owned(),
        provider: provider.to_string(),
        model: asked.to_owned(),
        model_answered: answered.map(str::to_owned),
        service_tier: exchange.service_tier.clone(),
        priority: Some(caller.tier.name().to_owned()),
        input_tokens: usage.input_tokens,
        cached_tokens: usage.cached_input_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        output_tokens: usage.output_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        audio_in_tokens: usage.audio_input_tokens,
        audio_out_tokens: usage.audio_output_tokens,
        image_in_tokens: usage.image_input_tokens,
        image_out_tokens: usage.image_output_tokens,
        images: made_images(exchange),
        audio_ms: usage.audio_ms,
        price_version: priced.version,
        cost_nanousd,
        estimate_tokens: exchange.estimated_input_tokens,
        charge_tokens: exchange.estimated_tokens,
        wait_ms: milliseconds(exchange.waited),
        attempts: u64::from(exchange.attempts),
        first_byte_ms: exchange.first_byte().map(milliseconds),
        duration_ms: milliseconds(exchange.elapsed()),
        outcome: outcome(ending),
        status: exchange.status,
        error_code: exchange.error_code.as_deref().map(str::to_owned),
        binding_limit: exchange.limited_by.map(|binding| binding.to_string()),
        pool: text(&exchange.pool),
        lane: exchange.lane.as_ref().map(|lane| lane.name.to_string()),
        passed: exchange.passed_lanes(),
        hedged: hedged.map(|hedged| hedged.lane.name.to_string()),
        hedge_cost_nanousd,
        instance: exchange.shared.call_ids.instance(),
        ..Entry::new(exchange.call_id, now_ms, &*caller.tenant)
    }
}

/// How long the ledger keeps what.
pub(crate) fn retention(settings: &Settings) -> Retention {
    let ledger = &settings.ledger;
    Retention {
        records_days: ledger.records_days,
        minutes_days: ledger.minutes_days,
        hours_days: ledger.hours_days,
        days_days: ledger.days_days,
        sessions_days: ledger.sessions_days,
    }
}

/// What the call used. Where an answer was cut off before it told, the provider has read the input and
/// written what was seen: that is what it will bill, as far as anyone knows. Where the caller left
/// before there was any, it has read the input.
fn usage_of(exchange: &Exchange, ending: Ending) -> Usage {
    if let Some(mut usage) = exchange.usage {
        if exchange.endpoint.pacing == Pacing::Images && usage.image_output_tokens == 0 {
            // The answer does not say apart what all its output is.
            usage.image_output_tokens = usage.output_tokens;
        }
        return usage;
    }
    if !is_estimated(exchange, ending) {
        return Usage::default();
    }
    let output_tokens = exchange.output_characters.div_ceil(CHARACTERS_PER_TOKEN);
    Usage {
        input_tokens: exchange.estimated_input_tokens,
        output_tokens,
        total_tokens: exchange
            .estimated_input_tokens
            .saturating_add(output_tokens),
        ..Usage::default()
    }
}

/// Whether what the call used is not told, and can be estimated.
fn is_estimated(exchange: &Exchange, ending: Ending) -> bool {
    let was_seen = ending == Ending::Ok && exchange.output_characters > 0;
    was_seen || was_cut(exchange, ending) || was_left(exchange, ending)
}

/// Whether anything says what the call used. Of answers that tell nothing, such as speech and sessions,
/// the cost is not known, which is not nothing.
fn is_known(exchange: &Exchange, ending: Ending) -> bool {
    exchange.usage.is_some() || is_estimated(exchange, ending) || made_images(exchange) > 0
}

/// Whether an answer had begun and did not come to its end.
fn was_cut(exchange: &Exchange, ending: Ending) -> bool {
    let began = (200..400).contains(&exchange.status) && exchange.first_byte().is_some();
    began && matches!(ending, Ending::UpstreamFailed | Ending::CallerGone)
}

/// Whether the caller left while the request was with the provider and no answer had begun.
fn was_left(exchange: &Exchange, ending: Ending) -> bool {
    ending == Ending::CallerGone && exchange.attempts > 0 && exchange.first_byte().is_none()
}

/// Whether the provider takes anything for it: refusals and errors are free everywhere.
fn was_billed(exchange: &Exchange, ending: Ending) -> bool {
    exchange.usage.is_some()
        || ending == Ending::Ok
        || was_cut(exchange, ending)
        || was_left(exchange, ending)
}

fn billed(exchange: &Exchange, usage: &Usage) -> BilledUsage {
    BilledUsage {
        input_tokens: usage.input_tokens,
        cached_tokens: usage.cached_input_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        output_tokens: usage.output_tokens,
        audio_input_tokens: usage.audio_input_tokens,
        audio_output_tokens: usage.audio_output_tokens,
        image_input_tokens: usage.image_input_tokens,
        image_output_tokens: usage.image_output_tokens,
        images: made_images(exchange),
        audio_ms: usage.audio_ms,
        requests: 1,
        tier: service_tier(exchange.service_tier.as_deref()),
        ..BilledUsage::default()
    }
}

/// Images that were asked for, where an answer came.
fn made_images(exchange: &Exchange) -> u64 {
    let answered = exchange.first_byte().is_some() && exchange.status < 400;
    if answered && exchange.endpoint.pacing == Pacing::Images {
        exchange.images
    } else {
        0
    }
}

fn cost(price: Option<&Price>, billed: &BilledUsage, was_billed: bool) -> Priced {
    if !was_billed {
        return Priced {
            version: None,
            cost_nanousd: Some(0),
        };
    }
    let Some(price) = price else {
        return Priced::default();
    };
    Priced {
        version: Some(price.version().to_string()),
        cost_nanousd: price.cost(billed).ok().map(|cost| cost.nanousd),
    }
}

/// The tier whose prices hold: that of the answer, as the provider names it.
pub(crate) fn service_tier(name: Option<&str>) -> ServiceTier {
    match name {
        Some("flex") => ServiceTier::Flex,
        Some("priority") => ServiceTier::Priority,
        Some("batch") => ServiceTier::Batch,
        _ => ServiceTier::Standard,
    }
}

fn outcome(ending: Ending) -> Outcome {
    match ending {
        Ending::Ok => Outcome::Ok,
        Ending::ProviderError => Outcome::ProviderError,
        Ending::Refused => Outcome::Refused,
        Ending::UpstreamFailed => Outcome::UpstreamFailed,
        Ending::CallerGone => Outcome::CallerGone,
    }
}

/// Tags stand between commas.
pub(crate) fn split_tags(tags: &str) -> Vec<String> {
    let tags = tags.split(',').map(str::trim);
    tags.filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}
