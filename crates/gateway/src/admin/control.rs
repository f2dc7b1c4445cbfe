//! Budgets and alerts as they stand, and what an operator does to queues and limits.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use paceline_admin_api::{
    Alerts, BudgetStanding, BudgetStandings, Cancelled, ResetAnswer, ResetRequest, WaitingCall,
};
use paceline_coordinator::budgets::{Budget, Standing};

use super::parameters::NoParameters;
use super::problem::Problem;
use super::usage::in_path;
use super::views;
use crate::budget::{RaisedAlert, shown_scope};
use crate::pace::WaitingRequest;
use crate::shared::Shared;

/// The most budgets in one answer.
const BUDGETS_MAX: usize = 1_000;

/// The routes of this module; the token is asked for around them.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/monitoring/budgets", get(budgets))
        .route("/monitoring/alerts", get(alerts))
        .route("/monitoring/queue/{id}", get(waiting).delete(cancel))
        .route("/monitoring/sessions/{id}", delete(cancel_session))
        .route("/monitoring/reset-rate-limits", post(reset))
}

async fn budgets(State(shared): State<Arc<Shared>>, _: NoParameters) -> Json<BudgetStandings> {
    let standings = shared.purse.standings(BUDGETS_MAX).await;
    let budgets = standings
        .iter()
        .map(|(budget, standing)| stands(budget, standing));
    Json(BudgetStandings {
        budgets: budgets.collect(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn stands(budget: &Budget, standing: &Standing) -> BudgetStanding {
    BudgetStanding {
        name: budget.name.clone(),
        scope: shown_scope(&budget.scope),
        unit: budget.unit.name().to_owned(),
        amount: budget.amount,
        spent: standing.spent,
        held: standing.held,
        used_ratio: standing.spent as f64 / (budget.amount as f64).max(1.0),
        period: budget.period.name().to_owned(),
        free_at_unix_ms: standing.window_end_ms,
        hard: budget.is_hard,
    }
}

async fn alerts(State(shared): State<Arc<Shared>>, _: NoParameters) -> Json<Alerts> {
    let all = shared.purse.alerts.all();
    Json(Alerts {
        alerts: all.iter().map(RaisedAlert::told).collect(),
    })
}

async fn waiting(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    _: NoParameters,
) -> Result<Json<WaitingCall>, Problem> {
    let id = in_path("id", id)?;
    let status = views::queue_status(&shared, usize::MAX);
    let mut calls = status.calls.into_iter();
    let call = calls.find(|call| call.request_id == id);
    call.map(Json).ok_or_else(nobody_waits)
}

async fn cancel(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    _: NoParameters,
) -> Result<Json<Cancelled>, Problem> {
    let id = in_path("id", id)?;
    let cancelled = cancel_where(&shared, |who| *who.request_id == *id);
    if cancelled == 0 {
        return Err(nobody_waits());
    }
    tracing::info!(id = %id.escape_debug(), "a waiting request was cancelled by an operator");
    Ok(Json(Cancelled { cancelled }))
}

fn nobody_waits() -> Problem {
    Problem::not_found("no request of this id waits")
}

async fn cancel_session(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    _: NoParameters,
) -> Result<Json<Cancelled>, Problem> {
    let id = in_path("id", id)?;
    let cancelled = cancel_where(&shared, |who| who.session.as_deref() == Some(&*id));
    let session = id.escape_debug();
    tracing::info!(%session, cancelled, "a session's waiting requests were cancelled by an operator");
    Ok(Json(Cancelled { cancelled }))
}

fn cancel_where(shared: &Shared, which: impl Fn(&WaitingRequest) -> bool) -> u64 {
    let pools = shared.registry.all();
    pools
        .iter()
        .map(|pool| pool.cancel_where(&which) as u64)
        .sum()
}

async fn reset(
    State(shared): State<Arc<Shared>>,
    _: NoParameters,
    body: Bytes,
) -> Result<Json<ResetAnswer>, Problem> {
    let request = match body.as_ref() {
        [] => ResetRequest::default(),
        bytes => serde_json::from_slice(bytes).map_err(|error| {
            let message =
                format!("the body is not understood: {error}; expected {{\"pool\": NAME}}");
            Problem::new(StatusCode::BAD_REQUEST, "invalid_body", message)
        })?,
    };
    let mut pools = shared.registry.all();
    if let Some(name) = &request.pool {
        pools.retain(|pool| **pool.watch().name() == **name);
        if pools.is_empty() {
            return Err(Problem::not_found("no pool has this name"));
        }
    }
    for pool in &pools {
        pool.reset();
        shared.changes.reset(pool);
        tracing::warn!(
            pool = %pool.watch().name(),
            asked_by = "an operator with the admin token",
            "the pool has forgotten what it learned and counted, and starts over slowly"
        );
    }
    let names = pools.iter().map(|pool| pool.watch().name().to_string());
    Ok(Json(ResetAnswer {
        pools: names.collect(),
    }))
}
