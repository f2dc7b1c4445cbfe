//! `POST /v1/chat/completions`.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    Input, Prepared,
    ask::{Ask, room},
    tools::{ToolCall, structured},
};
use crate::{
    answer::{Answer, Dialect, Event, Pace},
    charge::RequestSize,
    content,
    court::Usage,
    json::{Json, object},
    prompt::Prompt,
    provider::{Provider, Seal},
    refusal::ApiError,
};

/// The most choices that a request may ask for.
pub(super) const MOST_CHOICES: u64 = 128;

pub(super) fn create(
    provider: &Provider,
    input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let ask = Ask::read(provider, input)?;
    let messages = match ask.get("messages") {
        Some(Value::Array(messages)) if !messages.is_empty() => messages,
        Some(_) => return Err(super::ask::wrong_type("messages", "a non-empty array")),
        None => return Err(ApiError::missing("messages")),
    };
    let prompt = Prompt::of_chat(messages, ask.get("tools"));
    let newer = ask.whole("max_completion_tokens", 1..=u64::MAX)?;
    let max_tokens = newer.or(ask.whole("max_tokens", 1..=u64::MAX)?);
    let choices = ask.whole("n", 1..=MOST_CHOICES)?.unwrap_or(1);
    let limit = room(provider, prompt.tokens, max_tokens, "messages")?;
    let chat = Chat::write(provider, &ask, prompt.tokens, choices, limit);
    let answer = if ask.stream {
        chat.events(ask.include_usage)
    } else {
        chat.whole()
    };
    let size = RequestSize {
        characters: prompt.characters,
        max_tokens,
        choices,
        images: 0,
    };
    Ok(Prepared {
        size: Some(size),
        usage: chat.usage,
        digest: ask.digest,
        answer,
        keep: None,
        model: ask.model,
    })
}

/// A written answer.
struct Chat {
    seal: Seal,
    model: String,
    fingerprint: String,
    tier: Json,
    choices: Vec<Choice>,
    usage: Usage,
}

struct Choice {
    tokens: Vec<Cow<'static, str>>,
    call: Option<ToolCall>,
    finish: &'static str,
}

impl Chat {
    fn write(provider: &Provider, ask: &Ask, prompt_tokens: u64, choices: u64, limit: u64) -> Self {
        let reasoning = ask.reasoning(limit);
        let mut completion = reasoning * choices;
        let reasoning_of_all = completion;
        let choices = (0..choices)
            .map(|index| {
                let seed = ask.digest.wrapping_add(index);
                let limit = limit - reasoning;
                let (choice, tokens) = Choice::write(provider, &ask.body, seed, limit);
                completion += tokens;
                choice
            })
            .collect();
        let requested = ask
            .get("service_tier")
            .and_then(Value::as_str)
            .unwrap_or("auto");
        Self {
            seal: provider.seal(ask.digest),
            model: ask.model.clone(),
            fingerprint: fingerprint(&ask.model),
            tier: if requested == "auto" {
                "default"
            } else {
                requested
            }
            .into(),
            choices,
            usage: Usage {
                prompt: prompt_tokens,
                cached: ask.cached(prompt_tokens),
                reasoning: reasoning_of_all,
                completion,
                ..Usage::default()
            },
        }
    }

    fn whole(&self) -> Answer {
        let choices = self.choices.iter().enumerate().map(|(index, choice)| {
            object! {
                "index": index as u64,
                "message": choice.message(&self.seal, index as u64),
                "logprobs": Json::Null,
                "finish_reason": choice.finish,
            }
        });
        Answer::json(&object! {
            "id": self.seal.id("chatcmpl-"),
            "object": "chat.completion",
            "created": self.seal.created,
            "model": self.model.as_str(),
            "choices": choices.collect::<Vec<_>>(),
            "usage": usage_json(&self.usage),
            "service_tier": self.tier.clone(),
            "system_fingerprint": self.fingerprint.as_str(),
        })
    }

    fn events(&self, include_usage: bool) -> Answer {
        let id = self.seal.id("chatcmpl-");
        let chunk = |choices: Vec<Json>, usage: Json, pace| {
            let json = object! {
                "id": id.as_str(),
                "object": "chat.completion.chunk",
                "created": self.seal.created,
                "model": self.model.as_str(),
                "service_tier": self.tier.clone(),
                "system_fingerprint": self.fingerprint.as_str(),
                "choices": choices,
            };
            // Only a stream that was asked to report usage has the member at all.
            let json = if include_usage {
                json.with("usage", usage)
            } else {
                json
            };
            Event::data(&json, pace)
        };
        let mut events = Vec::new();
        for delta in self.deltas() {
            events.push(chunk(vec![delta.json], Json::Null, delta.pace));
        }
        if include_usage {
            events.push(chunk(Vec::new(), usage_json(&self.usage), Pace::AtOnce));
        }
        events.push(Event::done());
        Answer::Events {
            dialect: Dialect::Data,
            events,
        }
    }

