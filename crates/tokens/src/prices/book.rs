//! All prices that are known.

use std::sync::OnceLock;

use super::date::Date;
use super::file::PriceFile;
use super::pattern::ModelPattern;
use super::price::{Price, PriceFacts};
use super::rates::{RateSheet, Rates};
use super::usage::ServiceTier;
use super::version::PriceVersion;

/// The data that comes with the crate.
const BUILT_IN: &str = include_str!("../../data/prices.toml");

/// All prices that are known: those that come with the crate, and user's files over them.
#[derive(Clone, Debug, Default)]
pub struct PriceBook {
    /// From the built-in prices up: what an upper layer says about a model is not looked for below.
    layers: Vec<Vec<Price>>,
}

impl PriceBook {
    /// A book without a price.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The prices that come with the crate.
    pub fn built_in() -> Self {
        static BOOK: OnceLock<PriceBook> = OnceLock::new();
        // A test proves the data sound; a book without prices says of each that it is unknown.
        let book =
            BOOK.get_or_init(
                || match PriceFile::parse("prices.toml", BUILT_IN.as_bytes()) {
                    Ok(file) => Self::empty().overlay(file),
                    Err(_) => Self::empty(),
                },
            );
        book.clone()
    }

    /// This book with the prices of a file over it.
    ///
    /// Where the file has a price for a model and a day, that holds, however closely a price below
    /// fits; everything else stays as it is.
    #[must_use]
    pub fn overlay(mut self, file: PriceFile) -> Self {
        self.layers.push(file.into_prices());
        self
    }

    /// The price of a model on a day; `None` when it is not known.
    ///
    /// Of several prices in force that are for the model, the one whose pattern fits most closely
    /// holds, and of revisions of that, the latest.
    pub fn price_at(&self, provider: &str, model: &str, day: Date) -> Option<&Price> {
        let layers = self.layers.iter().rev();
        layers
            .filter_map(|layer| price_in(layer, provider, model, day))
            .next()
    }

    /// The price with this version, whether it is still in force or not.
    pub fn of_version(&self, version: &PriceVersion) -> Option<&Price> {
        self.prices().find(|price| price.version() == version)
    }

    /// Every price, those of the topmost file first.
    pub fn prices(&self) -> impl Iterator<Item = &Price> {
        self.layers.iter().rev().flatten()
    }

    /// Every price that is in force on a day for at least one of its models.
    pub fn in_force(&self, day: Date) -> impl Iterator<Item = &Price> {
        self.prices().filter(move |price| {
            let mut models = price.models().iter();
            models.any(|model| {
                let found = self.price_at(price.provider(), model.as_str(), day);
                found.is_some_and(|found| std::ptr::eq(found, *price))
            })
        })
    }

    /// A price that is as dear in each part and tier as the dearest that is in force on a day: what
    /// a model without a price is assumed to cost at most. `None` when no price is in force.
    ///
    /// Its rates are those of long contexts where these are dearer, whatever the length.
    pub fn dearest(&self, day: Date) -> Option<Price> {
        let mut sheets: [Option<RateSheet>; ServiceTier::ALL.len()] = Default::default();
        let mut output_tokens_max = None;
        for price in self.in_force(day) {
            output_tokens_max = output_tokens_max.max(price.output_tokens_max());
            for tier in ServiceTier::ALL {
                let Some(sheet) = price.sheet(tier) else {
                    continue;
                };
                let dearest = sheets[tier.index()].get_or_insert_default();
                dearest.base.raise(&sheet.base);
                dearest
                    .base
                    .raise(&sheet.long.and_then(|long| long.rates).unwrap_or_default());
            }
        }
        let standard = sheets[ServiceTier::Standard.index()]?.base;
        for sheet in sheets.iter_mut().flatten() {
            sheet.base = complete(sheet.base, &standard);
        }
        let facts = PriceFacts {
            effective_from: day,
            as_of: day,
            source: String::new(),
            uncertain: Some("assumed: the dearest of all prices in force".to_owned()),
            context_tokens: None,
            output_tokens_max,
        };
        let models = ModelPattern::new("dearest").into_iter().collect();
        Some(Price::new("assumed".to_owned(), models, facts, sheets))
    }
}

/// What a tier has no rate for is charged as in the standard tier.
fn complete(mut rates: Rates, standard: &Rates) -> Rates {
    for (part, rate) in standard.iter() {
        if rates.get(part).is_none() {
            rates.set(part, rate);
        }
    }
    rates
}

fn price_in<'a>(layer: &'a [Price], provider: &str, model: &str, day: Date) -> Option<&'a Price> {
    let known = layer
        .iter()
        .filter(|price| price.provider() == provider && price.effective_from() <= day);
    let fitting = known.filter_map(|price| {
        let closeness = price.models().iter().filter_map(|it| it.closeness(model));
        Some((closeness.max()?, price.effective_from(), price))
    });
    let closest = fitting.max_by_key(|(closeness, from, _)| (*closeness, *from));
    closest.map(|(_, _, price)| price)
}
