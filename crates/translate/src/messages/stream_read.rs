//! The events of a messages stream, read.

use super::answer::{read_explanation, read_stop, read_usage};
use crate::answer::Usage;
use crate::dialect::Dialect;
use crate::json::{Object, Place};
use crate::problem::Problem;
use crate::stream::broken;
use crate::stream::event::{Event, Sink, Start};
use serde_json::value::RawValue;

/// What a stream's events have said so far that later ones depend on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    usage: Usage,
    /// Whether the open block is a call, and got any input yet.
    call_has_input: Option<bool>,
}

impl Reader {
    /// Reads the data of one event. Kinds of events and blocks that it does not know, it passes over,
    /// as Anthropic asks of clients.
    pub(crate) fn read(&mut self, data: &str, sink: Sink<'_>) -> Result<(), Problem> {
        let raw = serde_json::from_str::<&RawValue>(data);
        let raw = raw.map_err(|_| broken("an event that is no JSON"))?;
        let mut event = Object::read(raw, &Place::Root)?;
        match event.text("type")?.as_deref() {
            Some("message_start") => self.start(&mut event, sink),
            Some("content_block_start") => self.block_start(&mut event, sink),
            Some("content_block_delta") => self.block_delta(&mut event, sink),
            Some("content_block_stop") => match self.call_has_input.take() {
                // A tool without parameters may get no input at all, which is no JSON to others.
                Some(false) => sink(Event::Input("{}".into())),
                _ => Ok(()),
            },
            Some("message_delta") => self.message_delta(&mut event, sink),
            Some("message_stop") => sink(Event::End),
            Some("ping") => sink(Event::Ping),
            Some("error") => Err(match event.take("error") {
                Some(error) => Problem::in_stream(Dialect::Messages, error),
                None => broken("an error without its description"),
            }),
            _ => Ok(()),
        }
    }

    fn start(&mut self, event: &mut Object<'_, '_>, sink: Sink<'_>) -> Result<(), Problem> {
        let place = Place::Root.field("message");
        let raw = event
            .take("message")
            .ok_or_else(|| place.malformed("an object"))?;
        let mut message = Object::read(raw, &place)?;
        let tier = match message.take("usage") {
            Some(usage) => read_usage(usage, &mut self.usage)?,
            None => None,
        };
        sink(Event::Start(Start {
            id: message.text("id")?.unwrap_or_default(),
            model: message.text("model")?.unwrap_or_default(),
            usage: self.usage,
            tier,
        }))
    }

    fn block_start(&mut self, event: &mut Object<'_, '_>, sink: Sink<'_>) -> Result<(), Problem> {
        let place = Place::Root.field("content_block");
        let raw = event
            .take("content_block")
            .ok_or_else(|| place.malformed("an object"))?;
        let mut block = Object::read(raw, &place)?;
        self.call_has_input = None;
        match block.need_text("type")?.as_ref() {
            "text" => match block.text("text")?.filter(|text| !text.is_empty()) {
                Some(text) => sink(Event::Text(text)),
                None => Ok(()),
            },
            "tool_use" => {
                self.call_has_input = Some(false);
                sink(Event::Call {
                    id: block.need_text("id")?,
                    name: block.need_text("name")?,
                })?;
                // Other servers of this API send the whole input at once.
                let input = block.verbatim_object("input")?;
                let is_some = |json: &&str| json.bytes().any(|byte| byte == b'"');
                match input.filter(is_some) {
                    Some(input) => self.input(input.into(), sink),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn input(&mut self, json: std::borrow::Cow<'_, str>, sink: Sink<'_>) -> Result<(), Problem> {
        // Input of a call of Anthropic's own tools, which nobody asked for, is passed over as they are.
        if self.call_has_input.is_none() || json.is_empty() {
            return Ok(());
        }
        self.call_has_input = Some(true);
        sink(Event::Input(json))
    }

    fn block_delta(&mut self, event: &mut Object<'_, '_>, sink: Sink<'_>) -> Result<(), Problem> {
        let place = Place::Root.field("delta");
        let raw = event
            .take("delta")
            .ok_or_else(|| place.malformed("an object"))?;
        let mut delta = Object::read(raw, &place)?;
        match delta.need_text("type")?.as_ref() {
            "text_delta" => sink(Event::Text(delta.need_text("text")?)),
            "thinking_delta" => sink(Event::Thinking(delta.need_text("thinking")?)),
            "input_json_delta" => self.input(delta.need_text("partial_json")?, sink),
            _ => Ok(()),
        }
    }

    fn message_delta(&mut self, event: &mut Object<'_, '_>, sink: Sink<'_>) -> Result<(), Problem> {
        if let Some(usage) = event.take("usage") {
            read_usage(usage, &mut self.usage)?;
            sink(Event::Usage(self.usage))?;
        }
        let Some(raw) = event.take("delta") else {
            return Ok(());
        };
        let place = Place::Root.field("delta");
        let mut delta = Object::read(raw, &place)?;
        if let Some(details) = delta.take("stop_details")
            && let Some(explanation) = read_explanation(details)?
        {
            sink(Event::Refusal(explanation))?;
        }
        let sequence = delta.text("stop_sequence")?;
        match read_stop(delta.text("stop_reason")?.as_deref(), sequence) {
            Some(stop) => sink(Event::Stop(stop)),
            None => Ok(()),
        }
    }
}