    /// The deltas of all choices: their openings, their tokens in turn, their ends.
    fn deltas(&self) -> Vec<Delta> {
        let mut deltas = Vec::new();
        for (index, choice) in self.choices.iter().enumerate() {
            let pace = if index == 0 {
                Pace::FirstToken
            } else {
                Pace::AtOnce
            };
            deltas.push(Delta::new(
                index,
                choice.opening(&self.seal, index as u64),
                None,
                pace,
            ));
        }
        let parts: Vec<Vec<Json>> = self.choices.iter().map(Choice::parts).collect();
        let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
        for step in 0..longest {
            let mut is_first = true;
            for (index, part) in parts.iter().enumerate() {
                let Some(part) = part.get(step) else { continue };
                // The first token came with the opening.
                let pace = if is_first && step > 0 {
                    Pace::NextToken
                } else {
                    Pace::TokenAtOnce
                };
                is_first = false;
                deltas.push(Delta::new(index, part.clone(), None, pace));
            }
        }
        for (index, choice) in self.choices.iter().enumerate() {
            let empty = Json::Object(Vec::new());
            deltas.push(Delta::new(index, empty, Some(choice.finish), Pace::AtOnce));
        }
        deltas
    }
}

struct Delta {
    json: Json,
    pace: Pace,
}

impl Delta {
    fn new(index: usize, delta: Json, finish: Option<&'static str>, pace: Pace) -> Self {
        let json = object! {
            "index": index as u64,
            "delta": delta,
            "logprobs": Json::Null,
            "finish_reason": finish,
        };
        Self { json, pace }
    }
}

impl Choice {
    /// Writes a choice and says how many tokens it has.
    fn write(provider: &Provider, body: &Value, seed: u64, limit: u64) -> (Self, u64) {
        if let Some(mut call) = ToolCall::demanded(body, seed) {
            let finish = match (call.cut(limit), call.was_named) {
                (true, _) => "length",
                (false, true) => "stop",
                (false, false) => "tool_calls",
            };
            let tokens = call.tokens().min(limit);
            return (
                Self {
                    tokens: Vec::new(),
                    call: Some(call),
                    finish,
                },
                tokens,
            );
        }
        let schema = body.pointer("/response_format/json_schema/schema");
        let (tokens, was_cut) = match schema {
            Some(schema) => structured(schema, seed, limit),
            None => {
                let (count, was_cut) = provider.output_tokens(seed, limit);
                (
                    content::tokens(seed, count)
                        .into_iter()
                        .map(Cow::from)
                        .collect(),
                    was_cut,
                )
            }
        };
        let finish = if was_cut { "length" } else { "stop" };
        let count = tokens.len() as u64;
        (
            Self {
                tokens,
                call: None,
                finish,
            },
            count,
        )
    }

    fn message(&self, seal: &Seal, index: u64) -> Json {
        let text = self.call.is_none().then(|| self.tokens.concat());
        let message = object! { "role": "assistant", "content": text };
        let message = match &self.call {
            Some(call) => message.with("tool_calls", vec![call_json(call, seal, index)]),
            None => message,
        };
        message
            .with("refusal", Json::Null)
            .with("annotations", Vec::<Json>::new())
    }

    fn opening(&self, seal: &Seal, index: u64) -> Json {
        let Some(call) = &self.call else {
            return object! { "role": "assistant", "content": "", "refusal": Json::Null };
        };
        let empty = ToolCall {
            arguments: String::new(),
            ..call.clone()
        };
        let Json::Object(mut members) = call_json(&empty, seal, index) else {
            return Json::Null;
        };
        members.insert(0, ("index", Json::Whole(0)));
        object! {
            "role": "assistant",
            "content": Json::Null,
            "tool_calls": vec![Json::Object(members)],
            "refusal": Json::Null,
        }
    }

    /// The deltas that carry the content.
    fn parts(&self) -> Vec<Json> {
        let Some(call) = &self.call else {
            let tokens = self.tokens.iter();
            return tokens
                .map(|token| object! { "content": token.as_ref() })
                .collect();
        };
        let pieces = call.pieces().into_iter().map(|piece| {
            let function = object! { "arguments": piece };
            object! { "tool_calls": vec![object! { "index": 0_u64, "function": function }] }
        });
        pieces.collect()
    }
}

fn call_json(call: &ToolCall, seal: &Seal, index: u64) -> Json {
    object! {
        "id": seal.part_id("call_", index),
        "type": "function",
        "function": object! {
            "name": call.name.as_str(),
            "arguments": call.arguments.as_str(),
        },
    }
}

/// The fingerprint that a model always has.
pub(super) fn fingerprint(model: &str) -> String {
    let mut digest = content::Digest::new(0);
    digest.add(model.as_bytes());
    format!("fp_{:010x}", digest.value() >> 24)
}

/// Usage as chat completions and completions report it.
pub(super) fn usage_json(usage: &Usage) -> Json {
    object! {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": object! { "cached_tokens": usage.cached, "audio_tokens": 0_u64 },
        "completion_tokens_details": object! {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0_u64,
            "accepted_prediction_tokens": 0_u64,
            "rejected_prediction_tokens": 0_u64,
        },
    }
}
