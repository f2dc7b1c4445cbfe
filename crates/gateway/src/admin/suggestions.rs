//! What would save money or time: `/monitoring/suggestions`.

mod family;
mod limits;
mod models;
mod prompts;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use paceline_admin_api::{Suggestion, Suggestions};
use paceline_ledger::{Dimension, Filter, Group, Order, Query, Usage};
use paceline_tokens::prices::{BilledUsage, Date, Price, PriceBook};

use super::asked;
use super::parameters::NoParameters;
use super::problem::Problem;
use crate::shared::Shared;

/// How far back is looked.
const SPAN_MS: i64 = 7 * 86_400_000;

/// The most models, or endpoints and models, that are looked at.
const GROUPS_MAX: usize = 50;

/// Fewer calls are no evidence.
const CALLS_MIN: u64 = 20;

/// A saving of less than a cent in that time is not worth a word.
const SAVING_MIN_NANOUSD: u64 = 10_000_000;

/// What suggestions about money are made from.
struct Evidence {
    book: Arc<PriceBook>,
    provider: Arc<str>,
    day: Date,
}

impl Evidence {
    fn price(&self, model: &str) -> Option<&Price> {
        self.book.price_at(&self.provider, model, self.day)
    }
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/monitoring/suggestions", get(suggestions))
}

async fn suggestions(
    State(shared): State<Arc<Shared>>,
    _: NoParameters,
) -> Result<Json<Suggestions>, Problem> {
    let ledger = asked::ledger(&shared)?;
    let now_ms = shared.now_ms();
    let (book, provider) = shared.recorder.prices();
    let filter = Filter {
        from_ms: Some((now_ms - SPAN_MS).max(0)),
        until_ms: Some(now_ms + 1),
        provider: Some(provider.to_string()),
        ..Filter::default()
    };
    let query = Query::total(filter.clone()).by(Dimension::Model);
    let answer = ledger.query(&query.top(Order::Cost, GROUPS_MAX)).await?;
    let prompts = Query::total(filter.clone())
        .by(Dimension::Route)
        .by(Dimension::Model)
        .top(Order::InputTokens, GROUPS_MAX);
    let prompts = ledger.query(&prompts).await?;
    let all = Filter {
        provider: None,
        ..filter
    };
    let all = ledger.query(&Query::total(all)).await?;
    let evidence = Evidence {
        book,
        provider,
        day: Date::of_unix_seconds(now_ms.unsigned_abs() / 1_000),
    };
    let cheaper = |group: &Group| models::cheaper(&evidence, name(group, 0), &group.usage);
    let mut found: Vec<Suggestion> = answer.groups.iter().filter_map(cheaper).collect();
    let trimmed =
        |group: &Group| prompts::trimmed(&evidence, (name(group, 0), name(group, 1)), &group.usage);
    found.extend(prompts.groups.iter().filter_map(trimmed));
    let usage = all.groups.first().map(|group| group.usage);
    found.extend(limits::raised(&shared, &usage.unwrap_or_default()));
    found.sort_by_key(|it| (std::cmp::Reverse(it.saving_nanousd), it.kind));
    Ok(Json(Suggestions {
        from_ms: all.from_ms,
        until_ms: all.until_ms,
        suggestions: found,
    }))
}

fn name(group: &Group, index: usize) -> &str {
    group.names.get(index).map_or("", String::as_str)
}

/// The average call, as it would be billed. The threshold of a long context is one of each call, so
/// that sums cannot be priced.
fn average_call(usage: &Usage) -> BilledUsage {
    let average = |sum: u64| sum / usage.sent.max(1);
    BilledUsage {
        input_tokens: average(usage.input_tokens),
        cached_tokens: average(usage.cached_tokens),
        cache_write_tokens: average(usage.cache_write_tokens),
        output_tokens: average(usage.output_tokens),
        requests: 1,
        ..BilledUsage::default()
    }
}

/// Whether these calls are of text alone, and all of them have a known price.
fn is_priced_text(usage: &Usage) -> bool {
    let other = usage.audio_in_tokens
        + usage.audio_out_tokens
        + usage.image_in_tokens
        + usage.image_out_tokens
        + usage.images
        + usage.audio_ms;
    other == 0 && usage.unpriced == 0 && usage.sent >= CALLS_MIN
}

/// What is saved of a cost when an average call costs `then` instead of `now`.
fn saving(cost_nanousd: u64, now: u64, then: u64) -> u64 {
    let saved = u128::from(now.saturating_sub(then)) * u128::from(cost_nanousd);
    u64::try_from(saved / u128::from(now.max(1))).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "figures to be read")]
fn figures<const N: usize>(figures: [(&str, u64); N]) -> BTreeMap<String, f64> {
    figures
        .map(|(name, figure)| (name.to_owned(), figure as f64))
        .into()
}

#[cfg(test)]
mod tests;
