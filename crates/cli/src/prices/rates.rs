//! Rates of a price as people and programs read them.

use paceline_tokens::prices::{Part, Price, RateSheet, Rates, ServiceTier, usd};
use serde_json::{Map, Value, json};

use crate::figures::grouped;

/// The parts that have a column of their own in tables.
const COLUMNS: [Part; 4] = [
    Part::Input,
    Part::CachedInput,
    Part::CacheWrite,
    Part::Output,
];

/// The rates of the standard tier.
pub(super) fn standard(price: &Price) -> Rates {
    let sheet = price.sheet(ServiceTier::Standard);
    sheet.map(|sheet| sheet.base).unwrap_or_default()
}

/// A rate in dollars; nothing where there is none.
pub(super) fn dollars(rates: &Rates, part: Part) -> String {
    let rate = rates.get(part);
    rate.map(|rate| usd(rate).to_string()).unwrap_or_default()
}

/// Input and output in dollars: `2.50 / 10.00`, or whatever else the price has.
pub(super) fn in_brief(price: &Price) -> String {
    let rates = standard(price);
    let both = [Part::Input, Part::Output].map(|part| rates.get(part));
    match both {
        [Some(input), Some(output)] => format!("{} / {}", usd(input), usd(output)),
        _ => {
            let each = rates
                .iter()
                .map(|(part, rate)| format!("{part} {}", usd(rate)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

/// What the columns leave out: long contexts, tiers, and the other rates.
pub(super) fn besides(price: &Price) -> String {
    let rates = standard(price);
    let rest = rates.iter().filter(|(part, _)| !COLUMNS.contains(part));
    let mut words: Vec<String> = rest
        .map(|(part, rate)| format!("{part} {}", usd(rate)))
        .collect();
    let sheet = price.sheet(ServiceTier::Standard);
    if let Some(long) = sheet.and_then(|sheet| sheet.long) {
        words.push(format!("dearer above {}", grouped(long.above_input_tokens)));
    }
    let tiers = ServiceTier::ALL.into_iter().skip(1);
    words.extend(tiers.filter_map(|tier| price.sheet(tier).map(|_| tier.to_string())));
    words.join(", ")
}

/// A price as JSON; rates are strings, in which nothing is rounded.
pub(super) fn json(price: &Price, is_own: bool) -> Value {
    let models: Vec<&str> = price.models().iter().map(|model| model.as_str()).collect();
    let tiers = ServiceTier::ALL.into_iter().filter_map(|tier| {
        let sheet = price.sheet(tier)?;
        Some((tier.name().to_owned(), sheet_json(sheet)))
    });
    json!({
        "provider": price.provider(),
        "models": models,
        "effective_from": price.effective_from().to_string(),
        "as_of": price.as_of().to_string(),
        "source": price.source(),
        "uncertain": price.uncertain(),
        "from_own_file": is_own,
        "version": price.version(),
        "context_tokens": price.context_tokens(),
        "output_tokens_max": price.output_tokens_max(),
        "tiers": tiers.collect::<Map<_, _>>(),
    })
}

fn sheet_json(sheet: &RateSheet) -> Value {
    let Some(long) = sheet.long else {
        return json!({ "rates_usd": rates_json(&sheet.base) });
    };
    json!({
        "rates_usd": rates_json(&sheet.base),
        "long_context": {
            "above_input_tokens": long.above_input_tokens,
            "rates_usd": long.rates.as_ref().map(rates_json),
        },
    })
}

fn rates_json(rates: &Rates) -> Value {
    let each = rates
        .iter()
        .map(|(part, rate)| (part.key().to_owned(), usd(rate).to_string().into()));
    Value::Object(each.collect())
}
