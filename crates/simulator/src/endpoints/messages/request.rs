//! What a request to `/v1/messages` says, and what is wrong with one that is refused.

use serde_json::{Map, Value};

use super::{
    super::{
        Input,
        prefix::{Blocks, FIVE_MINUTES_NS, HOUR_NS},
        tools::ToolCall,
    },
    check_model,
};
use crate::{prompt::Prompt, provider::Provider, refusal::ApiError};

/// The most marks that a request may have.
const MOST_MARKS: usize = 4;
/// The least that a budget for thinking may be.
const LEAST_BUDGET: u64 = 1_024;

/// A request that could be read.
pub(super) struct Request {
    body: Map<String, Value>,
    pub(super) model: String,
    pub(super) stream: bool,
    /// Identifies the body: a streamed answer has the same content as a whole one.
    pub(super) digest: u64,
}

/// Every request says which version of the API it speaks.
pub(super) fn check_version(input: &Input<'_>) -> Result<(), ApiError> {
    if input.headers.contains_key("anthropic-version") {
        return Ok(());
    }
    Err(ApiError::invalid("anthropic-version: header is required"))
}

impl Request {
    pub(super) fn read(provider: &Provider, input: &Input<'_>) -> Result<Self, ApiError> {
        check_version(input)?;
        let mut body = match serde_json::from_slice(&input.body) {
            Ok(Value::Object(body)) => body,
            Ok(_) => return Err(ApiError::invalid("The request body is not a JSON object")),
            Err(error) => {
                let message = format!("The request body is not valid JSON: {error}");
                return Err(ApiError::invalid(message));
            }
        };
        let model = match body.get("model") {
            Some(Value::String(model)) if !model.is_empty() => model.clone(),
            Some(_) => return Err(invalid("model", "Input should be a valid string")),
            None => return Err(required("model")),
        };
        check_model(provider, &model)?;
        let stream = body.remove("stream");
        let mut digest = provider.digest();
        // A digest takes any bytes.
        let _ = serde_json::to_writer(&mut digest, &body);
        Ok(Self {
            model,
            stream: stream.and_then(|stream| stream.as_bool()).unwrap_or(false),
            digest: digest.value(),
            body,
        })
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.body.get(name).filter(|value| !value.is_null())
    }

    /// The limit on the answer, which every request must have.
    pub(super) fn max_tokens(&self) -> Result<u64, ApiError> {
        match self.get("max_tokens") {
            None => Err(required("max_tokens")),
            Some(value) => match value.as_u64() {
                Some(0) => Err(invalid(
                    "max_tokens",
                    "Input should be greater than or equal to 1",
                )),
                Some(tokens) => Ok(tokens),
                None => Err(invalid("max_tokens", "Input should be a valid integer")),
            },
        }
    }

    /// The budget for thinking, where it is enabled.
    pub(super) fn thinking_budget(&self) -> Result<Option<u64>, ApiError> {
        let Some(thinking) = self.get("thinking") else {
            return Ok(None);
        };
        match thinking.get("type").and_then(Value::as_str) {
            Some("enabled") => {}
            Some("adaptive") => return Ok(Some(LEAST_BUDGET)),
            _ => return Ok(None),
        }
        let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
        let budget = budget.ok_or_else(|| required("thinking.enabled.budget_tokens"))?;
        if budget < LEAST_BUDGET {
            let message = "Input should be greater than or equal to 1024";
            return Err(invalid("thinking.enabled.budget_tokens", message));
        }
        if budget >= self.max_tokens()? {
            return Err(ApiError::invalid(
                "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our \
                 documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking",
            ));
        }
        Ok(Some(budget))
    }

    /// The call that the request demands: of the tool that it names, or of the first one.
    pub(super) fn demanded_call(&self) -> Option<ToolCall> {
        let tools = self.get("tools")?.as_array()?;
        let choice = self.get("tool_choice")?;
        let named = choice.get("name").and_then(Value::as_str);
        let tool = match choice.get("type").and_then(Value::as_str)? {
            "any" => tools.first()?,
            "tool" => tools
                .iter()
                .find(|tool| tool.get("name").and_then(Value::as_str) == named)?,
            _ => return None,
        };
        let name = tool.get("name")?.as_str()?;
        let schema = tool.get("input_schema").unwrap_or(&Value::Null);
        Some(ToolCall::of(name, schema, self.digest))
    }

