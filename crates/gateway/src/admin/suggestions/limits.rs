//! Limits that are worth raising.

use paceline_admin_api::{Suggestion, SuggestionKind};
use paceline_ledger::Usage;
use paceline_limiter::{Binding, LimitSource, LimitView};

use super::super::performance::ratio;
use super::super::views::forecast_of;
use super::figures;
use crate::exchange::milliseconds;
use crate::pace::{LimitForecast, Pool, window_label};
use crate::shared::Shared;

/// Above this a limit is nearly used up.
const UTILISATION_MIN: f64 = 0.8;

/// Limits that hold requests back while they are nearly used up.
pub(super) fn raised(shared: &Shared, usage: &Usage) -> Vec<Suggestion> {
    let mut found = Vec::new();
    for pool in shared.registry.all() {
        let snapshot = pool.snapshot();
        let expected = forecast_of(&pool, &snapshot);
        let waiting = snapshot.waiting.iter().sum::<usize>() as u64;
        let limits = snapshot.limits.iter().zip(&expected.limits);
        let binding = limits.filter(|(limit, expected)| is_binding(limit, expected, waiting));
        found.extend(
            binding.map(|(limit, expected)| suggestion(&pool, (limit, expected), waiting, usage)),
        );
    }
    found
}

fn is_binding(limit: &LimitView, expected: &LimitForecast, waiting: u64) -> bool {
    let utilisation = ratio(limit.used, limit.amount).unwrap_or(0.0);
    let holds_back = expected.hit_in.is_some_and(|hit_in| hit_in.is_zero());
    let is_used_up = utilisation >= UTILISATION_MIN || expected.demand_ratio >= 1.0;
    is_used_up && holds_back && waiting > 0
}

fn suggestion(
    pool: &Pool,
    (limit, expected): (&LimitView, &LimitForecast),
    waiting: u64,
    usage: &Usage,
) -> Suggestion {
    let (name, metric) = (pool.watch().name(), limit.metric.name());
    let window = window_label(limit.window);
    let binding = Binding::Limit {
        metric: limit.metric,
        amount: limit.amount,
        window: limit.window,
    };
    let (calls, verb) = match waiting {
        1 => ("request", "waits"),
        _ => ("requests", "wait"),
    };
    let how = match limit.source {
        LimitSource::Configured => "raise it in the configuration if the provider allows more",
        LimitSource::Learned => "ask the provider for a higher limit",
    };
    let mut evidence = figures([
        ("amount", limit.amount),
        ("window_ms", milliseconds(limit.window)),
        ("used", limit.used),
        ("waiting", waiting),
        ("limited_calls_7_days", usage.limited),
        ("wait_ms_7_days", usage.wait_ms),
    ]);
    evidence.insert("demand_ratio".to_owned(), expected.demand_ratio);
    Suggestion {
        kind: SuggestionKind::RaiseLimit,
        subject: format!("{name} {metric} {window}"),
        text: format!(
            "{waiting} {calls} {verb} for the {} {binding} of {name}: {how}",
            limit.amount
        ),
        evidence,
        saving_nanousd: None,
    }
}
