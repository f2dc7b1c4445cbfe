//! A message as it is answered: whole, and as the events of a stream.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    super::{
        prefix::Reading,
        tools::{ToolCall, structured},
    },
    request::Request,
};
use crate::{
    answer::{Event, Pace},
    content::{self, identifier},
    json::{Json, object},
    provider::Provider,
    refusal::ApiError,
};

/// The most tokens of thinking.
const MOST_THINKING: u64 = 128;

/// A written answer.
pub(super) struct Written {
    seed: u64,
    model: String,
    thinking: Vec<&'static str>,
    text: Vec<Cow<'static, str>>,
    call: Option<ToolCall>,
    stop_reason: &'static str,
}

impl Written {
    pub(super) fn write(
        provider: &Provider,
        request: &Request,
        limit: u64,
    ) -> Result<Self, ApiError> {
        let seed = request.digest;
        let budget = request.thinking_budget()?.unwrap_or(0);
        let thinking_tokens = (budget / 16).min(MOST_THINKING).min(limit / 2);
        let thinking = content::tokens(seed.rotate_left(9), thinking_tokens);
        let limit = limit - thinking_tokens;
        let mut call = request.demanded_call();
        let (text, stop_reason) = match (&mut call, request.wanted_schema()) {
            (None, Some(schema)) => {
                let (text, was_cut) = structured(schema, seed, limit);
                (text, if was_cut { "max_tokens" } else { "end_turn" })
            }
            (Some(call), _) => {
                let was_cut = call.cut(limit);
                (Vec::new(), if was_cut { "max_tokens" } else { "tool_use" })
            }
            (None, None) => {
                let (count, was_cut) = provider.output_tokens(seed, limit);
                let reason = if was_cut { "max_tokens" } else { "end_turn" };
                (
                    content::tokens(seed, count)
                        .into_iter()
                        .map(Cow::from)
                        .collect(),
                    reason,
                )
            }
        };
        Ok(Self {
            seed: provider.seal(seed).seed(),
            model: request.model.clone(),
            thinking,
            text,
            call,
            stop_reason,
        })
    }

    /// Tokens of the answer, thinking among them.
    pub(super) fn tokens(&self) -> u64 {
        let call = self.call.as_ref().map_or(0, ToolCall::tokens);
        self.thinking_tokens() + self.text.len() as u64 + call
    }

    pub(super) const fn thinking_tokens(&self) -> u64 {
        self.thinking.len() as u64
    }

    fn message(&self, content: Vec<Json>, stop_reason: Option<&str>, usage: Json) -> Json {
        object! {
            "id": identifier("msg_01", self.seed, 22),
            "type": "message",
            "role": "assistant",
            "model": self.model.as_str(),
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": Json::Null,
            "usage": usage,
        }
    }

    pub(super) fn whole(&self, reading: &Reading) -> Json {
        let mut content = Vec::new();
        if !self.thinking.is_empty() {
            content.push(self.thinking_block(&self.thinking.concat(), &self.signature()));
        }
        match &self.call {
            Some(call) => content.push(self.call_block(call, arguments(call))),
            None => content.push(text_block(&self.text.concat())),
        }
        let usage = self.usage(reading, self.tokens());
        let usage = self.with_details(usage);
        self.message(content, Some(self.stop_reason), usage)
    }

    /// The input side is told at the start, the output side at the end; what a `message_delta` tells is
    /// everything until then.
    pub(super) fn events(&self, reading: &Reading) -> Vec<Event> {
        let usage = self.usage(reading, 1);
        let start = object! {
            "type": "message_start",
            "message": self.message(Vec::new(), None, usage),
        };
        let mut stream = Stream::default();
        stream.push("message_start", &start, Pace::AtOnce);
        if !self.thinking.is_empty() {
            self.thinking_events(&mut stream);
        }
        match &self.call {
            Some(call) => {
                stream.open(self.call_block(call, Json::Object(Vec::new())));
                stream.delta(
                    object! { "type": "input_json_delta", "partial_json": "" },
                    Pace::AtOnce,
                );
                for piece in call.pieces() {
                    let delta = object! { "type": "input_json_delta", "partial_json": piece };
                    stream.token(delta);
                }
            }
            None => {
                stream.open(text_block(""));
                for token in &self.text {
                    stream.token(object! { "type": "text_delta", "text": token.as_ref() });
                }
            }
        }
        stream.close();
        let usage = object! {
            "input_tokens": reading.plain(),
            "cache_creation_input_tokens": reading.written.iter().sum::<u64>(),
            "cache_read_input_tokens": reading.read,
            "output_tokens": self.tokens(),
        };
        let end = object! {
            "type": "message_delta",
            "delta": object! { "stop_reason": self.stop_reason, "stop_sequence": Json::Null },
            "usage": self.with_details(usage),
        };
        stream.push("message_delta", &end, Pace::AtOnce);
        let stop = object! { "type": "message_stop" };
        stream.push("message_stop", &stop, Pace::AtOnce);
        stream.events
    }

