//! The bytes of a price file to prices.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::FILE_BYTES_MAX;
use super::problem::{PriceProblem, PriceProblems};
use super::section::{Faults, Section};
use crate::prices::date::Date;
use crate::prices::part::Part;
use crate::prices::pattern::ModelPattern;
use crate::prices::price::{Price, PriceFacts};
use crate::prices::rates::{LongContext, RateSheet, Rates};
use crate::prices::usage::ServiceTier;

/// The form of the file that is written and read; another one is refused.
pub(super) const FORMAT: u64 = 1;

/// Keys of a price besides those of its rates.
const FACTS: [&str; 10] = [
    "provider",
    "models",
    "effective_from",
    "as_of",
    "source",
    "uncertain",
    "context_tokens",
    "output_tokens_max",
    "long_context",
    "tiers",
];

const ABOVE: &str = "above_input_tokens";

pub(super) fn prices(name: &str, content: &[u8]) -> Result<Vec<Price>, PriceProblems> {
    let fail = |line, what: &str, hint: &str| {
        let problem = PriceProblem {
            line,
            path: String::new(),
            what: what.to_owned(),
            hint: hint.to_owned(),
        };
        Err(PriceProblems::new(name, vec![problem]))
    };
    if content.len() > FILE_BYTES_MAX {
        return fail(0, "is larger than 4 MiB", "is it a price file?");
    }
    let mut faults = Faults::new(content);
    let text = match std::str::from_utf8(content) {
        Ok(text) => text,
        Err(error) => {
            let line = faults.line(error.valid_up_to());
            return fail(line, "is not valid UTF-8", "save the file as UTF-8");
        }
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut torn = Vec::new();
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        let line = faults.line(offset.min(text.len().saturating_sub(1)));
        faults.note(line, "", error.message().replace('\n', ", "), "");
        torn.push(line);
    }
    let root = Section {
        table: table.get_ref(),
        line: 0,
        path: "",
    };
    let prices = whole(root, &mut faults);
    // What a line that is not TOML seems to hold is no news.
    let problems = &mut faults.problems;
    problems.retain(|problem| problem.path.is_empty() || !torn.contains(&problem.line));
    match faults.problems.is_empty() {
        true => Ok(prices),
        false => Err(PriceProblems::new(name, faults.problems)),
    }
}

fn whole(root: Section<'_, '_>, faults: &mut Faults) -> Vec<Price> {
    root.refuse_unknown(&["format", "price"], faults);
    match root.get("format") {
        None => root.missing("format", "1", faults),
        Some(_) => {
            if root.count("format", faults).is_some_and(|it| it != FORMAT) {
                let hint = "the file is for another version of paceline";
                root.wrong("format", "must be 1", hint, faults);
            }
        }
    }
    let Some(list) = root.get("price") else {
        return Vec::new();
    };
    let DeValue::Array(items) = list.get_ref() else {
        let hint = "write the header in double brackets: [[price]]";
        root.wrong("price", "must be an array of tables", hint, faults);
        return Vec::new();
    };
    let mut seen = BTreeMap::new();
    let mut prices = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("price[{index}]");
        let line = faults.line(item.span().start);
        let Some(entry) = section(item, line, &path, faults) else {
            continue;
        };
        if let Some(price) = price(entry, faults) {
            refuse_second(entry, &price, &mut seen, faults);
            prices.push(price);
        }
    }
    prices
}

fn section<'a, 'i>(
    value: &'a Spanned<DeValue<'i>>,
    line: usize,
    path: &'a str,
    faults: &mut Faults,
) -> Option<Section<'a, 'i>> {
    if let DeValue::Table(table) = value.get_ref() {
        return Some(Section { table, line, path });
    }
    faults.note(line, path, "must be a table", "");
    None
}

/// A model may have one price from one day on.
fn refuse_second(
    entry: Section<'_, '_>,
    price: &Price,
    seen: &mut BTreeMap<(String, ModelPattern, Date), usize>,
    faults: &mut Faults,
) {
    for model in price.models() {
        let key = (
            price.provider().to_owned(),
            model.clone(),
            price.effective_from(),
        );
        if let Some(first) = seen.insert(key, entry.line) {
            let what = format!(
                "{model} of {} has a price from {} on already, at line {first}",
                price.provider(),
                price.effective_from()
            );
            faults.note(
                entry.line,
                &entry.path_of("models"),
                what,
                "keep one of them",
            );
        }
    }
}

fn price(entry: Section<'_, '_>, faults: &mut Faults) -> Option<Price> {
    let before = faults.problems.len();
    let known: Vec<&str> = FACTS
        .into_iter()
        .chain(Part::ALL.into_iter().map(Part::key))
        .collect();
    entry.refuse_unknown(&known, faults);
    for (key, example) in [
        ("provider", "\"openai\""),
        ("models", "[\"gpt-5\"]"),
        ("effective_from", "2026-11-22"),
        ("as_of", "2026-11-22"),
        ("source", "\"https://example.com/pricing\""),
    ] {
        if entry.get(key).is_none() {
            entry.missing(key, example, faults);
        }
    }
    let provider = entry.text("provider", faults);
    let source = entry.text("source", faults);
    if source
        .as_ref()
        .is_some_and(|it| !it.starts_with("https://") && !it.starts_with("http://"))
    {
        entry.wrong("source", "must be the address of a page", "", faults);
    }
    let models = models(entry, faults);
    let sheets = sheets(entry, faults);
    let effective_from = entry.date("effective_from", faults);
    let as_of = entry.date("as_of", faults);
    let uncertain = entry.text("uncertain", faults);
    let context_tokens = entry.count("context_tokens", faults);
    let output_tokens_max = entry.count("output_tokens_max", faults);
    if faults.problems.len() > before {
        return None;
    }
    let facts = PriceFacts {
        effective_from: effective_from?,
        as_of: as_of?,
        source: source?,
        uncertain,
        context_tokens,
        output_tokens_max,
    };
    Some(Price::new(provider?, models, facts, sheets))
}

