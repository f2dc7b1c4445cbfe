//! The chat: a call of the page, through the data plane like any other.
//!
//! It goes over a connection to the gateway's own address, so that there is one way for calls to be
//! paced, metered, recorded and budgeted, wherever the admin plane listens. The connection belongs to the
//! answer: a browser that leaves takes it along, and the data plane sees a caller that has left.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::admin::gate::Gate;
use crate::admin::parameters::NoParameters;
use crate::admin::problem::Problem;
use crate::upstream::chain;

/// Where the call goes.
const PATH: &str = "/v1/chat/completions";

/// The key of whoever chats, which becomes the call's own.
const KEY: &str = "x-paceline-chat-key";

/// What the page may say of a call.
const PASSED_ON: [&str; 5] = [
    "x-paceline-session",
    "x-paceline-tenant",
    "x-paceline-priority",
    "x-paceline-max-wait",
    "x-paceline-tags",
];

/// Marks what the data plane answered, so that its refusals are not taken for ours.
const ANSWERED_BY: HeaderName = HeaderName::from_static("x-paceline-answered-by");

/// Headers of answers that the page is told, besides those of paceline and those of limits.
const TOLD: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::RETRY_AFTER,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-should-retry"),
];

/// The gateway's own address for calls.
#[derive(Clone, Copy, Debug)]
pub(in crate::admin) struct DataPlane(SocketAddr);

impl DataPlane {
    pub(in crate::admin) fn at(address: SocketAddr) -> Self {
        Self(address)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0
    }
}

pub(super) async fn chat(
    Extension(gate): Extension<Arc<Gate>>,
    Extension(data_plane): Extension<DataPlane>,
    _: NoParameters,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let call = call(&gate, data_plane.0, &head.headers, body)?;
    let answer = send(data_plane.0, call).await.map_err(|reason| {
        let message = format!("the gateway does not take the call now: {reason}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "data_plane_away", message)
    })?;
    let (head, body) = answer.into_parts();
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = head.status;
    let headers = response.headers_mut();
    for (name, value) in &head.headers {
        if is_told(name) {
            headers.append(name, value.clone());
        }
    }
    headers.insert(ANSWERED_BY, HeaderValue::from_static("data-plane"));
    Ok(response)
}

/// The call as the data plane gets it: nothing of what the browser sent goes along unless it is named
/// here, its cookie and token least of all.
fn call(
    gate: &Gate,
    address: SocketAddr,
    asked: &HeaderMap,
    body: Body,
) -> Result<http::Request<Body>, Problem> {
    let mut call = http::Request::new(body);
    *call.method_mut() = Method::POST;
    *call.uri_mut() = http::Uri::from_static(PATH);
    let headers = call.headers_mut();
    if let Ok(host) = HeaderValue::try_from(address.to_string()) {
        headers.insert(header::HOST, host);
    }
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    let announce = HeaderValue::from_static("comments");
    headers.insert("x-paceline-announce", announce);
    for name in PASSED_ON {
        for value in asked.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    if let Some(key) = asked.get(KEY) {
        headers.insert(header::AUTHORIZATION, bearer(gate, key)?);
    }
    Ok(call)
}

fn bearer(gate: &Gate, key: &HeaderValue) -> Result<HeaderValue, Problem> {
    let key = key.as_bytes();
    if gate.holds(key) {
        let message = "this is the admin token, which no provider should see; the chat needs the key \
                       of a caller";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "not_a_key", message));
    }
    let bearer = HeaderValue::from_bytes(&[b"Bearer ", key].concat());
    let mut bearer = bearer.map_err(|_| {
        let message = "x-paceline-chat-key cannot be sent as a key";
        Problem::new(StatusCode::BAD_REQUEST, "not_a_key", message)
    })?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

fn is_told(name: &HeaderName) -> bool {
    let text = name.as_str();
    TOLD.contains(name) || text.starts_with("x-paceline-") || text.contains("ratelimit")
}

/// Sends a call over a connection of its own.
async fn send(
    address: SocketAddr,
    call: http::Request<Body>,
) -> Result<http::Response<Passed>, String> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| error.to_string())?;
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let told = |error: hyper::Error| chain(&error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    let connection = Connection(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %chain(&error), "a chat's connection ended");
        }
    }));
    let answer = sender.send_request(call).await.map_err(told)?;
    Ok(answer.map(|body| Passed {
        body,
        _connection: connection,
    }))
}

/// A connection that is closed when it is dropped, at once and whatever is under way.
#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of an answer, with the connection that it comes over.
#[derive(Debug)]
struct Passed {
    body: Incoming,
    _connection: Connection,
}

impl http_body::Body for Passed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
