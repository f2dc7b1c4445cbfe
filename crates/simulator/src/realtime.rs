//! `wss /v1/realtime`: opening a session over a WebSocket (RFC 6455).

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use crate::{
    answer::AnswerBody, caller::Caller, likeness::Likeness, provider::Provider, refusal::ApiError,
    service::identity, simulator::Line, turn::Turn,
};

mod events;
mod session;

use session::Session;

const PATH: &str = "/v1/realtime";
/// How browsers, which cannot set headers, hand over a key.
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";

/// Whether a request asks for a realtime session.
pub(crate) fn is_wanted(provider: &Provider, request: &Request<Incoming>) -> bool {
    let upgrade = request.headers().get(header::UPGRADE);
    provider.settings().likeness == Likeness::OpenAi
        && request.uri().path() == PATH
        && upgrade.is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Opens a session, or refuses to.
pub(crate) async fn open(
    provider: &Arc<Provider>,
    line: Line,
    mut request: Request<Incoming>,
    started: Instant,
) -> Response<AnswerBody> {
    let opening = match Opening::read(provider, &request) {
        Ok(opening) => opening,
        Err(error) => {
            let mut turn = Turn::error(error.status, &error.envelope());
            turn.headers.extend(identity(provider, None));
            return turn.send(started, line).await;
        }
    };
    let mut response = Response::new(AnswerBody::Whole(Some(Bytes::new())));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.extend(identity(provider, opening.caller.project()));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&opening.accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if opening.speaks_realtime {
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static("realtime"),
        );
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let party = opening.caller.party(provider.settings(), &opening.model);
    let provider = Arc::clone(provider);
    tokio::spawn(async move {
        // A caller that goes away before the switch has no session.
        if let Ok(upgraded) = upgrade.await {
            let io = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            Session::new(provider, party, socket).serve(line).await;
        }
    });
    response
}

/// What the opening request says.
struct Opening {
    caller: Caller,
    model: String,
    accept: String,
    speaks_realtime: bool,
}

impl Opening {
    fn read(provider: &Provider, request: &Request<Incoming>) -> Result<Self, ApiError> {
        let headers = request.headers();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let protocols = text(&header::SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
        let mut protocols = protocols.split(',').map(str::trim);
        let protocol_key = protocols
            .clone()
            .find_map(|name| name.strip_prefix(KEY_PROTOCOL));
        let settings = provider.settings();
        let caller = match protocol_key {
            Some(key) => Caller::with_key(settings, key)?,
            None => Caller::identify(settings, headers, request.uri().query())?,
        };
        let query = request.uri().query().unwrap_or_default().as_bytes();
        let model = url::form_urlencoded::parse(query).find(|(name, _)| name == "model");
        let model = model
            .ok_or_else(crate::endpoints::missing_model)?
            .1
            .into_owned();
        crate::endpoints::check_model(provider, &model)?;
        if text(&header::SEC_WEBSOCKET_VERSION) != Some("13") {
            return Err(ApiError::invalid(
                "Only version 13 of the WebSocket protocol is spoken.",
            ));
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY);
        let key = key.ok_or_else(|| ApiError::invalid("The WebSocket key is missing."))?;
        let accept = derive_accept_key(key.as_bytes());
        Ok(Self {
            caller,
            model,
            accept,
            speaks_realtime: protocols.any(|name| name == "realtime"),
        })
    }
}
