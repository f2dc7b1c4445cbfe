//! What each admin path answers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use paceline_admin_api::QueueStatus;
use paceline_limiter::{DomainSnapshot, Metric, Tier, Timestamp};
use paceline_pace::Sharing;
use paceline_telemetry::DomainGauges;

use super::dashboard::{self, DataPlane};
use super::gate::{Gate, guard};
use super::parameters::{NoParameters, Parameters};
use super::problem::Problem;
use super::{
    control, costs, estimates, events, forecasts, history, lanes, ledger, openapi, performance,
    requests, simulation, suggestions, usage, views,
};
use crate::clock::Clock;
use crate::pace::{Pool, window_label};
use crate::shared::Shared;

/// The most waiting requests in one answer.
const CALLS_MAX: usize = 10_000;

/// How many there are where nothing else is asked for.
const CALLS: usize = 1_000;

/// All routes: health is open, everything else asks for the token.
pub(super) fn router(shared: Arc<Shared>, gate: Arc<Gate>, data_plane: DataPlane) -> Router {
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/monitoring/rate-limits", get(rate_limits))
        .route("/monitoring/queue-status", get(queue_status))
        .route("/monitoring/estimates", get(token_estimates))
        .merge(control::routes())
        .merge(lanes::routes())
        .merge(usage::routes())
        .merge(costs::routes())
        .merge(performance::routes())
        .merge(requests::routes())
        .merge(ledger::routes())
        .merge(forecasts::routes())
        .merge(suggestions::routes())
        .merge(simulation::routes())
        .merge(events::routes())
        .merge(history::routes())
        .merge(openapi::routes())
        .merge(dashboard::routes(Arc::clone(&gate), data_plane))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&gate), guard));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(guarded)
        .merge(dashboard::pages(gate))
        .layer(middleware::from_fn(dashboard::front))
        .with_state(shared)
}

async fn not_found() -> Problem {
    Problem::not_found("no such admin path; /openapi.json lists those that there are")
}

pub(super) async fn method_not_allowed() -> Problem {
    let message = "this path does not answer to this method; the header allow names those it does";
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}

/// Ready while accepting requests and, as far as known, reaching a provider.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if *shared.stopping.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response();
    }
    if !shared.may_reach_any() {
        let text = "no provider could be reached when it was last tried\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    "ready\n".into_response()
}

async fn rate_limits(State(shared): State<Arc<Shared>>, _: NoParameters) -> Response {
    Json(views::rate_limits(&shared)).into_response()
}

async fn token_estimates(State(shared): State<Arc<Shared>>, _: NoParameters) -> Response {
    Json(estimates::estimates(&shared)).into_response()
}

