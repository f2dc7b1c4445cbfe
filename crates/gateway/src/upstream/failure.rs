//! Why no answer came.

use std::net::IpAddr;
use std::time::Duration;

/// Why there is no connection, or none that the request went out on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The name server did not know, or did not answer.
    #[error("looking up {host} failed: {reason}")]
    Lookup { host: String, reason: String },
    /// A public name leads into a private network.
    #[error(
        "{host} leads to {address}, which is {range}; if that is meant, set private_addresses = true"
    )]
    Private {
        host: String,
        address: IpAddr,
        range: &'static str,
    },
    /// None of the addresses could be connected to.
    #[error("connecting to {to} failed: {reason}")]
    Tcp { to: String, reason: String },
    /// The TLS handshake failed.
    #[error("TLS with {to} failed: {reason}")]
    Tls { to: String, reason: String },
    /// The proxy did not open the way; named without its password.
    #[error("the proxy {proxy} {reason}")]
    Proxy { proxy: String, reason: String },
    /// A phase took too long.
    #[error("{phase} took longer than {} s ({key})", limit.as_secs_f64())]
    Slow {
        phase: String,
        /// The key of the configuration that says how long it may.
        key: &'static str,
        limit: Duration,
    },
    /// All connections that there may be were in use.
    #[error(
        "all {max} connections of connections_max stayed in use for {} s (connect_timeout)",
        limit.as_secs_f64()
    )]
    Full { max: usize, limit: Duration },
    /// HTTP/2 was asked for.
    #[error("{to} does not speak HTTP/2; set http_version = \"auto\" or \"1.1\"")]
    NotHttp2 { to: String },
    /// The connection is there, but HTTP did not begin on it.
    #[error("HTTP did not begin: {0}")]
    Http(String),
    /// The provider said that it did nothing about the request, each time it was sent.
    #[error("it turned the request away unprocessed: {0}")]
    TurnedAway(String),
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// No connection, or the provider did not look at the request: nothing was sent.
    #[error("the provider could not be reached: {0}")]
    Connect(#[from] ConnectError),
    /// The connection ended before the answer did.
    #[error("the provider closed the connection before its answer was complete: {0}")]
    Cut(String),
    /// What came is no answer of the provider's API.
    #[error("the provider answered with what is no answer of its API: {0}")]
    Garbage(String),
    /// Something took too long after the connection was there.
    #[error("the provider took too long: more than {} s {phase}", limit.as_secs_f64())]
    Timeout {
        /// What was waited for.
        phase: &'static str,
        /// How long.
        limit: Duration,
    },
}

impl SendError {
    /// Whether the provider cannot have done anything about the request.
    pub(crate) fn nothing_sent(&self) -> bool {
        matches!(self, Self::Connect(_))
    }
}

/// An error with all that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
