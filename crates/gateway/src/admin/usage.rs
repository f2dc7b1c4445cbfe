//! Tokens of calls: `/monitoring/token-usage` and `/monitoring/session-usage/{session_id}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use paceline_admin_api::{
    EstimateAccuracy, SessionUsage, TokenUsage, UsageGroup, UsagePoint, UsageSums,
};
use paceline_ledger::{
    Answer, Dimension, Estimates, Filter, Group, Ledger, Order, Query, QueryError, Usage,
};

use super::asked::{self, Series};
use super::parameters::{Parameters, checked};
use super::performance::times;
use super::problem::Problem;
use crate::shared::Shared;

/// The most models or outcomes of a session.
const SESSION_GROUPS: usize = 100;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/monitoring/token-usage", get(token_usage))
        .route("/monitoring/session-usage/{session_id}", get(session_usage))
}

async fn token_usage(
    State(shared): State<Arc<Shared>>,
    mut parameters: Parameters,
) -> Result<Json<TokenUsage>, Problem> {
    let now_ms = shared.now_ms();
    let filter = asked::filter(&mut parameters, now_ms)?;
    let series = asked::series(&mut parameters, &filter)?;
    let grouping = asked::grouping(&mut parameters)?;
    parameters.finish()?;
    let ledger = asked::ledger(&shared)?;
    let total = ledger.query(&Query::total(filter.clone())).await?;
    let points = over_time(ledger, &filter, series).await?;
    let groups = Query {
        group_by: grouping.dimensions.clone(),
        ..Query::total(filter).top(Order::Tokens, grouping.limit)
    };
    let groups = ledger.query(&groups).await?;
    Ok(Json(TokenUsage {
        from_ms: total.from_ms,
        until_ms: total.until_ms,
        total: only(&total),
        bucket: asked::period_name(series.period).to_owned(),
        utc_offset_minutes: series.offset_minutes,
        series: points,
        truncated: groups.truncated,
        groups: named(&groups, &grouping.dimensions),
        characters_per_token: characters_per_token(&shared),
    }))
}

async fn session_usage(
    State(shared): State<Arc<Shared>>,
    session: Result<Path<String>, PathRejection>,
    mut parameters: Parameters,
) -> Result<Json<SessionUsage>, Problem> {
    let session = in_path("session_id", session)?;
    let mut filter = asked::open_time(&mut parameters, shared.now_ms())?;
    asked::calls(&mut parameters, &mut filter)?;
    filter.session = Some(session.clone());
    let ledger = asked::ledger(&shared)?;
    let ends = ledger.first_and_last(&filter).await?;
    if let Some((first_ms, _)) = ends {
        filter.from_ms = filter.from_ms.max(Some(first_ms));
    }
    // Without calls there is nothing to divide, whatever the time.
    let divided = Filter {
        from_ms: ends.map_or(filter.until_ms, |_| filter.from_ms),
        ..filter.clone()
    };
    let series = asked::series(&mut parameters, &divided)?;
    parameters.finish()?;
    let total = Query::total(filter.clone()).with_latency();
    let total = ledger.query(&total).await?;
    let group = total.groups.first();
    let usage = group.map(|group| group.usage).unwrap_or_default();
    let latency = group
        .and_then(|group| group.latency.clone())
        .unwrap_or_default();
    Ok(Json(SessionUsage {
        session,
        tenant: filter.tenant.clone(),
        from_ms: total.from_ms,
        until_ms: total.until_ms,
        first_ms: ends.map(|(first, _)| first),
        last_ms: ends.map(|(_, last)| last),
        total: sums(&usage),
        wait: times(&latency.wait, usage.wait_ms, Some(usage.max_wait_ms)),
        first_byte: times(&latency.first_byte, usage.first_byte_ms, None),
        duration: times(
            &latency.duration,
            usage.duration_ms,
            Some(usage.max_duration_ms),
        ),
        bucket: asked::period_name(series.period).to_owned(),
        utc_offset_minutes: series.offset_minutes,
        series: over_time(ledger, &divided, series).await?,
        by_model: by(ledger, &filter, Dimension::Model, Order::Cost).await?,
        by_outcome: by(ledger, &filter, Dimension::Outcome, Order::Calls).await?,
    }))
}