    /// The schema that the answer has to fit, under the field's present name or its former one.
    pub(super) fn wanted_schema(&self) -> Option<&Value> {
        let present = self
            .get("output_config")
            .and_then(|config| config.get("format"));
        present.or_else(|| self.get("output_format"))?.get("schema")
    }

    /// The prompt in the order in which it is cached: tools, system, messages.
    pub(super) fn blocks(&self, provider: &Provider) -> Result<Blocks, ApiError> {
        let messages = match self.get("messages") {
            Some(Value::Array(messages)) if !messages.is_empty() => messages,
            Some(Value::Array(_)) => {
                return Err(ApiError::invalid(
                    "messages: at least one message is required",
                ));
            }
            Some(_) => return Err(invalid("messages", "Input should be a valid list")),
            None => return Err(required("messages")),
        };
        let mut blocks = Blocks::new(provider, &self.model, 3);
        for tool in self
            .get("tools")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let mut size = Prompt::default();
            size.json(&unmarked(tool));
            add(&mut blocks, "tool", tool, size);
        }
        if let Some(system) = self.get("system") {
            content(&mut blocks, "system", system);
        }
        for (index, message) in messages.iter().enumerate() {
            let role = message.get("role").and_then(Value::as_str);
            let Some(role @ ("user" | "assistant" | "system")) = role else {
                let path = format!("messages.{index}.role");
                return Err(invalid(&path, "Input should be 'user' or 'assistant'"));
            };
            let said = message.get("content");
            let said = said.ok_or_else(|| required(&format!("messages.{index}.content")))?;
            // The framing of a message.
            let framing = Prompt {
                characters: 0,
                tokens: 3,
            };
            blocks.add(role, &Value::Null, framing);
            content(&mut blocks, role, said);
        }
        if let Some(control) = self.get("cache_control") {
            blocks.mark(time_of(control));
        }
        match blocks.marks() {
            marks if marks > MOST_MARKS => Err(ApiError::invalid(format!(
                "A maximum of {MOST_MARKS} blocks with cache_control may be provided. Found {marks}."
            ))),
            _ => Ok(blocks),
        }
    }
}

/// Adds a content that is a text or a list of blocks.
fn content(blocks: &mut Blocks, kind: &str, content: &Value) {
    match content {
        Value::Array(list) => {
            for block in list {
                let mut size = Prompt::default();
                measure(&mut size, block);
                add(blocks, kind, block, size);
            }
        }
        Value::String(text) => blocks.add(kind, content, Prompt::of_text(text)),
        _ => {}
    }
}

fn add(blocks: &mut Blocks, kind: &str, block: &Value, size: Prompt) {
    blocks.add(kind, &unmarked(block), size);
    if let Some(control) = block
        .get("cache_control")
        .filter(|control| !control.is_null())
    {
        blocks.mark(time_of(control));
    }
}

/// A block without its mark: where the marks lie does not change what is read.
fn unmarked(block: &Value) -> Value {
    let mut block = block.clone();
    if let Value::Object(members) = &mut block {
        members.remove("cache_control");
    }
    block
}

fn time_of(control: &Value) -> u64 {
    match control.get("ttl").and_then(Value::as_str) {
        Some("1h") => HOUR_NS,
        _ => FIVE_MINUTES_NS,
    }
}

fn measure(size: &mut Prompt, block: &Value) {
    let text = |name: &str| block.get(name).and_then(Value::as_str);
    match block.get("type").and_then(Value::as_str) {
        Some("image") => size.image(),
        Some("tool_use") => {
            size.text(text("name").unwrap_or_default());
            size.json(block.get("input").unwrap_or(&Value::Null));
        }
        Some("tool_result") => match block.get("content") {
            Some(Value::String(result)) => size.text(result),
            Some(Value::Array(parts)) => parts.iter().for_each(|part| measure(size, part)),
            _ => {}
        },
        Some("thinking") => size.text(text("thinking").unwrap_or_default()),
        Some("document") => {
            let source = block.get("source").and_then(|source| source.get("data"));
            size.text(source.and_then(Value::as_str).unwrap_or_default());
        }
        _ => size.text(text("text").unwrap_or_default()),
    }
}

fn required(path: &str) -> ApiError {
    invalid(path, "Field required")
}

fn invalid(path: &str, message: &str) -> ApiError {
    ApiError::invalid(format!("{path}: {message}"))
}
