//! A chat completions request, written.

use crate::conversation::{
    CallResult, Conversation, Document, Part, Piece, Role, Source, Tier, Tool, ToolChoice, Turn,
};
use crate::error::RequestError;
use crate::json::Place;
use crate::json::build::{Fields, Json, object, typed, verbatim};
use crate::options::{EffortAs, MaxTokensField, RequestOptions};
use bytes::Bytes;
use std::borrow::Cow;

/// OpenAI's API takes no more stop sequences.
const MOST_STOPS: usize = 4;

/// A longer one OpenAI's API may refuse; it is a hint.
const LONGEST_USER: usize = 64;

const PDF_URL: &str = "chat completions take a PDF inline only";

/// Writes the request as chat completions have it.
pub(crate) fn write(
    conversation: &Conversation<'_>,
    options: &RequestOptions,
) -> Result<Bytes, RequestError> {
    let mut messages = Vec::new();
    if !conversation.system.is_empty() {
        let content = texts(&conversation.system);
        messages.push(message("system").with("content", content).into());
    }
    for turn in &conversation.turns {
        match turn.role {
            Role::Assistant => messages.push(assistant(turn)),
            Role::System => {
                messages.push(
                    message("system")
                        .with("content", texts(&turn.pieces))
                        .into(),
                );
            }
            Role::User => write_user(turn, &mut messages)?,
        }
    }
    let request = object()
        .with("model", options.model.as_str())
        .with("messages", messages);
    Ok(settings(request, conversation, options)?.to_bytes())
}

fn settings<'a>(
    request: Fields<'a>,
    conversation: &'a Conversation<'_>,
    options: &RequestOptions,
) -> Result<Fields<'a>, RequestError> {
    let limit_name = match options.max_tokens_field {
        MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
        MaxTokensField::MaxTokens => "max_tokens",
    };
    if conversation.stop.len() > MOST_STOPS {
        return Err(Place::Root.field("stop_sequences").refuse(
            "chat completions take four stop sequences at most",
            "use fewer",
        ));
    }
    let stops = conversation
        .stop
        .iter()
        .map(|stop| Json::from(stop.as_ref()));
    let stops: Vec<_> = stops.collect();
    let effort = conversation
        .effort
        .filter(|_| options.effort != EffortAs::LeftOut);
    let user = conversation.user.as_deref();
    let usage = || object().with("include_usage", true);
    let tools: Vec<_> = conversation.tools.iter().map(tool).collect();
    Ok(request
        .maybe(limit_name, conversation.max_tokens)
        .maybe(
            "temperature",
            conversation.temperature.map(|it| verbatim(it.written)),
        )
        .maybe("top_p", conversation.top_p.map(|it| verbatim(it.written)))
        .maybe("stop", (!stops.is_empty()).then_some(stops))
        .maybe("tool_choice", conversation.choice().map(tool_choice))
        .maybe(
            "parallel_tool_calls",
            (conversation.one_tool_at_a_time && !tools.is_empty()).then_some(false),
        )
        .maybe("tools", (!tools.is_empty()).then_some(tools))
        .maybe("reasoning_effort", effort.map(|effort| effort.name()))
        .maybe("response_format", conversation.schema.map(response_format))
        .maybe("service_tier", conversation.tier.map(tier))
        .maybe("user", user.filter(|user| user.len() <= LONGEST_USER))
        .maybe("stream", conversation.stream.then_some(true))
        .maybe("stream_options", conversation.stream.then(usage)))
}

fn message<'a>(role: &'static str) -> Fields<'a> {
    object().with("role", role)
}

/// One text as a string, several as parts.
fn texts<'a>(pieces: &'a [Piece<'_>]) -> Json<'a> {
    let mut parts: Vec<&str> = pieces
        .iter()
        .filter_map(|piece| match &piece.part {
            Part::Text(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect();
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return only.into();
    }
    let parts = parts.into_iter().map(|text| text_part(text).into());
    Json::List(parts.collect())
}

fn text_part<'a>(text: impl Into<Json<'a>>) -> Fields<'a> {
    typed("text").with("text", text)
}

fn assistant<'a>(turn: &'a Turn<'_>) -> Json<'a> {
    let calls = turn.pieces.iter().filter_map(|piece| match &piece.part {
        Part::Call(call) => Some(call),
        _ => None,
    });
    let calls: Vec<Json<'a>> = calls
        .map(|call| {
            let function = object()
                .with("name", call.name.as_ref())
                .with("arguments", call.input.as_ref());
            typed("function")
                .with("id", call.id.as_ref())
                .with("function", function)
                .into()
        })
        .collect();
    let is_text = |piece: &Piece<'_>| matches!(piece.part, Part::Text(_));
    let has_text = turn.pieces.iter().any(is_text);
    message("assistant")
        .or_null("content", has_text.then(|| texts(&turn.pieces)))
        .maybe("tool_calls", (!calls.is_empty()).then_some(calls))
        .into()
}

/// A user's turn: each result of a call as a message of its own, then all else.
fn write_user<'a>(turn: &'a Turn<'_>, messages: &mut Vec<Json<'a>>) -> Result<(), RequestError> {
    let mut parts = Vec::new();
    for piece in &turn.pieces {
        if let Part::Result(result) = &piece.part {
            messages.push(tool_message(result));
            write_attachments(result, &mut parts)?;
        }
    }
    let only_text = parts.is_empty()
        && turn
            .pieces
            .iter()
            .all(|piece| matches!(piece.part, Part::Text(_) | Part::Result(_)));
    if only_text {
        let has_text = turn
            .pieces
            .iter()
            .any(|piece| matches!(piece.part, Part::Text(_)));
        if has_text {
            messages.push(message("user").with("content", texts(&turn.pieces)).into());
        }
        return Ok(());
    }
    for piece in &turn.pieces {
        parts.extend(user_part(piece)?);
    }
    messages.push(message("user").with("content", parts).into());
    Ok(())
}

