//! A server that keeps what it is sent: a collector, or a provider.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// What was sent to a [`Recorder`].
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    /// The body as it came.
    pub(super) text: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap_or("not ASCII"))
    }
}

type Journal = Arc<Mutex<Vec<Seen>>>;

/// A server that keeps what it is sent and gives the same answer until told otherwise.
pub(super) struct Recorder {
    pub(super) address: SocketAddr,
    status: Arc<AtomicU16>,
    journal: Journal,
    task: tokio::task::JoinHandle<()>,
}

impl Recorder {
    /// Answers with `status` and `body`; with no answer at all where `status` is 0.
    pub(super) async fn start(status: u16, body: &'static str) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let journal = Journal::default();
        let status = Arc::new(AtomicU16::new(status));
        let (kept, answers) = (Arc::clone(&journal), Arc::clone(&status));
        let app = Router::new().fallback(move |request: Request| {
            let kept = Arc::clone(&kept);
            let status = answers.load(Ordering::Relaxed);
            async move {
                let seen = read(request).await;
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(seen);
                if status == 0 {
                    std::future::pending::<()>().await;
                }
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
                let json = http::HeaderValue::from_static("application/json");
                response.headers_mut().insert("content-type", json);
                response
            }
        });
        let task = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        Ok(Self {
            address,
            status,
            journal,
            task,
        })
    }

    /// A collector that takes everything.
    pub(super) async fn collector() -> Result<Self> {
        Self::start(200, "{}").await
    }

    /// A provider that answers every call with seven tokens in and five out.
    pub(super) async fn provider() -> Result<Self> {
        let answer = r#"{"id":"c","object":"chat.completion","model":"gpt-4o-2024-08-06",
            "choices":[{"index":0,"message":{"role":"assistant","content":"secret answer"},
            "finish_reason":"stop"}],
            "usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}"#;
        Self::start(200, answer).await
    }

    /// Answers with `status` from now on.
    pub(super) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// All spans that came, in the order of their start.
    pub(super) fn spans(&self) -> Result<Vec<Value>> {
        let mut spans = Vec::new();
        for seen in self.seen().iter().filter(|seen| seen.path == "/v1/traces") {
            let list = &seen.body["resourceSpans"][0]["scopeSpans"][0]["spans"];
            let list = list.as_array().context("spans are missing")?;
            spans.extend(list.iter().cloned());
        }
        spans.sort_by_key(|span| span["startTimeUnixNano"].as_str().map(str::to_owned));
        Ok(spans)
    }

    /// The series of a metric, as they came last.
    pub(super) fn series(&self, name: &str) -> Vec<Value> {
        let seen = self.seen();
        let last = seen.iter().rfind(|seen| seen.path == "/v1/metrics");
        let metrics =
            last.map(|seen| &seen.body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]);
        let metrics = metrics.and_then(Value::as_array).cloned();
        let metric = metrics
            .unwrap_or_default()
            .into_iter()
            .find(|metric| metric["name"] == name);
        let series = metric.map(|metric| metric["histogram"]["dataPoints"].clone());
        let series = series.as_ref().and_then(Value::as_array).cloned();
        series.unwrap_or_default()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(request: Request) -> Seen {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    Seen {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
        text: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// An attribute of a span or a series, as text; empty where there is none.
pub(super) fn attribute(of: &Value, name: &str) -> String {
    let list = of["attributes"].as_array().cloned().unwrap_or_default();
    let found: Vec<_> = list.iter().filter(|pair| pair["key"] == name).collect();
    assert!(found.len() <= 1, "{name} comes twice: {of}");
    let Some(pair) = found.first() else {
        return String::new();
    };
    match &pair["value"] {
        Value::Object(value) => match value.values().next() {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        },
        _ => String::new(),
    }
}
