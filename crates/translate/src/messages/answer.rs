//! The answer of messages, read and written.

use crate::answer::{Answer, Said, ServedTier, Stop, Usage};
use crate::chat::content::input_object;
use crate::conversation::Call;
use crate::error::{AnswerError, RequestError};
use crate::json::build::{Fields, Json, object, typed, verbatim};
use crate::json::{Object, Place};
use crate::options::{AnswerOptions, Thinking};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Reads an answer. Blocks of kinds that nobody asked for are passed over.
pub(crate) fn read(body: &RawValue) -> Result<Answer<'_>, AnswerError> {
    let mut answer = Object::read(body, &Place::Root)?;
    let id = answer.text("id")?.unwrap_or_default();
    let model = answer.text("model")?.unwrap_or_default();
    let list_place = Place::Root.field("content");
    let blocks = answer
        .list("content")?
        .ok_or_else(|| list_place.malformed("an array"))?;
    let mut said = Vec::new();
    for (index, raw) in blocks.into_iter().enumerate() {
        let place = list_place.item(index);
        said.extend(read_block(&mut Object::read(raw, &place)?)?);
    }
    let sequence = answer.text("stop_sequence")?;
    let stop = read_stop(answer.text("stop_reason")?.as_deref(), sequence);
    if let Some(raw) = answer.take("stop_details") {
        said.extend(read_explanation(raw)?.map(Said::Refusal));
    }
    let mut usage = Usage::default();
    let mut tier = None;
    if let Some(raw) = answer.take("usage") {
        tier = read_usage(raw, &mut usage)?;
    }
    Ok(Answer {
        id,
        model,
        said,
        stop: stop.unwrap_or(Stop::End),
        usage,
        tier,
    })
}

fn read_block<'a>(block: &mut Object<'a, '_>) -> Result<Option<Said<'a>>, RequestError> {
    let kind = block.need_text("type")?;
    Ok(match kind.as_ref() {
        "text" => Some(Said::Text(block.need_text("text")?)),
        "thinking" => Some(Said::Thinking(block.need_text("thinking")?)),
        "tool_use" => Some(Said::Call(Call {
            id: block.need_text("id")?,
            name: block.need_text("name")?,
            input: Cow::Borrowed(block.verbatim_object("input")?.unwrap_or("{}")),
        })),
        _ => None,
    })
}

/// Why the model stopped; `None` where it did not yet. A paused turn is as unfinished as one that
/// met its limit; only Anthropic's own tools, which are not translated, pause one.
pub(crate) fn read_stop<'a>(
    reason: Option<&str>,
    sequence: Option<Cow<'a, str>>,
) -> Option<Stop<'a>> {
    Some(match reason? {
        "max_tokens" | "model_context_window_exceeded" | "pause_turn" => Stop::Length,
        "stop_sequence" => Stop::Sequence(sequence),
        "tool_use" => Stop::Tools,
        "refusal" => Stop::Refused,
        _ => Stop::End,
    })
}

/// What `stop_details` says about a refusal.
pub(crate) fn read_explanation(raw: &RawValue) -> Result<Option<Cow<'_, str>>, RequestError> {
    let place = Place::Root.field("stop_details");
    let explanation = Object::read(raw, &place)?.text("explanation")?;
    Ok(explanation.filter(|text| !text.is_empty()))
}

/// Usage; in streams it comes several times, and what it names replaces what was known.
pub(crate) fn read_usage(
    raw: &RawValue,
    usage: &mut Usage,
) -> Result<Option<ServedTier>, RequestError> {
    let place = Place::Root.field("usage");
    let mut object = Object::read(raw, &place)?;
    let mut replace = |name: &str, known: &mut u64| -> Result<(), RequestError> {
        *known = object.count(name)?.unwrap_or(*known);
        Ok(())
    };
    replace("input_tokens", &mut usage.input)?;
    replace("cache_read_input_tokens", &mut usage.cache_read)?;
    replace("cache_creation_input_tokens", &mut usage.cache_written)?;
    replace("output_tokens", &mut usage.output)?;
    if let Some(raw) = object.take("output_tokens_details") {
        let place = place.field("output_tokens_details");
        let tokens = Object::read(raw, &place)?.count("thinking_tokens")?;
        usage.thinking = tokens.or(usage.thinking);
    }
    Ok(match object.text("service_tier")?.as_deref() {
        Some("standard") => Some(ServedTier::Standard),
        Some("priority") => Some(ServedTier::Priority),
        _ => None,
    })
}

/// Writes an answer as Anthropic's messages have it.
pub(crate) fn write(answer: &Answer<'_>, options: &AnswerOptions) -> Result<Bytes, AnswerError> {
    let mut content: Vec<Json<'_>> = Vec::new();
    for said in &answer.said {
        content.extend(block(said, options)?.map(Json::from));
    }
    let stop = answer.stop_or_tools();
    let written = object()
        .with("id", answer.id.as_ref())
        .with("type", "message")
        .with("role", "assistant")
        .with("model", answer.model_shown(options))
        .with("content", content)
        .with("stop_reason", stop_reason(stop))
        .or_null("stop_sequence", stop_sequence(stop))
        .with(
            "usage",
            usage(&answer.usage).maybe("service_tier", answer.tier.map(tier)),
        );
    Ok(written.to_bytes())
}

fn block<'a>(
    said: &'a Said<'_>,
    options: &AnswerOptions,
) -> Result<Option<Fields<'a>>, AnswerError> {
    Ok(match said {
        Said::Text(text) | Said::Refusal(text) => Some(typed("text").with("text", text.as_ref())),
        Said::Thinking(text) => (options.thinking == Thinking::Shown).then(|| {
            typed("thinking")
                .with("thinking", text.as_ref())
                .with("signature", "")
        }),
        Said::Call(call) => {
            let input = input_object(Cow::Borrowed(&call.input));
            let input = input.ok_or_else(|| AnswerError::ToolArguments {
                tool: call.name.to_string(),
            })?;
            Some(
                typed("tool_use")
                    .with("id", call.id.as_ref())
                    .with("name", call.name.as_ref())
                    .with("input", verbatim(input)),
            )
        }
    })
}

pub(crate) const fn stop_reason(stop: &Stop<'_>) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Sequence(_) => "stop_sequence",
        Stop::Tools => "tool_use",
        Stop::Refused => "refusal",
    }
}

/// The sequence that was met.
pub(crate) fn stop_sequence<'a>(stop: &'a Stop<'_>) -> Option<&'a str> {
    match stop {
        Stop::Sequence(Some(sequence)) => Some(sequence),
        _ => None,
    }
}

pub(crate) const fn tier(tier: ServedTier) -> &'static str {
    match tier {
        ServedTier::Standard => "standard",
        ServedTier::Priority => "priority",
    }
}

pub(crate) fn usage<'a>(usage: &Usage) -> Fields<'a> {
    let details = usage
        .thinking
        .map(|tokens| object().with("thinking_tokens", tokens));
    object()
        .with("input_tokens", usage.input)
        .with("cache_creation_input_tokens", usage.cache_written)
        .with("cache_read_input_tokens", usage.cache_read)
        .with("output_tokens", usage.output)
        .maybe("output_tokens_details", details)
}
