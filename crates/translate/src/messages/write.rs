//! A messages request, written.

use crate::conversation::{
    CallResult, Conversation, Effort, Part, Piece, Role, Source, Tier, Tool, ToolChoice, Turn,
};
use crate::error::RequestError;
use crate::json::Place;
use crate::json::build::{Fields, Json, object, typed, verbatim};
use crate::options::{EffortAs, RequestOptions};
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt::Write;

/// Anthropic's API refuses a longer `user_id`; it is a hint.
const LONGEST_USER: usize = 256;

/// The smallest budget for thinking that Anthropic's API takes.
const SMALLEST_BUDGET: u64 = 1024;

/// Writes the request as Anthropic's messages have it.
pub(crate) fn write(
    conversation: &Conversation<'_>,
    options: &RequestOptions,
) -> Result<Bytes, RequestError> {
    refuse_hot(conversation)?;
    let max_tokens = conversation
        .max_tokens
        .unwrap_or(options.default_max_tokens);
    let system = conversation.system.iter().map(block).collect::<Vec<_>>();
    let messages = conversation.turns.iter().map(turn).collect::<Vec<_>>();
    let tools = conversation.tools.iter().map(tool).collect::<Vec<_>>();
    let stops = conversation
        .stop
        .iter()
        .map(|stop| Json::from(stop.as_ref()));
    let stops = stops.collect::<Vec<_>>();
    let user = conversation.user.as_deref();
    let user = user.filter(|user| user.len() <= LONGEST_USER);
    let request = object()
        .with("model", options.model.as_str())
        .with("max_tokens", max_tokens)
        .maybe("system", (!system.is_empty()).then_some(system))
        .with("messages", messages)
        .maybe("tool_choice", tool_choice(conversation))
        .maybe("tools", (!tools.is_empty()).then_some(tools))
        .maybe("stop_sequences", (!stops.is_empty()).then_some(stops))
        .maybe(
            "temperature",
            conversation.temperature.map(|it| verbatim(it.written)),
        )
        .maybe("top_p", conversation.top_p.map(|it| verbatim(it.written)))
        .maybe("top_k", conversation.top_k)
        .maybe("metadata", user.map(|user| object().with("user_id", user)))
        .maybe("service_tier", conversation.tier.map(tier))
        .maybe("stream", conversation.stream.then_some(true));
    Ok(output(request, conversation, options, max_tokens).to_bytes())
}

/// Temperatures mean the same in both APIs where both have them: 1 is the model's own distribution.
/// So they are neither scaled, which would change every one, nor cut off, which would hide that the
/// caller gets less than was asked for.
fn refuse_hot(conversation: &Conversation<'_>) -> Result<(), RequestError> {
    match conversation.temperature {
        Some(temperature) if temperature.value > 1.0 => {
            Err(Place::Root.field("temperature").refuse(
                "Anthropic's API has temperatures from 0 to 1",
                "use 1 at most; it means the same there",
            ))
        }
        _ => Ok(()),
    }
}

fn output<'a>(
    request: Fields<'a>,
    conversation: &Conversation<'a>,
    options: &RequestOptions,
    max_tokens: u64,
) -> Fields<'a> {
    let format = conversation
        .schema
        .map(|schema| typed("json_schema").with("schema", verbatim(schema)));
    let effort = conversation
        .effort
        .filter(|_| options.effort != EffortAs::LeftOut);
    let level = effort.filter(|_| options.effort == EffortAs::Adaptive);
    let level = level.and_then(|effort| match effort {
        Effort::None => None,
        Effort::Minimal => Some(Effort::Low.name()),
        other => Some(other.name()),
    });
    let config = object().maybe("effort", level).maybe("format", format);
    let thinking = effort.and_then(|effort| thinking(effort, conversation, options, max_tokens));
    request
        .maybe("thinking", thinking)
        .maybe("output_config", (!config.is_empty()).then_some(config))
}

/// How the model is to think. Where something else in the request rules thinking out at Anthropic
/// (a tool that has to be called, sampling that is set, an answer begun), there is none.
fn thinking(
    effort: Effort,
    conversation: &Conversation<'_>,
    options: &RequestOptions,
    max_tokens: u64,
) -> Option<Fields<'static>> {
    if effort == Effort::None {
        return Some(typed("disabled"));
    }
    let forced = matches!(
        conversation.tool_choice,
        Some(ToolChoice::Any | ToolChoice::Named(_))
    );
    let is_one = |value: f64| (value - 1.0).abs() < f64::EPSILON;
    let sampled = conversation.temperature.is_some_and(|it| !is_one(it.value))
        || conversation.top_p.is_some_and(|it| it.value < 0.95)
        || conversation.top_k.is_some();
    let mut backwards = conversation.turns.iter().rev();
    let last = backwards.find(|turn| turn.role != Role::System);
    let begun = last.is_some_and(|turn| turn.role == Role::Assistant);
    if forced || sampled || begun {
        return None;
    }
    if options.effort == EffortAs::Adaptive {
        return Some(typed("adaptive"));
    }
    // With a budget, a turn that used tools has to begin with its thinking, which the caller has not.
    let in_turn = last.is_some_and(|turn| {
        let mut parts = turn.pieces.iter().map(|piece| &piece.part);
        parts.any(|part| matches!(part, Part::Result(_)))
    });
    // The budget is part of `max_tokens`, and half of that is to be left for the answer.
    let budget = budget(effort).min(max_tokens / 2);
    let fits = budget >= SMALLEST_BUDGET && !in_turn;
    fits.then(|| typed("enabled").with("budget_tokens", budget))
}

