//! Reaching the provider: addresses, proxies, TLS, connections that are kept, and one exchange over
//! them. An OpenTelemetry collector is reached by the same means.
//!
//! | module | does |
//! |---|---|
//! | `target` | the provider's address |
//! | `dial` | a connection: name, addresses, proxy, TLS, each in its time |
//! | `resolve`, `network`, `race` | names, which addresses are private, who of several is first |
//! | `proxy`, `tls`, `stream` | the tunnel, who is trusted, the bytes |
//! | `places`, `shelf` | how many connections there may be; those that can be used again |
//! | `headers`, `mask` | which headers go on; the gateway's own key taken out of what a provider says |
//! | `http1`, `http2` | requests over a connection of either version |
//! | `pool` | one request, from finding a connection to the head of the answer |

mod dial;
mod failure;
mod headers;
mod http1;
mod http2;
mod mask;
mod network;
mod places;
mod pool;
mod proxy;
mod race;
mod resolve;
mod shelf;
mod stream;
mod target;
mod tls;
mod total;
mod watched;

#[cfg(test)]
mod tests;

pub(crate) use dial::Dialer;
pub(crate) use failure::{ConnectError, SendError, chain};
pub(crate) use headers::{OwnKey, answer_headers, is_event_stream, request_headers, request_query};
pub(crate) use http1::handshake;
pub(crate) use mask::Mask;
pub(crate) use places::Places;
pub(crate) use pool::{Connection, Upstream};
pub(crate) use target::{Target, TargetError};
pub(crate) use total::Total;

/// The way to something that is not the provider; what it proves itself with is judged by the
/// built-in authorities.
///
/// # Errors
/// When the address cannot be used.
pub(crate) fn public_target(url: &url::Url) -> Result<Dialer, TargetError> {
    Dialer::to_others(url)
}
