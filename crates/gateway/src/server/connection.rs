//! One caller's connection.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::Worker;
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
    let idle_timeout = worker.shared.live().settings.server.idle_timeout;
    let service = service_fn(|request| {
        let worker = Arc::clone(&worker);
        async move { respond(&worker, request).await.ok_or(CallerGone) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Covers the pause between requests as well as a head that comes slowly.
        .header_read_timeout(idle_timeout)
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

async fn respond(worker: &Arc<Worker>, request: Request<Incoming>) -> Option<Response<ReplyBody>> {
    if let Some(admin) = &worker.admin
        && admin.owns(request.uri().path())
    {
        let response = admin.serve(request).await;
        return Some(response.unwrap_or_else(|never: Infallible| match never {}));
    }
    serve_request(worker, request).await
}
