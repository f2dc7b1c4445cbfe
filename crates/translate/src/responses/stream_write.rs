//! The events of a responses stream, written. The last one holds the whole answer.

use super::answer::{
    Head, call_item, incomplete, item_id, message_item, refusal_part, status, text_part, usage,
};
use crate::json::build::{Fields, Json, object, typed, verbatim};
use crate::options::AnswerOptions;
use crate::problem::Problem;
use crate::stream::event::Event;
use crate::stream::{Outcome, broken, named_event};

/// A stream of events, and the answer as far as it came.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    options: AnswerOptions,
    pub(crate) outcome: Outcome,
    id: String,
    model: String,
    sequence: u64,
    /// The items that are done, as JSON.
    output: Vec<String>,
    open: Option<Item>,
    held_bytes: usize,
}

#[derive(Debug, Clone)]
enum Item {
    Message {
        /// The parts that are done, as JSON.
        parts: Vec<String>,
        part: Part,
    },
    Call {
        id: String,
        name: String,
        arguments: String,
    },
}

#[derive(Debug, Clone)]
struct Part {
    is_refusal: bool,
    text: String,
}

impl Writer {
    pub(crate) fn new(options: AnswerOptions) -> Self {
        Self {
            options,
            outcome: Outcome::default(),
            id: String::new(),
            model: String::new(),
            sequence: 0,
            output: Vec::new(),
            open: None,
            held_bytes: 0,
        }
    }

    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
        if self.outcome.note(event) {
            return Ok(());
        }
        match event {
            Event::Start(start) => {
                self.id = start.id.as_ref().to_owned();
                let shown = self.options.model.as_deref().unwrap_or(&start.model);
                self.model = shown.to_owned();
                self.outcome.usage = start.usage;
                for name in ["response.created", "response.in_progress"] {
                    let response = self.response("in_progress").with("usage", Json::Null);
                    let response = json(&response);
                    self.emit(name, typed(name).with("response", verbatim(response)), out);
                }
            }
            Event::Text(text) => self.text(text, false, out)?,
            Event::Refusal(text) => self.text(text, true, out)?,
            Event::Call { id, name } => self.call(id, name, out)?,
            Event::Input(json) => self.input(json, out)?,
            Event::Ping => out.extend_from_slice(b": ping\n\n"),
            Event::End => self.end(out),
            Event::Thinking(_) | Event::Stop(_) | Event::Usage(_) => {}
        }
        Ok(())
    }

    fn emit(&mut self, name: &'static str, event: Fields<'_>, out: &mut Vec<u8>) {
        let event = event.with("sequence_number", self.sequence);
        named_event(name, &event, out);
        self.sequence += 1;
    }

    fn response(&self, status: &'static str) -> Fields<'_> {
        let head = Head {
            id: &self.id,
            model: &self.model,
            created_s: self.options.created_s,
            asked: &self.options.asked,
        };
        let output = self.output.iter().map(|item| verbatim(item.as_str()));
        head.response(status, output.collect())
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Problem> {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        let limits = self.options.limits;
        if self.held_bytes > limits.answer_bytes || self.output.len() >= limits.blocks {
            return Err(broken("an answer that is longer than allowed"));
        }
        Ok(())
    }

    fn text(&mut self, text: &str, is_refusal: bool, out: &mut Vec<u8>) -> Result<(), Problem> {
        self.hold(text.len())?;
        self.open_part(is_refusal, out);
        let index = self.output.len();
        let id = item_id("msg", &self.id, index);
        let Some(Item::Message { parts, part }) = &mut self.open else {
            return Ok(());
        };
        part.text.push_str(text);
        let content_index = parts.len() as u64;
        let name = if is_refusal {
            "response.refusal.delta"
        } else {
            "response.output_text.delta"
        };
        let event = typed(name)
            .with("item_id", id)
            .with("output_index", index as u64)
            .with("content_index", content_index)
            .with("delta", text);
        let event = if is_refusal {
            event
        } else {
            event.with("logprobs", Vec::new())
        };
        self.emit(name, event, out);
        Ok(())
    }

    /// Sees to it that a part of this kind is open in a message.
    fn open_part(&mut self, is_refusal: bool, out: &mut Vec<u8>) {
        match &self.open {
            Some(Item::Message { part, .. }) if part.is_refusal == is_refusal => return,
            Some(Item::Message { .. }) => self.close_part(out),
            Some(Item::Call { .. }) => self.close(out),
            None => {}
        }
        let part = Part {
            is_refusal,
            text: String::new(),
        };
        let index = self.output.len();
        let id = item_id("msg", &self.id, index);
        if let Some(Item::Message { part: open, .. }) = &mut self.open {
            *open = part;
        } else {
            self.open = Some(Item::Message {
                parts: Vec::new(),
                part,
            });
            let item = message_item(id.clone(), Vec::new(), "in_progress");
            let name = "response.output_item.added";
            let event = typed(name)
                .with("output_index", index as u64)
                .with("item", item);
            self.emit(name, event, out);
        }
        let content_index = match &self.open {
            Some(Item::Message { parts, .. }) => parts.len() as u64,
            _ => 0,
        };
        let empty = if is_refusal {
            refusal_part("")
        } else {
            text_part("")
        };
        let name = "response.content_part.added";
        let event = typed(name)
            .with("item_id", id)
            .with("output_index", index as u64)
            .with("content_index", content_index)
            .with("part", empty);
        self.emit(name, event, out);
    }

    fn close_part(&mut self, out: &mut Vec<u8>) {
        let index = self.output.len();
        let id = item_id("msg", &self.id, index);
        let Some(Item::Message { parts, part }) = &mut self.open else {
            return;
        };
        let content_index = parts.len() as u64;
        let text = std::mem::take(&mut part.text);
        let is_refusal = part.is_refusal;
        let whole = if is_refusal {
            refusal_part(&text)
        } else {
            text_part(&text)
        };
        parts.push(json(&whole));
        let place = |event: Fields<'static>| {
            event
                .with("item_id", id.clone())
                .with("output_index", index as u64)
                .with("content_index", content_index)
        };
        if is_refusal {
            let name = "response.refusal.done";
            let event = place(typed(name)).with("refusal", text.clone());
            self.emit(name, event, out);
        } else {
            let name = "response.output_text.done";
            let event = place(typed(name)).with("text", text.clone());
            self.emit(name, event.with("logprobs", Vec::new()), out);
        }
        let name = "response.content_part.done";
        let event = place(typed(name)).with("part", verbatim(json(&whole)));
        self.emit(name, event, out);
    }

    fn call(&mut self, id: &str, name: &str, out: &mut Vec<u8>) -> Result<(), Problem> {
        self.close(out);
        self.hold(id.len() + name.len())?;
        let index = self.output.len() as u64;
        self.open = Some(Item::Call {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
        });
        let item = call_item(id, name, "", "in_progress");
        let added = "response.output_item.added";
        let event = typed(added).with("output_index", index).with("item", item);
        self.emit(added, event, out);
        Ok(())
    }

    fn input(&mut self, json: &str, out: &mut Vec<u8>) -> Result<(), Problem> {
        self.hold(json.len())?;
        let index = self.output.len() as u64;
        let Some(Item::Call { id, arguments, .. }) = &mut self.open else {
            return Err(broken("tool calls that are mixed with text"));
        };
        arguments.push_str(json);
        let name = "response.function_call_arguments.delta";
        let event = typed(name)
            .with("item_id", format!("fc_{id}"))
            .with("output_index", index)
            .with("delta", json);
        self.emit(name, event, out);
        Ok(())
    }

    /// Ends the open item.
    fn close(&mut self, out: &mut Vec<u8>) {
        self.close_part(out);
        let index = self.output.len();
        let item = match self.open.take() {
            None => return,
            Some(Item::Message { parts, .. }) => {
                let parts = parts.into_iter().map(verbatim).collect();
                json(&message_item(
                    item_id("msg", &self.id, index),
                    parts,
                    "completed",
                ))
            }
            Some(Item::Call {
                id,
                name,
                arguments,
            }) => {
                let done = "response.function_call_arguments.done";
                let event = typed(done)
                    .with("item_id", format!("fc_{id}"))
                    .with("output_index", index as u64)
                    .with("name", name.as_str())
                    .with("arguments", arguments.as_str());
                self.emit(done, event, out);
                json(&call_item(&id, &name, &arguments, "completed"))
            }
        };
        let done = "response.output_item.done";
        let event = typed(done)
            .with("output_index", index as u64)
            .with("item", verbatim(item.as_str()));
        self.emit(done, event, out);
        self.output.push(item);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        let stop = self.outcome.stop();
        let name = match status(&stop) {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        let response = self
            .response(status(&stop))
            .or_null("error", None::<&str>)
            .or_null("incomplete_details", incomplete(&stop))
            .with("usage", usage(&self.outcome.usage));
        let response = json(&response);
        self.emit(name, typed(name).with("response", verbatim(response)), out);
    }

    /// An error in place of all that would follow.
    pub(crate) fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        let code = problem.openai_code();
        let event = typed("error")
            .with("code", code)
            .with("message", problem.message.as_str())
            .or_null("param", None::<&str>);
        self.emit("error", event, out);
        let error = object()
            .with("code", code)
            .with("message", problem.message.as_str());
        let response = self
            .response("failed")
            .with("error", error)
            .or_null("incomplete_details", None::<&str>)
            .or_null("usage", None::<&str>);
        let response = json(&response);
        let name = "response.failed";
        self.emit(name, typed(name).with("response", verbatim(response)), out);
    }
}

/// An object as JSON, to be kept.
fn json(fields: &Fields<'_>) -> String {
    let mut out = Vec::new();
    fields.write(&mut out);
    String::from_utf8(out).unwrap_or_default()
}
