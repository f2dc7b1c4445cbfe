//! A chat request as far as counting goes.

use paceline_tokens::{ChatMessage, EstimateInput, Family, TextProfile};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::exit::Failure;

/// The body of a chat request.
#[derive(Debug, Deserialize)]
pub(super) struct ChatBody {
    model: Option<String>,
    messages: Vec<Message>,
    tools: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
    name: Option<String>,
}

impl ChatBody {
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        serde_json::from_str(text).map_err(|error| {
            Failure::other(format!(
                "this is not the body of a chat request: {error}; it needs messages, as in \
                 {{\"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}"
            ))
        })
    }

    pub(super) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The exact count, framing included.
    pub(super) fn tokens(&self, model: &str) -> u64 {
        let messages: Vec<ChatMessage<'_>> = self.messages.iter().map(Message::counted).collect();
        paceline_tokens::count_chat(model, &messages, self.tools())
    }

    /// What an estimate is made from.
    pub(super) fn estimate_input(&self, model: &str) -> EstimateInput {
        let mut profile = TextProfile::default();
        for message in &self.messages {
            let texts = message.texts().into_iter().chain(message.name.as_deref());
            texts.for_each(|text| profile += TextProfile::of(text));
        }
        let tools = self.tools();
        if let Some(tools) = tools {
            profile += TextProfile::of(tools);
        }
        let tools = tools.and_then(|tools| serde_json::from_str::<Vec<Value>>(tools).ok());
        EstimateInput {
            profile,
            message_count: self.messages.len() as u64,
            tool_count: tools.map_or(0, |tools| tools.len() as u64),
            family: Family::for_model(model),
            ..EstimateInput::default()
        }
    }

    fn tools(&self) -> Option<&str> {
        self.tools
            .as_deref()
            .map(RawValue::get)
            .filter(|tools| *tools != "null")
    }
}

impl Message {
    fn counted(&self) -> ChatMessage<'_> {
        ChatMessage {
            role: &self.role,
            content_texts: self.texts(),
            name: self.name.as_deref(),
        }
    }

    /// The text of the message: one string, or its text parts.
    fn texts(&self) -> Vec<&str> {
        match &self.content {
            Value::String(text) => vec![text],
            Value::Array(parts) => parts
                .iter()
                .filter_map(|part| part.get("text")?.as_str())
                .collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_parts_count_as_the_same_text_would() {
        let whole = r#"{"messages":[{"role":"user","content":"Hello there"}]}"#;
        let parts = r#"{"model":"gpt-4o","tools":null,"messages":[{"role":"user","content":[
            {"type":"text","text":"Hello there"},
            {"type":"image_url","image_url":{"url":"data:..."}}]}]}"#;
        let (whole, parts) = (
            ChatBody::read(whole).unwrap(),
            ChatBody::read(parts).unwrap(),
        );
        assert_eq!(whole.tokens("gpt-4o"), parts.tokens("gpt-4o"));
        // 3 and 1 frame the message, 2 are its text, 3 open the answer.
        assert_eq!(whole.tokens("gpt-4o"), 9);
        assert_eq!(parts.model(), Some("gpt-4o"));
        assert_eq!(
            whole.estimate_input("gpt-4o"),
            parts.estimate_input("gpt-4o")
        );
    }

    #[test]
    fn a_body_without_messages_is_refused_with_an_example() {
        let failure = ChatBody::read(r#"{"model":"gpt-4o"}"#).unwrap_err();
        assert!(format!("{failure:?}").contains("missing field `messages`"));
    }
}
