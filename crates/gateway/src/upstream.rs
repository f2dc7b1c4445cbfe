//! Reaching the provider: addresses, TLS, connections that are kept, and one exchange over them.

mod connect;
mod headers;
mod pool;
mod tls;

pub(crate) use connect::{Target, TargetError};
pub(crate) use headers::{OwnKey, answer_headers, is_event_stream, request_headers};
pub(crate) use pool::{Connection, SendError, Upstream, chain};
