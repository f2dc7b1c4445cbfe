//! The events of a streamed response, numbered and in order.

use super::{Item, ResponseEcho, Written, text_part};
use crate::{
    answer::{Event, Pace},
    json::{Json, object},
    refusal::ApiError,
};

/// Events that are numbered as they are added.
struct Sequence {
    next: u64,
    events: Vec<Event>,
}

impl Sequence {
    const fn from(next: u64) -> Self {
        Self {
            next,
            events: Vec::new(),
        }
    }

    /// Adds an event; its members follow the type and the number.
    fn push(&mut self, kind: &'static str, pace: Pace, members: Json) {
        let mut all = vec![
            ("type", Json::from(kind)),
            ("sequence_number", self.next.into()),
        ];
        if let Json::Object(members) = members {
            all.extend(members);
        }
        self.next += 1;
        self.events
            .push(Event::typed(kind, &Json::Object(all), pace));
    }
}

/// All events of a response that is served.
pub(super) fn of(written: &Written) -> Vec<Event> {
    let mut sequence = Sequence::from(0);
    opening(&written.echo, &mut sequence);
    let item = &written.item;
    let added = object! { "output_index": 0_u64, "item": item.opening() };
    sequence.push("response.output_item.added", Pace::AtOnce, added);
    match item {
        Item::Message { tokens, .. } => message(item, tokens, &mut sequence),
        Item::Call { call, .. } => {
            let mut pace = Pace::FirstToken;
            for piece in call.pieces() {
                let delta = place(item).with("delta", piece);
                sequence.push("response.function_call_arguments.delta", pace, delta);
                pace = Pace::NextToken;
            }
            let done = place(item).with("arguments", call.arguments.as_str());
            sequence.push("response.function_call_arguments.done", Pace::AtOnce, done);
        }
    }
    let done = object! { "output_index": 0_u64, "item": item.json(written.status()) };
    sequence.push("response.output_item.done", Pace::AtOnce, done);
    let end = if written.was_cut {
        "response.incomplete"
    } else {
        "response.completed"
    };
    sequence.push(end, Pace::AtOnce, object! { "response": written.object() });
    sequence.events
}

fn opening(echo: &ResponseEcho, sequence: &mut Sequence) {
    for kind in ["response.created", "response.in_progress"] {
        let response = echo.object("in_progress", Vec::new(), None, None);
        sequence.push(kind, Pace::AtOnce, object! { "response": response });
    }
}

fn message(item: &Item, tokens: &[&str], sequence: &mut Sequence) {
    let part = || place(item).with("content_index", 0_u64);
    let no_logprobs = Vec::<Json>::new;
    let added = part().with("part", text_part(""));
    sequence.push("response.content_part.added", Pace::AtOnce, added);
    let mut pace = Pace::FirstToken;
    for token in tokens {
        let delta = part().with("delta", *token).with("logprobs", no_logprobs());
        sequence.push("response.output_text.delta", pace, delta);
        pace = Pace::NextToken;
    }
    let text = tokens.concat();
    let done = part()
        .with("text", text.as_str())
        .with("logprobs", no_logprobs());
    sequence.push("response.output_text.done", Pace::AtOnce, done);
    let done = part().with("part", text_part(&text));
    sequence.push("response.content_part.done", Pace::AtOnce, done);
}

fn place(item: &Item) -> Json {
    object! { "item_id": item.id(), "output_index": 0_u64 }
}

/// The events with which a response fails after `sent` events: an `error` event where it is asked
/// for, and `response.failed`. A response that has sent nothing opens first.
pub(crate) fn failure_events(
    echo: &ResponseEcho,
    error: &ApiError,
    sent: u64,
    with_error_event: bool,
) -> Vec<Event> {
    let mut sequence = Sequence::from(sent);
    if sent == 0 {
        opening(echo, &mut sequence);
    }
    if with_error_event {
        let members = object! {
            "code": error.code,
            "message": error.message.as_str(),
            "param": error.param,
        };
        sequence.push("error", Pace::AtOnce, members);
    }
    let response = echo.object("failed", Vec::new(), None, Some(error));
    sequence.push(
        "response.failed",
        Pace::AtOnce,
        object! { "response": response },
    );
    sequence.events
}
