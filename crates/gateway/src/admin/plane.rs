//! Who may use the admin plane, and where it is served.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use paceline_config::Secret;
use subtle::ConstantTimeEq;
use tower::ServiceExt;

use super::problem::Problem;
use super::routes;
use crate::body::ReplyBody;
use crate::server::CallerBody;
use crate::shared::Shared;

/// First path segments that belong to the admin plane.
const OWN_SEGMENTS: [&str; 5] = ["healthz", "readyz", "metrics", "monitoring", "openapi.json"];

/// What goes with every answer behind the token: it is kept nowhere and taken for nothing else.
const ANSWER_HEADERS: [(HeaderName, &str); 2] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// The admin plane, ready to answer on any listener.
#[derive(Clone, Debug)]
pub(crate) struct AdminPlane {
    router: Router,
    own_segments: &'static [&'static str],
}

/// What a caller must show.
#[derive(Debug)]
pub(super) struct Gate {
    token: Secret,
}

impl AdminPlane {
    pub(crate) fn new(shared: Arc<Shared>, token: Secret) -> Self {
        Self {
            router: routes::router(shared, Arc::new(Gate { token })),
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

    /// Whether a path belongs to the admin plane.
    pub(crate) fn owns(&self, path: &str) -> bool {
        let first = path.trim_start_matches('/').split('/').next();
        first.is_some_and(|segment| self.own_segments.contains(&segment))
    }

    /// Answers one request.
    pub(crate) async fn serve(
        &self,
        request: http::Request<CallerBody>,
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

/// Lets a request through when it shows the token and does not come from a foreign page.
pub(super) async fn guard(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let mut response = match gate.refusal(request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in ANSWER_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Gate {
    /// Why a request is not let through, if it is not.
    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        if let Err(reason) = same_origin(headers) {
            let problem = Problem::new(StatusCode::FORBIDDEN, "foreign_origin", reason);
            return Some(problem.into_response());
        }
        if self.opens(headers) {
            return None;
        }
        let message = "the admin token is needed: Authorization: Bearer <token>; it is kept in the \
                       file admin-token of the state folder";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        Some((challenge, problem).into_response())
    }

    fn opens(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        given.is_some_and(|given| given.ct_eq(self.token.expose().as_bytes()).into())
    }
}

/// A browser that was lured here names another origin, or a host name that only points here.
fn same_origin(headers: &HeaderMap) -> Result<(), &'static str> {
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    match (host, origin_host) {
        (Some(host), Some(origin_host)) if host.eq_ignore_ascii_case(origin_host) => Ok(()),
        _ => Err("requests from pages of another origin are refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<(header::HeaderName, header::HeaderValue)>>()
            .into_iter()
            .collect()
    }

    #[test]
    fn only_the_exact_token_opens() {
        let gate = Gate {
            token: Secret::new("0123456789abcdef"),
        };
        assert!(gate.opens(&headers(&[("authorization", "Bearer 0123456789abcdef")])));
        for wrong in [
            "Bearer 0123456789abcde",
            "bearer 0123456789abcdef",
            "Bearer ",
            "x",
        ] {
            assert!(
                !gate.opens(&headers(&[("authorization", wrong)])),
                "{wrong}"
            );
        }
        assert!(!gate.opens(&HeaderMap::new()));
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let own = headers(&[
            ("host", "127.0.0.1:4100"),
            ("origin", "http://127.0.0.1:4100"),
        ]);
        assert!(same_origin(&own).is_ok());
        let foreign = headers(&[("host", "127.0.0.1:4100"), ("origin", "http://evil.test")]);
        assert!(same_origin(&foreign).is_err());
        assert!(same_origin(&headers(&[("origin", "null"), ("host", "a")])).is_err());
        assert!(same_origin(&headers(&[("host", "a")])).is_ok());
    }
}