fn user_part<'a>(piece: &'a Piece<'_>) -> Result<Option<Json<'a>>, RequestError> {
    Ok(match &piece.part {
        Part::Text(text) => Some(text_part(text.as_ref()).into()),
        Part::Image(source) => {
            let picture = object().with("url", url(source));
            Some(typed("image_url").with("image_url", picture).into())
        }
        Part::Document(document) => Some(file(document)?),
        Part::Call(_) | Part::Result(_) => None,
    })
}

fn url<'a>(source: &'a Source<'_>) -> Cow<'a, str> {
    match source {
        Source::Url(url) => Cow::Borrowed(url),
        Source::Inline { media_type, base64 } => {
            Cow::Owned(format!("data:{media_type};base64,{base64}"))
        }
    }
}

fn file<'a>(document: &'a Document<'_>) -> Result<Json<'a>, RequestError> {
    if matches!(document.source, Source::Url(_)) {
        let error = Place::Root
            .field(&document.place)
            .refuse(PDF_URL, "send its content as base64");
        return Err(error);
    }
    // OpenAI's API wants a name for each file.
    let name = document.name.as_deref().unwrap_or("document.pdf");
    let file = object()
        .with("filename", name)
        .with("file_data", url(&document.source));
    Ok(typed("file").with("file", file).into())
}

/// A failed call has no mark of its own in chat completions, so that its text says it.
fn tool_message<'a>(result: &'a CallResult<'_>) -> Json<'a> {
    let mut content = texts(&result.content);
    if matches!(&content, Json::List(parts) if parts.is_empty()) {
        content = if has_attachment(result) {
            "The result follows as a file."
        } else {
            ""
        }
        .into();
    }
    if result.is_error {
        content = match content {
            Json::List(mut parts) => {
                parts.insert(0, text_part("Error:").into());
                Json::List(parts)
            }
            Json::Text(text) => format!("Error: {text}").into(),
            other => other,
        };
    }
    message("tool")
        .with("tool_call_id", result.call_id.as_ref())
        .with("content", content)
        .into()
}

fn has_attachment(result: &CallResult<'_>) -> bool {
    let is_text = |piece: &Piece<'_>| matches!(piece.part, Part::Text(_));
    !result.content.iter().all(is_text)
}

/// Messages of tools hold text only: pictures and files of a result go into the user message that
/// follows the results, each call's behind a line that names the call.
fn write_attachments<'a>(
    result: &'a CallResult<'_>,
    parts: &mut Vec<Json<'a>>,
) -> Result<(), RequestError> {
    if !has_attachment(result) {
        return Ok(());
    }
    let line = format!("From the result of tool call {}:", result.call_id);
    parts.push(text_part(line).into());
    for piece in &result.content {
        if !matches!(piece.part, Part::Text(_)) {
            parts.extend(user_part(piece)?);
        }
    }
    Ok(())
}

fn tool<'a>(tool: &'a Tool<'_>) -> Json<'a> {
    let function = object()
        .with("name", tool.name.as_ref())
        .maybe("description", tool.description.as_deref())
        .maybe("parameters", tool.schema.map(verbatim))
        .maybe("strict", tool.strict.then_some(true));
    typed("function").with("function", function).into()
}

fn tool_choice<'a>(choice: &'a ToolChoice<'_>) -> Json<'a> {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Any => "required".into(),
        ToolChoice::Named(name) => {
            let function = object().with("name", name.as_ref());
            typed("function").with("function", function).into()
        }
    }
}

/// Anthropic's API always holds the answer to the schema, which is what `strict` asks OpenAI for.
fn response_format(schema: &str) -> Json<'_> {
    let inner = object()
        .with("name", "answer")
        .with("strict", true)
        .with("schema", verbatim(schema));
    typed("json_schema").with("json_schema", inner).into()
}

const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Auto => "auto",
        Tier::Standard => "default",
    }
}
