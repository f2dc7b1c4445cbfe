//! Streams: read in the provider's words, written in the caller's, as they come.

use crate::answer::{Stop, Usage};
use crate::dialect::{Dialect, Pair};
use crate::options::AnswerOptions;
use crate::problem::{Kind, Problem};
use crate::{chat, messages, responses};
use bytes::Bytes;
use event::Event;
use frames::{Frame, Frames, TooLong};

pub(crate) mod event;
pub(crate) mod frames;

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// With its end marker, which the caller got too.
    Complete,
    /// Before its end marker. The caller got an error in its place.
    Cut,
    /// With an error of the provider's, or with what is no stream of its API. The caller got an error.
    Failed,
}

/// Translates a stream that arrives in arbitrary pieces.
#[derive(Debug, Clone)]
pub struct StreamTranslator {
    frames: Frames,
    reader: Reader,
    writer: Writer,
    end: Option<StreamEnd>,
}

#[derive(Debug, Clone)]
enum Reader {
    Chat(chat::stream_read::Reader),
    Messages(messages::stream_read::Reader),
}

#[derive(Debug, Clone)]
enum Writer {
    Chat(chat::stream_write::Writer),
    Messages(messages::stream_write::Writer),
    Responses(Box<responses::stream_write::Writer>),
}

/// What each writer keeps until the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) stop: Option<Stop<'static>>,
    pub(crate) usage: Usage,
    pub(crate) called: bool,
    pub(crate) refused: bool,
}

impl Outcome {
    /// Why the model stopped, as an API says it that was asked to call tools.
    pub(crate) fn stop(&self) -> Stop<'static> {
        match &self.stop {
            None | Some(Stop::End) if self.called => Stop::Tools,
            None | Some(Stop::End) if self.refused => Stop::Refused,
            None => Stop::End,
            Some(stop) => stop.clone(),
        }
    }

    /// Notes what is told at the end; whether it was that.
    pub(crate) fn note(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Stop(stop) => self.stop = Some(stop.to_static()),
            Event::Usage(usage) => self.usage = *usage,
            Event::Call { .. } => {
                self.called = true;
                return false;
            }
            Event::Refusal(_) => {
                self.refused = true;
                return false;
            }
            _ => return false,
        }
        true
    }
}

impl StreamTranslator {
    /// A translator for one stream.
    pub fn new(pair: Pair, options: AnswerOptions) -> Self {
        let limits = options.limits;
        Self {
            frames: Frames::new(limits.event_bytes),
            reader: match pair.provider() {
                Dialect::Messages => Reader::Messages(messages::stream_read::Reader::default()),
                _ => Reader::Chat(chat::stream_read::Reader::default()),
            },
            writer: match pair.caller() {
                Dialect::Chat => Writer::Chat(chat::stream_write::Writer::new(options)),
                Dialect::Messages => Writer::Messages(messages::stream_write::Writer::new(options)),
                Dialect::Responses => {
                    let writer = responses::stream_write::Writer::new(options);
                    Writer::Responses(Box::new(writer))
                }
            },
            end: None,
        }
    }

    /// Takes the next bytes of the provider's stream, and gives what the caller is to get of them,
    /// which may be nothing. After the end nothing is taken.
    pub fn push(&mut self, mut bytes: &[u8]) -> Bytes {
        let mut out = Vec::new();
        while self.end.is_none() {
            match self.frames.next(&mut bytes) {
                Ok(None) => break,
                Ok(Some(frame)) => self.take(&frame, &mut out),
                Err(TooLong) => {
                    let problem = broken("an event that is longer than allowed");
                    self.fail(problem, StreamEnd::Failed, &mut out);
                }
            }
        }
        out.into()
    }

