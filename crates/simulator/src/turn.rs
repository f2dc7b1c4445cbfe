//! One request's answer on its way out: its head, its pace, and what goes wrong with it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use tokio::time::sleep;

use crate::{
    answer::{Answer, AnswerBody, PacedBody, Rhythm},
    court::{Ticket, Usage},
    faults::Fault,
    json::Json,
    simulator::Line,
    wire::{Framing, Script, Step, chunk, head},
};

/// An answer and all that belongs to it.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) answer: Answer,
    pub(crate) rhythm: Rhythm,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) usage: Usage,
    /// Whether the stream reports a failure of the provider.
    pub(crate) failed: bool,
    /// What goes wrong on the wire.
    pub(crate) fault: Option<Fault>,
    /// Whether a header tells how long the answer took.
    pub(crate) tells_time: bool,
}

/// Steps in which a whole answer is made.
const PIECES_OF_AN_ANSWER: u64 = 16;

impl Turn {
    /// An answer that no limit was asked about.
    pub(crate) fn free(answer: Answer) -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            answer,
            rhythm: Rhythm::default(),
            ticket: None,
            usage: Usage::default(),
            failed: false,
            fault: None,
            tells_time: true,
        }
    }

    /// An error in an envelope.
    pub(crate) fn error(status: StatusCode, envelope: &Json) -> Self {
        Self {
            status,
            ..Self::free(Answer::json(envelope))
        }
    }

    /// Sends the answer, or what a fault makes of it.
    pub(crate) async fn send(mut self, started: Instant, line: Line) -> Response<AnswerBody> {
        if matches!(self.answer, Answer::Whole { .. }) && self.ticket.is_some() {
            let time = self.rhythm.whole(self.usage.completion);
            if let Some(ticket) = &mut self.ticket {
                ticket.begun(Usage {
                    completion: 0,
                    reasoning: 0,
                    ..self.usage
                });
            }
            self.produce(time).await;
        }
        if let Some(Fault::Delay { ms }) = self.fault {
            sleep(Duration::from_millis(u64::from(ms))).await;
        }
        self.finish_head(started);
        if let Some(fault) = self.fault.take() {
            if fault == Fault::TruncatedJson {
                self.truncate();
            } else if let Some(steps) = self.steps(fault) {
                let script = Script::new(steps, self.ticket.take());
                match line.play(script).await {}
            }
        }
        self.respond()
    }

    /// Waits while a whole answer is made. Where the charge follows the use, it does so bit by bit.
    async fn produce(&mut self, time: Duration) {
        let pieces = self.usage.completion.clamp(1, PIECES_OF_AN_ANSWER);
        if !time.is_zero() {
            for piece in 0..pieces {
                if let Some(ticket) = &mut self.ticket {
                    let completion = self.usage.completion * piece / pieces;
                    ticket.used(Usage {
                        completion,
                        ..self.usage
                    });
                    ticket.correct();
                }
                sleep(time.div_f64(pieces as f64)).await;
            }
        }
    }

    fn finish_head(&mut self, started: Instant) {
        let content_type = match &self.answer {
            Answer::Whole { content_type, .. } => content_type,
            Answer::Events { dialect, .. } => {
                self.headers
                    .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                dialect.content_type()
            }
        };
        self.headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.tells_time {
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let name = HeaderName::from_static("openai-processing-ms");
            self.headers.insert(name, HeaderValue::from(elapsed_ms));
        }
    }

    fn respond(mut self) -> Response<AnswerBody> {
        let body = match self.answer {
            Answer::Whole { body, .. } => {
                if let Some(mut ticket) = self.ticket.take() {
                    ticket.used(self.usage);
                    ticket.served();
                }
                AnswerBody::Whole(Some(body))
            }
            Answer::Events { events, .. } => {
                let (ticket, failed) = (self.ticket.take(), self.failed);
                let body = PacedBody::new(events, self.rhythm, ticket, self.usage, failed);
                AnswerBody::Paced(Box::new(body))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    /// Cuts the answer in the middle and sends what is left as if it were all.
    fn truncate(&mut self) {
        match &mut self.answer {
            Answer::Whole { body, .. } => *body = body.slice(..body.len() / 2),
            Answer::Events { events, .. } => {
                let half = events.len() / 2;
                events.truncate(half + 1);
                if let Some(last) = events.last_mut() {
                    last.bytes = last.bytes.slice(..last.bytes.len() / 2);
                }
            }
        }
    }

    /// What a fault does to the socket; none for a fault that is not one of the wire.
    fn steps(&mut self, fault: Fault) -> Option<Vec<Step>> {
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        crate::headers::add_text(&mut self.headers, header::DATE, &date);
        let lost = self.lost(fault);
        if let Some(ticket) = &mut self.ticket {
            ticket.used(self.usage);
            ticket.begun(lost);
        }
        let body = self.body_bytes();
        let length = body.len() as u64;
        let head_with = |framing| Step::Send(head(self.status, &self.headers, framing));
        Some(match fault {
            Fault::Hang => vec![Step::Hang],
            Fault::HangAfterHeaders => vec![head_with(self.framing(length)), Step::Hang],
            Fault::CutStream { after_events } if self.is_stream() => self.cut_stream(after_events),
            Fault::CutStream { .. } | Fault::CutBody => {
                let half = body.slice(..body.len() / 2);
                vec![head_with(Framing::Length(length)), Step::Send(half)]
            }
            Fault::WrongContentLength { off_by } => {
                let wrong = length.saturating_add_signed(i64::from(off_by));
                vec![
                    head_with(Framing::Length(wrong)),
                    Step::Send(body),
                    Step::Served,
                    Step::Hang,
                ]
            }
            Fault::SlowDrip { every_ms } => {
                let every = Duration::from_millis(u64::from(every_ms));
                vec![
                    head_with(Framing::Length(length)),
                    Step::Drip(body, every),
                    Step::Served,
                ]
            }
            Fault::Garbage => vec![Step::Send(Bytes::from_static(GARBAGE))],
            Fault::Reset => vec![Step::Reset],
            _ => return None,
        })
    }

    /// What is billed of an answer that a fault keeps from its caller.
    fn lost(&self, fault: Fault) -> Usage {
        match (fault, &self.answer) {
            (Fault::CutStream { after_events }, Answer::Events { events, .. }) => {
                let sent = events.iter().take(after_events as usize);
                let tokens = sent.filter(|event| event.is_token()).count() as u64;
                let completion = self.usage.completion.min(self.usage.reasoning + tokens);
                Usage {
                    completion,
                    ..self.usage
                }
            }
            (Fault::CutStream { .. } | Fault::CutBody, _) => self.usage,
            _ => Usage::default(),
        }
    }

    fn cut_stream(&self, after_events: u32) -> Vec<Step> {
        let mut steps = vec![Step::Send(head(
            self.status,
            &self.headers,
            Framing::Chunked,
        ))];
        let Answer::Events { events, .. } = &self.answer else {
            return steps;
        };
        for event in events.iter().take(after_events as usize) {
            let wait = self.rhythm.before(event.pace);
            if !wait.is_zero() {
                steps.push(Step::Wait(wait));
            }
            steps.push(Step::Send(chunk(&event.bytes)));
        }
        steps
    }

    const fn is_stream(&self) -> bool {
        matches!(self.answer, Answer::Events { .. })
    }

    const fn framing(&self, length: u64) -> Framing {
        if self.is_stream() {
            Framing::Chunked
        } else {
            Framing::Length(length)
        }
    }

    fn body_bytes(&self) -> Bytes {
        match &self.answer {
            Answer::Whole { body, .. } => body.clone(),
            Answer::Events { events, .. } => events
                .iter()
                .flat_map(|event| event.bytes.iter().copied())
                .collect(),
        }
    }
}

/// No status line, no line ends, no text.
const GARBAGE: &[u8] = b"\x00\xff\x16\x03\x01\x7f\x80garbage\x00\xc0\xde";
