//! Where the admin plane is served.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use http::Request;
use paceline_config::Secret;
use tower::ServiceExt;

use super::dashboard::{DataPlane, wants_page};
use super::gate::Gate;
use super::routes;
use crate::body::ReplyBody;
use crate::server::CallerBody;
use crate::shared::Shared;

/// First path segments that belong to the admin plane.
const OWN_SEGMENTS: [&str; 6] = [
    "healthz",
    "readyz",
    "metrics",
    "monitoring",
    "openapi.json",
    "dashboard",
];

/// The admin plane, ready to answer on any listener.
#[derive(Clone, Debug)]
pub(crate) struct AdminPlane {
    router: Router,
    own_segments: &'static [&'static str],
}

impl AdminPlane {
    /// The plane of a gateway whose callers come to `address`.
    pub(crate) fn new(shared: Arc<Shared>, token: Secret, address: SocketAddr) -> Self {
        let gate = Arc::new(Gate::new(Arc::clone(&shared), token));
        Self {
            router: routes::router(shared, gate, DataPlane::at(address)),
            own_segments: &OWN_SEGMENTS,
        }
    }

    /// The same plane, owning no path but those that tell health.
    pub(crate) fn health_only(self) -> Self {
        Self {
            own_segments: &OWN_SEGMENTS[..2],
            ..self
        }
    }

    /// Whether a request is for the admin plane: by its path, or because it is a person's browser that
    /// was given no more than the address.
    pub(crate) fn owns<B>(&self, request: &Request<B>) -> bool {
        let path = request.uri().path();
        let first = path.trim_start_matches('/').split('/').next();
        let is_own = |segment| self.own_segments.contains(&segment);
        first.is_some_and(is_own) || (path == "/" && is_own("dashboard") && wants_page(request))
    }

    /// Answers one request.
    pub(crate) async fn serve(
        &self,
        request: Request<CallerBody>,
    ) -> Result<http::Response<ReplyBody>, Infallible> {
        let request = request.map(axum::body::Body::new);
        let response = self.router.clone().oneshot(request).await?;
        Ok(response.map(ReplyBody::Admin))
    }
}

/// Serves the admin plane on a listener of its own until the gateway stops.
pub(crate) async fn serve_alone(
    plane: AdminPlane,
    shared: Arc<Shared>,
    listener: tokio::net::TcpListener,
) {
    let stopped = async move { shared.stopped().await };
    let served = axum::serve(listener, plane.router).with_graceful_shutdown(stopped);
    if let Err(error) = served.await {
        tracing::error!(%error, "the admin plane ended");
    }
}
