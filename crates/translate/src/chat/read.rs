//! A chat completions request, read.

use super::turns::read_messages;
use crate::conversation::{Conversation, Effort, Tier, Tool, ToolChoice};
use crate::error::RequestError;
use crate::json::{NotCarried, Object, Place, as_list, as_text, is_text};
use crate::options::RequestOptions;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Fields whose loss changes no meaning: labels, cache hints, hints at speed.
pub(crate) const HINTS: &[&str] = &[
    "metadata",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
];

const NO_SUCH_SAMPLING: &str = "Anthropic's API has no such control of sampling";
const LEAVE_OUT: &str = "leave it out";

pub(crate) const NOT_CARRIED: &[NotCarried] = &[
    refused(
        "n",
        &["1"],
        "Anthropic's API gives one answer to a request",
        "send n requests",
    ),
    refused(
        "logprobs",
        &["false"],
        "Anthropic's API gives no probabilities",
        LEAVE_OUT,
    ),
    refused(
        "top_logprobs",
        &["0"],
        "Anthropic's API gives no probabilities",
        LEAVE_OUT,
    ),
    refused("logit_bias", &["{}"], NO_SUCH_SAMPLING, LEAVE_OUT),
    refused(
        "frequency_penalty",
        &["0", "0.0"],
        NO_SUCH_SAMPLING,
        LEAVE_OUT,
    ),
    refused(
        "presence_penalty",
        &["0", "0.0"],
        NO_SUCH_SAMPLING,
        LEAVE_OUT,
    ),
    refused(
        "seed",
        &[],
        "Anthropic's API promises no repeatable sampling",
        LEAVE_OUT,
    ),
    refused(
        "audio",
        &[],
        "Anthropic's API makes no sound",
        "ask for text",
    ),
    refused(
        "modalities",
        &["[\"text\"]"],
        "Anthropic's API answers in text only",
        "ask for [\"text\"]",
    ),
    refused(
        "store",
        &["false"],
        "Anthropic's API keeps no answers to be fetched later",
        "set it to false",
    ),
    refused(
        "verbosity",
        &["\"medium\""],
        "Anthropic's API has no such setting",
        "say in the system message how long the answer is to be",
    ),
    refused(
        "web_search_options",
        &[],
        "the searching would be the other provider's and differ",
        "search yourself and offer it as a function tool",
    ),
    refused(
        "functions",
        &["[]"],
        "it is the older form of tools",
        "use tools",
    ),
    refused(
        "function_call",
        &[],
        "it is the older form of tool_choice",
        "use tool_choice",
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

/// Reads a request for chat completions.
pub(crate) fn read<'a>(
    body: &'a RawValue,
    options: &RequestOptions,
) -> Result<Conversation<'a>, RequestError> {
    let mut request = Object::read(body, &Place::Root)?;
    let mut conversation = Conversation::default();
    request.need_text("model")?;
    request.refuse_each(NOT_CARRIED)?;
    read_settings(&mut request, &mut conversation)?;
    read_stream(&mut request, &mut conversation)?;
    conversation.schema = read_response_format(&mut request)?;
    read_tools(&mut request, &mut conversation)?;
    let messages = request
        .list("messages")?
        .ok_or_else(|| Place::Root.field("messages").malformed("an array"))?;
    read_messages(&messages, options.late_system, &mut conversation)?;
    request.end(HINTS)?;
    Ok(conversation)
}

fn read_settings<'a>(
    request: &mut Object<'a, '_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), RequestError> {
    let old_limit = request.count("max_tokens")?;
    conversation.max_tokens = request.count("max_completion_tokens")?.or(old_limit);
    conversation.temperature = request.number("temperature")?;
    conversation.top_p = request.number("top_p")?;
    // Not OpenAI's, but understood by most compatible servers, and by Anthropic.
    conversation.top_k = request.count("top_k")?;
    conversation.stop = read_stop(request)?;
    let user = request.text("user")?;
    conversation.user = request.text("safety_identifier")?.or(user);
    conversation.effort = read_effort(request, "reasoning_effort")?;
    conversation.tier = read_tier(request)?;
    Ok(())
}

fn read_stop<'a>(request: &mut Object<'a, '_>) -> Result<Vec<Cow<'a, str>>, RequestError> {
    let place = Place::Root.field("stop");
    let Some(raw) = request.take("stop") else {
        return Ok(Vec::new());
    };
    let listed = if is_text(raw) {
        vec![raw]
    } else {
        as_list(raw).ok_or_else(|| place.malformed("a string or an array of strings"))?
    };
    let texts = listed.into_iter().map(|raw| {
        let text = as_text(raw).ok_or_else(|| place.malformed("an array of strings"))?;
        if text.trim().is_empty() {
            return Err(place.refuse(
                "Anthropic's API takes no stop sequence of blanks alone",
                "use a sequence with other characters",
            ));
        }
        Ok(text)
    });
    texts.collect()
}

pub(crate) fn read_effort(
    object: &mut Object<'_, '_>,
    field: &str,
) -> Result<Option<Effort>, RequestError> {
    let expected = "one of none, minimal, low, medium, high, xhigh, max";
    let place = object.place().field(field);
    object
        .text(field)?
        .map(|name| Effort::named(&name).ok_or_else(|| place.malformed(expected)))
        .transpose()
}

