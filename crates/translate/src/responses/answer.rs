//! The answer of responses, written.

use crate::answer::{Answer, Said, Stop, Usage};
use crate::json::build::{Fields, Json, object, typed, verbatim};
use crate::options::{AnswerOptions, Asked};
use bytes::Bytes;

/// Writes an answer as responses have it.
pub(crate) fn write(answer: &Answer<'_>, options: &AnswerOptions) -> Bytes {
    let mut output: Vec<Json<'_>> = Vec::new();
    let mut parts: Vec<Json<'_>> = Vec::new();
    for said in &answer.said {
        match said {
            Said::Text(text) => parts.push(text_part(text).into()),
            Said::Refusal(text) => parts.push(refusal_part(text).into()),
            Said::Thinking(_) => {}
            Said::Call(call) => {
                finish_message(&answer.id, &mut parts, &mut output);
                let item = call_item(&call.id, &call.name, &call.input, "completed");
                output.push(item.into());
            }
        }
    }
    finish_message(&answer.id, &mut parts, &mut output);
    let stop = answer.stop_or_tools();
    let head = Head {
        id: &answer.id,
        model: answer.model_shown(options),
        created_s: options.created_s,
        asked: &options.asked,
    };
    head.response(status(stop), output)
        .or_null("error", None::<&str>)
        .or_null("incomplete_details", incomplete(stop))
        .with("usage", usage(&answer.usage))
        .to_bytes()
}

fn finish_message<'a>(id: &str, parts: &mut Vec<Json<'a>>, output: &mut Vec<Json<'a>>) {
    if !parts.is_empty() {
        let id = item_id("msg", id, output.len());
        output.push(message_item(id, std::mem::take(parts), "completed").into());
    }
}

/// What every form of a response begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) id: &'a str,
    pub(crate) model: &'a str,
    pub(crate) created_s: u64,
    pub(crate) asked: &'a Asked,
}

impl<'a> Head<'a> {
    /// The response object without its error, its usage and why it is incomplete.
    pub(crate) fn response(&self, status: &'static str, output: Vec<Json<'a>>) -> Fields<'a> {
        let echoed = |name: &str| {
            let mut echo = self.asked.echo.iter();
            let json = echo.find(|(known, _)| *known == name)?.1.as_str();
            Some(verbatim(json))
        };
        let or = |name: &str, json: &'static str| echoed(name).unwrap_or(verbatim(json));
        object()
            .with("id", response_id(self.id))
            .with("object", "response")
            .with("created_at", self.created_s)
            .with("status", status)
            .with("model", self.model)
            .with("output", output)
            .with("instructions", or("instructions", "null"))
            .with("max_output_tokens", or("max_output_tokens", "null"))
            .with("metadata", or("metadata", "{}"))
            .with("parallel_tool_calls", or("parallel_tool_calls", "true"))
            .with("previous_response_id", Json::Null)
            .with("store", false)
            .with("temperature", or("temperature", "null"))
            .with("tool_choice", or("tool_choice", "\"auto\""))
            .with("tools", or("tools", "[]"))
            .with("top_p", or("top_p", "null"))
    }
}

/// The provider's id, behind the beginning that ids of responses have.
fn response_id(id: &str) -> String {
    format!("resp_{id}")
}

/// The id of the item at a place of the output.
pub(crate) fn item_id(kind: &str, id: &str, index: usize) -> String {
    format!("{kind}_{id}_{index}")
}

pub(crate) fn message_item<'a>(
    id: String,
    content: Vec<Json<'a>>,
    status: &'static str,
) -> Fields<'a> {
    typed("message")
        .with("id", id)
        .with("status", status)
        .with("role", "assistant")
        .with("content", content)
}

pub(crate) fn text_part(text: &str) -> Fields<'_> {
    typed("output_text")
        .with("text", text)
        .with("annotations", Vec::new())
        .with("logprobs", Vec::new())
}

pub(crate) fn refusal_part(text: &str) -> Fields<'_> {
    typed("refusal").with("refusal", text)
}

pub(crate) fn call_item<'a>(
    call_id: &'a str,
    name: &'a str,
    arguments: &'a str,
    status: &'static str,
) -> Fields<'a> {
    typed("function_call")
        .with("id", format!("fc_{call_id}"))
        .with("call_id", call_id)
        .with("name", name)
        .with("arguments", arguments)
        .with("status", status)
}

/// The state of a response that ended for this reason.
pub(crate) const fn status(stop: &Stop<'_>) -> &'static str {
    match incomplete_reason(stop) {
        Some(_) => "incomplete",
        None => "completed",
    }
}

const fn incomplete_reason(stop: &Stop<'_>) -> Option<&'static str> {
    match stop {
        Stop::Length => Some("max_output_tokens"),
        Stop::Refused => Some("content_filter"),
        Stop::End | Stop::Sequence(_) | Stop::Tools => None,
    }
}

pub(crate) fn incomplete<'a>(stop: &Stop<'_>) -> Option<Fields<'a>> {
    incomplete_reason(stop).map(|reason| object().with("reason", reason))
}

pub(crate) fn usage<'a>(usage: &Usage) -> Fields<'a> {
    let input_details = object()
        .with("cached_tokens", usage.cache_read)
        .with("cache_write_tokens", usage.cache_written);
    let output_details = object().with("reasoning_tokens", usage.thinking.unwrap_or(0));
    object()
        .with("input_tokens", usage.all_input())
        .with("input_tokens_details", input_details)
        .with("output_tokens", usage.output)
        .with("output_tokens_details", output_details)
        .with("total_tokens", usage.total())
}
