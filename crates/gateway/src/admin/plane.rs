//! Who may use the admin plane, and where it is served.

use std::convert::Infallible;
use std::net::IpAddr;
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
    shared: Arc<Shared>,
}

impl AdminPlane {
    pub(crate) fn new(shared: Arc<Shared>, token: Secret) -> Self {
        Self {
            router: routes::router(Arc::clone(&shared), Arc::new(Gate { token, shared })),
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
        if !is_served(headers, &self.shared.live().settings.admin.hosts) {
            let message = "this host name is not served; admin.hosts lists those that are, besides \
                           localhost and addresses";
            let problem = Problem::new(StatusCode::FORBIDDEN, "foreign_host", message);
            return Some(problem.into_response());
        }
        if let Err(reason) = same_origin(headers) {
            let problem = Problem::new(StatusCode::FORBIDDEN, "foreign_origin", reason);
            return Some(problem.into_response());
        }
        if opens(&self.token, headers) {
            return None;
        }
        let message = "the admin token is needed: Authorization: Bearer <token>; it is kept in the \
                       file admin-token of the state folder";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        Some((challenge, problem).into_response())
    }
}

fn opens(token: &Secret, headers: &HeaderMap) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    given.is_some_and(|given| given.ct_eq(token.expose().as_bytes()).into())
}

/// Whether the host that a request names is an address, this machine, or one of `names`. A name that
/// somebody else owns may have been made to point here, to get at this from a page of theirs.
fn is_served(headers: &HeaderMap, names: &[String]) -> bool {
    let host = headers.get(header::HOST).map(HeaderValue::to_str);
    let Some(Ok(host)) = host else {
        // Pages cannot leave it out; HTTP/1.0 probes may.
        return host.is_none();
    };
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| host.eq_ignore_ascii_case(name))
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
        let token = Secret::new("0123456789abcdef");
        let opens = |pairs: &[(&'static str, &str)]| super::opens(&token, &headers(pairs));
        assert!(opens(&[("authorization", "Bearer 0123456789abcdef")]));
        for wrong in [
            "Bearer 0123456789abcde",
            "bearer 0123456789abcdef",
            "Bearer ",
            "x",
        ] {
            assert!(!opens(&[("authorization", wrong)]), "{wrong}");
        }
        assert!(!opens(&[]));
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