/// Budgets for efforts. The numbers are ours: neither API gives any.
const fn budget(effort: Effort) -> u64 {
    match effort {
        Effort::None => 0,
        Effort::Minimal => 1024,
        Effort::Low => 2048,
        Effort::Medium => 8192,
        Effort::High => 16_384,
        Effort::ExtraHigh => 24_576,
        Effort::Max => 32_768,
    }
}

/// Results of calls have to come first in the turn that follows the calls.
fn turn<'a>(turn: &'a Turn<'_>) -> Json<'a> {
    let role = match turn.role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System => "system",
    };
    let is_result = |piece: &&Piece<'_>| matches!(piece.part, Part::Result(_));
    let results = turn.pieces.iter().filter(is_result);
    let others = turn.pieces.iter().filter(|piece| !is_result(piece));
    let blocks = results.chain(others).map(block).collect::<Vec<_>>();
    object().with("role", role).with("content", blocks).into()
}

fn block<'a>(piece: &'a Piece<'_>) -> Json<'a> {
    let block = match &piece.part {
        Part::Text(text) => typed("text").with("text", text.as_ref()),
        Part::Image(from) => typed("image").with("source", source(from)),
        Part::Document(document) => typed("document")
            .with("source", source(&document.source))
            .maybe("title", document.name.as_deref()),
        Part::Call(call) => typed("tool_use")
            .with("id", call_id(&call.id))
            .with("name", call.name.as_ref())
            .with("input", verbatim(call.input.as_ref())),
        Part::Result(result) => call_result(result),
    };
    block
        .maybe("cache_control", piece.cache.map(verbatim))
        .into()
}

fn source<'a>(source: &'a Source<'_>) -> Fields<'a> {
    match source {
        Source::Url(url) => typed("url").with("url", url.as_ref()),
        Source::Inline { media_type, base64 } => typed("base64")
            .with("media_type", media_type.as_ref())
            .with("data", base64.as_ref()),
    }
}

fn call_result<'a>(result: &'a CallResult<'_>) -> Fields<'a> {
    let content = match result.content.as_slice() {
        [] => None,
        [
            Piece {
                part: Part::Text(text),
                cache: None,
            },
        ] => Some(Json::from(text.as_ref())),
        pieces => Some(Json::List(pieces.iter().map(block).collect())),
    };
    typed("tool_result")
        .with("tool_use_id", call_id(&result.call_id))
        .maybe("content", content)
        .maybe("is_error", result.is_error.then_some(true))
}

/// Anthropic's API takes ids of letters, digits, `_` and `-`; other servers' ids may hold more, which
/// is written as its code here and in the result alike.
fn call_id(id: &str) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.bytes().all(fits) {
        return Cow::Borrowed(id);
    }
    let mut written = String::with_capacity(id.len() + 8);
    for byte in id.bytes() {
        if fits(byte) {
            written.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(written, "_{byte:02x}");
        }
    }
    Cow::Owned(written)
}

fn tool<'a>(tool: &'a Tool<'_>) -> Json<'a> {
    let schema = tool
        .schema
        .unwrap_or("{\"type\":\"object\",\"properties\":{}}");
    object()
        .with("name", tool.name.as_ref())
        .maybe("description", tool.description.as_deref())
        .with("input_schema", verbatim(schema))
        .maybe("strict", tool.strict.then_some(true))
        .maybe("cache_control", tool.cache.map(verbatim))
        .into()
}

/// One tool at a time is part of the choice, which stands for itself where the caller left it open.
fn tool_choice<'a>(conversation: &'a Conversation<'_>) -> Option<Fields<'a>> {
    let one_at_a_time = conversation.one_tool_at_a_time && !conversation.tools.is_empty();
    let choice = match conversation.choice() {
        None if one_at_a_time => typed("auto"),
        None => return None,
        Some(ToolChoice::None) => return Some(typed("none")),
        Some(ToolChoice::Auto) => typed("auto"),
        Some(ToolChoice::Any) => typed("any"),
        Some(ToolChoice::Named(name)) => typed("tool").with("name", name.as_ref()),
    };
    Some(choice.maybe("disable_parallel_tool_use", one_at_a_time.then_some(true)))
}

const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Auto => "auto",
        Tier::Standard => "standard_only",
    }
}
