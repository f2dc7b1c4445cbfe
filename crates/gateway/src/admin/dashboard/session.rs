//! Signing in, who is signed in, and signing out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use paceline_admin_api::{DashboardSession, DashboardTicket, SignIn};
use tokio::time::timeout;

use super::chat::DataPlane;
use super::setup;
use crate::admin::gate::{Entered, Gate, TICKET_AGE_MAX};
use crate::admin::parameters::NoParameters;
use crate::admin::problem::Problem;
use crate::exchange::milliseconds;
use crate::shared::Shared;

/// The largest body of a sign-in, in bytes: room for the longest token, however it is escaped.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long the body of a sign-in may take to come.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BODY_BYTES_MAX)
}

pub(super) async fn sign_in(
    Extension(gate): Extension<Arc<Gate>>,
    _: NoParameters,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let wrong = || {
        // What is wrong is not repeated: it may be a token.
        let message = "the body is not understood; expected {\"token\": TOKEN}";
        Problem::new(StatusCode::BAD_REQUEST, "invalid_body", message)
    };
    // Nobody has shown anything yet: who sends nothing must not hold a connection.
    let body = timeout(BODY_PATIENCE, Bytes::from_request(request, &())).await;
    let body = body.map_err(|_| {
        let message = "the body did not come in time";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "invalid_body", message)
    })?;
    let body = body.map_err(|_| wrong())?;
    let given: SignIn = serde_json::from_slice(&body).map_err(|_| wrong())?;
    let cookie = gate.sign_in(&headers, &given.token).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

pub(super) async fn sign_out(
    Extension(gate): Extension<Arc<Gate>>,
    _: NoParameters,
    headers: HeaderMap,
) -> Response {
    match gate.sign_out(&headers) {
        Some(clear) => (StatusCode::NO_CONTENT, [(header::SET_COOKIE, clear)]).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

pub(super) async fn setup(
    State(shared): State<Arc<Shared>>,
    Extension(data_plane): Extension<DataPlane>,
    _: NoParameters,
) -> Json<DashboardSession> {
    Json(setup::setup(&shared, data_plane.address()))
}

pub(super) async fn ticket(
    Extension(gate): Extension<Arc<Gate>>,
    Extension(entered): Extension<Entered>,
    _: NoParameters,
) -> Result<Json<DashboardTicket>, Problem> {
    Ok(Json(DashboardTicket {
        ticket: gate.ticket(&entered)?,
        valid_ms: milliseconds(TICKET_AGE_MAX),
    }))
}
