//! `[server]`: the listener that callers reach.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{ByteSize, Span};

use std::net::SocketAddr;
use std::time::Duration;

/// The listener that callers reach, and its bounds.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Runtime threads; `None` means one for each CPU.
    pub threads: Option<usize>,
    /// Largest request body that is accepted, in bytes.
    pub body_max_bytes: u64,
    /// Time a caller has to complete a request head that it has begun.
    pub header_timeout: Duration,
    /// Longest pause between two pieces of a request body.
    pub body_timeout: Duration,
    /// Longest time in which a caller takes nothing of its answer.
    pub write_timeout: Duration,
    /// Time a kept-alive connection may stay unused.
    pub idle_timeout: Duration,
    /// Caller connections open at once, over all threads.
    pub connections_max: usize,
    /// Time that requests in flight have to finish at shutdown.
    pub shutdown_grace: Duration,
}

/// The listener that callers reach.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawServer {
    /// Address to listen on.
    #[schemars(with = "String", extend("x-kind" = "address"))]
    listen: SocketAddr,
    /// Runtime threads. Left out: one for each CPU.
    #[schemars(range(min = 1, max = 1024), extend("examples" = [2]))]
    threads: Option<usize>,
    /// Largest request body that is accepted.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "4GiB"))]
    body_max: ByteSize,
    /// Time a caller has to complete a request head that it has begun.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    header_timeout: Span,
    /// Longest pause between two pieces of a request body.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    body_timeout: Span,
    /// Longest time in which a caller takes nothing of its answer.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    write_timeout: Span,
    /// Time a kept-alive connection may stay unused.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    idle_timeout: Span,
    /// Caller connections open at once, over all threads.
    #[schemars(range(min = 1, max = 1_000_000))]
    connections_max: usize,
    /// Time that requests in flight have to finish at shutdown.
    #[schemars(extend("x-maximum" = "1h"))]
    shutdown_grace: Span,
}

impl Default for RawServer {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4100)),
            threads: None,
            body_max: ByteSize(64 << 20),
            header_timeout: Span(Duration::from_secs(10)),
            body_timeout: Span(Duration::from_secs(60)),
            write_timeout: Span(Duration::from_secs(60)),
            idle_timeout: Span(Duration::from_secs(75)),
            connections_max: 20_000,
            shutdown_grace: Span(Duration::from_secs(30)),
        }
    }
}

impl RawServer {
    pub(crate) fn check(self) -> Server {
        Server {
            listen: self.listen,
            threads: self.threads,
            body_max_bytes: self.body_max.0,
            header_timeout: self.header_timeout.0,
            body_timeout: self.body_timeout.0,
            write_timeout: self.write_timeout.0,
            idle_timeout: self.idle_timeout.0,
            connections_max: self.connections_max,
            shutdown_grace: self.shutdown_grace.0,
        }
    }
}
