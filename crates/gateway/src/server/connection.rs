//! One caller's connection.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::Worker;
use super::conversation::{Answer, CallerBody, Conversation};
use super::stream::{CallerStream, StreamBounds};
use crate::body::ReplyBody;
use crate::serve::serve as serve_request;
use crate::upstream::chain;

/// Largest request head, in bytes. Authorization and tracing headers fit many times.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A caller that is gone is told nothing.
#[derive(Debug, thiserror::Error)]
#[error("the caller is gone")]
struct CallerGone;

/// Serves a connection to its end.
pub(super) async fn serve(worker: Arc<Worker>, stream: TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let live = worker.shared.live();
    let server = &live.settings.server;
    let conversation = Arc::new(Conversation::default());
    let bounds = StreamBounds {
        head_timeout: server.header_timeout,
        write_timeout: server.write_timeout,
        body_bytes_max: server.body_max_bytes,
    };
    let stream = CallerStream::new(stream, Arc::clone(&conversation), bounds);
    let service = service_fn(|request| {
        let (worker, conversation) = (Arc::clone(&worker), Arc::clone(&conversation));
        async move {
            let answered = respond(&worker, &conversation, request).await;
            answered.ok_or(CallerGone)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Runs from the end of the answer before; the stream itself bounds a head that has begun.
        .header_read_timeout(server.idle_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = worker.shared.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %chain(&error), "caller connection ended");
    }
}

async fn respond(
    worker: &Arc<Worker>,
    conversation: &Arc<Conversation>,
    request: Request<Incoming>,
) -> Option<Response<Answer>> {
    let (head, body) = request.into_parts();
    let (body, half) = conversation.begin(body);
    let mut response = answer(worker, Request::from_parts(head, body)).await?;
    if conversation.is_unread() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Some(response.map(|body| Answer { body, _half: half }))
}

async fn answer(worker: &Arc<Worker>, request: Request<CallerBody>) -> Option<Response<ReplyBody>> {
    if let Some(admin) = &worker.admin
        && admin.owns(&request)
    {
        let response = admin.serve(request).await;
        return Some(response.unwrap_or_else(|never: Infallible| match never {}));
    }
    serve_request(worker, request).await
}
