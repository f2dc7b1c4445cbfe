//! An answer before it is sent, and the body that sends it at its pace.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    content::Draw,
    court::{Ticket, Usage},
    endpoints::{
        ResponseEcho, exception, failure_events, google_element, google_event, message_error,
    },
    json::Json,
    refusal::ApiError,
    settings::Latency,
};

/// What an endpoint answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All at once.
    Whole {
        content_type: &'static str,
        body: Bytes,
    },
    /// As server-sent events.
    Events {
        dialect: Dialect,
        events: Vec<Event>,
    },
}

/// Whose events a stream has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `data:` lines that end with `[DONE]`.
    Data,
    /// `event:` and `data:` lines that carry a type and a number; an error needs the response that
    /// fails.
    Responses(Box<ResponseEcho>),
    /// Anthropic's: `event:` and `data:` lines, no end beside the last event.
    Messages,
    /// Google's: `data:` lines, no end beside the last one.
    Google,
    /// Google's without `alt=sse`: the elements of one JSON list.
    GoogleList,
    /// Binary messages of the event stream that AWS uses.
    Frames,
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) bytes: Bytes,
    pub(crate) pace: Pace,
}

/// When an event is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Right after the event before.
    AtOnce,
    /// With the first token.
    FirstToken,
    /// With a token after the first.
    NextToken,
    /// Right after the event before; it carries a token of another choice.
    TokenAtOnce,
}

impl Answer {
    pub(crate) fn json(json: &Json) -> Self {
        Self::Whole {
            content_type: "application/json",
            body: json.to_vec().into(),
        }
    }
}

impl Dialect {
    /// The events that report an error in a stream that has sent `sent` events; `envelope` is the
    /// body that the error would have alone.
    pub(crate) fn error(
        &self,
        error: &ApiError,
        envelope: &Json,
        sent: u64,
        with_event: bool,
    ) -> Vec<Event> {
        match self {
            Self::Data => vec![Event::data(envelope, Pace::AtOnce), Event::done()],
            Self::Responses(echo) => failure_events(echo, error, sent, with_event),
            Self::Messages => vec![message_error(error)],
            Self::Google => vec![google_event(envelope, Pace::AtOnce)],
            Self::GoogleList => vec![google_element(envelope, sent == 0, Pace::AtOnce)],
            Self::Frames => vec![exception(error)],
        }
    }

    pub(crate) const fn content_type(&self) -> &'static str {
        match self {
            Self::Data | Self::Responses(_) | Self::Messages => "text/event-stream; charset=utf-8",
            Self::Google => "text/event-stream",
            Self::GoogleList => "application/json; charset=UTF-8",
            Self::Frames => "application/vnd.amazon.eventstream",
        }
    }
}

impl Event {
    /// Whether a token is made for it.
    pub(crate) fn is_token(&self) -> bool {
        self.pace != Pace::AtOnce
    }

    /// A `data:` line.
    pub(crate) fn data(json: &Json, pace: Pace) -> Self {
        let mut bytes = b"data: ".to_vec();
        bytes.extend_from_slice(&json.to_vec());
        bytes.extend_from_slice(b"\n\n");
        Self {
            bytes: bytes.into(),
            pace,
        }
    }

    /// An `event:` and a `data:` line.
    pub(crate) fn typed(kind: &str, json: &Json, pace: Pace) -> Self {
        let mut bytes = format!("event: {kind}\ndata: ").into_bytes();
        bytes.extend_from_slice(&json.to_vec());
        bytes.extend_from_slice(b"\n\n");
        Self {
            bytes: bytes.into(),
            pace,
        }
    }

    /// Bytes as they are.
    pub(crate) fn raw(bytes: impl Into<Bytes>, pace: Pace) -> Self {
        let bytes = bytes.into();
        Self { bytes, pace }
    }

    /// The end of a stream of `data:` lines.
    pub(crate) const fn done() -> Self {
        Self {
            bytes: Bytes::from_static(b"data: [DONE]\n\n"),
            pace: Pace::AtOnce,
        }
    }
}

/// The times that one request's answer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rhythm {
    first: Duration,
    next: Duration,
}

impl Rhythm {
    /// Draws the times of a request.
    pub(crate) fn draw(latency: &Latency, seed: u64) -> Self {
        let mut draw = Draw::new(seed ^ 0x7468_7974_686d);
        let jitter = f64::from(latency.jitter_percent.min(100)) / 100.0;
        let mut vary = |time: Duration| {
            let factor = (2.0 * draw.unit() - 1.0).mul_add(jitter, 1.0);
            time.mul_f64(factor.max(0.0))
        };
        Self {
            first: vary(latency.first_token),
            next: vary(latency.per_token),
        }
    }

    /// The time that a whole answer of some tokens takes.
    pub(crate) fn whole(&self, tokens: u64) -> Duration {
        let further = u32::try_from(tokens.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_add(self.next.saturating_mul(further))
    }

    pub(crate) const fn before(&self, pace: Pace) -> Duration {
        match pace {
            Pace::AtOnce | Pace::TokenAtOnce => Duration::ZERO,
            Pace::FirstToken => self.first,
            Pace::NextToken => self.next,
        }
    }
}

/// A body on its way.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// Sent at once.
    Whole(Option<Bytes>),
    /// Sent event by event.
    Paced(Box<PacedBody>),
}

/// The events of a stream, each at its time.
#[derive(Debug)]
pub(crate) struct PacedBody {
    events: std::vec::IntoIter<Event>,
    rhythm: Rhythm,
    due: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    ticket: Option<Ticket>,
    full: Usage,
    failed: bool,
}

impl PacedBody {
    /// A stream that reports `usage` at its end and until then what it has sent. A failed one ends
    /// its ticket as a failure of the provider.
    pub(crate) fn new(
        events: Vec<Event>,
        rhythm: Rhythm,
        ticket: Option<Ticket>,
        usage: Usage,
        failed: bool,
    ) -> Self {
        let mut ticket = ticket;
        if let Some(ticket) = &mut ticket {
            ticket.used(Usage {
                completion: usage.reasoning,
                ..usage
            });
            ticket.correct();
        }
        let events = events.into_iter();
        Self {
            events,
            rhythm,
            due: Instant::now(),
            timer: None,
            ticket,
            full: usage,
            failed,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(next) = self.events.as_slice().first() else {
            return Poll::Ready(None);
        };
        let wait = self.rhythm.before(next.pace);
        if !wait.is_zero() {
            let due = self.due + wait;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
            self.due = due;
        }
        let Some(event) = self.events.next() else {
            return Poll::Ready(None);
        };
        self.account(event.pace);
        Poll::Ready(Some(event.bytes))
    }

    /// Settles with the last event, before it is sent: whoever has seen the end of an answer finds
    /// its refund done.
    fn account(&mut self, pace: Pace) {
        if self.events.as_slice().is_empty() {
            if let Some(mut ticket) = self.ticket.take() {
                if self.failed {
                    ticket.fail();
                } else {
                    ticket.used(self.full);
                    ticket.served();
                }
            }
        } else if pace != Pace::AtOnce
            && let Some(ticket) = &mut self.ticket
        {
            ticket.produced(1);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.get_mut() {
            Self::Whole(bytes) => bytes.take(),
            Self::Paced(body) => ready!(body.poll_next(cx)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Paced(body) => body.events.as_slice().is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Paced(_) => SizeHint::default(),
        }
    }
}
