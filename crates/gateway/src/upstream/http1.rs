//! One request at a time on a connection: HTTP/1.1.

use std::time::{Duration, Instant};

use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::{Request, Response, StatusCode, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::dial::{Dialer, Way};
use super::failure::{ConnectError, SendError, chain};
use super::pool::{Asked, Unanswered};
use super::stream::Stream;
use super::target::Target;
use super::watched::Watched;
use crate::body::UpstreamBody;

/// A connection that carries one request at a time.
#[derive(Debug)]
pub(super) struct Single {
    sender: SendRequest<Watched>,
    pub(super) opened: Instant,
    /// Whether it ends at a proxy that passes on what it is asked for by whole addresses.
    to_proxy: bool,
}

impl Single {
    pub(super) async fn begin(stream: Stream, to_proxy: bool) -> Result<Box<Self>, ConnectError> {
        Ok(Box::new(Self {
            sender: begin(stream).await?,
            opened: Instant::now(),
            to_proxy,
        }))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether it is still open when it can take the next request.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn ask(
        &mut self,
        request: Request<UpstreamBody>,
        asked: &Asked<'_>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let mut request = request.map(Watched::whole);
        if self.to_proxy {
            address_proxy(&mut request, asked.dialer);
        }
        let progress = request.body().progress();
        let sending = self.sender.try_send_request(request);
        match asked.wait(sending, &progress).await? {
            Ok(response) => self.passed(response, asked.dialer),
            Err(mut error) => Err(match error.take_message() {
                // The connection was closed under us: the request was not written at all.
                Some(unsent) => {
                    let unsent = as_built(unsent.map(Watched::into_inner), &asked.dialer.target);
                    Unanswered::Unsent(Box::new(unsent), chain(error.error()))
                }
                None => asked.failed(error.error()).into(),
            }),
        }
    }

    /// The answer, unless it is one in which the proxy speaks of itself.
    fn passed(
        &self,
        response: Response<Incoming>,
        dialer: &Dialer,
    ) -> Result<Response<Incoming>, Unanswered> {
        match dialer.proxy() {
            Some(proxy)
                if self.to_proxy
                    && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED =>
            {
                Err(SendError::from(proxy.refused(response.status())).into())
            }
            _ => Ok(response),
        }
    }
}

/// Names the whole address, and who asks, as a proxy needs it (RFC 9112, 3.2.2).
fn address_proxy(request: &mut Request<Watched>, dialer: &Dialer) {
    if let Some(whole) = dialer.target.absolute(request.uri()) {
        *request.uri_mut() = whole;
    }
    let authorization = dialer.proxy().and_then(|proxy| proxy.authorization.clone());
    if let Some(authorization) = authorization {
        let headers = request.headers_mut();
        headers.insert(PROXY_AUTHORIZATION, authorization);
    }
}

/// Takes back what was changed about a request for the connection that it was not sent on.
pub(super) fn as_built(
    mut request: Request<UpstreamBody>,
    target: &Target,
) -> Request<UpstreamBody> {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
    let headers = request.headers_mut();
    headers.remove(PROXY_AUTHORIZATION);
    if let Ok(host) = HeaderValue::from_str(target.authority.as_str()) {
        headers.insert(HOST, host);
    }
    request
}

/// Opens a connection that is ready for requests, within `limit`.
///
/// # Errors
/// [`ConnectError`].
pub(crate) async fn handshake<B>(
    dialer: &Dialer,
    limit: Duration,
) -> Result<SendRequest<B>, SendError>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let opening = async { begin(dialer.connect(Way::UPGRADABLE, None).await?.stream).await };
    match timeout(limit, opening).await {
        Ok(opened) => Ok(opened?),
        Err(_) => {
            let reason = format!("no connection within {} s", limit.as_secs_f64());
            Err(ConnectError::Http(reason).into())
        }
    }
}

/// Begins HTTP/1.1 on a connection, which can also be upgraded.
pub(super) async fn begin<B>(stream: Stream) -> Result<SendRequest<B>, ConnectError>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .preserve_header_case(false)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| ConnectError::Http(chain(&error)))?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(error = %chain(&error), "upstream connection ended");
        }
    });
    Ok(sender)
}
