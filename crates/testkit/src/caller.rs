//! A caller that does nothing of its own accord: no retries, no redirects, no time limits.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `error.code`, empty when there is none.
    pub fn error_code(&self) -> String {
        let json = self.json();
        let error = &json["error"];
        // Anthropic's envelope has it among the details.
        let code = error["code"].as_str();
        code.or_else(|| error["details"]["error_code"].as_str())
            .unwrap_or_default()
            .to_owned()
    }

    /// A header as text, empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Calls one address, each time over a connection of its own.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    address: SocketAddr,
}

impl Caller {
    /// A caller of `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When the connection fails or ends early.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let (head, body) = self.start(request).await?.into_parts();
        let body = body
            .collect()
            .await
            .context("the answer was cut")?
            .to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// Sends a request and returns when the head of the answer is there. Dropping the answer closes
    /// the connection.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn start(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }

    /// Builds a request to this address.
    ///
    /// # Errors
    /// When a header or the path is not valid.
    pub fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Request<Full<Bytes>>> {
        let mut builder = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string());
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        Ok(builder.body(Full::new(body.into()))?)
    }

    /// `GET path`.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        self.send(self.request(Method::GET, path, headers, Bytes::new())?)
            .await
    }

    /// `POST path` with a JSON body and a test key.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        self.send(self.post_request(path, headers, body)?).await
    }

    /// The request that [`Caller::post`] sends.
    ///
    /// # Errors
    /// When a header or the path is not valid.
    pub fn post_request(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Request<Full<Bytes>>> {
        let mut all = vec![("content-type", "application/json")];
        let is_key = |name: &str| ["authorization", "api-key"].contains(&name);
        if !headers.iter().any(|(name, _)| is_key(name)) {
            all.push(("authorization", "Bearer sk-test"));
        }
        all.extend_from_slice(headers);
        self.request(Method::POST, path, &all, body)
    }

    /// A chat call with this body.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn chat(&self, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Answer> {
        self.post("/v1/chat/completions", headers, body).await
    }
}

/// A small chat request that is charged `max_tokens` at admission.
pub fn chat(max_tokens: u64, stream: bool) -> String {
    format!(
        r#"{{"model":"gpt-4o-mini","max_tokens":{max_tokens},"stream":{stream},"messages":[{{"role":"user","content":"hello"}}]}}"#
    )
}
