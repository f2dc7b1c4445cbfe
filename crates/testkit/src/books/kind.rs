//! Calls of all kinds, each with what goes wrong with it.

use serde_json::{Value, json};

const EFFORTS: [&str; 3] = ["low", "medium", "high"];

/// What a call is, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallKind {
    /// A chat, answered as a whole.
    Plain,
    /// A chat, answered as a stream.
    Stream,
    /// A response, answered as a whole.
    Response,
    /// A response, answered as a stream.
    ResponseStream,
    /// A chat that calls a tool.
    Tools,
    /// A chat with reasoning.
    Reasoning,
    /// A long prompt that is in the cache, streamed.
    Cached,
    /// Embeddings of several texts.
    Embeddings,
    /// Images.
    Images,
    /// The provider fails once with 500; the second attempt is answered.
    FailsOnce,
    /// The provider refuses once with 429; the second attempt is answered.
    LimitedOnce,
    /// The first answer is lost on its way; the second attempt is answered.
    LostOnce,
    /// The provider cuts the stream.
    CutStream,
    /// The provider tells an error in the middle of the stream.
    ErrorInStream,
    /// The provider fails at every attempt.
    FailsAlways,
    /// A request that the provider finds wrong.
    Wrong,
    /// A request that the gateway refuses.
    Refused,
    /// The caller leaves in the middle of a stream.
    LeavesStream,
    /// The caller leaves before it is answered.
    LeavesEarly,
}

impl CallKind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Plain,
        Self::Stream,
        Self::Response,
        Self::ResponseStream,
        Self::Tools,
        Self::Reasoning,
        Self::Cached,
        Self::Embeddings,
        Self::Images,
        Self::FailsOnce,
        Self::LimitedOnce,
        Self::LostOnce,
        Self::CutStream,
        Self::ErrorInStream,
        Self::FailsAlways,
        Self::Wrong,
        Self::Refused,
        Self::LeavesStream,
        Self::LeavesEarly,
    ];

    /// In how many of a hundred calls.
    const SHARES: [usize; 19] = [20, 20, 6, 6, 5, 4, 4, 5, 3, 4, 1, 3, 4, 2, 2, 3, 2, 4, 2];

    /// The kind of the `number`th call: kinds are mixed, and each has its share of every hundred.
    pub(super) fn of(number: usize) -> Self {
        // 37 and 100 have no common factor: each place of a hundred comes once.
        let mut place = number * 37 % 100;
        for (kind, share) in Self::ALL.into_iter().zip(Self::SHARES) {
            if place < share {
                return kind;
            }
            place -= share;
        }
        Self::Plain
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "chat",
            Self::Stream => "chat, streamed",
            Self::Response => "response",
            Self::ResponseStream => "response, streamed",
            Self::Tools => "tool call",
            Self::Reasoning => "reasoning",
            Self::Cached => "cached input",
            Self::Embeddings => "embeddings",
            Self::Images => "images",
            Self::FailsOnce => "500, then answered",
            Self::LimitedOnce => "429, then answered",
            Self::LostOnce => "answer lost, then answered",
            Self::CutStream => "stream cut by the provider",
            Self::ErrorInStream => "error in the stream",
            Self::FailsAlways => "500 at every attempt",
            Self::Wrong => "wrong request",
            Self::Refused => "refused by the gateway",
            Self::LeavesStream => "caller leaves in the stream",
            Self::LeavesEarly => "caller leaves before",
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Response | Self::ResponseStream => "/v1/responses",
            Self::Embeddings => "/v1/embeddings",
            Self::Images => "/v1/images/generations",
            _ => "/v1/chat/completions",
        }
    }

    /// The order for the simulated provider, for a call of this name.
    pub(super) fn fault(self, name: &str) -> Option<String> {
        let once = |fault: &str| Some(format!("{fault};times=1;key={name}"));
        match self {
            Self::FailsOnce => once("500"),
            Self::LimitedOnce => once("429"),
            Self::LostOnce => once("cut_body"),
            Self::CutStream => Some("cut_stream;after=8".to_owned()),
            Self::ErrorInStream => Some("error_in_stream;after=2".to_owned()),
            Self::FailsAlways => Some("500".to_owned()),
            _ => None,
        }
    }

    /// Calls that are refused have a key of their own: a refusal makes all others of the key pause.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::LimitedOnce => "Bearer sk-limited",
            _ => "Bearer sk-test",
        }
    }

    /// The request, of a size that differs from call to call.
    pub(super) fn body(self, number: usize) -> String {
        let text = format!("call {number}: {}", "tell me more ".repeat(1 + number % 13));
        let chat = |more: Value| {
            let mut body = json!({
                "model": "gpt-4o-mini",
                "max_tokens": 100,
                "messages": [{"role": "user", "content": text}],
            });
            merge(&mut body, more);
            body
        };
        let body = match self {
            Self::Plain
            | Self::FailsOnce
            | Self::LimitedOnce
            | Self::LostOnce
            | Self::FailsAlways
            | Self::LeavesEarly => chat(json!({})),
            Self::Stream | Self::CutStream | Self::ErrorInStream | Self::LeavesStream => {
                chat(json!({"stream": true}))
            }
            Self::Response | Self::ResponseStream => json!({
                "model": "gpt-4.1-mini",
                "input": text,
                "max_output_tokens": 100,
                "stream": self == Self::ResponseStream,
            }),
            Self::Tools => chat(json!({"tools": [weather()], "tool_choice": "required"})),
            Self::Reasoning => chat(json!({
                "model": "o4-mini",
                "max_tokens": null,
                "max_completion_tokens": 2_000,
                "reasoning_effort": EFFORTS[number % EFFORTS.len()],
            })),
            Self::Cached => {
                let long = format!("{text} {}", "the same words again ".repeat(300));
                chat(json!({
                    "messages": [{"role": "user", "content": long}],
                    "prompt_cache_key": "books",
                    "stream": true,
                }))
            }
            Self::Embeddings => json!({
                "model": "text-embedding-3-small",
                "input": [text, "and another"],
                "dimensions": 8,
            }),
            Self::Images => json!({"model": "gpt-image-1", "prompt": text, "n": 1 + number % 2}),
            Self::Wrong => chat(json!({"messages": []})),
            // A charge above the whole limit can never be granted.
            Self::Refused => chat(json!({"max_tokens": 2_000_000_000_u64})),
        };
        body.to_string()
    }
}

fn merge(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
        body.retain(|_, value| !value.is_null());
    }
}

fn weather() -> Value {
    json!({"type": "function", "function": {"name": "weather", "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    }}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_calls_hold_every_kind_in_its_share() {
        for (kind, share) in CallKind::ALL.into_iter().zip(CallKind::SHARES) {
            let count = (0..100)
                .filter(|number| CallKind::of(*number) == kind)
                .count();
            assert_eq!(count, share, "{kind:?}");
        }
    }
}
