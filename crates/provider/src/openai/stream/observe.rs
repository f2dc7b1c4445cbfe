//! What one event of a stream says.

use super::super::endpoint::EndpointKind;
use super::super::refusal::{Refusal, RefusalKind};
use super::super::usage::{self, Usage};
use super::{StreamEnd, StreamOutcome};
use crate::json::{JsonResult, JsonString, Kind, Skimmer};
use crate::sse::Event;

/// Events after which the provider may still refuse.
const PREAMBLE: [&[u8]; 3] = [
    b"response.created",
    b"response.queued",
    b"response.in_progress",
];

/// The last events of the dialects that have no `[DONE]`, where all went well.
const COMPLETED: [&[u8]; 6] = [
    b"response.completed",
    b"transcript.text.done",
    b"speech.audio.done",
    b"image_generation.completed",
    b"image_edit.completed",
    b"message_stop",
];

/// Ends of the types of events that bring output which is not text.
const MEDIA: [&[u8]; 3] = [
    b"audio.delta",
    b".partial_image",
    b"image_generation.completed",
];

impl StreamOutcome {
    /// Takes in an event, and says whether it is the chunk that holds nothing but the usage.
    pub(super) fn observe(&mut self, kind: EndpointKind, event: &Event<'_>) -> bool {
        match &event.data {
            Some(data) => self.observe_data(kind, event.name, data),
            None => false,
        }
    }

    /// The same of an event by its name and its data.
    pub(super) fn observe_data(&mut self, kind: EndpointKind, name: &[u8], data: &[u8]) -> bool {
        self.events += 1;
        if data.trim_ascii() == b"[DONE]" {
            self.end(StreamEnd::Completed);
            return false;
        }
        let mut facts = Facts {
            kind,
            ..Facts::default()
        };
        let mut json = Skimmer::new(data);
        // Of an event that is cut off, what came before the cut still counts.
        let _ = json
            .peek()
            .and_then(|_| json.object(|inner, key| facts.member(inner, key, self)));
        self.take_in(&facts, name, data)
    }

    /// Takes in an exception of Bedrock's, which names itself in the header of its frame.
    pub(super) fn observe_exception(&mut self, name: &[u8], payload: &[u8]) {
        self.events += 1;
        self.end(StreamEnd::Failed);
        self.refusal = Some(Refusal::from_exception(
            &String::from_utf8_lossy(name),
            payload,
        ));
    }

    fn take_in(&mut self, facts: &Facts<'_>, name: &[u8], data: &[u8]) -> bool {
        let is_error = facts.type_name == b"error" || name == b"error";
        if let Some(error) = facts.error {
            self.fail(error);
        } else if is_error {
            self.fail(data);
        } else if facts.type_name == b"response.failed" {
            self.end(StreamEnd::Failed);
        } else if !PREAMBLE.contains(&facts.type_name) {
            self.past_preamble = true;
        }
        self.names_its_end |= facts.names_its_end();
        if COMPLETED.contains(&facts.type_name) || facts.is_last {
            self.end(StreamEnd::Completed);
        } else if facts.type_name == b"response.incomplete" {
            self.end(StreamEnd::Incomplete);
        }
        if !facts.type_name.ends_with(b"audio.delta") {
            self.output_characters += facts.characters;
            self.content_seen |= facts.characters > 0;
        }
        self.content_seen |= MEDIA.iter().any(|end| facts.type_name.ends_with(end));
        self.usage = match (self.usage, facts.usage) {
            // Anthropic sends the input first and the output, which is cumulative, later.
            (Some(earlier), Some(later))
                if matches!(
                    facts.kind,
                    EndpointKind::Messages | EndpointKind::BedrockInvokeStream
                ) =>
            {
                Some(earlier.merged(later))
            }
            (earlier, later) => later.or(earlier),
        };
        facts.choices == Some(0) && facts.usage.is_some()
    }

    const fn end(&mut self, end: StreamEnd) {
        self.complete = true;
        if !matches!(self.end, Some(StreamEnd::Failed)) {
            self.end = Some(end);
        }
    }

    fn fail(&mut self, error: &[u8]) {
        self.end(StreamEnd::Failed);
        let refusal = Refusal::from_error_object(error);
        // The same failure often comes twice, and the second time with less.
        if self.refusal.is_none() || refusal.kind != RefusalKind::Other {
            self.refusal = Some(refusal);
        }
    }
}

/// What the members of one event's object say.
#[derive(Default)]
struct Facts<'a> {
    kind: EndpointKind,
    type_name: &'a [u8],
    error: Option<&'a [u8]>,
    usage: Option<Usage>,
    choices: Option<u32>,
    characters: u64,
    /// Whether the event itself says that it is the last one, apart from its usage.
    is_last: bool,
}

