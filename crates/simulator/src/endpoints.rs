//! The endpoints: what each understands of a request, and what it answers.
//!
//! An endpoint is a function from a request to an answer. It decides nothing about limits, time or
//! the wire.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::{
    answer::Answer,
    charge::RequestSize,
    court::Usage,
    provider::{KeptResponse, Provider},
    refusal::ApiError,
};

mod ask;
mod audio;
mod chat;
mod completions;
mod embeddings;
mod files;
mod images;
mod models;
mod moderations;
mod multipart;
mod png;
mod responses;
mod tools;

pub(crate) use ask::{check_model, missing_model};
pub(crate) use responses::{ResponseEcho, failure_events};

/// A request to an endpoint.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
}

/// A request that was understood, and its answer.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Empty where the endpoint has none.
    pub(crate) model: String,
    /// What the request is charged by; an endpoint without one is outside all limits.
    pub(crate) size: Option<RequestSize>,
    /// What it will have used.
    pub(crate) usage: Usage,
    /// Varies the latency.
    pub(crate) digest: u64,
    pub(crate) answer: Answer,
    /// What is kept under an id once the request is admitted.
    pub(crate) keep: Option<(String, KeptResponse)>,
}

impl Prepared {
    /// Whether the answer is a stream of events.
    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self.answer, Answer::Events { .. })
    }

    /// An answer outside all limits.
    pub(crate) fn free(answer: Answer) -> Self {
        let usage = Usage::default();
        Self {
            model: String::new(),
            size: None,
            usage,
            digest: 0,
            answer,
            keep: None,
        }
    }
}

/// What an endpoint is.
pub(crate) type Endpoint = fn(&Provider, &Input<'_>, &str) -> Result<Prepared, ApiError>;

/// Finds the endpoint for a path, and the id that the path names.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Result<(Endpoint, &'a str), ApiError> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let found = match parts.as_slice() {
        ["v1", rest @ ..] => rest,
        _ => &[],
    };
    if let Some(endpoint) = route(method, found) {
        return Ok(endpoint);
    }
    let others = [Method::GET, Method::POST, Method::DELETE];
    if others.iter().any(|other| route(other, found).is_some()) {
        let message = format!(
            "Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP \
             method?)"
        );
        return Err(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "invalid_request_error",
            message,
        )
        .code("method_not_supported"));
    }
    let message = format!("Invalid URL ({method} {path})");
    Err(ApiError::new(
        StatusCode::NOT_FOUND,
        "invalid_request_error",
        message,
    ))
}

fn route<'a>(method: &Method, parts: &[&'a str]) -> Option<(Endpoint, &'a str)> {
    let endpoint: (Endpoint, &'a str) = match (method.as_str(), parts) {
        ("POST", ["chat", "completions"]) => (chat::create, ""),
        ("POST", ["completions"]) => (completions::create, ""),
        ("POST", ["responses"]) => (responses::create, ""),
        ("POST", ["responses", "input_tokens"]) => (responses::count_input_tokens, ""),
        ("GET", ["responses", id]) => (responses::retrieve, id),
        ("DELETE", ["responses", id]) => (responses::delete, id),
        ("POST", ["embeddings"]) => (embeddings::create, ""),
        ("POST", ["moderations"]) => (moderations::create, ""),
        ("POST", ["images", "generations"]) => (images::generate, ""),
        ("POST", ["audio", "transcriptions" | "translations"]) => (audio::transcribe, ""),
        ("POST", ["audio", "speech"]) => (audio::speak, ""),
        ("GET", ["models"]) => (models::list, ""),
        ("GET", ["models", id]) => (models::retrieve, id),
        ("POST", ["files"]) => (files::upload, ""),
        ("GET", ["files"]) => (files::list, ""),
        ("GET", ["files", id]) => (files::retrieve, id),
        ("GET", ["files", id, "content"]) => (files::content, id),
        ("DELETE", ["files", id]) => (files::delete, id),
        _ => return None,
    };
    Some(endpoint)
}
