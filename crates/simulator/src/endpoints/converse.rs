//! Amazon Bedrock's runtime: `POST /model/{id}/converse`, `converse-stream` and `count-tokens`.

use http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::{
    Endpoint, Input, Prepared, Route,
    prefix::{Blocks, FIVE_MINUTES_NS},
    tools::ToolCall,
};
use crate::{
    answer::{Answer, Dialect, Event, Pace},
    charge::RequestSize,
    json::object,
    prompt::Prompt,
    provider::Provider,
    refusal::ApiError,
    voice,
};

mod answer;
mod frame;

use answer::Written;

pub(super) fn route(method: &Method, parts: &[&str]) -> Option<Route> {
    let ["model", model, operation] = parts else {
        return None;
    };
    let endpoint: Endpoint = match (method.as_str(), *operation) {
        ("POST", "converse") => converse,
        ("POST", "converse-stream") => converse_stream,
        ("POST", "count-tokens") => count,
        _ => return None,
    };
    let model = decoded(model);
    Some(Route {
        model: Some(model.clone()),
        ..Route::to(endpoint, &model)
    })
}

/// A part of a path without its percent signs: the colon of a model's version comes as `%3A`.
fn decoded(part: &str) -> String {
    let query = format!("m={}", part.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

/// A request that could be read.
struct Request {
    body: Map<String, Value>,
    model: String,
    digest: u64,
}

impl Request {
    fn read(provider: &Provider, input: &Input<'_>, model: &str) -> Result<Self, ApiError> {
        let unknown = &provider.settings().unknown_models;
        if unknown.iter().any(|unknown| unknown == model) {
            let message = "The provided model identifier is invalid.";
            let status = StatusCode::BAD_REQUEST;
            return Err(ApiError::new(status, "ValidationException", message));
        }
        let Ok(Value::Object(body)) = serde_json::from_slice(&input.body) else {
            let kind = "SerializationException";
            let message = "The request body is not a JSON object";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, kind, message));
        };
        let mut digest = provider.digest();
        digest.add(model.as_bytes());
        // A digest takes any bytes.
        let _ = serde_json::to_writer(&mut digest, &body);
        Ok(Self {
            body,
            model: model.to_owned(),
            digest: digest.value(),
        })
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &Value> {
        let list = self.body.get(name).and_then(Value::as_array);
        list.into_iter().flatten()
    }

    fn max_tokens(&self) -> Option<u64> {
        let config = self.body.get("inferenceConfig")?;
        config.get("maxTokens")?.as_u64()
    }

    /// The prompt in the order in which it is cached; a `cachePoint` marks what lies before it.
    fn blocks(&self, provider: &Provider) -> Result<Blocks, ApiError> {
        let mut blocks = Blocks::new(provider, &self.model, 3);
        let tools = self
            .body
            .get("toolConfig")
            .and_then(|config| config.get("tools"));
        for tool in tools.and_then(Value::as_array).into_iter().flatten() {
            add(&mut blocks, "tool", tool);
        }
        for block in self.list("system") {
            add(&mut blocks, "system", block);
        }
        let mut is_empty = true;
        for message in self.list("messages") {
            is_empty = false;
            let role = message.get("role").and_then(Value::as_str);
            let framing = Prompt {
                characters: 0,
                tokens: 3,
            };
            let role = role.unwrap_or_default();
            blocks.add(role, &Value::Null, framing);
            let content = message.get("content").and_then(Value::as_array);
            for block in content.into_iter().flatten() {
                add(&mut blocks, role, block);
            }
        }
        if is_empty {
            let message = "A conversation must start with a user message. Try again with a \
                           conversation that starts with a user message.";
            let status = StatusCode::BAD_REQUEST;
            return Err(ApiError::new(status, "ValidationException", message));
        }
        Ok(blocks)
    }

    /// The call that the request demands: of the tool that it names, or of the first one.
    fn demanded_call(&self) -> Option<ToolCall> {
        let config = self.body.get("toolConfig")?;
        let choice = config.get("toolChoice")?;
        let named = choice.get("tool").and_then(|tool| tool.get("name"));
        if named.is_none() && choice.get("any").is_none() {
            return None;
        }
        let tools = config.get("tools")?.as_array()?;
        let mut tools = tools.iter().filter_map(|tool| tool.get("toolSpec"));
        let tool = tools.find(|tool| named.is_none_or(|named| tool.get("name") == Some(named)))?;
        let schema = tool
            .get("inputSchema")
            .and_then(|schema| schema.get("json"));
        let name = tool.get("name")?.as_str()?;
        Some(ToolCall::of(
            name,
            schema.unwrap_or(&Value::Null),
            self.digest,
        ))
    }
}

fn add(blocks: &mut Blocks, kind: &str, block: &Value) {
    if block.get("cachePoint").is_some() {
        blocks.mark(FIVE_MINUTES_NS);
        return;
    }
    let mut size = Prompt::default();
    match block.get("text").and_then(Value::as_str) {
        Some(text) => size.text(text),
        None if block.get("image").is_some() => size.image(),
        None => size.json(block),
    }
    blocks.add(kind, block, size);
}

fn converse(provider: &Provider, input: &Input<'_>, model: &str) -> Result<Prepared, ApiError> {
    prepare(provider, input, model, false)
}

fn converse_stream(
    provider: &Provider,
    input: &Input<'_>,
    model: &str,
) -> Result<Prepared, ApiError> {
    prepare(provider, input, model, true)
}

fn prepare(
    provider: &Provider,
    input: &Input<'_>,
    model: &str,
    is_stream: bool,
) -> Result<Prepared, ApiError> {
    let request = Request::read(provider, input, model)?;
    let reading = request.blocks(provider)?.read(provider);
    let context = provider.settings().context_tokens;
    if reading.prompt.tokens > context {
        let message = "Input is too long for requested model.";
        let status = StatusCode::BAD_REQUEST;
        return Err(ApiError::new(status, "ValidationException", message));
    }
    let max_tokens = request.max_tokens();
    let limit = max_tokens.unwrap_or(provider.settings().default_max_tokens.max(1));
    let limit = limit.min(context - reading.prompt.tokens).max(1);
    let written = Written::write(provider, &request, limit);
    let answer = if is_stream {
        Answer::Events {
            dialect: Dialect::Frames,
            events: written.events(&reading),
        }
    } else {
        Answer::json(&written.whole(&reading))
    };
    Ok(Prepared {
        size: Some(RequestSize {
            characters: reading.new_characters,
            max_tokens,
            choices: 1,
            images: 0,
        }),
        usage: reading.usage(written.tokens(), 0),
        digest: request.digest,
        answer,
        keep: reading.keep(),
        model: request.model,
    })
}

/// Counting is free, and outside the limits.
fn count(provider: &Provider, input: &Input<'_>, model: &str) -> Result<Prepared, ApiError> {
    let mut request = Request::read(provider, input, model)?;
    let asked = request.body.remove("input");
    if let Some(Value::Object(inner)) = asked.and_then(|mut asked| {
        let converse = asked.get_mut("converse")?;
        Some(converse.take())
    }) {
        request.body = inner;
    }
    let tokens = request.blocks(provider)?.read(provider).prompt.tokens;
    Ok(Prepared::free(Answer::json(
        &object! { "inputTokens": tokens },
    )))
}

/// The message that reports an error in a stream, after which nothing comes.
pub(crate) fn exception(error: &ApiError) -> Event {
    let body = object! { "message": error.message.as_str() };
    let bytes = frame::exception(voice::exception_member(error), &body.to_vec());
    Event::raw(bytes, Pace::AtOnce)
}
