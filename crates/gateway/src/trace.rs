//! What an OpenTelemetry collector is told of a call: its spans, and histograms by model.
//!
//! A call that nobody asked to trace carries an empty [`Trace`], and every method of that returns
//! at once. Prompts, answers and keys never come here.

mod collector;
mod describe;
mod export;
mod metrics;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use paceline_limiter::Binding;
use paceline_telemetry::otlp::{SpanId, TraceContext};

use crate::exchange::{Ending, Exchange};
use crate::shared::Shared;
use crate::upstream::SendError;

pub(crate) use collector::usable;
pub(crate) use export::Telemetry;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The most waits and attempts of one call that get spans of their own.
const STEPS_MAX: usize = 64;

/// Ids that are left to the spans of a call before those of an attempt beside it.
const BESIDE_IDS: u64 = 1 << 32;

/// The trace of one call while it is under way.
#[derive(Debug, Default)]
pub(crate) struct Trace(Option<Box<Active>>);

#[derive(Debug)]
struct Active {
    telemetry: Arc<Telemetry>,
    /// Where the call stands in its trace; `None` where there are only metrics.
    context: Option<TraceContext>,
    steps: Vec<Step>,
    attempts: u64,
    /// The ids of its spans count from here.
    first_id: u64,
    /// When the first piece of a stream was there.
    first_piece: Option<Instant>,
}

/// A part of a call that gets a span of its own.
#[derive(Debug)]
struct Step {
    what: What,
    id: SpanId,
    start: Instant,
    end: Option<Instant>,
    error: Option<Cow<'static, str>>,
}

#[derive(Debug)]
enum What {
    /// Waiting for the turn.
    Queue(Option<Binding>),
    /// An attempt.
    Upstream {
        method: Method,
        /// How many attempts there were before.
        resent: u64,
        status: u16,
        /// Why the provider refused.
        refusal: Option<String>,
    },
}

impl Trace {
    /// The trace of a call that came with these headers.
    pub(crate) fn begin(shared: &Shared, headers: &HeaderMap) -> Self {
        let active = shared.telemetry.as_ref().map(|telemetry| {
            Box::new(Active {
                telemetry: Arc::clone(telemetry),
                context: telemetry.context(traceparent(headers)),
                steps: Vec::new(),
                attempts: 0,
                first_id: 0,
                first_piece: None,
            })
        });
        Self(active)
    }

    /// The trace of an attempt that is made beside that of this call, to be [joined](Self::join).
    pub(crate) fn beside(&self) -> Self {
        let active = self.0.as_ref().map(|active| {
            Box::new(Active {
                telemetry: Arc::clone(&active.telemetry),
                context: active.context,
                steps: Vec::new(),
                attempts: active.attempts,
                first_id: active.first_id + BESIDE_IDS,
                first_piece: None,
            })
        });
        Self(active)
    }

    /// Takes over what was noted of an attempt beside that of this call. What is under way there goes
    /// on here.
    pub(crate) fn join(&mut self, beside: Self) {
        let (Some(active), Some(beside)) = (&mut self.0, beside.0) else {
            return;
        };
        active.attempts = active.attempts.max(beside.attempts);
        active.first_piece = active.first_piece.or(beside.first_piece);
        active.steps.extend(beside.steps);
    }

    /// Notes that another attempt answered first.
    pub(crate) fn overtaken(&mut self) {
        if let Some(step) = self.open() {
            step.end = Some(Instant::now());
            step.error = Some(Cow::Borrowed("overtaken"));
        }
    }

    /// Notes that the call begins to wait for its turn.
    pub(crate) fn waits(&mut self) {
        if let Some(active) = &mut self.0 {
            active.step(|_| What::Queue(None));
        }
    }

    /// Notes that the wait is over, and what was waited for last.
    pub(crate) fn goes(&mut self, binding: Option<Binding>) {
        if let Some(step) = self.open() {
            step.end = Some(Instant::now());
            if let What::Queue(last) = &mut step.what {
                *last = binding;
            }
        }
    }

