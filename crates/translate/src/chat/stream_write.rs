//! The chunks of a chat completions stream, written.

use super::answer::{finish, tier, usage};
use crate::answer::ServedTier;
use crate::json::build::{Fields, Json, object};
use crate::options::{AnswerOptions, Thinking};
use crate::problem::Problem;
use crate::stream::event::Event;
use crate::stream::{Outcome, data_event};

/// A stream of chunks.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    options: AnswerOptions,
    pub(crate) outcome: Outcome,
    id: String,
    model: String,
    tier: Option<ServedTier>,
    calls: u64,
}

impl Writer {
    pub(crate) fn new(options: AnswerOptions) -> Self {
        Self {
            options,
            outcome: Outcome::default(),
            id: String::new(),
            model: String::new(),
            tier: None,
            calls: 0,
        }
    }

    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.outcome.note(event) {
            return;
        }
        let delta = match event {
            Event::Start(start) => {
                self.id = start.id.as_ref().to_owned();
                let shown = self.options.model.as_deref().unwrap_or(&start.model);
                self.model = shown.to_owned();
                self.tier = start.tier;
                self.outcome.usage = start.usage;
                object().with("role", "assistant").with("content", "")
            }
            Event::Text(text) => object().with("content", text.as_ref()),
            Event::Refusal(text) => object().with("refusal", text.as_ref()),
            Event::Thinking(text) => match self.options.thinking {
                Thinking::Shown => object().with("reasoning_content", text.as_ref()),
                Thinking::LeftOut => return,
            },
            Event::Call { id, name } => {
                let function = object().with("name", name.as_ref()).with("arguments", "");
                let call = object()
                    .with("index", self.calls)
                    .with("id", id.as_ref())
                    .with("type", "function")
                    .with("function", function);
                self.calls += 1;
                object().with("tool_calls", vec![call.into()])
            }
            Event::Input(json) => {
                let call = object()
                    .with("index", self.calls.saturating_sub(1))
                    .with("function", object().with("arguments", json.as_ref()));
                object().with("tool_calls", vec![call.into()])
            }
            Event::Ping => return out.extend_from_slice(b": ping\n\n"),
            Event::End => return self.end(out),
            Event::Stop(_) | Event::Usage(_) => return,
        };
        self.chunk(delta, None, out);
    }

    fn head<'a>(&'a self) -> Fields<'a> {
        object()
            .with("id", self.id.as_str())
            .with("object", "chat.completion.chunk")
            .with("created", self.options.created_s)
            .with("model", self.model.as_str())
            .maybe("service_tier", self.tier.map(tier))
    }

    fn chunk(&self, delta: Fields<'_>, reason: Option<&'static str>, out: &mut Vec<u8>) {
        let choice = object()
            .with("index", 0)
            .with("delta", delta)
            .or_null("finish_reason", reason);
        let no_usage = self.options.asked.include_usage.then_some(Json::Null);
        let chunk = self
            .head()
            .with("choices", vec![choice.into()])
            .maybe("usage", no_usage);
        data_event(&chunk, out);
    }

    fn end(&self, out: &mut Vec<u8>) {
        self.chunk(object(), Some(finish(&self.outcome.stop())), out);
        if self.options.asked.include_usage {
            let chunk = self
                .head()
                .with("choices", Vec::new())
                .with("usage", usage(&self.outcome.usage));
            data_event(&chunk, out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// An error in place of all that would follow, the end marker included.
    pub(crate) fn fail(&self, problem: &Problem, out: &mut Vec<u8>) {
        data_event(&object().with("error", problem.openai()), out);
    }
}
