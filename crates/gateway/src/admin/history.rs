//! How it was: `/monitoring/history` and `/monitoring/changes`.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use paceline_admin_api::{Changes, History};

use super::asked;
use super::moment::moment;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::history::look;
use crate::shared::Shared;

/// How far back is looked where nothing else is asked for.
const SPAN_MS: i64 = 3_600_000;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/monitoring/history", get(history))
        .route("/monitoring/changes", get(changes))
}

async fn history(
    State(shared): State<Arc<Shared>>,
    mut parameters: Parameters,
) -> Result<Json<History>, Problem> {
    let now_ms = shared.now_ms();
    let from = parameters.take("from");
    let from = from.map(|text| moment("from", &text, now_ms)).transpose()?;
    let pool = parameters.name("pool")?;
    parameters.finish()?;
    let from_ms = from.unwrap_or((now_ms - SPAN_MS).max(0));
    if from_ms > now_ms {
        return Err(Problem::invalid("from", "a time that is not to come"));
    }
    // What is told is told up to this moment.
    look(&shared);
    let told = shared.past.lock().told(from_ms, now_ms, pool.as_deref());
    Ok(Json(told))
}

async fn changes(
    State(shared): State<Arc<Shared>>,
    mut parameters: Parameters,
) -> Result<Json<Changes>, Problem> {
    let pool = parameters.name("pool")?;
    let limit = asked::limit(&mut parameters)?;
    parameters.finish()?;
    look(&shared);
    Ok(Json(Changes {
        changes: shared.changes.latest(pool.as_deref(), limit),
    }))
}
