//! Input counted with the vocabulary of its model.

use paceline_provider::{EndpointKind, RequestFacts};
use paceline_tokens::{ChatMessage, Listing, Vocabulary, count, count_chat};
use serde_json::{Map, Value};

/// The tokens of a request's input; `None` where the vocabulary of the model is not known, or where
/// there is more than text in it.
pub(super) fn exact_tokens(facts: &RequestFacts<'_>, body: &[u8]) -> Option<u64> {
    let resolved = Vocabulary::resolve(&facts.model);
    let is_text = facts.image_parts == 0 && facts.audio_parts == 0 && facts.file_parts == 0;
    if resolved.listing == Listing::Unknown || !is_text {
        return None;
    }
    let body: Map<String, Value> = serde_json::from_slice(body).ok()?;
    match facts.kind {
        EndpointKind::ChatCompletions => chat(&facts.model, &body),
        EndpointKind::Embeddings => texts(resolved.vocabulary, body.get("input")?),
        EndpointKind::Completions if !body.contains_key("suffix") => {
            texts(resolved.vocabulary, body.get("prompt")?)
        }
        _ => None,
    }
}

fn chat(model: &str, body: &Map<String, Value>) -> Option<u64> {
    // How calls of tools, functions and schemas of answers are counted is not documented.
    if ["functions", "response_format"]
        .iter()
        .any(|key| body.contains_key(*key))
    {
        return None;
    }
    let messages = body.get("messages")?.as_array()?;
    let messages: Option<Vec<_>> = messages.iter().map(message).collect();
    let tools = body.get("tools").filter(|tools| !tools.is_null());
    let tools = tools.map(Value::to_string);
    Some(count_chat(model, &messages?, tools.as_deref()))
}

fn message(message: &Value) -> Option<ChatMessage<'_>> {
    let fields = message.as_object()?;
    if fields.contains_key("tool_calls") || fields.contains_key("function_call") {
        return None;
    }
    let content_texts = match fields.get("content") {
        Some(Value::String(text)) => vec![text.as_str()],
        Some(Value::Array(parts)) => {
            let texts: Option<Vec<_>> = parts
                .iter()
                .map(|part| part.get("text")?.as_str())
                .collect();
            texts?
        }
        Some(Value::Null) | None => Vec::new(),
        Some(_) => return None,
    };
    Some(ChatMessage {
        role: fields.get("role")?.as_str()?,
        content_texts,
        name: fields.get("name").and_then(Value::as_str),
    })
}

/// A text, token ids, or several of either.
fn texts(vocabulary: Vocabulary, input: &Value) -> Option<u64> {
    match input {
        Value::String(text) => Some(count(vocabulary, text)),
        Value::Array(parts) => parts.iter().map(|part| one(vocabulary, part)).sum(),
        _ => None,
    }
}

fn one(vocabulary: Vocabulary, part: &Value) -> Option<u64> {
    match part {
        Value::String(text) => Some(count(vocabulary, text)),
        Value::Number(_) => Some(1),
        Value::Array(ids) => ids.iter().all(Value::is_number).then_some(ids.len() as u64),
        _ => None,
    }
}
