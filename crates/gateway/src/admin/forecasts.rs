//! What is to be expected: `/monitoring/forecasts`.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use paceline_admin_api::{Forecasts, LimitForecast, PoolForecast, SpendForecast};
use paceline_ledger::{Filter, Ledger, Query, QueryError, Usage};
use paceline_limiter::LimitView;

use super::parameters::NoParameters;
use super::performance::ratio;
use super::views::{forecast_of, source_name};
use crate::exchange::milliseconds;
use crate::pace::{LimitForecast as Expected, Pool};
use crate::shared::Shared;

const DAY_MS: i64 = 86_400_000;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/monitoring/forecasts", get(forecasts))
}

async fn forecasts(State(shared): State<Arc<Shared>>, _: NoParameters) -> Json<Forecasts> {
    let at_ms = shared.now_ms();
    let mut forecasts = Forecasts {
        at_ms,
        ..Forecasts::default()
    };
    for pool in shared.registry.all() {
        add_pool(&pool, &mut forecasts);
    }
    // What is not going to be hit comes last, by how near its demand comes to that.
    forecasts.limits.sort_by(|one, other| {
        let when = |limit: &LimitForecast| limit.hit_in_ms.unwrap_or(u64::MAX);
        let nearness = other.demand_ratio.total_cmp(&one.demand_ratio);
        when(one).cmp(&when(other)).then(nearness)
    });
    if let Some(ledger) = shared.recorder.ledger() {
        // Its own state is told elsewhere; limits are worth telling without it.
        forecasts.spend = spend(ledger, at_ms).await.ok();
    }
    Json(forecasts)
}

fn add_pool(pool: &Pool, forecasts: &mut Forecasts) {
    let snapshot = pool.snapshot();
    let expected = forecast_of(pool, &snapshot);
    let name = pool.watch().name().to_string();
    for (limit, expected) in snapshot.limits.iter().zip(&expected.limits) {
        let limit = limit_forecast(&name, limit, expected, forecasts.at_ms);
        forecasts.limits.push(limit);
    }
    forecasts.pools.push(PoolForecast {
        name,
        waiting: snapshot.waiting.iter().sum::<usize>() as u64,
        queue_growth_per_minute: expected.queue_growth_per_minute,
    });
}

fn limit_forecast(pool: &str, limit: &LimitView, expected: &Expected, at_ms: i64) -> LimitForecast {
    let hit_in_ms = expected.hit_in.map(milliseconds);
    let hit_at_ms = hit_in_ms.and_then(|hit_in| at_ms.checked_add_unsigned(hit_in));
    LimitForecast {
        pool: pool.to_owned(),
        metric: limit.metric.name().to_owned(),
        amount: limit.amount,
        window_ms: milliseconds(limit.window),
        used: limit.used,
        utilisation: ratio(limit.used, limit.amount.max(1)).unwrap_or(0.0),
        source: source_name(limit.source).to_owned(),
        demand_ratio: expected.demand_ratio,
        hit_in_ms,
        hit_at_ms,
    }
}

/// What was spent in the last days, and what that comes to.
async fn spend(ledger: &Ledger, now_ms: i64) -> Result<SpendForecast, QueryError> {
    let between = |days_from: i64, days_until: i64| Filter {
        from_ms: Some((now_ms - days_from * DAY_MS).max(0)),
        until_ms: Some((now_ms - days_until * DAY_MS).max(0) + i64::from(days_until == 0)),
        ..Filter::default()
    };
    let week = between(7, 0);
    let first_ms = ledger.first_and_last(&week).await?.map(|(first, _)| first);
    let week = used(ledger, week).await?;
    let last = used(ledger, between(1, 0)).await?.cost_nanousd;
    let before = used(ledger, between(2, 1)).await?.cost_nanousd;
    // From less than a day nothing is told of a month.
    let observed_ms = now_ms - first_ms.unwrap_or(now_ms);
    let observed_ms = observed_ms.clamp(DAY_MS, 7 * DAY_MS);
    let month = i128::from(week.cost_nanousd) * i128::from(30 * DAY_MS) / i128::from(observed_ms);
    Ok(SpendForecast {
        last_day_nanousd: last,
        day_before_nanousd: before,
        last_week_nanousd: week.cost_nanousd,
        trend_ratio: ratio(last, before),
        next_30_days_nanousd: u64::try_from(month).unwrap_or(u64::MAX),
        observed_days: days(observed_ms),
        unpriced: week.unpriced,
    })
}

async fn used(ledger: &Ledger, filter: Filter) -> Result<Usage, QueryError> {
    let answer = ledger.query(&Query::total(filter)).await?;
    let group = answer.groups.first();
    Ok(group.map(|group| group.usage).unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "a number of days")]
fn days(ms: i64) -> f64 {
    ms as f64 / DAY_MS as f64
}
