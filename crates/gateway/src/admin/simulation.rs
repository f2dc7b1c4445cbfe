//! Settings and workloads, tried in virtual time: `/monitoring/simulation`.

mod check;
mod outcome;
mod present;
mod scenario;
mod settings;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use paceline_admin_api::{Simulation, SimulationProposal, SimulationRequest};
use tokio::sync::Semaphore;

use super::parameters::NoParameters;
use super::problem::Problem;
use crate::shared::Shared;

/// How long one may take in real time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The place for the one that is under way.
#[derive(Clone, Debug)]
struct Place(Arc<Semaphore>);

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/monitoring/simulation", get(proposal).post(simulate))
        .layer(Extension(Place(Arc::new(Semaphore::new(1)))))
}

async fn proposal(State(shared): State<Arc<Shared>>, _: NoParameters) -> Json<SimulationProposal> {
    Json(present::proposal(&shared).await)
}

async fn simulate(
    State(shared): State<Arc<Shared>>,
    Extension(Place(place)): Extension<Place>,
    _: NoParameters,
    body: Bytes,
) -> Result<Json<Simulation>, Problem> {
    let request = understood(&body)?;
    let scenario = scenario::of(&request)?;
    let Ok(place) = place.try_acquire_owned() else {
        let message = "another simulation is under way; try again in a moment";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Err(Problem::new(status, "simulation_busy", message));
    };
    let played = tokio::task::spawn_blocking(move || {
        let until = Instant::now() + PATIENCE;
        let mut go_on = || Instant::now() < until && !*shared.stopping.borrow();
        let outcome = outcome::play(&request, &scenario, &mut go_on);
        drop(place);
        outcome
    });
    let played = played.await.map_err(|error| {
        let message = format!("the simulation was ended: {error}");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "simulation_failed",
            message,
        )
    })?;
    played.map(Json)
}

/// The body as a request, with the path of what is wrong.
fn understood(body: &[u8]) -> Result<SimulationRequest, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let parsed: Result<SimulationRequest, _> = serde_path_to_error::deserialize(&mut json);
    let parsed = parsed.map_err(|error| {
        let path = error.path().to_string();
        Problem::in_body(&path, &error.inner().to_string())
    })?;
    json.end()
        .map_err(|error| Problem::in_body(".", &error.to_string()))?;
    Ok(parsed)
}

#[cfg(test)]
mod tests;