/// A name that stands in a path.
pub(super) fn in_path(
    parameter: &str,
    given: Result<Path<String>, PathRejection>,
) -> Result<String, Problem> {
    let Ok(Path(name)) = given else {
        return Err(Problem::invalid(parameter, "UTF-8, percent-encoded"));
    };
    checked(parameter, name)
}

async fn over_time(
    ledger: &Ledger,
    filter: &Filter,
    series: Series,
) -> Result<Vec<UsagePoint>, QueryError> {
    let query = Query::total(filter.clone()).over(series.period, series.offset_minutes);
    let answer = ledger.query(&query).await?;
    let points = answer.groups.iter().map(|group| UsagePoint {
        start_ms: group.bucket_ms.unwrap_or_default(),
        usage: sums(&group.usage),
    });
    Ok(points.collect())
}

async fn by(
    ledger: &Ledger,
    filter: &Filter,
    dimension: Dimension,
    order: Order,
) -> Result<Vec<UsageGroup>, QueryError> {
    let query = Query::total(filter.clone()).by(dimension);
    let answer = ledger.query(&query.top(order, SESSION_GROUPS)).await?;
    Ok(named(&answer, &[dimension]))
}

fn named(answer: &Answer, dimensions: &[Dimension]) -> Vec<UsageGroup> {
    let groups = answer.groups.iter().map(|group| UsageGroup {
        by: names(group, dimensions),
        usage: sums(&group.usage),
    });
    groups.collect()
}

/// What the calls of a group have in common.
pub(super) fn names(group: &Group, dimensions: &[Dimension]) -> BTreeMap<String, String> {
    let dimensions = dimensions
        .iter()
        .map(|it| asked::dimension_name(*it).to_owned());
    dimensions.zip(group.names.iter().cloned()).collect()
}

fn only(answer: &Answer) -> UsageSums {
    let group = answer.groups.first();
    group.map(|group| sums(&group.usage)).unwrap_or_default()
}

fn sums(usage: &Usage) -> UsageSums {
    UsageSums {
        calls: usage.calls,
        sent: usage.sent,
        input_tokens: usage.input_tokens,
        cached_tokens: usage.cached_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        output_tokens: usage.output_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        total_tokens: usage.tokens(),
        audio_in_tokens: usage.audio_in_tokens,
        audio_out_tokens: usage.audio_out_tokens,
        image_in_tokens: usage.image_in_tokens,
        image_out_tokens: usage.image_out_tokens,
        images: usage.images,
        audio_ms: usage.audio_ms,
        cost_nanousd: usage.cost_nanousd,
        unpriced: usage.unpriced,
        limited: usage.limited,
        waited: usage.waited,
        wait_ms: usage.wait_ms,
        retries: usage.retries,
        average_input_tokens: usage.average_input_tokens(),
        max_input_tokens: usage.max_input_tokens,
        estimates: accuracy(&usage.estimates),
    }
}

pub(super) fn accuracy(estimates: &Estimates) -> EstimateAccuracy {
    EstimateAccuracy {
        calls: estimates.calls,
        estimate_tokens: estimates.estimate_tokens,
        input_tokens: estimates.input_tokens,
        error_tokens: estimates.error_tokens,
        relative_error: estimates.relative_error(),
        within_5_percent: estimates.within_5_percent,
        within_20_percent: estimates.within_20_percent,
    }
}

/// How many characters a token has. A fourth of them, as an estimate, is off by what this is off from
/// four.
fn characters_per_token(shared: &Shared) -> Option<f64> {
    let learned = shared.learned.lock();
    let rule_of_thumb = &learned.calibrations.total().four_characters;
    (rule_of_thumb.count() > 0).then(|| 4.0 * (1.0 + rule_of_thumb.mean_signed()))
}
