//! The events of a messages stream, written.

use super::answer::{stop_reason, stop_sequence, tier, usage};
use crate::json::build::{Fields, object, typed};
use crate::options::{AnswerOptions, Thinking};
use crate::problem::{Problem, recognisable};
use crate::stream::event::{Event, Start};
use crate::stream::{Outcome, broken, named_event};

/// A stream of events. Blocks come one after the other, each ended before the next begins.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    options: AnswerOptions,
    pub(crate) outcome: Outcome,
    open: Option<Block>,
    blocks: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    Call,
}

impl Writer {
    pub(crate) fn new(options: AnswerOptions) -> Self {
        Self {
            options,
            outcome: Outcome::default(),
            open: None,
            blocks: 0,
        }
    }

    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
        if self.outcome.note(event) {
            return Ok(());
        }
        match event {
            Event::Start(start) => self.start(start, out),
            Event::Ping => named_event("ping", &typed("ping"), out),
            Event::Text(text) | Event::Refusal(text) => {
                let empty = typed("text").with("text", "");
                self.open_unless(Block::Text, empty, out)?;
                self.delta(&typed("text_delta").with("text", text.as_ref()), out);
            }
            Event::Thinking(text) => {
                if self.options.thinking == Thinking::Shown {
                    let empty = typed("thinking").with("thinking", "").with("signature", "");
                    self.open_unless(Block::Thinking, empty, out)?;
                    self.delta(
                        &typed("thinking_delta").with("thinking", text.as_ref()),
                        out,
                    );
                }
            }
            Event::Call { id, name } => {
                let call = typed("tool_use")
                    .with("id", id.as_ref())
                    .with("name", name.as_ref())
                    .with("input", object());
                self.open(Block::Call, call, out)?;
            }
            Event::Input(json) => {
                if self.open != Some(Block::Call) {
                    return Err(broken("tool calls that are mixed with text"));
                }
                let delta = typed("input_json_delta").with("partial_json", json.as_ref());
                self.delta(&delta, out);
            }
            Event::End => self.end(out),
            Event::Stop(_) | Event::Usage(_) => {}
        }
        Ok(())
    }

    /// The first event. How many tokens the input has, chat completions tell at the end only.
    fn start(&mut self, start: &Start<'_>, out: &mut Vec<u8>) {
        self.outcome.usage = start.usage;
        let model = self.options.model.as_deref().unwrap_or(&start.model);
        let usage = usage(&start.usage).maybe("service_tier", start.tier.map(tier));
        let message = object()
            .with("id", start.id.as_ref())
            .with("type", "message")
            .with("role", "assistant")
            .with("model", model)
            .with("content", Vec::new())
            .or_null("stop_reason", None::<&str>)
            .or_null("stop_sequence", None::<&str>)
            .with("usage", usage);
        let event = typed("message_start").with("message", message);
        named_event("message_start", &event, out);
    }

    fn open_unless(
        &mut self,
        block: Block,
        content: Fields<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        if self.open == Some(block) {
            return Ok(());
        }
        self.open(block, content, out)
    }

    fn open(
        &mut self,
        block: Block,
        content: Fields<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        self.close(out);
        if self.blocks == self.options.limits.blocks {
            return Err(broken("more tool calls and texts than allowed"));
        }
        let event = typed("content_block_start")
            .with("index", self.blocks as u64)
            .with("content_block", content);
        named_event("content_block_start", &event, out);
        self.open = Some(block);
        self.blocks += 1;
        Ok(())
    }

    fn index(&self) -> u64 {
        self.blocks.saturating_sub(1) as u64
    }

    fn delta(&self, delta: &Fields<'_>, out: &mut Vec<u8>) {
        let event = typed("content_block_delta")
            .with("index", self.index())
            .with("delta", delta.clone());
        named_event("content_block_delta", &event, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            let event = typed("content_block_stop").with("index", self.index());
            named_event("content_block_stop", &event, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        let stop = self.outcome.stop();
        let delta = object()
            .with("stop_reason", stop_reason(&stop))
            .or_null("stop_sequence", stop_sequence(&stop));
        let event = typed("message_delta")
            .with("delta", delta)
            .with("usage", usage(&self.outcome.usage));
        named_event("message_delta", &event, out);
        named_event("message_stop", &typed("message_stop"), out);
    }

    /// An error in place of all that would follow, the end marker included.
    pub(crate) fn fail(&self, problem: Problem, out: &mut Vec<u8>) {
        named_event("error", &recognisable(problem).messages(), out);
    }
}
