//! Counting chats: messages and tool definitions with the tokens that frame them.
//!
//! The framing is the one that OpenAI's guide to counting tokens gives for the GPT-3.5 to GPT-4o
//! generations. Later models are close to it, not equal.

use std::borrow::Cow;

use serde_json::Value;

use super::{Vocabulary, count};
use crate::estimate::{
    TOKENS_PER_ANSWER_PRIMER, TOKENS_PER_MESSAGE, TOKENS_PER_TOOL, TOKENS_PER_TOOL_LIST,
};

/// Tokens for the name of a message's author, besides its text.
const TOKENS_PER_NAME: u64 = 1;
/// Tokens that frame each tool definition in the generations before GPT-4o.
const TOKENS_PER_TOOL_BEFORE_4O: u64 = 10;
/// Tokens that open the list of a function's parameters.
const TOKENS_PER_PARAMETER_LIST: u64 = 3;
/// Tokens that frame each parameter.
const TOKENS_PER_PARAMETER: u64 = 3;
/// Tokens that frame each value of an enumeration; the enumeration as a whole saves as many.
const TOKENS_PER_ENUM_VALUE: u64 = 3;

/// A chat message as far as counting goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatMessage<'a> {
    /// `system`, `user`, `assistant` and the like.
    pub role: &'a str,
    /// The text content: one string, or the text parts one by one.
    pub content_texts: Vec<&'a str>,
    /// The name of the author, where one is given.
    pub name: Option<&'a str>,
}

/// Counts the input tokens of a chat for a model: messages, framing and the tools as the JSON
/// array that the request carries.
///
/// Exact for GPT-3.5, GPT-4 and GPT-4o, an estimate for later models. Images and audio are not
/// in it.
#[must_use]
pub fn count_chat(model: &str, messages: &[ChatMessage<'_>], tools_json: Option<&str>) -> u64 {
    let vocabulary = Vocabulary::for_model(model);
    let messages: u64 = messages
        .iter()
        .map(|message| count_message(vocabulary, message))
        .sum();
    let tools = tools_json.map_or(0, |tools| count_tools(vocabulary, tools));
    messages + TOKENS_PER_ANSWER_PRIMER + tools
}

fn count_message(vocabulary: Vocabulary, message: &ChatMessage<'_>) -> u64 {
    let content: u64 = message
        .content_texts
        .iter()
        .map(|text| count(vocabulary, text))
        .sum();
    let name = message
        .name
        .map_or(0, |name| count(vocabulary, name) + TOKENS_PER_NAME);
    TOKENS_PER_MESSAGE + count(vocabulary, message.role) + content + name
}

/// Counts the tool definitions of a request, given as the JSON array that it carries, in the
/// shape of Chat Completions (`{"type":"function","function":{...}}`) or of Responses
/// (`{"type":"function","name":...}`).
///
/// What cannot be read as such counts as plain text, which is more.
#[must_use]
pub fn count_tools(vocabulary: Vocabulary, tools_json: &str) -> u64 {
    let Ok(tools) = serde_json::from_str::<Vec<Value>>(tools_json) else {
        return count(vocabulary, tools_json);
    };
    if tools.is_empty() {
        return 0;
    }
    let per_tool = match vocabulary {
        Vocabulary::O200kBase | Vocabulary::O200kHarmony => TOKENS_PER_TOOL,
        _ => TOKENS_PER_TOOL_BEFORE_4O,
    };
    let functions: u64 = tools
        .iter()
        .map(|tool| per_tool + count_function(vocabulary, tool.get("function").unwrap_or(tool)))
        .sum();
    functions + TOKENS_PER_TOOL_LIST
}

fn count_function(vocabulary: Vocabulary, function: &Value) -> u64 {
    // A tool that the provider runs itself (`{"type":"web_search"}`) has a type for a name.
    let name = function.get("name").or_else(|| function.get("type"));
    let name = name.and_then(Value::as_str).unwrap_or_default();
    let line = format!("{name}:{}", description(function));
    let parameters = function.get("parameters").unwrap_or(&Value::Null);
    count(vocabulary, &line) + count_schema(vocabulary, parameters)
}

/// What a JSON schema holds beyond its own line: values to choose from, and the parameters of
/// objects and of the elements of arrays, counted by the same rules.
fn count_schema(vocabulary: Vocabulary, schema: &Value) -> u64 {
    let values = schema
        .get("enum")
        .and_then(Value::as_array)
        .map_or(0, |values| {
            let tokens = |value| TOKENS_PER_ENUM_VALUE + count(vocabulary, &scalar_text(value));
            values
                .iter()
                .map(tokens)
                .sum::<u64>()
                .saturating_sub(TOKENS_PER_ENUM_VALUE)
        });
    let elements = schema
        .get("items")
        .map_or(0, |items| count_schema(vocabulary, items));
    values + elements + count_properties(vocabulary, schema)
}

fn count_properties(vocabulary: Vocabulary, schema: &Value) -> u64 {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return 0;
    };
    if properties.is_empty() {
        return 0;
    }
    let each = properties.iter().map(|(key, property)| {
        let kind = property.get("type").map(scalar_text).unwrap_or_default();
        let line = format!("{key}:{kind}:{}", description(property));
        TOKENS_PER_PARAMETER + count(vocabulary, &line) + count_schema(vocabulary, property)
    });
    TOKENS_PER_PARAMETER_LIST + each.sum::<u64>()
}

/// The description of a function or a parameter without its full stop, which the provider drops.
fn description(of: &Value) -> &str {
    let text = of
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    text.strip_suffix('.').unwrap_or(text)
}

/// A string as it is, anything else as JSON.
fn scalar_text(value: &Value) -> Cow<'_, str> {
    value
        .as_str()
        .map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}
