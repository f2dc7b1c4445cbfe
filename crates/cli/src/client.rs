//! One HTTP/1.1 request over a connection of its own: all that the commands need of a client.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

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

/// Sends a request and reads its whole answer. The connection ends with it, also when the returned
/// future is dropped before.
pub(crate) async fn send(
    address: SocketAddr,
    mut request: Request<Full<Bytes>>,
) -> Result<Answer, NoAnswer> {
    if let Ok(host) = http::HeaderValue::from_str(&address.to_string()) {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    let connected = TcpStream::connect(address).await;
    let stream = connected.map_err(|source| NoAnswer::Connect { address, source })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
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
