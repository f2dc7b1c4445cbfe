//! Whether the provider can be reached, within a time that an operator is willing to wait.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Uri};
use http_body_util::Full;
use paceline_config as config;
use tokio::time::timeout;

use crate::body::UpstreamBody;
use crate::upstream::{OwnKey, SendError, TargetError, Upstream, request_headers};

/// The longest that a check takes.
const CHECK_TIME_MAX: Duration = Duration::from_secs(3);

/// Why the provider is taken to be out of reach.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The address or the certificate authorities cannot be used.
    #[error("{0}")]
    Address(String),
    /// No answer came.
    #[error("{0}")]
    NoAnswer(String),
    /// Nothing within the time of a check.
    #[error("no answer within {} s", CHECK_TIME_MAX.as_secs())]
    TooSlow,
}

impl From<TargetError> for Unreachable {
    fn from(error: TargetError) -> Self {
        Self::Address(error.to_string())
    }
}

impl From<SendError> for Unreachable {
    fn from(error: SendError) -> Self {
        Self::NoAnswer(error.to_string())
    }
}

/// Asks the provider for its list of models and returns the status of its answer, whatever it is:
/// a refusal for want of a key comes from a provider that is there.
///
/// # Errors
/// When no answer comes within three seconds.
pub async fn check_upstream(settings: &config::Upstream) -> Result<u16, Unreachable> {
    timeout(CHECK_TIME_MAX, ask(settings))
        .await
        .unwrap_or(Err(Unreachable::TooSlow))
}

async fn ask(settings: &config::Upstream) -> Result<u16, Unreachable> {
    let upstream = Upstream::new(settings)?;
    let own_key = OwnKey::of(settings, false);
    let caller = http::HeaderMap::new();
    let mut request = Request::new(UpstreamBody::Whole(Full::default()));
    *request.method_mut() = Method::GET;
    *request.uri_mut() = upstream
        .target
        .path("/models", None)
        .unwrap_or_else(|| Uri::from_static("/models"));
    *request.headers_mut() = request_headers(
        &caller,
        &upstream.target,
        &own_key,
        (settings.profile, false),
    );
    let upstream = Arc::new(upstream);
    let (response, _) = upstream.send(request, None, || ()).await?;
    Ok(response.status().as_u16())
}
