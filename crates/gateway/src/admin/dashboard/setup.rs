//! What the page has to know at its start.

use std::net::SocketAddr;

use paceline_admin_api::{ChatSetup, DashboardSession, LimitsOrigin};
use paceline_config::{DomainRule, Settings};
use paceline_tokens::prices::{Date, Part, Price, ServiceTier};

use crate::clock::{unix_ms, unix_seconds_now};
use crate::shared::Shared;

/// The most models that are named.
const MODELS_MAX: usize = 50;

/// What the page has to know of a gateway whose callers come to `address`.
pub(super) fn setup(shared: &Shared, address: SocketAddr) -> DashboardSession {
    let live = shared.live();
    let settings = &live.settings;
    DashboardSession {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at_ms: unix_ms(shared.clock.date(shared.started)),
        upstream: upstream(settings),
        listen: address.to_string(),
        chat: ChatSetup {
            needs_key: settings.upstream.api_key.is_none() || shared.keys.are_asked_for(),
            models: models(shared, settings),
        },
        preset: settings.preset.map(str::to_owned),
        limits: limits_origin(settings),
        ledger: shared.recorder.kept().is_some(),
    }
}

/// The host, since the path of an address may say more than it should.
fn upstream(settings: &Settings) -> String {
    let url = &settings.upstream.base_url;
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn limits_origin(settings: &Settings) -> LimitsOrigin {
    let all = || settings.domains.iter().chain([&settings.default_domain]);
    let is_configured = all().any(|domain: &DomainRule| !domain.limits.is_empty());
    let is_learned = all().any(|domain| domain.learn);
    match (is_configured, is_learned) {
        (true, false) => LimitsOrigin::Configured,
        (false, true) => LimitsOrigin::Learned,
        (true, true) => LimitsOrigin::Both,
        (false, false) => LimitsOrigin::Unlimited,
    }
}

/// Names of models: those that answered, those that pools are for, those that have a price here.
fn models(shared: &Shared, settings: &Settings) -> Vec<String> {
    let mut names: Vec<String> = {
        let learned = shared.learned.lock();
        let lengths = learned.output_lengths.models();
        lengths.map(|(name, _)| name.to_owned()).collect()
    };
    names.sort_unstable();
    let pools = settings.domains.iter();
    let patterns = pools.flat_map(|domain| domain.models.iter());
    let exact = patterns
        .map(|pattern| pattern.as_str())
        .filter(|pattern| !pattern.contains('*'));
    names.extend(exact.map(str::to_owned));
    let (book, provider) = shared.recorder.prices();
    let prices = book.in_force(Date::of_unix_seconds(unix_seconds_now()));
    let priced = prices
        .filter(|price| price.provider() == &*provider && is_of_chats(price))
        .flat_map(Price::models)
        .filter(|model| !model.is_open());
    names.extend(priced.map(|model| model.as_str().to_owned()));
    let mut known = std::collections::HashSet::new();
    names.retain(|name| known.insert(name.clone()));
    names.truncate(MODELS_MAX);
    names
}

/// Whether a price is for text to text: neither for embeddings nor for sounds and pictures.
fn is_of_chats(price: &Price) -> bool {
    let sheet = price.sheet(ServiceTier::Standard);
    let rates = sheet.and_then(|sheet| sheet.rates(0));
    rates.is_some_and(|rates| {
        let has = |part| rates.get(part).is_some();
        let others = [Part::AudioInput, Part::AudioOutput, Part::ImageOutput];
        has(Part::Input) && has(Part::Output) && !others.into_iter().any(has)
    })
}
