//! From the wire to an exchange and back.

mod exchange;

use std::{convert::Infallible, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use self::exchange::Exchange;
use crate::{
    answer::AnswerBody, control, provider::Provider, realtime, refusal::ApiError, simulator::Line,
    voice,
};

/// Answers one request.
pub(crate) async fn handle(
    provider: Arc<Provider>,
    line: Line,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let is_control = request.uri().path().starts_with(control::PREFIX);
    if !is_control {
        provider.court().count_received();
        let on_its_way = provider.arrival();
        if !on_its_way.is_zero() {
            tokio::time::sleep(on_its_way).await;
        }
    }
    let started = Instant::now();
    if realtime::is_wanted(&provider, &request) {
        return Ok(realtime::open(&provider, line, request, started).await);
    }
    let (parts, body) = request.into_parts();
    let turn = match read(body, provider.settings().max_body_bytes).await {
        Ok(body) if is_control => control::answer(&provider, &parts, &body),
        Ok(body) => Exchange::new(&provider, &parts).answer(body),
        Err(error) => Exchange::new(&provider, &parts).unread(&error),
    };
    Ok(turn.send(started, line).await)
}

async fn read(body: Incoming, most_bytes: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, most_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("Request body too large: the maximum is {most_bytes} bytes.");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            Err(ApiError::new(status, "invalid_request_error", message))
        }
        Err(_) => Err(ApiError::invalid(
            "The request body could not be read to its end.",
        )),
    }
}

/// The headers that every answer of the provider carries.
pub(crate) fn identity(provider: &Provider, project: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    let request_id = provider.request_id();
    voice::add_identity(&mut headers, provider.settings(), project, &request_id);
    headers
}
