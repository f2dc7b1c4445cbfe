//! The ledger's own state and prompt sizes: `/monitoring/ledger` and `/monitoring/prompt-sizes`.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use paceline_admin_api::{LedgerState, PromptSize, PromptSizes};

use super::asked;
use super::parameters::{NoParameters, Parameters};
use super::problem::Problem;
use crate::shared::Shared;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/monitoring/ledger", get(state))
        .route("/monitoring/prompt-sizes", get(prompt_sizes))
}

async fn state(State(shared): State<Arc<Shared>>, _: NoParameters) -> Json<LedgerState> {
    let Some(kept) = shared.recorder.kept() else {
        return Json(LedgerState::default());
    };
    let unreadable = match kept.ledger() {
        Some(ledger) => ledger.check().await.err().map(|error| error.to_string()),
        None => Some(kept.reason()),
    };
    let health = kept.health();
    Json(LedgerState {
        enabled: true,
        writable: health.is_well(),
        readable: unreadable.is_none(),
        queued: health.queued,
        committed: health.committed,
        spilled: health.spilled,
        lost: health.lost,
        last_error: health.last_error.or(unreadable),
        since_ms: health.since_ms,
    })
}

async fn prompt_sizes(
    State(shared): State<Arc<Shared>>,
    mut parameters: Parameters,
) -> Result<Json<PromptSizes>, Problem> {
    let filter = asked::filter(&mut parameters, shared.now_ms())?;
    let limit = asked::limit(&mut parameters)?;
    parameters.finish()?;
    let sizes = asked::ledger(&shared)?.prompt_sizes(filter, limit).await?;
    let sizes = sizes.into_iter().map(|size| PromptSize {
        route: size.route,
        model: size.model,
        calls: size.calls,
        input_tokens: size.input_tokens,
        average_input_tokens: size.average_input_tokens,
        max_input_tokens: size.max_input_tokens,
        cached_tokens: size.cached_tokens,
        cost_nanousd: size.cost_nanousd,
        above_average_tokens: size.above_average_tokens,
    });
    Ok(Json(PromptSizes {
        prompts: sizes.collect(),
    }))
}