fn models(entry: Section<'_, '_>, faults: &mut Faults) -> Vec<ModelPattern> {
    let Some(value) = entry.get("models") else {
        return Vec::new();
    };
    let DeValue::Array(items) = value.get_ref() else {
        entry.wrong("models", "must be an array of strings", "", faults);
        return Vec::new();
    };
    if items.is_empty() {
        entry.wrong("models", "must name at least one model", "", faults);
    }
    let mut models = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let read = match item.get_ref() {
            DeValue::String(text) => ModelPattern::new(text),
            _ => Err("must be a string"),
        };
        match read {
            Ok(model) => models.push(model),
            Err(must) => {
                let path = format!("{}[{index}]", entry.path_of("models"));
                faults.note(faults.line(item.span().start), &path, must, "");
            }
        }
    }
    models
}

fn sheets(
    entry: Section<'_, '_>,
    faults: &mut Faults,
) -> [Option<RateSheet>; ServiceTier::ALL.len()] {
    let standard = sheet(entry, faults);
    if Part::ALL.iter().all(|part| entry.get(part.key()).is_none()) {
        let hint = "a price that is nothing is written as 0; without any, leave the model out";
        faults.note(entry.line, entry.path, "has no rate", hint);
    }
    let mut sheets = [Some(standard), None, None, None];
    let Some(value) = entry.get("tiers") else {
        return sheets;
    };
    let (line, path) = (faults.line(value.span().start), entry.path_of("tiers"));
    let Some(tiers) = section(value, line, &path, faults) else {
        return sheets;
    };
    let names = [ServiceTier::Batch, ServiceTier::Flex, ServiceTier::Priority];
    tiers.refuse_unknown(&names.map(ServiceTier::name), faults);
    for tier in names {
        sheets[tier.index()] = tier_sheet(tiers, tier, &standard, faults);
    }
    sheets
}

fn tier_sheet(
    tiers: Section<'_, '_>,
    tier: ServiceTier,
    standard: &RateSheet,
    faults: &mut Faults,
) -> Option<RateSheet> {
    let value = tiers.get(tier.name())?;
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        let factor = tiers.nanos(tier.name(), faults)?;
        let scaled = standard.times(factor);
        if scaled.is_none() {
            let must = "gives a rate that is too large or finer than a billionth of a dollar";
            tiers.wrong(tier.name(), must, "write the rates themselves", faults);
        }
        return scaled;
    }
    let (line, path) = (faults.line(value.span().start), tiers.path_of(tier.name()));
    let own = section(value, line, &path, faults)?;
    let known: Vec<&str> = std::iter::once("long_context")
        .chain(Part::ALL.into_iter().map(Part::key))
        .collect();
    own.refuse_unknown(&known, faults);
    let mut sheet = sheet(own, faults);
    if sheet.long.is_none() {
        // A tier that does not say what a long context costs does not serve it.
        sheet.long = standard.long.map(|long| LongContext {
            rates: None,
            ..long
        });
    }
    Some(sheet)
}

/// The rates of a table, with those of its `long_context`.
fn sheet(own: Section<'_, '_>, faults: &mut Faults) -> RateSheet {
    let base = rates(own, &Part::ALL, faults);
    for (each, tokens) in [
        (Part::PerImage, Part::ImageOutput),
        (Part::PerAudioMinute, Part::AudioInput),
    ] {
        if base.get(each).is_some() && base.get(tokens).is_some() {
            let what = format!("counts twice what {tokens} counts");
            own.wrong(each.key(), &what, "keep one of them", faults);
        }
    }
    let long = own.get("long_context").and_then(|value| {
        let (line, path) = (faults.line(value.span().start), own.path_of("long_context"));
        long_context(section(value, line, &path, faults)?, &base, faults)
    });
    RateSheet { base, long }
}

fn long_context(own: Section<'_, '_>, base: &Rates, faults: &mut Faults) -> Option<LongContext> {
    let tokens: Vec<Part> = Part::ALL
        .into_iter()
        .filter(|it| it.counts_tokens())
        .collect();
    let known: Vec<&str> = std::iter::once(ABOVE)
        .chain(tokens.iter().map(|part| part.key()))
        .collect();
    own.refuse_unknown(&known, faults);
    if own.get(ABOVE).is_none() {
        own.missing(ABOVE, "200_000", faults);
    }
    let mut long = rates(own, &tokens, faults);
    for (part, rate) in base.iter() {
        if !part.counts_tokens() {
            long.set(part, rate);
        } else if long.get(part).is_none() && own.get(part.key()).is_none() {
            let hint = "repeat it here if it stays the same";
            faults.note(own.line, &own.path_of(part.key()), "is missing", hint);
        }
    }
    Some(LongContext {
        above_input_tokens: own.count(ABOVE, faults)?,
        rates: Some(long),
    })
}

fn rates(own: Section<'_, '_>, parts: &[Part], faults: &mut Faults) -> Rates {
    let mut rates = Rates::default();
    for part in parts {
        if let Some(rate) = own.rate(part.key(), faults) {
            rates.set(*part, rate);
        }
    }
    rates
}
