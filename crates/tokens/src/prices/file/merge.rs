//! Merging a newer price file into an older one.

use super::PriceFile;
use crate::prices::pattern::ModelPattern;
use crate::prices::price::Price;

/// A price file with those of another merged in.
///
/// A price of the newer file takes the place of the older one for the same model from the same day
/// on; everything else of both stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The result.
    pub file: PriceFile,
    /// What is different from the older file, in the order of the newer one.
    pub changes: Vec<Change>,
}

/// One model whose price the newer file brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The model.
    pub model: ModelPattern,
    /// What happens to it.
    pub kind: ChangeKind,
    /// The price that it has now from this day on.
    pub after: Price,
}

/// What a newer file does to a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It had no price from that day on.
    Added,
    /// It had this one.
    Replaced(Box<Price>),
}

pub(super) fn merge(older: &PriceFile, newer: &PriceFile) -> Merged {
    let mut changes = Vec::new();
    for price in &newer.prices {
        for model in price.models() {
            let before = older.prices.iter().find(|it| same(it, price, model));
            let kind = match before {
                None => ChangeKind::Added,
                Some(before) if is_equal(before, price) => continue,
                Some(before) => ChangeKind::Replaced(Box::new(before.clone())),
            };
            changes.push(Change {
                model: model.clone(),
                kind,
                after: price.clone(),
            });
        }
    }
    let mut prices = Vec::new();
    for price in &older.prices {
        let taken = |model: &&ModelPattern| newer.prices.iter().any(|it| same(it, price, model));
        let kept: Vec<_> = price
            .models()
            .iter()
            .filter(|it| !taken(it))
            .cloned()
            .collect();
        match kept.len() {
            0 => {}
            all if all == price.models().len() => prices.push(price.clone()),
            _ => prices.push(price.for_models(kept)),
        }
    }
    prices.extend(newer.prices.iter().cloned());
    prices.sort_by(|left, right| {
        let key = |price: &Price| (price.name(), price.effective_from());
        key(left).cmp(&key(right))
    });
    let file = PriceFile { prices };
    Merged { file, changes }
}

/// Whether `price` is what `model` costs from the same day on as `other`.
fn same(price: &Price, other: &Price, model: &ModelPattern) -> bool {
    price.provider() == other.provider()
        && price.effective_from() == other.effective_from()
        && price.models().contains(model)
}

/// Whether two prices say the same of a model, whichever others they are for.
fn is_equal(left: &Price, right: &Price) -> bool {
    left.for_models(Vec::new()) == right.for_models(Vec::new())
}