/// `flex`, `priority`, `fast` and `scale` are prices and pools of OpenAI's own.
pub(crate) fn read_tier(request: &mut Object<'_, '_>) -> Result<Option<Tier>, RequestError> {
    let Some(tier) = request.text("service_tier")? else {
        return Ok(None);
    };
    match tier.as_ref() {
        "auto" => Ok(Some(Tier::Auto)),
        "default" => Ok(Some(Tier::Standard)),
        _ => Err(Place::Root.field("service_tier").refuse(
            "only auto and default have a counterpart at another provider",
            "use one of these",
        )),
    }
}

fn read_stream(
    request: &mut Object<'_, '_>,
    conversation: &mut Conversation<'_>,
) -> Result<(), RequestError> {
    conversation.stream = request.flag("stream")?.unwrap_or(false);
    if let Some(raw) = request.take("stream_options") {
        let place = Place::Root.field("stream_options");
        let mut stream_options = Object::read(raw, &place)?;
        conversation.include_usage = stream_options.flag("include_usage")?.unwrap_or(false);
        stream_options.end(&["include_obfuscation"])?;
    }
    Ok(())
}

fn read_response_format<'a>(request: &mut Object<'a, '_>) -> Result<Option<&'a str>, RequestError> {
    let Some(raw) = request.take("response_format") else {
        return Ok(None);
    };
    let place = Place::Root.field("response_format");
    let mut format = Object::read(raw, &place)?;
    let kind = format.need_text("type")?;
    if kind != "json_schema" {
        return no_schema(&kind, &place);
    }
    let inner_place = place.field("json_schema");
    let inner = format
        .take("json_schema")
        .ok_or_else(|| inner_place.malformed("an object"))?;
    format.end(&[])?;
    read_schema(Object::read(inner, &inner_place)?)
}

/// The schema of a format. Its name is a label, its description a hint, and Anthropic's API is always
/// strict.
pub(crate) fn read_schema<'a>(mut format: Object<'a, '_>) -> Result<Option<&'a str>, RequestError> {
    let place = format.place();
    let schema = format.verbatim_object("schema")?;
    format.end(&["name", "strict", "description"])?;
    schema.map(Some).ok_or_else(|| {
        place.field("schema").refuse(
            "without a schema there is nothing that the answer could be held to",
            "give a schema",
        )
    })
}

/// What the formats other than a schema come to.
pub(crate) fn no_schema<'a>(
    kind: &str,
    place: &Place<'_>,
) -> Result<Option<&'a str>, RequestError> {
    match kind {
        "text" => Ok(None),
        "json_object" => Err(place.field("type").refuse(
            "the other API has no JSON mode without a schema",
            "use json_schema with a schema",
        )),
        _ => Err(place.field("type").refuse(
            "the translation does not know this format",
            "use text or json_schema",
        )),
    }
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
        let function_place = place.field("function");
        let function = tool
            .take("function")
            .ok_or_else(|| function_place.malformed("an object"))?;
        let mut function = Object::read(function, &function_place)?;
        let cache = tool.verbatim_object("cache_control")?;
        conversation
            .tools
            .push(read_function(&mut function, cache)?);
        function.end(&[])?;
        tool.end(&[])?;
    }
    conversation.one_tool_at_a_time = request.flag("parallel_tool_calls")? == Some(false);
    conversation.tool_choice = read_tool_choice(request, true)?;
    Ok(())
}

/// Refuses tools other than functions.
pub(crate) fn need_function(kind: &str, place: &Place<'_>) -> Result<(), RequestError> {
    if kind == "function" {
        return Ok(());
    }
    Err(place.field("type").refuse(
        "only functions can be translated; other tools are the provider's own",
        "offer a function tool",
    ))
}

/// `name`, `description`, `parameters` and `strict`, wherever they stand.
pub(crate) fn read_function<'a>(
    function: &mut Object<'a, '_>,
    cache: Option<&'a str>,
) -> Result<Tool<'a>, RequestError> {
    Ok(Tool {
        name: function.need_text("name")?,
        description: function.text("description")?,
        schema: function.verbatim_object("parameters")?,
        strict: function.flag("strict")?.unwrap_or(false),
        cache,
    })
}

/// The tool choice; the function's name stands in `function`, or beside the type (`nested` or not).
pub(crate) fn read_tool_choice<'a>(
    request: &mut Object<'a, '_>,
    nested: bool,
) -> Result<Option<ToolChoice<'a>>, RequestError> {
    let Some(raw) = request.take("tool_choice") else {
        return Ok(None);
    };
    let place = Place::Root.field("tool_choice");
    if let Some(word) = as_text(raw) {
        return match word.as_ref() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Any)),
            _ => Err(place.malformed("auto, none, required or an object")),
        };
    }
    let mut choice = Object::read(raw, &place)?;
    need_function(&choice.need_text("type")?, &place)?;
    if !nested {
        return Ok(Some(ToolChoice::Named(choice.need_text("name")?)));
    }
    let function_place = place.field("function");
    let function = choice
        .take("function")
        .ok_or_else(|| function_place.malformed("an object"))?;
    let name = Object::read(function, &function_place)?.need_text("name")?;
    Ok(Some(ToolChoice::Named(name)))
}
