//! Connections to the provider that are kept for the next request, one pool for each thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use paceline_config as config;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::connect::{Target, TargetError};
use super::tls;
use crate::body::UpstreamBody;

/// Unused connections are closed after this time: shorter than the keep-alive of common servers, so
/// that a request seldom meets a connection that is being closed.
const IDLE_MAX: Duration = Duration::from_secs(50);

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// No connection: nothing was sent.
    #[error("the provider could not be reached: {0}")]
    Connect(String),
    /// The connection ended before the answer did.
    #[error("the provider closed the connection before its answer was complete: {0}")]
    Cut(String),
    /// No part of the answer came in time.
    #[error("the provider sent nothing for {} s ({phase})", limit.as_secs_f64())]
    Timeout {
        /// What was waited for.
        phase: &'static str,
        /// How long.
        limit: Duration,
    },
}

impl SendError {
    /// Whether the provider cannot have seen the request.
    pub(crate) fn nothing_sent(&self) -> bool {
        matches!(self, Self::Connect(_))
    }
}

/// The provider, as one thread reaches it.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) target: Target,
    connect_timeout: Duration,
    first_byte_timeout: Duration,
    /// Longest pause between two pieces of an answer.
    pub(crate) idle_timeout: Duration,
    idle_max: usize,
    idle: Mutex<VecDeque<Idle>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<UpstreamBody>,
    since: Instant,
}

/// The connection that an answer comes over; it goes back to its pool when the answer is complete.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<UpstreamBody>,
    upstream: Arc<Upstream>,
}

impl Connection {
    /// Keeps the connection for the next request.
    pub(crate) fn keep(self) {
        self.upstream.keep(self.sender);
    }
}

impl Upstream {
    /// Reads the settings.
    ///
    /// # Errors
    /// When the address or the certificate authorities cannot be used.
    pub(crate) fn new(settings: &config::Upstream) -> Result<Self, TargetError> {
        let ca_file = settings.ca_file.as_deref();
        Ok(Self {
            target: Target::new(&settings.base_url, || tls::client_config(ca_file))?,
            connect_timeout: settings.connect_timeout,
            first_byte_timeout: settings.first_byte_timeout,
            idle_timeout: settings.idle_timeout,
            idle_max: settings.idle_connections_max,
            idle: Mutex::default(),
        })
    }

    /// Sends one request and waits for the head of the answer.
    ///
    /// The answer has to begin within `patience`, where the caller has less than is set.
    /// `on_sent` is called when the provider may have seen the request. A kept connection that turns
    /// out to be closed is replaced by a new one as long as nothing was written to it.
    ///
    /// # Errors
    /// When no connection can be had, when it ends early, or when no answer starts in time.
    pub(crate) async fn send(
        self: &Arc<Self>,
        mut request: Request<UpstreamBody>,
        patience: Option<Duration>,
        on_sent: impl FnOnce(),
    ) -> Result<(Response<Incoming>, Connection), SendError> {
        let limit = patience.map_or(self.first_byte_timeout, |own| {
            own.min(self.first_byte_timeout)
        });
        let mut sender = match self.take_idle() {
            Some(sender) => sender,
            None => self.open().await?,
        };
        let mut on_sent = Some(on_sent);
        loop {
            if sender.ready().await.is_err() {
                sender = self.open().await?;
                continue;
            }
            if let Some(on_sent) = on_sent.take() {
                on_sent();
            }
            let answer = timeout(limit, sender.try_send_request(request)).await;
            match answer {
                Ok(Ok(response)) => {
                    let upstream = Arc::clone(self);
                    return Ok((response, Connection { sender, upstream }));
                }
                Ok(Err(mut error)) => match error.take_message() {
                    // The connection was closed under us: the request was not written at all.
                    Some(unsent) => {
                        request = unsent;
                        sender = self.open().await?;
                    }
                    None => return Err(SendError::Cut(chain(error.error()))),
                },
                Err(_) => {
                    return Err(SendError::Timeout {
                        phase: "waiting for the first byte of the answer",
                        limit,
                    });
                }
            }
        }
    }

    /// Opens a connection of its own for a protocol upgrade.
    pub(crate) async fn open(&self) -> Result<SendRequest<UpstreamBody>, SendError> {
        handshake(&self.target, self.connect_timeout).await
    }

    fn take_idle(&self) -> Option<SendRequest<UpstreamBody>> {
        let mut idle = self.idle.lock();
        // The newest first: it is the least likely to be closed.
        while let Some(kept) = idle.pop_back() {
            if !kept.sender.is_closed() && kept.since.elapsed() < IDLE_MAX {
                return Some(kept.sender);
            }
        }
        None
    }

    fn keep(&self, sender: SendRequest<UpstreamBody>) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock();
        while idle
            .front()
            .is_some_and(|kept| kept.since.elapsed() >= IDLE_MAX)
        {
            idle.pop_front();
        }
        if idle.len() < self.idle_max {
            idle.push_back(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }
}

/// Opens a connection that is ready for requests.
///
/// # Errors
/// [`SendError::Connect`].
pub(crate) async fn handshake<B>(
    target: &Target,
    limit: Duration,
) -> Result<SendRequest<B>, SendError>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let stream = match timeout(limit, target.connect()).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(SendError::Connect(error.to_string())),
        Err(_) => {
            return Err(SendError::Connect(format!(
                "no connection within {} s",
                limit.as_secs_f64()
            )));
        }
    };
    let (sender, connection) = http1::Builder::new()
        .preserve_header_case(false)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| SendError::Connect(chain(&error)))?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(error = %chain(&error), "upstream connection ended");
        }
    });
    Ok(sender)
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
