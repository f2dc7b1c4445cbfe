//! Anthropic's API: `POST /v1/messages`, `POST /v1/messages/count_tokens`, `GET /v1/models`.

use http::{Method, StatusCode};

use super::{Endpoint, Input, Prepared, Route};
use crate::{
    answer::{Answer, Dialect, Event, Pace},
    charge::RequestSize,
    json::{Json, object},
    provider::Provider,
    refusal::ApiError,
    voice,
};

mod answer;
mod request;

use answer::Written;
use request::Request;

pub(super) fn route(method: &Method, parts: &[&str]) -> Option<Route> {
    let (endpoint, id): (Endpoint, &str) = match (method.as_str(), parts) {
        ("POST", ["v1", "messages"]) => (create, ""),
        ("POST", ["v1", "messages", "count_tokens"]) => (count, ""),
        ("GET", ["v1", "models"]) => (list_models, ""),
        ("GET", ["v1", "models", id]) => (model, id),
        _ => return None,
    };
    Some(Route::to(endpoint, id))
}

fn create(provider: &Provider, input: &Input<'_>, _id: &str) -> Result<Prepared, ApiError> {
    let request = Request::read(provider, input)?;
    let max_tokens = request.max_tokens()?;
    let reading = request.blocks(provider)?.read(provider);
    let context = provider.settings().context_tokens;
    if reading.prompt.tokens > context {
        let message = format!(
            "prompt is too long: {} tokens > {context} maximum",
            reading.prompt.tokens
        );
        return Err(ApiError::invalid(message).code("context_length_exceeded"));
    }
    let room = max_tokens.min(context - reading.prompt.tokens).max(1);
    let written = Written::write(provider, &request, room)?;
    let usage = reading.usage(written.tokens(), written.thinking_tokens());
    let answer = if request.stream {
        Answer::Events {
            dialect: Dialect::Messages,
            events: written.events(&reading),
        }
    } else {
        Answer::json(&written.whole(&reading))
    };
    let size = RequestSize {
        characters: reading.new_characters,
        max_tokens: Some(max_tokens),
        choices: 1,
        images: 0,
    };
    Ok(Prepared {
        size: Some(size),
        usage,
        digest: request.digest,
        answer,
        keep: reading.keep(),
        model: request.model,
    })
}

/// Counting draws on a limit of its own, and on nothing else.
fn count(provider: &Provider, input: &Input<'_>, _id: &str) -> Result<Prepared, ApiError> {
    let request = Request::read(provider, input)?;
    let reading = request.blocks(provider)?.read(provider);
    let counted = object! { "input_tokens": reading.prompt.tokens };
    Ok(Prepared {
        size: Some(RequestSize::default()),
        model: request.model,
        digest: request.digest,
        ..Prepared::free(Answer::json(&counted))
    })
}

fn list_models(provider: &Provider, input: &Input<'_>, _id: &str) -> Result<Prepared, ApiError> {
    request::check_version(input)?;
    let ids = &provider.settings().models;
    let models: Vec<Json> = ids.iter().map(|id| model_json(id)).collect();
    let list = object! {
        "data": models,
        "has_more": false,
        "first_id": ids.first().map(String::as_str),
        "last_id": ids.last().map(String::as_str),
    };
    Ok(Prepared::free(Answer::json(&list)))
}

fn model(provider: &Provider, input: &Input<'_>, id: &str) -> Result<Prepared, ApiError> {
    request::check_version(input)?;
    check_model(provider, id)?;
    Ok(Prepared::free(Answer::json(&model_json(id))))
}

fn model_json(id: &str) -> Json {
    object! {
        "type": "model",
        "id": id,
        "display_name": id,
        "created_at": "2026-01-01T00:00:00Z",
    }
}

fn check_model(provider: &Provider, model: &str) -> Result<(), ApiError> {
    let unknown = &provider.settings().unknown_models;
    if !unknown.iter().any(|unknown| unknown == model) {
        return Ok(());
    }
    let message = format!("model: {model}");
    Err(ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found_error",
        message,
    ))
}

/// The event that reports an error in a stream, after which nothing comes.
pub(crate) fn error_event(error: &ApiError) -> Event {
    let kind = voice::anthropic_kind(error);
    let inner = object! { "type": kind, "message": error.message.as_str() };
    let body = object! { "type": "error", "error": inner };
    Event::typed("error", &body, Pace::AtOnce)
}
