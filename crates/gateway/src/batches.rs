//! What the gateway itself answers below `/v1` about batches.

mod preflight;

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Serialize;

use crate::body::ReplyBody;
use crate::caller::Caller;
use crate::intake::IntakeError;
use crate::server::{CallerBody, Worker};
use crate::shared::Live;

/// Which of these calls a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Whether a batch would be through in time.
    Preflight,
}

impl Own {
    /// The call that a request is; `None` where it is the provider's to answer.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        match (method, path) {
            (&Method::POST, "/v1/batches/preflight") => Some(Self::Preflight),
            _ => None,
        }
    }
}

/// A request that is answered here, and who sends it.
pub(crate) struct OwnCall {
    pub(crate) own: Own,
    pub(crate) live: Arc<Live>,
    pub(crate) caller: Caller,
    pub(crate) request: Request<CallerBody>,
}

/// Answers such a request.
///
/// # Errors
/// Refusals in the caller's dialect, and a caller that is gone.
pub(crate) async fn answer(
    worker: &Arc<Worker>,
    call: OwnCall,
) -> Result<Response<ReplyBody>, IntakeError> {
    let tenant = Arc::clone(&call.caller.tenant);
    let answered = match call.own {
        Own::Preflight => preflight::answer(&worker.shared, call).await,
    };
    let (status, code) = match &answered {
        Ok(response) => (response.status().as_u16(), None),
        Err(IntakeError::Problem(problem)) => (problem.status.as_u16(), Some(problem.code)),
        Err(IntakeError::Gone) => (0, None),
    };
    tracing::info!(
        target: "paceline::request",
        outcome = if status < 400 { "own" } else { "refused" },
        %tenant,
        status,
        code,
        "request"
    );
    answered
}

/// An answer in JSON.
fn json(status: StatusCode, value: &impl Serialize) -> Response<ReplyBody> {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(ReplyBody::whole(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
