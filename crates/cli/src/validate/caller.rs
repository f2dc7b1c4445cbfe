//! A caller with a connection that it keeps.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// The longest wait for one answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The model that requests are about.
pub(super) const MODEL: &str = "gpt-4o-mini";

/// A key that only the simulator takes.
pub(super) const KEY: &str = "Bearer sk-validate";

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Somebody who asks, one request after the other.
#[derive(Debug)]
pub(super) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
    headers: HeaderMap,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Caller {
    /// Connects; `key` is what it shows, if anything.
    pub(super) async fn connect(
        address: SocketAddr,
        key: Option<&'static str>,
    ) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| format!("cannot connect to {address}: {error}"))?;
        // Small requests must not wait for each other.
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(key) = key {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(key));
        }
        if let Ok(host) = HeaderValue::from_str(&address.to_string()) {
            headers.insert(header::HOST, host);
        }
        Ok(Self {
            sender,
            connection: tokio::spawn(async move { drop(connection.await) }),
            headers,
        })
    }

    /// Asks for a chat completion.
    pub(super) async fn chat(&mut self, body: Bytes) -> Result<Answer, String> {
        let asked = timeout(PATIENCE, self.exchange(body)).await;
        let answer = asked.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?;
        answer.map_err(|error| format!("no answer that can be read: {error}"))
    }

    /// The same, timed; the answer must be a success.
    pub(super) async fn time(&mut self, body: Bytes) -> Result<Duration, String> {
        let began = Instant::now();
        let answer = self.chat(body).await?;
        let took = began.elapsed();
        if answer.status.is_success() {
            Ok(took)
        } else {
            Err(answer.complaint())
        }
    }

    async fn exchange(&mut self, body: Bytes) -> Result<Answer, hyper::Error> {
        self.sender.ready().await?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_static("/v1/chat/completions");
        *request.headers_mut() = self.headers.clone();
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status,
            body,
        })
    }
}

impl Answer {
    /// What an answer that is no success says.
    pub(super) fn complaint(&self) -> String {
        let told: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let message = told
            .as_ref()
            .and_then(|told| told.pointer("/error/message"));
        let message = message.and_then(serde_json::Value::as_str);
        match message {
            Some(message) => format!("status {}: {message}", self.status.as_u16()),
            None => format!("status {}", self.status.as_u16()),
        }
    }
}

/// A chat request whose charge is `tokens`: that many may be answered, and the prompt is shorter.
pub(super) fn request_of(tokens: u64) -> Bytes {
    let body = json!({
        "model": MODEL,
        "messages": [{ "role": "user", "content": "How long is the queue?" }],
        "max_tokens": tokens,
    });
    Bytes::from(body.to_string())
}
