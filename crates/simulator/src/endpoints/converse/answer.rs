//! An answer as Converse gives it: whole, and as the messages of a stream.

use serde_json::Value;

use super::{
    super::{prefix::Reading, tools::ToolCall},
    Request, frame,
};
use crate::{
    answer::{Event, Pace},
    content::{self, identifier},
    json::{Json, object},
    provider::Provider,
};

/// A written answer.
pub(super) struct Written {
    seed: u64,
    text: Vec<&'static str>,
    call: Option<ToolCall>,
    stop_reason: &'static str,
}

impl Written {
    pub(super) fn write(provider: &Provider, request: &Request, limit: u64) -> Self {
        let seed = request.digest;
        let mut call = request.demanded_call();
        let (text, stop_reason) = match &mut call {
            Some(call) => {
                let was_cut = call.cut(limit);
                (Vec::new(), if was_cut { "max_tokens" } else { "tool_use" })
            }
            None => {
                let (count, was_cut) = provider.output_tokens(seed, limit);
                let reason = if was_cut { "max_tokens" } else { "end_turn" };
                (content::tokens(seed, count), reason)
            }
        };
        Self {
            seed: provider.seal(seed).seed(),
            text,
            call,
            stop_reason,
        }
    }

    pub(super) fn tokens(&self) -> u64 {
        let call = self.call.as_ref().map(ToolCall::tokens);
        call.unwrap_or(self.text.len() as u64)
    }

    fn call_id(&self) -> String {
        identifier("tooluse_", self.seed.rotate_left(3), 22)
    }

    fn usage(&self, reading: &Reading) -> Json {
        let written: u64 = reading.written.iter().sum();
        object! {
            "inputTokens": reading.plain(),
            "outputTokens": self.tokens(),
            "totalTokens": reading.prompt.tokens + self.tokens(),
            "cacheReadInputTokens": reading.read,
            "cacheWriteInputTokens": written,
        }
    }

    pub(super) fn whole(&self, reading: &Reading) -> Json {
        let content = match &self.call {
            Some(call) => {
                let input = serde_json::from_str::<Value>(&call.arguments);
                let input = input.map_or_else(|_| Json::Object(Vec::new()), Json::Taken);
                let used = object! {
                    "toolUseId": self.call_id(), "name": call.name.as_str(), "input": input,
                };
                object! { "toolUse": used }
            }
            None => object! { "text": self.text.concat() },
        };
        let message = object! { "role": "assistant", "content": vec![content] };
        object! {
            "output": object! { "message": message },
            "stopReason": self.stop_reason,
            "usage": self.usage(reading),
            "metrics": object! { "latencyMs": 1_u64 },
        }
    }

    pub(super) fn events(&self, reading: &Reading) -> Vec<Event> {
        let mut events = vec![event(
            "messageStart",
            &object! { "role": "assistant" },
            Pace::AtOnce,
        )];
        if let Some(call) = &self.call {
            let used = object! { "toolUseId": self.call_id(), "name": call.name.as_str() };
            let start =
                object! { "contentBlockIndex": 0_u64, "start": object! { "toolUse": used } };
            events.push(event("contentBlockStart", &start, Pace::AtOnce));
        }
        let deltas: Vec<Json> = match &self.call {
            Some(call) => {
                let pieces = call.pieces().into_iter();
                let delta = |piece| object! { "toolUse": object! { "input": piece } };
                pieces.map(delta).collect()
            }
            None => {
                let tokens = self.text.iter();
                tokens.map(|token| object! { "text": *token }).collect()
            }
        };
        for (index, delta) in deltas.into_iter().enumerate() {
            let pace = if index == 0 {
                Pace::FirstToken
            } else {
                Pace::NextToken
            };
            let json = object! { "contentBlockIndex": 0_u64, "delta": delta };
            events.push(event("contentBlockDelta", &json, pace));
        }
        let stop = object! { "contentBlockIndex": 0_u64 };
        events.push(event("contentBlockStop", &stop, Pace::AtOnce));
        let stop = object! { "stopReason": self.stop_reason };
        events.push(event("messageStop", &stop, Pace::AtOnce));
        let metadata = object! {
            "usage": self.usage(reading),
            "metrics": object! { "latencyMs": 1_u64 },
        };
        events.push(event("metadata", &metadata, Pace::AtOnce));
        events
    }
}

fn event(kind: &str, json: &Json, pace: Pace) -> Event {
    Event::raw(frame::event(kind, &json.to_vec()), pace)
}
