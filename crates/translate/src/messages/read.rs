//! A messages request, read, for a provider of chat completions.

use super::blocks::{cache_mark, read_content};
use crate::conversation::{Conversation, Effort, Role, Tier, Tool, ToolChoice, refuse_misplaced};
use crate::error::RequestError;
use crate::json::{NotCarried, Object, Place};
use crate::options::RequestOptions;
use serde_json::value::RawValue;

/// Fields whose loss changes no meaning. What is to be cached, OpenAI's API decides by itself.
pub(crate) const HINTS: &[&str] = &["cache_control", "diagnostics"];

pub(crate) const NOT_CARRIED: &[NotCarried] = &[
    refused(
        "top_k",
        &[],
        "OpenAI's API has no such control of sampling",
        "use top_p",
    ),
    refused("container", &[], "it is kept at Anthropic", "leave it out"),
    refused(
        "mcp_servers",
        &["[]"],
        "the calls would be Anthropic's",
        "offer the tools as functions",
    ),
    refused(
        "inference_geo",
        &[],
        "another provider cannot promise where it computes",
        "leave it out, or use Anthropic",
    ),
    refused(
        "speed",
        &["\"standard\""],
        "it is a price of Anthropic's own",
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

/// Reads a request for messages; `needs_limit` unless tokens are only to be counted.
pub(crate) fn read<'a>(
    body: &'a RawValue,
    options: &RequestOptions,
    needs_limit: bool,
) -> Result<Conversation<'a>, RequestError> {
    let mut request = Object::read(body, &Place::Root)?;
    let mut conversation = Conversation::default();
    request.need_text("model")?;
    request.refuse_each(NOT_CARRIED)?;
    read_context_management(&mut request)?;
    conversation.max_tokens = read_limit(&mut request, needs_limit)?;
    read_settings(&mut request, &mut conversation)?;
    read_output(&mut request, &mut conversation)?;
    read_tools(&mut request, &mut conversation)?;
    if let Some(system) = request.take("system") {
        let place = Place::Root.field("system");
        conversation.system = read_content(system, &place, options)?;
        refuse_misplaced(&conversation.system, Role::System, &place)?;
    }
    read_messages(&mut request, options, &mut conversation)?;
    request.end(HINTS)?;
    Ok(conversation)
}

/// Edits of the context change what the model sees; but earlier thinking it never sees here.
fn read_context_management(request: &mut Object<'_, '_>) -> Result<(), RequestError> {
    let Some(raw) = request.take("context_management") else {
        return Ok(());
    };
    let place = Place::Root.field("context_management");
    let mut management = Object::read(raw, &place)?;
    let list_place = place.field("edits");
    for (index, raw) in management
        .list("edits")?
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let place = list_place.item(index);
        let kind = Object::read(raw, &place)?.need_text("type")?;
        if !kind.starts_with("clear_thinking_") {
            return Err(place.field("type").refuse(
                "OpenAI's chat completions do not edit the context",
                "shorten the conversation yourself",
            ));
        }
    }
    management.end(&[])
}

fn read_limit(
    request: &mut Object<'_, '_>,
    needs_limit: bool,
) -> Result<Option<u64>, RequestError> {
    let place = Place::Root.field("max_tokens");
    match request.count("max_tokens")? {
        Some(0) => Err(place.refuse(
            "OpenAI's API cannot fill a cache without answering",
            "ask for one token at least",
        )),
        None if needs_limit => Err(place.malformed("a whole number, which Anthropic's API needs")),
        limit => Ok(limit),
    }
}

fn read_settings<'a>(
    request: &mut Object<'a, '_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), RequestError> {
    conversation.temperature = request.number("temperature")?;
    conversation.top_p = request.number("top_p")?;
    conversation.stream = request.flag("stream")?.unwrap_or(false);
    let stops_place = Place::Root.field("stop_sequences");
    for raw in request.list("stop_sequences")?.unwrap_or_default() {
        let stop = crate::json::as_text(raw);
        let stop = stop.ok_or_else(|| stops_place.malformed("an array of strings"))?;
        conversation.stop.push(stop);
    }
    if let Some(raw) = request.take("metadata") {
        let place = Place::Root.field("metadata");
        let mut metadata = Object::read(raw, &place)?;
        conversation.user = metadata.text("user_id")?;
        metadata.end(&[])?;
    }
    conversation.tier = match request.text("service_tier")?.as_deref() {
        None => None,
        Some("auto") => Some(Tier::Auto),
        Some("standard_only") => Some(Tier::Standard),
        Some(_) => {
            return Err(Place::Root
                .field("service_tier")
                .malformed("auto or standard_only"));
        }
    };
    Ok(())
}

