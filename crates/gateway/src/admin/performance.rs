//! How calls went: `/monitoring/performance`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use paceline_admin_api::{Performance, PerformanceGroup, PerformancePoint, PerformanceSums, Times};
use paceline_ledger::{Answer, Dimension, Distribution, Group, Order, Outcome, Query};

use super::added_latency::added_latency;
use super::asked;
use super::parameters::Parameters;
use super::problem::Problem;
use super::score::score;
use super::usage::{accuracy, names};
use crate::shared::Shared;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/monitoring/performance", get(performance))
}

async fn performance(
    State(shared): State<Arc<Shared>>,
    mut parameters: Parameters,
) -> Result<Json<Performance>, Problem> {
    let filter = asked::filter(&mut parameters, shared.now_ms())?;
    let series = asked::series(&mut parameters, &filter)?;
    let grouping = asked::grouping(&mut parameters)?;
    parameters.finish()?;
    let ledger = asked::ledger(&shared)?;
    let query = Query::total(filter).with_latency();
    let answer = ledger.query(&query).await?;
    let endings = Query::total(query.filter.clone()).by(Dimension::Outcome);
    let endings = ledger.query(&endings).await?;
    let points = query.clone().over(series.period, series.offset_minutes);
    let points = ledger.query(&points).await?;
    let groups = Query {
        group_by: grouping.dimensions.clone(),
        ..query.top(Order::Calls, grouping.limit)
    };
    let groups = ledger.query(&groups).await?;
    let group = answer.groups.first();
    let mut total = group.map(sums).unwrap_or_default();
    total.outcomes = outcomes(&endings);
    total.error_rate = error_rate(&total.outcomes);
    Ok(Json(Performance {
        from_ms: answer.from_ms,
        until_ms: answer.until_ms,
        score: group.and_then(|group| score(&total, &group.usage)),
        total,
        added_latency: added_latency(&shared.metrics),
        truncated: groups.truncated,
        groups: groups
            .groups
            .iter()
            .map(|group| PerformanceGroup {
                by: names(group, &grouping.dimensions),
                performance: sums(group),
            })
            .collect(),
        bucket: asked::period_name(series.period).to_owned(),
        utc_offset_minutes: series.offset_minutes,
        series: points
            .groups
            .iter()
            .map(|group| PerformancePoint {
                start_ms: group.bucket_ms.unwrap_or_default(),
                performance: sums(group),
            })
            .collect(),
    }))
}

fn sums(group: &Group) -> PerformanceSums {
    let usage = &group.usage;
    let latency = group.latency.clone().unwrap_or_default();
    PerformanceSums {
        calls: usage.calls,
        sent: usage.sent,
        limited: usage.limited,
        wait: times(&latency.wait, usage.wait_ms, Some(usage.max_wait_ms)),
        first_byte: times(&latency.first_byte, usage.first_byte_ms, None),
        duration: times(
            &latency.duration,
            usage.duration_ms,
            Some(usage.max_duration_ms),
        ),
        retries: usage.retries,
        retries_per_call: ratio(usage.retries, usage.sent).unwrap_or(0.0),
        estimates: accuracy(&usage.estimates),
        outcomes: BTreeMap::new(),
        error_rate: None,
    }
}

/// A distribution in figures, of which all together took `sum_ms`.
pub(super) fn times(distribution: &Distribution, sum_ms: u64, max_ms: Option<u64>) -> Times {
    let count = distribution.total();
    let highest = max_ms.filter(|_| count > 0);
    // A slot may end beyond the longest that there was.
    let within = |ms: u64| highest.map_or(ms, |highest| ms.min(highest));
    let quantile = |per_mille| distribution.quantile_ms(per_mille).map(within);
    Times {
        count,
        p50_ms: quantile(500),
        p95_ms: quantile(950),
        p99_ms: quantile(990),
        mean_ms: ratio(sum_ms, count),
        max_ms: highest,
    }
}

fn outcomes(answer: &Answer) -> BTreeMap<String, u64> {
    let mut outcomes: BTreeMap<String, u64> = Outcome::ALL
        .map(|outcome| (outcome.name().to_owned(), 0))
        .into();
    for group in &answer.groups {
        if let Some(name) = group.names.first() {
            *outcomes.entry(name.clone()).or_default() += group.usage.calls;
        }
    }
    outcomes
}

/// A caller that leaves is no error of anybody's.
fn error_rate(outcomes: &BTreeMap<String, u64>) -> Option<f64> {
    let failed = [
        Outcome::ProviderError,
        Outcome::Refused,
        Outcome::UpstreamFailed,
    ];
    let failed = failed.iter().filter_map(|it| outcomes.get(it.name()));
    ratio(failed.sum(), outcomes.values().sum())
}

/// `None` where the whole is nothing.
#[expect(clippy::cast_precision_loss, reason = "a ratio")]
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