impl<'a> Facts<'a> {
    /// Whether the event is of a stream that has an end of its own: see
    /// [`StreamOutcome::names_its_end`].
    fn names_its_end(&self) -> bool {
        match self.kind {
            EndpointKind::ChatCompletions | EndpointKind::Completions => self.choices.is_some(),
            EndpointKind::Responses => self.type_name.starts_with(b"response."),
            EndpointKind::Messages => self.type_name == b"message_start",
            _ => false,
        }
    }

    fn member(
        &mut self,
        json: &mut Skimmer<'a>,
        key: JsonString<'a>,
        outcome: &mut StreamOutcome,
    ) -> JsonResult {
        match &*key.name() {
            b"type" => {
                if json.peek()? == Kind::String {
                    self.type_name = json.string()?.raw();
                    return Ok(());
                }
            }
            b"choices" => return self.choices(json, outcome),
            b"delta" => return self.output(json),
            b"candidates" => return self.candidates(json, outcome),
            // Gemini refused the prompt; nothing else comes.
            b"promptFeedback" => self.is_last = true,
            // Bedrock's `messageStop`.
            b"stopReason" => {
                outcome.finish_reason_seen = true;
                self.is_last = true;
            }
            // Responses and Anthropic's messages hold here what chunks have at their top.
            b"response" | b"message" | b"x_groq" => {
                if json.peek()? == Kind::Object {
                    return json.object(|inner, key| self.summary(inner, key, outcome));
                }
            }
            _ => return self.summary(json, key, outcome),
        }
        json.skip_unchecked().map(drop)
    }

    /// Members that stand at the top of a chunk or inside a `response`.
    fn summary(
        &mut self,
        json: &mut Skimmer<'a>,
        key: JsonString<'a>,
        outcome: &mut StreamOutcome,
    ) -> JsonResult {
        match &*key.name() {
            b"usage" | b"usageMetadata" | b"amazon-bedrock-invocationMetrics" => {
                usage::read(self.kind, json, &mut self.usage, &mut outcome.service_tier)
            }
            b"model" | b"modelVersion" => usage::name(json, &mut outcome.model),
            b"service_tier" => usage::name(json, &mut outcome.service_tier),
            b"id" if self.kind == EndpointKind::Responses => {
                usage::name(json, &mut outcome.response_id)
            }
            b"error" => {
                let raw = json.skip_unchecked()?;
                if raw != b"null" {
                    self.error = Some(raw);
                }
                Ok(())
            }
            _ => json.skip_unchecked().map(drop),
        }
    }

    fn choices(&mut self, json: &mut Skimmer<'a>, outcome: &mut StreamOutcome) -> JsonResult {
        if json.peek()? != Kind::Array {
            return json.skip_unchecked().map(drop);
        }
        self.choices = Some(0);
        json.array(|inner| {
            self.choices = self.choices.map(|count| count.saturating_add(1));
            if inner.peek()? != Kind::Object {
                return inner.skip_unchecked().map(drop);
            }
            inner.object(|choice, key| match &*key.name() {
                b"delta" | b"text" => self.output(choice),
                b"finish_reason" => {
                    outcome.finish_reason_seen |= choice.skip_unchecked()? != b"null";
                    Ok(())
                }
                _ => choice.skip_unchecked().map(drop),
            })
        })
    }

    /// Gemini's: `[{"content": {"parts": [{"text": "..."}]}, "finishReason": "STOP"}]`.
    fn candidates(&mut self, json: &mut Skimmer<'a>, outcome: &mut StreamOutcome) -> JsonResult {
        if json.peek()? != Kind::Array {
            return json.skip_unchecked().map(drop);
        }
        json.array(|inner| {
            if inner.peek()? != Kind::Object {
                return inner.skip_unchecked().map(drop);
            }
            inner.object(|candidate, key| match &*key.name() {
                b"content" => self.output(candidate),
                b"finishReason" => {
                    let finished = candidate.skip_unchecked()? != b"null";
                    outcome.finish_reason_seen |= finished;
                    self.is_last |= finished;
                    Ok(())
                }
                _ => candidate.skip_unchecked().map(drop),
            })
        })
    }

    /// Counts the characters of a delta: a text, or an object of texts under known keys.
    fn output(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        match json.peek()? {
            Kind::String => {
                self.characters += json.string()?.characters();
                Ok(())
            }
            Kind::Array => json.array(|inner| self.output(inner)),
            Kind::Object => json.object(|inner, key| match &*key.name() {
                b"content" | b"refusal" | b"reasoning_content" | b"reasoning" | b"text"
                | b"tool_calls" | b"function_call" | b"function" | b"custom" | b"name"
                | b"arguments" | b"input" | b"audio" | b"transcript" | b"partial_json"
                | b"thinking" | b"parts" | b"functionCall" | b"toolUse" | b"reasoningContent" => {
                    self.output(inner)
                }
                _ => inner.skip_unchecked().map(drop),
            }),
            _ => json.skip_unchecked().map(drop),
        }
    }
}
