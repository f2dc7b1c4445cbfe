//! How large a request is: in characters, by which it is charged, and in tokens, which it reports.
//!
//! The prompt tokens that usage reports are, for every text, a token for each four characters begun;
//! three for the framing of each message, one for a name, and three once for the answer's opening
//! (the framing that OpenAI documents for its chat models). An image counts 85.

use serde_json::Value;

/// Tokens that usage reports for an image in a prompt.
const IMAGE_TOKENS: u64 = 85;

/// The size of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Prompt {
    /// Unicode characters of all text.
    pub(crate) characters: u64,
    /// Tokens as usage reports them.
    pub(crate) tokens: u64,
}

impl Prompt {
    /// The size of a text.
    pub(crate) fn of_text(text: &str) -> Self {
        let mut prompt = Self::default();
        prompt.text(text);
        prompt
    }

    /// The size of a chat: messages and tools.
    pub(crate) fn of_chat(messages: &[Value], tools: Option<&Value>) -> Self {
        let mut prompt = Self {
            characters: 0,
            tokens: 3,
        };
        for message in messages {
            prompt.message(message);
        }
        if let Some(tools) = tools {
            prompt.json(tools);
        }
        prompt
    }

    /// The size of a request to the Responses API: input, instructions and tools.
    pub(crate) fn of_response(request: &Value) -> Self {
        let mut prompt = Self {
            characters: 0,
            tokens: 3,
        };
        match request.get("input") {
            Some(Value::String(text)) => {
                prompt.text(text);
                prompt.tokens += 3;
            }
            Some(Value::Array(items)) => items.iter().for_each(|item| prompt.message(item)),
            _ => {}
        }
        if let Some(instructions) = request.get("instructions").and_then(Value::as_str) {
            prompt.text(instructions);
            prompt.tokens += 3;
        }
        if let Some(tools) = request.get("tools") {
            prompt.json(tools);
        }
        prompt
    }

    /// The size of an input that is a text, a list of texts, a list of tokens, or a list of these.
    pub(crate) fn of_input(input: &Value) -> Self {
        let mut prompt = Self::default();
        prompt.input(input);
        prompt
    }

    fn input(&mut self, input: &Value) {
        match input {
            Value::String(text) => self.text(text),
            Value::Number(_) => {
                self.tokens += 1;
                self.characters += 4;
            }
            Value::Array(items) => items.iter().for_each(|item| self.input(item)),
            Value::Object(part) => self.part(part.get("text"), part.contains_key("image_url")),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, text: &str) {
        let characters = text.chars().count() as u64;
        self.characters += characters;
        self.tokens += characters.div_ceil(4);
    }

    /// Adds what is counted as the text of its JSON.
    pub(crate) fn json(&mut self, value: &Value) {
        if !value.is_null() {
            self.text(&value.to_string());
        }
    }

    /// A chat message, or an item of a response's input.
    fn message(&mut self, message: &Value) {
        self.tokens += 3;
        if let Some(name) = message.get("name").and_then(Value::as_str) {
            self.text(name);
            self.tokens += 1;
        }
        match message.get("content") {
            Some(Value::String(text)) => self.text(text),
            Some(Value::Array(parts)) => {
                for part in parts {
                    self.part(part.get("text"), part.get("image_url").is_some());
                }
            }
            _ => {}
        }
        for call in message
            .get("tool_calls")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            for member in ["name", "arguments"] {
                let text = call
                    .get("function")
                    .and_then(|function| function.get(member));
                text.and_then(Value::as_str)
                    .into_iter()
                    .for_each(|text| self.text(text));
            }
        }
        for member in ["arguments", "output"] {
            message
                .get(member)
                .and_then(Value::as_str)
                .into_iter()
                .for_each(|text| self.text(text));
        }
    }

    /// Adds an image.
    pub(crate) fn image(&mut self) {
        self.tokens += IMAGE_TOKENS;
    }

    fn part(&mut self, text: Option<&Value>, is_image: bool) {
        text.and_then(Value::as_str)
            .into_iter()
            .for_each(|text| self.text(text));
        if is_image {
            self.image();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_chat_counts_contents_parts_names_calls_and_tools() {
        let messages = json!([
            {"role": "system", "content": "12345678"},
            {"role": "user", "name": "ann", "content": [
                {"type": "text", "text": "äöü"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "x", "type": "function", "function": {"name": "add", "arguments": "{\"a\":1}"}},
            ]},
        ]);
        let tools = json!([{"type": "function"}]);
        let prompt = Prompt::of_chat(messages.as_array().unwrap(), Some(&tools));
        let tools_characters = r#"[{"type":"function"}]"#.len() as u64;
        assert_eq!(prompt.characters, 8 + 3 + 3 + 3 + 7 + tools_characters);
        let texts = 2 + 1 + 1 + 1 + 2 + tools_characters.div_ceil(4);
        assert_eq!(prompt.tokens, 3 + 3 * 3 + 1 + 85 + texts);
    }

    #[test]
    fn tokens_given_as_numbers_count_as_tokens() {
        let prompt = Prompt::of_input(&json!([[1, 2, 3], [4]]));
        assert_eq!(
            prompt,
            Prompt {
                characters: 16,
                tokens: 4
            }
        );
        assert_eq!(
            Prompt::of_input(&json!(["abcde", ""])),
            Prompt {
                characters: 5,
                tokens: 2
            }
        );
    }
}