    /// Thinking is made before the first token of the answer; its text comes at once.
    fn thinking_events(&self, stream: &mut Stream) {
        stream.open(self.thinking_block("", ""));
        for token in &self.thinking {
            let delta = object! { "type": "thinking_delta", "thinking": *token };
            stream.delta(delta, Pace::AtOnce);
        }
        let signature = object! { "type": "signature_delta", "signature": self.signature() };
        stream.delta(signature, Pace::AtOnce);
        stream.close();
    }

    fn thinking_block(&self, text: &str, signature: &str) -> Json {
        object! { "type": "thinking", "thinking": text, "signature": signature }
    }

    fn signature(&self) -> String {
        STANDARD.encode(identifier("", self.seed.rotate_left(5), 48))
    }

    fn call_block(&self, call: &ToolCall, input: Json) -> Json {
        object! {
            "type": "tool_use",
            "id": identifier("toolu_01", self.seed.rotate_left(3), 22),
            "name": call.name.as_str(),
            "input": input,
        }
    }

    fn usage(&self, reading: &Reading, output_tokens: u64) -> Json {
        let [five_minutes, hour] = reading.written;
        object! {
            "input_tokens": reading.plain(),
            "cache_creation_input_tokens": five_minutes + hour,
            "cache_read_input_tokens": reading.read,
            "cache_creation": object! {
                "ephemeral_5m_input_tokens": five_minutes,
                "ephemeral_1h_input_tokens": hour,
            },
            "output_tokens": output_tokens,
            "service_tier": "standard",
        }
    }

    fn with_details(&self, usage: Json) -> Json {
        if self.thinking.is_empty() {
            return usage;
        }
        let details = object! { "thinking_tokens": self.thinking_tokens() };
        usage.with("output_tokens_details", details)
    }
}

/// Arguments that were cut are no JSON any more; a whole answer then has none.
fn arguments(call: &ToolCall) -> Json {
    match serde_json::from_str::<Value>(&call.arguments) {
        Ok(arguments) => Json::Taken(arguments),
        Err(_) => Json::Object(Vec::new()),
    }
}

fn text_block(text: &str) -> Json {
    object! { "type": "text", "text": text }
}

/// The events of a message, with its blocks numbered.
#[derive(Default)]
struct Stream {
    events: Vec<Event>,
    index: u64,
    has_pinged: bool,
    has_token: bool,
}

impl Stream {
    fn push(&mut self, kind: &str, json: &Json, pace: Pace) {
        self.events.push(Event::typed(kind, json, pace));
    }

    fn open(&mut self, block: Json) {
        let start = object! {
            "type": "content_block_start",
            "index": self.index,
            "content_block": block,
        };
        self.push("content_block_start", &start, Pace::AtOnce);
        if !self.has_pinged {
            self.has_pinged = true;
            self.push("ping", &object! { "type": "ping" }, Pace::AtOnce);
        }
    }

    fn delta(&mut self, delta: Json, pace: Pace) {
        let json = object! {
            "type": "content_block_delta",
            "index": self.index,
            "delta": delta,
        };
        self.push("content_block_delta", &json, pace);
    }

    /// A delta that carries a token.
    fn token(&mut self, delta: Json) {
        let pace = if self.has_token {
            Pace::NextToken
        } else {
            Pace::FirstToken
        };
        self.has_token = true;
        self.delta(delta, pace);
    }

    fn close(&mut self) {
        let stop = object! { "type": "content_block_stop", "index": self.index };
        self.push("content_block_stop", &stop, Pace::AtOnce);
        self.index += 1;
    }
}
