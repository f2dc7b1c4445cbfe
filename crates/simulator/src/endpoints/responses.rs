//! `POST /v1/responses` and what belongs to it.

use http::StatusCode;
use serde_json::Value;

use super::{
    Input, Keep, Prepared,
    ask::{Ask, room},
    tools::ToolCall,
};
use crate::{
    answer::{Answer, Dialect},
    charge::RequestSize,
    content,
    court::Usage,
    json::{Json, object},
    prompt::Prompt,
    provider::{KeptResponse, Provider},
    refusal::ApiError,
};

mod echo;
mod events;

pub(crate) use echo::ResponseEcho;
pub(crate) use events::failure_events;

pub(super) fn create(
    provider: &Provider,
    input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let ask = Ask::read(provider, input)?;
    let (prompt, history) = measure(provider, &ask)?;
    let max_tokens = ask.whole("max_output_tokens", 1..=u64::MAX)?;
    let limit = room(provider, prompt.tokens, max_tokens, "input")?;
    let reasoning = ask.reasoning(limit);
    let (item, tokens, was_cut) = Item::write(provider, &ask, limit - reasoning);
    let usage = Usage {
        prompt: prompt.tokens,
        cached: ask.cached(prompt.tokens),
        completion: reasoning + tokens,
        reasoning,
        ..Usage::default()
    };
    let echo = ResponseEcho::new(provider.seal(ask.digest), &ask.model, &ask.body);
    let written = Written {
        echo,
        item,
        usage,
        was_cut,
    };
    let whole = written.object();
    let keeps = ask.get("store").and_then(Value::as_bool).unwrap_or(true);
    let keep = keeps.then(|| {
        let total_tokens = usage.prompt + usage.completion;
        let body = whole.to_vec().into();
        Keep::Response(written.echo.id(), KeptResponse { body, total_tokens })
    });
    let answer = if ask.stream {
        let dialect = Dialect::Responses(Box::new(written.echo.clone()));
        Answer::Events {
            dialect,
            events: events::of(&written),
        }
    } else {
        Answer::json(&whole)
    };
    let characters = prompt.characters + history * 4;
    let size = RequestSize {
        characters,
        max_tokens,
        choices: 1,
        images: 0,
    };
    Ok(Prepared {
        size: Some(size),
        usage,
        digest: ask.digest,
        answer,
        keep,
        model: ask.model,
    })
}

/// The prompt, and how many of its tokens come from the response that the request continues.
fn measure(provider: &Provider, ask: &Ask) -> Result<(Prompt, u64), ApiError> {
    if ask.get("input").is_none() && ask.get("previous_response_id").is_none() {
        return Err(ApiError::missing("input"));
    }
    let mut prompt = Prompt::of_response(&ask.body);
    let Some(previous) = ask.get("previous_response_id").and_then(Value::as_str) else {
        return Ok((prompt, 0));
    };
    let kept = provider.responses().lock().get(previous).ok_or_else(|| {
        ApiError::invalid(format!("Previous response with id '{previous}' not found."))
            .param("previous_response_id")
            .code("previous_response_not_found")
    })?;
    prompt.tokens += kept.total_tokens;
    Ok((prompt, kept.total_tokens))
}

/// `POST /v1/responses/input_tokens`: the count that usage would report, outside all limits.
pub(super) fn count_input_tokens(
    provider: &Provider,
    input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let ask = Ask::read(provider, input)?;
    let (prompt, _) = measure(provider, &ask)?;
    let count = object! { "object": "response.input_tokens", "input_tokens": prompt.tokens };
    Ok(Prepared::free(Answer::json(&count)))
}

pub(super) fn retrieve(
    provider: &Provider,
    _input: &Input<'_>,
    id: &str,
) -> Result<Prepared, ApiError> {
    let kept = provider
        .responses()
        .lock()
        .get(id)
        .ok_or_else(|| unknown(id))?;
    let answer = Answer::Whole {
        content_type: "application/json",
        body: kept.body,
    };
    Ok(Prepared::free(answer))
}

pub(super) fn delete(
    provider: &Provider,
    _input: &Input<'_>,
    id: &str,
) -> Result<Prepared, ApiError> {
    if !provider.responses().lock().remove(id) {
        return Err(unknown(id));
    }
    let deleted = object! { "id": id, "object": "response", "deleted": true };
    Ok(Prepared::free(Answer::json(&deleted)))
}

fn unknown(id: &str) -> ApiError {
    let message = format!("Response with id '{id}' not found.");
    ApiError::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
}

/// A written response.
struct Written {
    echo: ResponseEcho,
    item: Item,
    usage: Usage,
    was_cut: bool,
}

impl Written {
    const fn status(&self) -> &'static str {
        if self.was_cut {
            "incomplete"
        } else {
            "completed"
        }
    }

    fn object(&self) -> Json {
        let output = vec![self.item.json(self.status())];
        self.echo
            .object(self.status(), output, Some(&self.usage), None)
    }
}

/// The one item of a response's output.
enum Item {
    Message {
        id: String,
        tokens: Vec<&'static str>,
    },
    Call {
        id: String,
        call_id: String,
        call: ToolCall,
    },
}

impl Item {
    /// Writes the item; says how many tokens it has and whether the limit cut it.
    fn write(provider: &Provider, ask: &Ask, limit: u64) -> (Self, u64, bool) {
        let seal = provider.seal(ask.digest);
        if let Some(mut call) = ToolCall::demanded(&ask.body, ask.digest) {
            let was_cut = call.cut(limit);
            let tokens = call.tokens().min(limit);
            let (id, call_id) = (seal.part_id("fc_", 1), seal.part_id("call_", 2));
            return (Self::Call { id, call_id, call }, tokens, was_cut);
        }
        let (count, was_cut) = provider.output_tokens(ask.digest, limit);
        let tokens = content::tokens(ask.digest, count);
        (
            Self::Message {
                id: seal.part_id("msg_", 0),
                tokens,
            },
            count,
            was_cut,
        )
    }

    fn id(&self) -> &str {
        match self {
            Self::Message { id, .. } | Self::Call { id, .. } => id,
        }
    }

    /// The finished item.
    fn json(&self, status: &str) -> Json {
        match self {
            Self::Message { tokens, .. } => self.message(status, vec![text_part(&tokens.concat())]),
            Self::Call { call, .. } => self.call(status, &call.arguments),
        }
    }

    /// The item before it has any content.
    fn opening(&self) -> Json {
        match self {
            Self::Message { .. } => self.message("in_progress", Vec::new()),
            Self::Call { .. } => self.call("in_progress", ""),
        }
    }

    fn message(&self, status: &str, content: Vec<Json>) -> Json {
        object! {
            "id": self.id(),
            "type": "message",
            "status": status,
            "content": content,
            "role": "assistant",
        }
    }

    fn call(&self, status: &str, arguments: &str) -> Json {
        let (call_id, name) = match self {
            Self::Call { call_id, call, .. } => (call_id.as_str(), call.name.as_str()),
            Self::Message { .. } => ("", ""),
        };
        object! {
            "id": self.id(),
            "type": "function_call",
            "status": status,
            "arguments": arguments,
            "call_id": call_id,
            "name": name,
        }
    }
}

fn text_part(text: &str) -> Json {
    object! {
        "type": "output_text",
        "annotations": Vec::<Json>::new(),
        "logprobs": Vec::<Json>::new(),
        "text": text,
    }
}
