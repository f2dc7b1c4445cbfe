//! Calls of the caller's tools, made when the request demands one.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::content::{Draw, tokens};

/// A tool call that an answer consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToolCall {
    pub(super) name: String,
    /// The arguments as JSON text.
    pub(super) arguments: String,
    /// Whether the request named the tool, rather than demanding any.
    pub(super) was_named: bool,
}

impl ToolCall {
    /// The call that `tool_choice` demands: of the tool it names, or of the first one if it is
    /// `required`. Tools may be those of chat completions or of responses.
    pub(super) fn demanded(request: &Value, digest: u64) -> Option<Self> {
        let tools = request.get("tools")?.as_array()?;
        let choice = request.get("tool_choice")?;
        let named = choice
            .get("function")
            .unwrap_or(choice)
            .get("name")
            .and_then(Value::as_str);
        let wanted = |function: &&Value| match named {
            Some(name) => function.get("name").and_then(Value::as_str) == Some(name),
            None => choice.as_str() == Some("required"),
        };
        let mut functions = tools
            .iter()
            .map(|tool| tool.get("function").unwrap_or(tool));
        let function = functions.find(wanted)?;
        let name = function.get("name")?.as_str()?.to_owned();
        let schema = function.get("parameters").unwrap_or(&Value::Null);
        Some(Self {
            was_named: named.is_some(),
            ..Self::of(&name, schema, digest)
        })
    }

    /// A call of a tool whose arguments have a schema.
    pub(super) fn of(name: &str, schema: &Value, digest: u64) -> Self {
        Self {
            name: name.to_owned(),
            arguments: example(schema, &mut Draw::new(digest), 0).to_string(),
            was_named: true,
        }
    }

    /// What usage reports for the call: a token for each four characters begun.
    pub(super) fn tokens(&self) -> u64 {
        (self.name.chars().count() + self.arguments.chars().count()).div_ceil(4) as u64
    }

    /// Cuts the arguments, so that the call has at most so many tokens; says whether it did.
    pub(super) fn cut(&mut self, limit: u64) -> bool {
        if self.tokens() <= limit {
            return false;
        }
        let characters = limit
            .saturating_mul(4)
            .saturating_sub(self.name.chars().count() as u64);
        self.arguments = self.arguments.chars().take(characters as usize).collect();
        true
    }

    /// The arguments in pieces as a stream carries them.
    pub(super) fn pieces(&self) -> Vec<String> {
        let characters: Vec<char> = self.arguments.chars().collect();
        characters
            .chunks(4)
            .map(|piece| piece.iter().collect())
            .collect()
    }
}

/// An answer that fits a schema, in pieces of four characters, each of which counts as one token; at
/// most so many, and whether it was cut.
pub(super) fn structured(
    schema: &Value,
    digest: u64,
    limit: u64,
) -> (Vec<Cow<'static, str>>, bool) {
    let mut pieces = ToolCall::of("", schema, digest).pieces();
    let was_cut = pieces.len() as u64 > limit;
    pieces.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    (pieces.into_iter().map(Cow::from).collect(), was_cut)
}

/// Schemas deeper than this get an empty object.
const DEEPEST: u32 = 16;

/// A value that fits a JSON schema, as far as types, constants and enumerations say.
fn example(schema: &Value, draw: &mut Draw, depth: u32) -> Value {
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.is_empty()
    {
        let index = (draw.next() % choices.len() as u64) as usize;
        return choices.get(index).cloned().unwrap_or(Value::Null);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        kind => kind.and_then(Value::as_str),
    };
    match kind {
        Some("string") => json!(tokens(draw.next(), 1).concat()),
        Some("integer" | "number") => json!(draw.next() % 100),
        Some("boolean") => json!(draw.next().is_multiple_of(2)),
        Some("null") => Value::Null,
        Some("array") => {
            let items = schema.get("items").filter(|_| depth < DEEPEST);
            json!(
                items
                    .map(|items| vec![example(items, draw, depth + 1)])
                    .unwrap_or_default()
            )
        }
        _ => {
            let mut object = Map::new();
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten().filter(|_| depth < DEEPEST) {
                object.insert(name.clone(), example(property, draw, depth + 1));
            }
            Value::Object(object)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demanded_call_has_arguments_of_the_right_types() {
        let request = json!({
            "tools": [
                {"type": "function", "function": {"name": "first"}},
                {"type": "function", "function": {"name": "weather", "parameters": {
                    "type": "object",
                    "properties": {
                        "city": {"type": "string"},
                        "days": {"type": "integer"},
                        "unit": {"enum": ["celsius", "fahrenheit"]},
                        "tags": {"type": "array", "items": {"type": "boolean"}},
                    },
                }}},
            ],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
        });
        let call = ToolCall::demanded(&request, 3).unwrap();
        assert_eq!((call.name.as_str(), call.was_named), ("weather", true));
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
        assert!(arguments["city"].is_string() && arguments["days"].is_u64());
        assert!(["celsius", "fahrenheit"].contains(&arguments["unit"].as_str().unwrap()));
        assert!(arguments["tags"][0].is_boolean());
        assert_eq!(call.pieces().concat(), call.arguments);
    }

    #[test]
    fn an_answer_fits_its_schema_unless_it_is_cut() {
        let schema = json!({"type": "object", "properties": {
            "city": {"type": "string"}, "days": {"type": "integer"},
        }});
        let (pieces, was_cut) = structured(&schema, 3, 100);
        let answer: Value = serde_json::from_str(&pieces.concat()).unwrap();
        assert!(answer["city"].is_string() && answer["days"].is_u64() && !was_cut);
        assert_eq!(structured(&schema, 3, 2).0, pieces[..2]);
        assert!(structured(&schema, 3, 2).1);
    }

    #[test]
    fn without_a_demand_no_tool_is_called() {
        let tools = json!([{"type": "function", "name": "first"}]);
        let asks = |choice: Value| json!({"tools": tools, "tool_choice": choice});
        assert!(ToolCall::demanded(&asks(json!("auto")), 0).is_none());
        assert!(ToolCall::demanded(&asks(json!({"type": "function", "name": "x"})), 0).is_none());
        assert!(ToolCall::demanded(&json!({"tools": tools}), 0).is_none());
        let required = ToolCall::demanded(&asks(json!("required")), 0).unwrap();
        assert_eq!(
            (required.name.as_str(), required.was_named),
            ("first", false)
        );
    }
}
