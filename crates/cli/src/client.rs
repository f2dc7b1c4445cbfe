//! One HTTP/1.1 request over a connection of its own, its answer whole or as it comes: all that the commands need of
//! a client.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// Nobody listens there.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("no answer that can be read: {0}")]
    Exchange(#[from] hyper::Error),
}

/// An answer that is read as it comes. The connection ends when it is dropped.
#[derive(Debug)]
pub(crate) struct OpenAnswer {
    pub(crate) status: StatusCode,
    body: Incoming,
    /// What drives the connection.
    _connection: JoinSet<()>,
}

impl OpenAnswer {
    /// The next bytes of the body; `None` at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, NoAnswer> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// The rest of the body.
    pub(crate) async fn rest(self) -> Result<Bytes, NoAnswer> {
        Ok(self.body.collect().await?.to_bytes())
    }
}

/// Sends a request and waits for the head of its answer.
pub(crate) async fn open(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<OpenAnswer, NoAnswer> {
    let request = with_host(request, address);
    let (mut sender, connection) = http1::handshake(connect(address).await?).await?;
    let mut driver = JoinSet::new();
    driver.spawn(async {
        // Whoever reads the body is told how the connection ended.
        let _ = connection.await;
    });
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(OpenAnswer {
        status: head.status,
        body,
        _connection: driver,
    })
}

fn with_host(mut request: Request<Full<Bytes>>, address: SocketAddr) -> Request<Full<Bytes>> {
    if let Ok(host) = http::HeaderValue::from_str(&address.to_string()) {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    request
}

async fn connect(address: SocketAddr) -> Result<TokioIo<TcpStream>, NoAnswer> {
    let connected = TcpStream::connect(address).await;
    let stream = connected.map_err(|source| NoAnswer::Connect { address, source })?;
    Ok(TokioIo::new(stream))
}

/// Sends a request and reads its whole answer. The connection ends with it, also when the returned
/// future is dropped before.
pub(crate) async fn send(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<Answer, NoAnswer> {
    let request = with_host(request, address);
    let (mut sender, connection) = http1::handshake(connect(address).await?).await?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok::<_, hyper::Error>(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    };
    // The connection is driven here, not in a task of its own, so that nothing outlives the caller.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => Ok(answer?),
        ended = connection => {
            ended?;
            Ok(exchange.await?)
        }
    }
}