    /// Notes that an attempt begins, and makes it the parent of what the provider does.
    pub(crate) fn attempts<B>(&mut self, request: &mut Request<B>) {
        let Some(active) = &mut self.0 else {
            return;
        };
        active.attempts += 1;
        let resent = active.attempts - 1;
        let method = request.method().clone();
        let id = active.step(|_| What::Upstream {
            method,
            resent,
            status: 0,
            refusal: None,
        });
        let header = active.context.map(|context| context.traceparent(id));
        if let Some(value) = header.and_then(|text| HeaderValue::from_str(&text).ok()) {
            request.headers_mut().insert(TRACEPARENT, value);
        }
        if active
            .context
            .is_some_and(|context| context.parent.is_none())
        {
            // It belongs to a trace that this is not.
            request.headers_mut().remove(TRACESTATE);
        }
    }

    /// Notes the status that the provider answered with.
    pub(crate) fn answered(&mut self, answered: u16) {
        if let Some(What::Upstream { status, .. }) = self.open().map(|step| &mut step.what) {
            *status = answered;
        }
    }

    /// Notes that the first piece of a stream is there.
    pub(crate) fn begins_to_stream(&mut self) {
        if let Some(active) = &mut self.0 {
            active.first_piece.get_or_insert_with(Instant::now);
        }
    }

    /// Notes that the provider refused the attempt, and why.
    pub(crate) fn refused(&mut self, kind: &str) {
        let Some(step) = self.open() else {
            return;
        };
        step.end = Some(Instant::now());
        if let What::Upstream {
            status, refusal, ..
        } = &mut step.what
        {
            step.error = Some(match *status {
                400.. => Cow::Owned(status.to_string()),
                // A stream that began as a success.
                _ => Cow::Borrowed(Ending::ProviderError.name()),
            });
            *refusal = Some(kind.to_owned());
        }
    }

    /// Notes that the attempt failed without an answer.
    pub(crate) fn failed(&mut self, error: &SendError) {
        if let Some(step) = self.open() {
            step.end = Some(Instant::now());
            step.error = Some(Cow::Borrowed(match error {
                SendError::Connect(_) => "connect",
                SendError::Cut(_) => "cut",
                SendError::Garbage(_) => "garbage",
                SendError::Timeout { .. } => "timeout",
            }));
        }
    }

    /// The part of the call that is under way, if its span is recorded.
    fn open(&mut self) -> Option<&mut Step> {
        let step = self.0.as_mut()?.steps.last_mut()?;
        step.end.is_none().then_some(step)
    }
}

impl Active {
    /// Begins a step, which ends the one before it; its id.
    fn step(&mut self, what: impl FnOnce(&Self) -> What) -> SpanId {
        let Some(context) = self.context else {
            return SpanId(0);
        };
        let now = Instant::now();
        if let Some(before) = self.steps.last_mut() {
            before.end.get_or_insert(now);
        }
        // Ids go on counting where steps are no longer kept.
        let id = context
            .span
            .child(self.first_id + self.steps.len() as u64 + self.attempts + 1);
        if context.sampled && self.steps.len() < STEPS_MAX {
            let what = what(self);
            self.steps.push(Step {
                what,
                id,
                start: now,
                end: None,
                error: None,
            });
        }
        id
    }
}

/// The one `traceparent`; several are as good as none (W3C Trace Context, 3.2.1).
fn traceparent(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    all.next().filter(|_| all.next().is_none())
}

/// Tells the collector of a call that has ended. Never waits.
pub(crate) fn tell(exchange: &mut Exchange, ending: Ending) {
    let Some(active) = exchange.trace.0.take() else {
        return;
    };
    let end = End {
        ending,
        at: Instant::now(),
        wall: SystemTime::now(),
        server: describe::Server::of(exchange),
    };
    if active.telemetry.settings.metrics {
        metrics::observe(exchange, &active, &end);
    }
    if let Some(context) = active.context.filter(|context| context.sampled) {
        let spans = describe::spans(exchange, &active, &context, &end);
        active.telemetry.send(spans);
    }
}

/// The end of a call, and the clock that its moments are dated by.
struct End {
    ending: Ending,
    at: Instant,
    wall: SystemTime,
    server: describe::Server,
}

impl End {
    /// The wall clock at `moment`, so that a clock that is set meanwhile moves whole calls only.
    fn date(&self, moment: Instant) -> SystemTime {
        let ago = self.at.saturating_duration_since(moment);
        self.wall.checked_sub(ago).unwrap_or(self.wall)
    }
}
