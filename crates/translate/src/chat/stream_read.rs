//! The chunks of a chat completions stream, read.

use super::answer::{read_finish, read_tier, read_usage};
use crate::answer::Usage;
use crate::dialect::Dialect;
use crate::error::RequestError;
use crate::json::{Object, Place, as_list};
use crate::problem::Problem;
use crate::stream::broken;
use crate::stream::event::{Event, Sink, Start};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a stream's chunks have said so far that later ones depend on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    started: bool,
    /// The call that is being written: its index and its id.
    call: Option<(u64, String)>,
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        let what = error.field().unwrap_or("event");
        broken(&format!("an event with an unreadable {what}"))
    }
}

impl Reader {
    /// Reads the data of one event.
    pub(crate) fn read(&mut self, data: &str, sink: Sink<'_>) -> Result<(), Problem> {
        if data.trim() == "[DONE]" {
            return sink(Event::End);
        }
        let raw = serde_json::from_str::<&RawValue>(data);
        let raw = raw.map_err(|_| broken("an event that is no JSON"))?;
        let mut chunk = Object::read(raw, &Place::Root)?;
        if let Some(error) = chunk.take("error") {
            return Err(Problem::in_stream(Dialect::Chat, error));
        }
        let choices = chunk.take("choices").and_then(as_list).unwrap_or_default();
        if !self.started && !choices.is_empty() {
            self.started = true;
            sink(Event::Start(Start {
                id: chunk.text("id")?.unwrap_or_default(),
                model: chunk.text("model")?.unwrap_or_default(),
                usage: Usage::default(),
                tier: read_tier(chunk.text("service_tier")?.as_deref()),
            }))?;
        }
        for raw in choices {
            self.choice(raw, sink)?;
        }
        match chunk.take("usage") {
            Some(usage) => sink(Event::Usage(read_usage(usage)?)),
            None => Ok(()),
        }
    }

    /// Of several choices, which were not asked for, the first counts.
    fn choice(&mut self, raw: &RawValue, sink: Sink<'_>) -> Result<(), Problem> {
        let list_place = Place::Root.field("choices");
        let place = list_place.item(0);
        let mut choice = Object::read(raw, &place)?;
        if choice.count("index")?.unwrap_or(0) != 0 {
            return Ok(());
        }
        if let Some(raw) = choice.take("delta") {
            let place = place.field("delta");
            self.delta(&mut Object::read(raw, &place)?, sink)?;
        }
        match read_finish(choice.text("finish_reason")?.as_deref()) {
            Some(stop) => sink(Event::Stop(stop)),
            None => Ok(()),
        }
    }

    fn delta(&mut self, delta: &mut Object<'_, '_>, sink: Sink<'_>) -> Result<(), Problem> {
        let thinking = delta
            .text("reasoning_content")?
            .or(delta.text("reasoning")?);
        let said = [
            thinking
                .filter(|text| !text.is_empty())
                .map(Event::Thinking),
            delta
                .text("content")?
                .filter(|text| !text.is_empty())
                .map(Event::Text),
            delta
                .text("refusal")?
                .filter(|text| !text.is_empty())
                .map(Event::Refusal),
        ];
        for event in said.into_iter().flatten() {
            sink(event)?;
        }
        let place = delta.place().field("tool_calls");
        for (position, raw) in delta
            .list("tool_calls")?
            .unwrap_or_default()
            .iter()
            .enumerate()
        {
            let place = place.item(position);
            self.call(&mut Object::read(raw, &place)?, sink)?;
        }
        Ok(())
    }

    /// A piece of a call. It begins a new one where its index is new; or its id, since some servers
    /// give no index, or the same to all.
    fn call(&mut self, call: &mut Object<'_, '_>, sink: Sink<'_>) -> Result<(), Problem> {
        let given = call.count("index")?;
        let id = call.text("id")?.filter(|id| !id.is_empty());
        let place = call.place().field("function");
        let function = call.take("function");
        let mut function = function.map(|raw| Object::read(raw, &place)).transpose()?;
        let (is_new, index) = match &self.call {
            None => (true, given.unwrap_or(0)),
            Some((last, last_id)) => {
                let other_id = id.as_deref().is_some_and(|id| id != last_id);
                let index = given.unwrap_or(if other_id {
                    last.saturating_add(1)
                } else {
                    *last
                });
                if index < *last {
                    return Err(broken("tool calls that are mixed with one another"));
                }
                (index > *last || other_id, index)
            }
        };
        if is_new {
            let id = id.unwrap_or_else(|| Cow::Owned(format!("call_{index}")));
            let name = match &mut function {
                Some(function) => function.text("name")?,
                None => None,
            };
            let name = name.ok_or_else(|| broken("a tool call without a name"))?;
            self.call = Some((index, id.as_ref().to_owned()));
            sink(Event::Call { id, name })?;
        }
        let arguments = match &mut function {
            Some(function) => function.text("arguments")?,
            None => None,
        };
        match arguments.filter(|text| !text.is_empty()) {
            Some(arguments) => sink(Event::Input(arguments)),
            None => Ok(()),
        }
    }
}