async fn queue_status(
    State(shared): State<Arc<Shared>>,
    mut parameters: Parameters,
) -> Result<Json<QueueStatus>, Problem> {
    let calls_max = parameters.number("limit", 0..=CALLS_MAX)?;
    parameters.finish()?;
    Ok(Json(views::queue_status(
        &shared,
        calls_max.unwrap_or(CALLS),
    )))
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    fill_gauges(&shared);
    match shared.metrics.encode() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Gauges of pools are read from the pools at each scrape.
fn fill_gauges(shared: &Shared) {
    shared.metrics.domains.clear();
    let now = shared.clock.now();
    for pool in shared.registry.all() {
        fill_pool(shared, &pool, &pool.snapshot(), now);
    }
    lanes::fill_gauges(shared);
    fill_learned(shared);
}

/// Gauges of what was learned about tokens.
fn fill_learned(shared: &Shared) {
    let learned = shared.learned.lock();
    for (model, accuracy) in learned.output_lengths.models() {
        if let Some(coverage) = accuracy.coverage() {
            shared.metrics.output_coverage.of(&[model]).set(coverage);
        }
    }
    let mut totals = [(0.0, 0_u64); 3];
    for (_, accuracy) in learned.calibrations.models() {
        let all = [&accuracy.simple, &accuracy.generous, &accuracy.corrected];
        for (total, stats) in totals.iter_mut().zip(all) {
            #[expect(clippy::cast_precision_loss, reason = "a mean of ratios")]
            let weight = stats.count() as f64;
            total.0 += stats.mean_signed() * weight;
            total.1 += stats.count();
        }
    }
    drop(learned);
    for (name, (sum, count)) in ["simple", "generous", "calibrated"].iter().zip(totals) {
        if count > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a mean of ratios")]
            let mean = sum / count as f64;
            shared.metrics.estimate_bias.of(&[name]).set(mean);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
fn fill_pool(shared: &Shared, pool: &Pool, snapshot: &DomainSnapshot, now: Timestamp) {
    let (gauges, name) = (&shared.metrics.domains, &**pool.watch().name());
    for (tier, waiting) in Tier::ALL.iter().zip(snapshot.waiting) {
        gauges
            .queue_depth
            .of(&[name, tier.name()])
            .set(waiting as f64);
    }
    let outstanding = snapshot.totals.outstanding().get(Metric::Tokens);
    gauges
        .tokens_outstanding
        .of(&[name])
        .set(outstanding as f64);
    let expected = views::forecast_of(pool, snapshot);
    gauges
        .queue_growth
        .of(&[name])
        .set(expected.queue_growth_per_minute);
    for (limit, expected) in snapshot.limits.iter().zip(&expected.limits) {
        let window = window_label(limit.window);
        let source = views::source_name(limit.source);
        let labels = [name, limit.metric.name(), &window, source];
        gauges.limit_amount.of(&labels).set(limit.amount as f64);
        gauges.limit_used.of(&labels).set(limit.used as f64);
        let utilisation = limit.used as f64 / (limit.amount as f64).max(1.0);
        gauges.limit_utilisation.of(&labels).set(utilisation);
        gauges.limit_demand.of(&labels).set(expected.demand_ratio);
        if let Some(hit_in) = expected.hit_in {
            gauges.limit_hit_in.of(&labels).set(hit_in.as_secs_f64());
        }
        if let Some(belief) = &limit.belief {
            let labels = [name, limit.metric.name(), &window];
            let foreign = belief.foreign_per_minute as f64;
            gauges.foreign_per_minute.of(&labels).set(foreign);
            let confidence = super::beliefs::fraction(belief.kind_confidence_permille);
            gauges.belief_confidence.of(&labels).set(confidence);
        }
    }
    gauges
        .concurrency
        .of(&[name])
        .set(snapshot.in_flight as f64);
    let waits = snapshot.waiting.iter().any(|waiting| *waiting > 0);
    gauges
        .next_launch
        .of(&[name])
        .set(next_launch(shared.clock, pool, waits));
    let cool_down = snapshot
        .cool_down_until
        .map(|until| until.saturating_since(now));
    gauges
        .cool_down_seconds
        .of(&[name])
        .set(cool_down.unwrap_or_default().as_secs_f64());
    for throttle in &snapshot.throttles {
        let metric = throttle.metric.map_or("all", Metric::name);
        let labels = [name, throttle.kind.name(), metric];
        gauges
            .throttle_share
            .of(&labels)
            .set(views::share(throttle));
        let left = throttle.remaining.as_secs_f64();
        gauges.throttle_seconds.of(&labels).set(left);
    }
    if let Some(sharing) = pool.sharing() {
        fill_sharing(gauges, name, &sharing);
    }
}

fn fill_sharing(gauges: &DomainGauges, name: &str, sharing: &Sharing) {
    gauges.store_mode.of(&[name, sharing.mode.name()]).set(1.0);
    if let Some(share_ppm) = sharing.share_ppm {
        let share = f64::from(share_ppm) / 1e6;
        gauges.store_share.of(&[name]).set(share);
    }
    let instances = f64::from(sharing.instances);
    gauges.store_instances.of(&[name]).set(instances);
    for (result, count) in [
        ("answered", sharing.exchanges),
        ("failed", sharing.failures),
    ] {
        gauges.store_exchanges.of(&[name, result]).set(count as f64);
    }
}

/// Unix time of the next planned launch, 0 when nothing waits.
fn next_launch(clock: Clock, pool: &Pool, waits: bool) -> f64 {
    match pool.next_wake() {
        Some(at) if waits => clock.unix_seconds(at),
        _ => 0.0,
    }
}
