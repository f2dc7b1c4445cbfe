//! A request for a response, read.

use super::items::read_input;
use crate::chat::read::{
    need_function, no_schema, read_effort, read_function, read_schema, read_tier, read_tool_choice,
};
use crate::conversation::{Conversation, Piece};
use crate::error::RequestError;
use crate::json::{NotCarried, Object, Place};
use crate::options::RequestOptions;
use serde_json::value::RawValue;

/// Fields whose loss changes no meaning.
pub(crate) const HINTS: &[&str] = &[
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "stream_options",
    "client_metadata",
];

const STATEFUL: &str = "no answers are kept that it could refer to";
const SEND_ALL: &str = "send the whole conversation as input";

pub(crate) const NOT_CARRIED: &[NotCarried] = &[
    refused("previous_response_id", &[], STATEFUL, SEND_ALL),
    refused("conversation", &[], STATEFUL, SEND_ALL),
    refused(
        "background",
        &["false"],
        STATEFUL,
        "wait for the answer, or stream it",
    ),
    refused(
        "store",
        &["false"],
        "no answers are kept to be fetched later",
        "set it to false",
    ),
    refused(
        "prompt",
        &[],
        "the template is kept at OpenAI",
        "send its text as instructions",
    ),
    refused(
        "include",
        &["[]", "[\"reasoning.encrypted_content\"]"],
        "the other provider's answers hold no such parts",
        "leave it out",
    ),
    refused(
        "max_tool_calls",
        &[],
        "it bounds OpenAI's own tools",
        "leave it out",
    ),
    refused(
        "truncation",
        &["\"disabled\""],
        "the other provider does not shorten conversations",
        "shorten the input yourself",
    ),
    refused(
        "context_management",
        &["[]"],
        "the other provider does not shorten conversations",
        "shorten the input yourself",
    ),
    refused(
        "top_logprobs",
        &["0"],
        "the other API gives no probabilities",
        "leave it out",
    ),
];

const fn refused(
    field: &'static str,
    harmless: &'static [&'static str],
    why: &'static str,
    remedy: &'static str,
) -> NotCarried {
    NotCarried {
        field,
        harmless,
        why,
        remedy,
    }
}

/// What an answer repeats of its request.
const ECHOED: &[&str] = &[
    "instructions",
    "max_output_tokens",
    "metadata",
    "parallel_tool_calls",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
];

/// The echo of a request: names and values as JSON.
pub(crate) type Echo = Vec<(&'static str, String)>;

/// Reads a request for a response.
pub(crate) fn read<'a>(
    body: &'a RawValue,
    options: &RequestOptions,
) -> Result<(Conversation<'a>, Echo), RequestError> {
    let echo = read_echo(body)?;
    let mut request = Object::read(body, &Place::Root)?;
    let mut conversation = Conversation::default();
    request.need_text("model")?;
    request.refuse_each(NOT_CARRIED)?;
    if let Some(instructions) = request.text("instructions")?
        && !instructions.is_empty()
    {
        conversation.system.push(Piece::text(instructions));
    }
    conversation.max_tokens = request.count("max_output_tokens")?;
    conversation.temperature = request.number("temperature")?;
    conversation.top_p = request.number("top_p")?;
    conversation.stream = request.flag("stream")?.unwrap_or(false);
    let user = request.text("user")?;
    conversation.user = request.text("safety_identifier")?.or(user);
    conversation.tier = read_tier(&mut request)?;
    if let Some(raw) = request.take("reasoning") {
        let place = Place::Root.field("reasoning");
        let mut reasoning = Object::read(raw, &place)?;
        conversation.effort = read_effort(&mut reasoning, "effort")?;
        // Summaries of thinking have no place in the answer, and are no part of what it says.
        reasoning.end(&["summary", "generate_summary"])?;
    }
    conversation.schema = read_text(&mut request)?;
    read_tools(&mut request, &mut conversation)?;
    read_input(&mut request, options, &mut conversation)?;
    request.take("metadata");
    request.end(HINTS)?;
    Ok((conversation, echo))
}

fn read_echo(body: &RawValue) -> Result<Echo, RequestError> {
    let mut request = Object::read(body, &Place::Root)?;
    let taken = ECHOED
        .iter()
        .filter_map(|name| Some((*name, request.take(name)?.get().to_owned())));
    Ok(taken.collect())
}

/// `text`: the form of the answer.
fn read_text<'a>(request: &mut Object<'a, '_>) -> Result<Option<&'a str>, RequestError> {
    let Some(raw) = request.take("text") else {
        return Ok(None);
    };
    let place = Place::Root.field("text");
    let mut text = Object::read(raw, &place)?;
    text.refuse_each(&[refused(
        "verbosity",
        &["\"medium\""],
        "the other API has no such setting",
        "say in the instructions how long the answer is to be",
    )])?;
    let Some(raw) = text.take("format") else {
        text.end(&[])?;
        return Ok(None);
    };
    text.end(&[])?;
    let place = place.field("format");
    let mut format = Object::read(raw, &place)?;
    let kind = format.need_text("type")?;
    if kind != "json_schema" {
        return no_schema(&kind, &place);
    }
    read_schema(format)
}

fn read_tools<'a>(
    request: &mut Object<'a, '_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), RequestError> {
    let place = Place::Root.field("tools");
    for (index, raw) in request
        .list("tools")?
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let place = place.item(index);
        let mut tool = Object::read(raw, &place)?;
        need_function(&tool.need_text("type")?, &place)?;
        conversation.tools.push(read_function(&mut tool, None)?);
        tool.end(&[])?;
    }
    conversation.one_tool_at_a_time = request.flag("parallel_tool_calls")? == Some(false);
    conversation.tool_choice = read_tool_choice(request, false)?;
    Ok(())
}
