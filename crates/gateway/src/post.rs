//! Posting to a server that is told of something: a collector, a webhook.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::timeout;

use crate::upstream::{Dialer, SendError, chain, handshake};

/// Time to connect, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Time for one request as a whole; the default of OTLP exporters.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// More of an answer is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why the server did not take something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// It was not reached, broke off or took too long.
    #[error("it could not be reached: {0}")]
    Unreachable(String),
    /// It answered that it is too busy.
    #[error("it answered with status {status}")]
    Busy {
        /// 429, 502, 503 or 504, those that OTLP lets a client try again after.
        status: u16,
        /// How long it wants to be left alone.
        pause: Option<Duration>,
    },
    /// It answered with a status after which nothing is tried again.
    #[error("it refused with status {0}")]
    Refused(u16),
}

/// A server, as one task reaches it.
pub(crate) struct Poster {
    dialer: Dialer,
    headers: HeaderMap,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Poster {
    /// Connects to nothing yet. `headers` go with every request.
    pub(crate) fn new(dialer: Dialer, mut headers: HeaderMap) -> Self {
        if let Ok(host) = HeaderValue::from_str(dialer.target.authority.as_str()) {
            headers.insert(HOST, host);
        }
        Self {
            dialer,
            headers,
            connection: None,
        }
    }

    /// Posts `body` below the target's own path; the answer of a server that took it.
    ///
    /// # Errors
    /// When it did not.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        more: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Bytes, PostError> {
        let posted = timeout(REQUEST_TIMEOUT, self.exchange(path, more, body)).await;
        posted.unwrap_or_else(|_| {
            let limit = REQUEST_TIMEOUT.as_secs();
            Err(PostError::Unreachable(format!(
                "no answer within {limit} s"
            )))
        })
    }

    async fn exchange(
        &mut self,
        path: &str,
        more: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Bytes, PostError> {
        // Taken, so that a connection on which something went wrong is not used again.
        let kept = self.connection.take();
        let mut connection = match kept.filter(|kept| !kept.is_closed()) {
            Some(kept) => kept,
            None => self.open().await?,
        };
        if connection.ready().await.is_err() {
            connection = self.open().await?;
        }
        let broken = |error: hyper::Error| PostError::Unreachable(chain(&error));
        let mut request = self.request(path, body)?;
        for (name, value) in more {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let response = connection.send_request(request).await.map_err(broken)?;
        let refused = refusal(&response);
        let answer = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        match (refused, answer) {
            (Some(refused), _) => Err(refused),
            (None, Ok(answer)) => {
                self.connection = Some(connection);
                Ok(answer.to_bytes())
            }
            // It took what it was sent, whatever it wanted to say of it.
            (None, Err(_)) => Ok(Bytes::new()),
        }
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, PostError> {
        let opened = handshake(&self.dialer, CONNECT_TIMEOUT).await;
        opened.map_err(|error| match error {
            SendError::Connect(reason) => PostError::Unreachable(reason.to_string()),
            other => PostError::Unreachable(other.to_string()),
        })
    }

    fn request(&self, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, PostError> {
        let uri = self.dialer.target.path(path, None);
        let uri = uri.ok_or_else(|| PostError::Unreachable("its path is malformed".to_owned()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }
}

/// What a status means; `None` when the batch was taken. Redirections are not followed: a key in the
/// headers is for the address that was configured.
fn refusal(response: &Response<Incoming>) -> Option<PostError> {
    let status = response.status().as_u16();
    match status {
        200..=299 => None,
        429 | 502 | 503 | 504 => {
            let pause = response.headers().get(RETRY_AFTER);
            let pause = pause.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            Some(PostError::Busy {
                status,
                pause: pause.map(Duration::from_secs),
            })
        }
        _ => Some(PostError::Refused(status)),
    }
}
