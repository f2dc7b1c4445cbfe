//! Reaching the provider: addresses, TLS, connections that are kept, and one exchange over them.
//! An OpenTelemetry collector is reached by the same means.

mod connect;
mod headers;
mod pool;
mod tls;

pub(crate) use connect::{Target, TargetError};
pub(crate) use headers::{OwnKey, answer_headers, is_event_stream, request_headers};
pub(crate) use pool::{Connection, SendError, Upstream, chain, handshake};

/// The address of something that is not the provider; what it proves itself with is judged by the
/// built-in authorities.
///
/// # Errors
/// When the address cannot be used.
pub(crate) fn public_target(url: &url::Url) -> Result<Target, TargetError> {
    Target::new(url, || tls::client_config(None))
}
