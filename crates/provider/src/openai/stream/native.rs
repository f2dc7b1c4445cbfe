//! Streams that are no server-sent events, told by the kind of the call and by their first byte.

use super::StreamOutcome;
use crate::frames::{AmazonFrames, ArrayFrames, Frame};
use crate::openai::EndpointKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

/// What a stream is made of.
#[derive(Debug)]
pub(super) enum Native {
    /// Server-sent events.
    Events,
    /// Gemini sends events or a list, as it was asked; nothing has come yet but whitespace.
    EventsOrArray,
    /// A list of JSON objects, or one object.
    Array(ArrayFrames),
    /// Amazon's frames.
    Amazon(AmazonFrames),
}

impl Native {
    pub(super) fn new(kind: EndpointKind) -> Self {
        match kind {
            EndpointKind::GeminiStream => Self::EventsOrArray,
            EndpointKind::BedrockConverseStream | EndpointKind::BedrockInvokeStream => {
                Self::Amazon(AmazonFrames::default())
            }
            _ => Self::Events,
        }
    }

    /// Reads a piece and hands it on, or gives back what is to be read as server-sent events.
    pub(super) fn read(
        &mut self,
        kind: EndpointKind,
        mut chunk: Bytes,
        outcome: &mut StreamOutcome,
        out: &mut impl FnMut(Bytes),
    ) -> Option<Bytes> {
        if matches!(self, Self::EventsOrArray) {
            let blank = chunk.len() - chunk.trim_ascii_start().len();
            if blank > 0 {
                out(chunk.split_to(blank));
            }
            *self = match chunk.first()? {
                b'[' | b'{' => Self::Array(ArrayFrames::default()),
                _ => Self::Events,
            };
        }
        match self {
            Self::Events | Self::EventsOrArray => return Some(chunk),
            Self::Array(frames) => frames.push(&chunk, |object| match object {
                Some(object) => drop(outcome.observe_data(kind, b"", object)),
                None => outcome.unscanned_events += 1,
            }),
            Self::Amazon(frames) => frames.push(&chunk, |frame| match frame {
                Some(frame) => observe_frame(kind, &frame, outcome),
                None => outcome.unscanned_events += 1,
            }),
        }
        if !chunk.is_empty() {
            out(chunk);
        }
        None
    }
}

fn observe_frame(kind: EndpointKind, frame: &Frame<'_>, outcome: &mut StreamOutcome) {
    if !frame.exception.is_empty() {
        let payload = if frame.payload.is_empty() {
            frame.error_message
        } else {
            frame.payload
        };
        outcome.observe_exception(frame.exception, payload);
        return;
    }
    // `InvokeModel` wraps what the model said.
    let wrapped = (frame.event == b"chunk")
        .then(|| wrapped(frame.payload))
        .flatten();
    let data = wrapped.as_deref().unwrap_or(frame.payload);
    if !data.is_empty() {
        outcome.observe_data(kind, frame.event, data);
    }
}

/// `{"bytes": "base64 of the model's own event"}`.
fn wrapped(payload: &[u8]) -> Option<Vec<u8>> {
    let payload: Value = serde_json::from_slice(payload).ok()?;
    STANDARD.decode(payload.get("bytes")?.as_str()?).ok()
}
