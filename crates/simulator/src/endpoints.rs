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
    likeness::Likeness,
    provider::{KeptResponse, Provider},
    refusal::ApiError,
};

mod ask;
mod audio;
mod chat;
mod compatible;
mod completions;
mod converse;
mod embeddings;
mod files;
mod gemini;
mod images;
mod messages;
mod models;
mod moderations;
mod multipart;
mod png;
mod prefix;
mod responses;
mod tools;

pub(crate) use ask::{check_model, missing_model};
pub(crate) use converse::exception;
pub(crate) use gemini::{element as google_element, event as google_event};
pub(crate) use messages::error_event as message_error;
pub(crate) use responses::{ResponseEcho, failure_events};

/// A request to an endpoint.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    /// The model that the path names.
    pub(crate) model: Option<&'a str>,
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
    /// What is kept once the request is admitted.
    pub(crate) keep: Option<Keep>,
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

/// What a provider keeps of a request.
#[derive(Debug)]
pub(crate) enum Keep {
    /// A response under its id.
    Response(String, KeptResponse),
    /// Beginnings of prompts in the cache: their digests, and for how many nanoseconds.
    Prefixes(Vec<(u64, u64)>),
}

/// What an endpoint is.
pub(crate) type Endpoint = fn(&Provider, &Input<'_>, &str) -> Result<Prepared, ApiError>;

/// Where a path leads.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) endpoint: Endpoint,
    /// The id that the path names.
    pub(crate) id: String,
    /// The model that the path names.
    pub(crate) model: Option<String>,
}

impl Route {
    fn to(endpoint: Endpoint, id: &str) -> Self {
        Self {
            endpoint,
            id: id.to_owned(),
            model: None,
        }
    }
}

/// Finds the endpoint of a provider for a path.
pub(crate) fn find(likeness: Likeness, method: &Method, path: &str) -> Result<Route, ApiError> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let find = |method: &Method| match likeness {
        Likeness::Anthropic => messages::route(method, &parts),
        Likeness::Gemini | Likeness::Vertex => gemini::route(method, &parts),
        Likeness::Bedrock => converse::route(method, &parts),
        _ => compatible::route(likeness, method, &parts),
    };
    if let Some(route) = find(method) {
        return Ok(route);
    }
    let others = [Method::GET, Method::POST, Method::DELETE];
    if others.iter().any(|other| find(other).is_some()) {
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

/// OpenAI's endpoints, after the part of the path that is the provider's own.
fn openai<'a>(method: &Method, parts: &[&'a str]) -> Option<(Endpoint, &'a str)> {
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
