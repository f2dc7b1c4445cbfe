//! The answer of chat completions, read and written.

use super::content::{need_nothing, only_texts};
use crate::answer::{Answer, Said, ServedTier, Stop, Usage};
use crate::conversation::{Call, Part};
use crate::error::{AnswerError, RequestError};
use crate::json::build::{Fields, Json, object, typed};
use crate::json::{Object, Place};
use crate::options::{AnswerOptions, Thinking};
use bytes::Bytes;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Reads an answer. Of several choices, which were not asked for, the first counts.
pub(crate) fn read(body: &RawValue) -> Result<Answer<'_>, AnswerError> {
    let mut answer = Object::read(body, &Place::Root)?;
    let id = answer.text("id")?.unwrap_or_default();
    let model = answer.text("model")?.unwrap_or_default();
    let usage = answer.take("usage").map(read_usage).transpose()?;
    let list_place = Place::Root.field("choices");
    let choices = answer.list("choices")?.unwrap_or_default();
    let place = list_place.item(0);
    let first = choices
        .first()
        .ok_or_else(|| place.malformed("an object"))?;
    let mut choice = Object::read(first, &place)?;
    let stop = read_finish(choice.text("finish_reason")?.as_deref());
    let message_place = place.field("message");
    let message = choice
        .take("message")
        .ok_or_else(|| message_place.malformed("an object"))?;
    let said = read_message(&mut Object::read(message, &message_place)?)?;
    Ok(Answer {
        id,
        model,
        said,
        stop: stop.unwrap_or(Stop::End),
        usage: usage.unwrap_or_default(),
        tier: read_tier(answer.text("service_tier")?.as_deref()),
    })
}

fn read_message<'a>(message: &mut Object<'a, '_>) -> Result<Vec<Said<'a>>, AnswerError> {
    let has_audio = need_nothing(message, "audio", "", "").is_err();
    if has_audio {
        return Err(AnswerError::NoPlace { what: "sound" });
    }
    let mut said = Vec::new();
    let thinking = message
        .text("reasoning_content")?
        .or(message.text("reasoning")?);
    said.extend(thinking.filter(|text| !text.is_empty()).map(Said::Thinking));
    if let Some(content) = message.take("content") {
        let place = message.place().field("content");
        for piece in only_texts(content, &place, &["text"])? {
            if let Part::Text(text) = piece.part {
                said.push(Said::Text(text));
            }
        }
    }
    let refusal = message.text("refusal")?;
    said.extend(refusal.filter(|text| !text.is_empty()).map(Said::Refusal));
    let list_place = message.place().field("tool_calls");
    for (index, raw) in message
        .list("tool_calls")?
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        said.push(Said::Call(read_call(raw, &list_place.item(index))?));
    }
    Ok(said)
}

/// A call as the model wrote it: its arguments may be no JSON.
fn read_call<'a>(raw: &'a RawValue, place: &Place<'_>) -> Result<Call<'a>, RequestError> {
    let mut call = Object::read(raw, place)?;
    let function_place = place.field("function");
    let function = call
        .take("function")
        .ok_or_else(|| function_place.malformed("an object"))?;
    let mut function = Object::read(function, &function_place)?;
    Ok(Call {
        id: call.need_text("id")?,
        name: function.need_text("name")?,
        input: function.text("arguments")?.unwrap_or(Cow::Borrowed("{}")),
    })
}

/// Why the model stopped; `None` where it did not yet.
pub(crate) fn read_finish(reason: Option<&str>) -> Option<Stop<'static>> {
    Some(match reason? {
        "length" => Stop::Length,
        "tool_calls" | "function_call" => Stop::Tools,
        "content_filter" => Stop::Refused,
        _ => Stop::End,
    })
}

pub(crate) fn read_tier(tier: Option<&str>) -> Option<ServedTier> {
    match tier? {
        "default" => Some(ServedTier::Standard),
        "priority" => Some(ServedTier::Priority),
        _ => None,
    }
}

/// Usage. OpenAI's input includes what came from the cache and what was written to it.
pub(crate) fn read_usage(raw: &RawValue) -> Result<Usage, RequestError> {
    let place = Place::Root.field("usage");
    let mut usage = Object::read(raw, &place)?;
    let all_input = usage.count("prompt_tokens")?.unwrap_or(0);
    let output = usage.count("completion_tokens")?.unwrap_or(0);
    let (mut cache_read, mut cache_written, mut thinking) = (0, 0, None);
    if let Some(raw) = usage.take("prompt_tokens_details") {
        let place = place.field("prompt_tokens_details");
        let mut details = Object::read(raw, &place)?;
        cache_read = details.count("cached_tokens")?.unwrap_or(0).min(all_input);
        let written = details.count("cache_write_tokens")?.unwrap_or(0);
        cache_written = written.min(all_input - cache_read);
    }
    if let Some(raw) = usage.take("completion_tokens_details") {
        let place = place.field("completion_tokens_details");
        thinking = Object::read(raw, &place)?.count("reasoning_tokens")?;
    }
    Ok(Usage {
        input: all_input - cache_read - cache_written,
        cache_read,
        cache_written,
        output,
        thinking,
    })
}

/// Writes an answer as chat completions have it.
pub(crate) fn write(answer: &Answer<'_>, options: &AnswerOptions) -> Bytes {
    let stop = answer.stop_or_tools();
    let thinking = answer
        .thinking()
        .filter(|_| options.thinking == Thinking::Shown);
    let calls: Vec<Json<'_>> = answer
        .said
        .iter()
        .filter_map(|said| match said {
            Said::Call(call) => Some(call),
            _ => None,
        })
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
    let refusal = answer.refusal();
    let silent = calls.is_empty() && refusal.is_none();
    let content = answer.text().or(silent.then_some(Cow::Borrowed("")));
    let message = object()
        .with("role", "assistant")
        .or_null("content", content)
        .or_null("refusal", refusal)
        .maybe("reasoning_content", thinking)
        .maybe("tool_calls", (!calls.is_empty()).then_some(calls));
    let choice = object()
        .with("index", 0)
        .with("message", message)
        .with("logprobs", Json::Null)
        .with("finish_reason", finish(stop));
    object()
        .with("id", answer.id.as_ref())
        .with("object", "chat.completion")
        .with("created", options.created_s)
        .with("model", answer.model_shown(options))
        .with("choices", vec![choice.into()])
        .with("usage", usage(&answer.usage))
        .maybe("service_tier", answer.tier.map(tier))
        .to_bytes()
}

/// A refusal in words is an answer that ended; `content_filter` is one that was kept back.
pub(crate) const fn finish(stop: &Stop<'_>) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence(_) => "stop",
        Stop::Length => "length",
        Stop::Tools => "tool_calls",
        Stop::Refused => "content_filter",
    }
}

pub(crate) const fn tier(tier: ServedTier) -> &'static str {
    match tier {
        ServedTier::Standard => "default",
        ServedTier::Priority => "priority",
    }
}

pub(crate) fn usage<'a>(usage: &Usage) -> Fields<'a> {
    let input_details = object()
        .with("cached_tokens", usage.cache_read)
        .with("cache_write_tokens", usage.cache_written);
    let output_details = usage
        .thinking
        .map(|tokens| object().with("reasoning_tokens", tokens));
    object()
        .with("prompt_tokens", usage.all_input())
        .with("completion_tokens", usage.output)
        .with("total_tokens", usage.total())
        .with("prompt_tokens_details", input_details)
        .maybe("completion_tokens_details", output_details)
}
