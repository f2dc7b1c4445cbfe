//! The limits that settings ask for, in words.

use paceline_config::{DomainRule, LimitRule, Settings, WhenStoreIsAway, WindowKind};

use crate::figures::{grouped, per, span};
use crate::table::{Side, Table};

const LEARNED: &str = "learned from the provider's answers";
const UNLIMITED: &str = "none, and none are learned";

/// One line for each limit pool.
pub(crate) fn summary(settings: &Settings) -> Vec<String> {
    let alone = settings.domains.is_empty();
    pools(settings)
        .map(|rule| {
            let mut words: Vec<String> = rule.limits.iter().map(amount).collect();
            if words.is_empty() {
                words.push(unknown(rule).to_owned());
            }
            words.extend(bounds(rule));
            let words = words.join(", ");
            if alone {
                words
            } else {
                format!("{}: {words}", rule.name)
            }
        })
        .collect()
}

/// A table with a row for each limit.
pub(super) fn table(settings: &Settings) -> Vec<String> {
    let mut table = Table::new(&[
        ("pool", Side::Left),
        ("models", Side::Left),
        ("limit", Side::Left),
        ("counted as", Side::Left),
    ]);
    for rule in pools(settings) {
        let models: Vec<String> = rule.models.iter().map(ToString::to_string).collect();
        let models = if models.is_empty() {
            "all others".to_owned()
        } else {
            models.join(" ")
        };
        let mut rows: Vec<[String; 2]> = rule
            .limits
            .iter()
            .map(|limit| [amount(limit), kind(limit.kind)])
            .collect();
        if rows.is_empty() {
            rows.push([unknown(rule).to_owned(), String::new()]);
        }
        rows.extend(bounds(rule).into_iter().map(|bound| [bound, String::new()]));
        if settings.store.is_some() {
            rows.push([
                without_store(rule.when_store_is_away).to_owned(),
                String::new(),
            ]);
        }
        let mut first = Some([rule.name.clone(), models]);
        for [limit, kind] in rows {
            let [name, models] = first.take().unwrap_or_default();
            table.row([name, models, limit, kind]);
        }
    }
    table.lines()
}

/// The pools in the order in which a model is looked for.
fn pools(settings: &Settings) -> impl Iterator<Item = &DomainRule> {
    settings.domains.iter().chain([&settings.default_domain])
}

fn amount(limit: &LimitRule) -> String {
    let metric = limit.metric.name().replace('_', " ");
    format!("{} {metric} {}", grouped(limit.amount), per(limit.window))
}

fn unknown(rule: &DomainRule) -> &'static str {
    if rule.learn { LEARNED } else { UNLIMITED }
}

fn bounds(rule: &DomainRule) -> Vec<String> {
    let concurrency = rule.concurrency_max;
    let concurrency = concurrency.map(|most| format!("at most {most} at once"));
    let spacing =
        (!rule.spacing.is_zero()).then(|| format!("{} between two launches", span(rule.spacing)));
    concurrency.into_iter().chain(spacing).collect()
}

/// What a pool's limits come to while the store is away.
fn without_store(rule: WhenStoreIsAway) -> &'static str {
    match rule {
        WhenStoreIsAway::Share => "without the store: the last share",
        WhenStoreIsAway::Open => "without the store: all of it",
        WhenStoreIsAway::Closed => "without the store: nothing",
    }
}

fn kind(kind: WindowKind) -> String {
    match kind {
        WindowKind::Unknown => "unknown: the pace is safe for every kind".to_owned(),
        WindowKind::Bucket { burst: None } => "bucket".to_owned(),
        WindowKind::Bucket { burst: Some(burst) } => format!("bucket of {}", grouped(burst)),
        WindowKind::Fixed { aligned: true } => "fixed windows of the clock".to_owned(),
        WindowKind::Fixed { aligned: false } => "fixed windows from first use".to_owned(),
        WindowKind::Sliding => "sliding window".to_owned(),
        WindowKind::Quantised { quantum } => format!("pieces of {}", span(quantum)),
    }
}