    /// Ends the stream, and tells how. Where it ended early, the caller gets an error, and not the end
    /// marker.
    pub fn finish(&mut self) -> (Bytes, StreamEnd) {
        let mut out = Vec::new();
        if self.end.is_none()
            && let Some(frame) = self.frames.rest()
            && is_whole(&frame)
        {
            self.take(&frame, &mut out);
        }
        let end = match self.end {
            Some(end) => end,
            None => {
                self.fail(cut(), StreamEnd::Cut, &mut out);
                StreamEnd::Cut
            }
        };
        (out.into(), end)
    }

    /// How the stream ended, where it did: what follows does not matter any more.
    pub const fn end(&self) -> Option<StreamEnd> {
        self.end
    }

    fn take(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        match self.translate(frame, out) {
            Ok(false) => {}
            Ok(true) => self.end = Some(StreamEnd::Complete),
            Err(Ended::Cut) => self.fail(cut(), StreamEnd::Cut, out),
            Err(Ended::Failed(problem)) => self.fail(problem, StreamEnd::Failed, out),
        }
    }

    /// Whether the stream is complete with this frame.
    fn translate(&mut self, frame: &Frame, out: &mut Vec<u8>) -> Result<bool, Ended> {
        let mut complete = false;
        let mut cut = false;
        let writer = &mut self.writer;
        let mut sink = |event: Event<'_>| {
            if matches!(event, Event::End) {
                // An end without a reason is none: something on the way ended the stream.
                complete = writer.outcome().stop.is_some();
                cut = !complete;
                if cut {
                    return Ok(());
                }
            }
            writer.write(event, out)
        };
        match frame {
            Frame::Comment => sink(Event::Ping)?,
            Frame::Data(data) => {
                let data =
                    std::str::from_utf8(data).map_err(|_| broken("bytes that are no text"))?;
                match &mut self.reader {
                    Reader::Chat(reader) => reader.read(data, &mut sink)?,
                    Reader::Messages(reader) => reader.read(data, &mut sink)?,
                }
            }
        }
        if cut { Err(Ended::Cut) } else { Ok(complete) }
    }

    fn fail(&mut self, problem: Problem, end: StreamEnd, out: &mut Vec<u8>) {
        self.end = Some(end);
        match &mut self.writer {
            Writer::Chat(writer) => writer.fail(&problem, out),
            Writer::Messages(writer) => writer.fail(problem, out),
            Writer::Responses(writer) => writer.fail(&problem, out),
        }
    }
}

impl Writer {
    const fn outcome(&self) -> &Outcome {
        match self {
            Self::Chat(writer) => &writer.outcome,
            Self::Messages(writer) => &writer.outcome,
            Self::Responses(writer) => &writer.outcome,
        }
    }

    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
        match self {
            Self::Chat(writer) => {
                writer.write(&event, out);
                Ok(())
            }
            Self::Messages(writer) => writer.write(&event, out),
            Self::Responses(writer) => writer.write(&event, out),
        }
    }
}

enum Ended {
    Cut,
    Failed(Problem),
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// The problem of a stream that is not what its API describes.
pub(crate) fn broken(what: &str) -> Problem {
    Problem::new(
        Kind::Server,
        format!("the provider's stream holds {what}; ask again"),
    )
}

fn cut() -> Problem {
    Problem::new(
        Kind::Server,
        "the provider's stream ended before the answer was complete; ask again",
    )
}

/// Whether an event without the blank line behind it came whole: a JSON object shows where it ends.
fn is_whole(frame: &Frame) -> bool {
    match frame {
        Frame::Comment => false,
        Frame::Data(data) => data == b"[DONE]" || crate::request::json(data).is_ok(),
    }
}

/// Appends an event with a name, as Anthropic's API and the Responses API write it.
pub(crate) fn named_event(name: &str, fields: &crate::json::build::Fields<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\n");
    data_event(fields, out);
}

/// Appends an event of data alone.
pub(crate) fn data_event(fields: &crate::json::build::Fields<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    fields.write(out);
    out.extend_from_slice(b"\n\n");
}
