//! An answer as Google writes it: candidates, and usage in every part of a stream.

use serde_json::Value;

use super::{super::tools::ToolCall, Request, element, event};
use crate::{
    answer::{Event, Pace},
    content::{self, identifier},
    court::Usage,
    json::{Json, object},
    likeness::Likeness,
    provider::Provider,
};

/// A written answer.
pub(super) struct Written {
    seed: u64,
    model: String,
    text: Vec<&'static str>,
    call: Option<ToolCall>,
    finish: &'static str,
    prompt_tokens: u64,
    tells_traffic_type: bool,
}

impl Written {
    pub(super) fn write(
        provider: &Provider,
        request: &Request,
        limit: u64,
        prompt_tokens: u64,
    ) -> Self {
        let seed = request.digest;
        let mut call = request.demanded_call();
        let (text, was_cut) = match &mut call {
            Some(call) => (Vec::new(), call.cut(limit)),
            None => {
                let (count, was_cut) = provider.output_tokens(seed, limit);
                (content::tokens(seed, count), was_cut)
            }
        };
        Self {
            seed: provider.seal(seed).seed(),
            model: request.model.clone(),
            text,
            call,
            finish: if was_cut { "MAX_TOKENS" } else { "STOP" },
            prompt_tokens,
            tells_traffic_type: provider.settings().likeness == Likeness::Vertex,
        }
    }

    fn tokens(&self) -> u64 {
        let call = self.call.as_ref().map(ToolCall::tokens);
        call.unwrap_or(self.text.len() as u64)
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            prompt: self.prompt_tokens,
            completion: self.tokens(),
            ..Usage::default()
        }
    }

    pub(super) fn whole(&self) -> Json {
        let part = match &self.call {
            Some(call) => call_part(call),
            None => object! { "text": self.text.concat() },
        };
        self.response(part, self.tokens(), true)
    }

    /// Each part of the stream is a response of its own, with the usage until then.
    pub(super) fn events(&self, is_list: bool) -> Vec<Event> {
        let mut parts: Vec<Json> = match &self.call {
            Some(call) => vec![call_part(call)],
            None => {
                let tokens = self.text.iter();
                tokens.map(|token| object! { "text": *token }).collect()
            }
        };
        let last = parts.len().saturating_sub(1);
        let mut events: Vec<Event> = Vec::new();
        for (index, part) in parts.drain(..).enumerate() {
            let is_last = index == last;
            let tokens = if is_last {
                self.tokens()
            } else {
                index as u64 + 1
            };
            let response = self.response(part, tokens, is_last);
            let pace = if index == 0 {
                Pace::FirstToken
            } else {
                Pace::NextToken
            };
            events.push(if is_list {
                element(&response, index == 0, pace)
            } else {
                event(&response, pace)
            });
        }
        if is_list {
            events.push(Event::raw("]", Pace::AtOnce));
        }
        events
    }

    fn response(&self, part: Json, tokens: u64, is_last: bool) -> Json {
        let content = object! { "parts": vec![part], "role": "model" };
        let candidate = object! { "content": content };
        let candidate = if is_last {
            candidate.with("finishReason", self.finish)
        } else {
            candidate
        };
        let details = object! { "modality": "TEXT", "tokenCount": self.prompt_tokens };
        let usage = object! {
            "promptTokenCount": self.prompt_tokens,
            "candidatesTokenCount": tokens,
            "totalTokenCount": self.prompt_tokens + tokens,
            "promptTokensDetails": vec![details],
        };
        let usage = if self.tells_traffic_type {
            usage.with("trafficType", "ON_DEMAND")
        } else {
            usage
        };
        object! {
            "candidates": vec![candidate.with("index", 0_u64)],
            "usageMetadata": usage,
            "modelVersion": self.model.as_str(),
            "responseId": identifier("", self.seed, 22),
        }
    }
}

fn call_part(call: &ToolCall) -> Json {
    let arguments = serde_json::from_str::<Value>(&call.arguments);
    let arguments = arguments.map_or_else(|_| Json::Object(Vec::new()), Json::Taken);
    object! { "functionCall": object! { "name": call.name.as_str(), "args": arguments } }
}