/// `output_config`, its older form `output_format`, and `thinking`.
fn read_output<'a>(
    request: &mut Object<'a, '_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), RequestError> {
    if let Some(raw) = request.take("output_config") {
        let place = Place::Root.field("output_config");
        let mut config = Object::read(raw, &place)?;
        conversation.effort = crate::chat::read::read_effort(&mut config, "effort")?;
        if let Some(format) = config.take("format") {
            conversation.schema = Some(read_format(format, &place.field("format"))?);
        }
        config.end(&[])?;
    }
    if let Some(format) = request.take("output_format") {
        let place = Place::Root.field("output_format");
        conversation.schema = Some(read_format(format, &place)?);
    }
    if let Some(raw) = request.take("thinking") {
        let place = Place::Root.field("thinking");
        let mut thinking = Object::read(raw, &place)?;
        let kind = thinking.need_text("type")?;
        let budget = thinking.count("budget_tokens")?;
        if kind == "enabled" && conversation.effort.is_none() {
            conversation.effort = budget.map(effort_of_budget);
        }
        if !["enabled", "adaptive", "between_tools", "disabled"].contains(&kind.as_ref()) {
            return Err(place
                .field("type")
                .malformed("one of enabled, adaptive, between_tools, disabled"));
        }
        thinking.end(&["display"])?;
    }
    Ok(())
}

/// The effort that thinks about as much as the budget allows. The bounds are ours: neither API gives any.
const fn effort_of_budget(tokens: u64) -> Effort {
    match tokens {
        0..=4096 => Effort::Low,
        4097..=16384 => Effort::Medium,
        _ => Effort::High,
    }
}

fn read_format<'a>(raw: &'a RawValue, place: &Place<'_>) -> Result<&'a str, RequestError> {
    let mut format = Object::read(raw, place)?;
    if format.need_text("type")? != "json_schema" {
        return Err(place.field("type").malformed("json_schema"));
    }
    let schema = format.verbatim_object("schema")?;
    format.end(&[])?;
    schema.ok_or_else(|| place.field("schema").malformed("an object"))
}

fn read_messages<'a>(
    request: &mut Object<'a, '_>,
    options: &RequestOptions,
    conversation: &mut Conversation<'a>,
) -> Result<(), RequestError> {
    let list_place = Place::Root.field("messages");
    let messages = request
        .list("messages")?
        .ok_or_else(|| list_place.malformed("an array"))?;
    for (index, raw) in messages.into_iter().enumerate() {
        let place = list_place.item(index);
        let mut message = Object::read(raw, &place)?;
        let role = match message.need_text("role")?.as_ref() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(place.field("role").malformed("user, assistant or system")),
        };
        let content_place = place.field("content");
        let content = message
            .take("content")
            .ok_or_else(|| content_place.malformed("a string or an array of blocks"))?;
        let pieces = read_content(content, &content_place, options)?;
        refuse_misplaced(&pieces, role, &content_place)?;
        conversation.say(role, pieces);
        message.end(&[])?;
    }
    let last = conversation.turns.last();
    if last.is_some_and(|turn| turn.role == Role::Assistant) {
        return Err(list_place.refuse(
            "the answer is to continue the assistant's last message, and OpenAI's API begins a new one",
            "end with a user message; for a given form of the answer use output_config.format",
        ));
    }
    Ok(())
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
        conversation.tools.push(read_tool(&mut tool)?);
        tool.end(&["eager_input_streaming"])?;
    }
    let Some(raw) = request.take("tool_choice") else {
        return Ok(());
    };
    let place = Place::Root.field("tool_choice");
    let mut choice = Object::read(raw, &place)?;
    let kind = choice.need_text("type")?;
    conversation.tool_choice = Some(match kind.as_ref() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.need_text("name")?),
        _ => {
            return Err(place
                .field("type")
                .malformed("one of auto, any, none, tool"));
        }
    });
    conversation.one_tool_at_a_time = choice.flag("disable_parallel_tool_use")? == Some(true);
    choice.end(&[])
}

pub(crate) const TOOL_NOT_CARRIED: &[NotCarried] = &[
    refused(
        "defer_loading",
        &["false"],
        "OpenAI's chat completions cannot search among tools",
        "offer the tool at once, or leave it out",
    ),
    refused(
        "allowed_callers",
        &["[\"direct\"]", "[]"],
        "only the model itself can call tools there",
        "allow direct calls only",
    ),
    refused(
        "input_examples",
        &["[]"],
        "OpenAI's API takes no examples of a tool's input",
        "write them into the description",
    ),
];

fn read_tool<'a>(tool: &mut Object<'a, '_>) -> Result<Tool<'a>, RequestError> {
    let place = tool.place();
    if let Some(kind) = tool.text("type")?
        && kind != "custom"
    {
        return Err(place.field("type").refuse(
            "this tool is Anthropic's own",
            "describe it as a tool of yours, with input_schema",
        ));
    }
    tool.refuse_each(TOOL_NOT_CARRIED)?;
    let schema = tool.verbatim_object("input_schema")?;
    Ok(Tool {
        name: tool.need_text("name")?,
        description: tool.text("description")?,
        schema: Some(schema.ok_or_else(|| place.field("input_schema").malformed("an object"))?),
        strict: tool.flag("strict")?.unwrap_or(false),
        cache: cache_mark(tool)?,
    })
}
