//! The story of one request, told once when it ends: a log line and the metrics that sum it up.

mod beside;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use paceline_coordinator::budgets::Reserved;
use paceline_ledger::CallId;
use paceline_limiter::{Binding, Timestamp};
use paceline_provider::{Endpoint, Usage};
use paceline_tokens::EstimateInput;

use crate::budget;
use crate::call_id;
use crate::caller::Caller;
use crate::labels;
use crate::lanes::{Lane, routing_time};
use crate::pace::Asks;
use crate::relay::Outcome;
use crate::shared::Shared;
use crate::stored::Place;
use crate::trace::{self, Trace};
use beside::Part;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Answered in full by the provider, with a status below 400.
    Ok,
    /// Answered in full by the provider, with an error.
    ProviderError,
    /// Refused here.
    Refused,
    /// The provider could not be reached, broke off, or fell silent.
    UpstreamFailed,
    /// The caller went away while the request waited or its answer was on the way.
    CallerGone,
}

impl Ending {
    /// How many ways there are to end.
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// All of them, in their order.
    pub(crate) const ALL: [Self; 5] = [
        Self::Ok,
        Self::ProviderError,
        Self::Refused,
        Self::UpstreamFailed,
        Self::CallerGone,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ProviderError => "provider_error",
            Self::Refused => "refused",
            Self::UpstreamFailed => "upstream_failed",
            Self::CallerGone => "caller_gone",
        }
    }
}

/// A lane that a request went on from.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    /// The lane's name.
    pub(crate) lane: Arc<str>,
    /// What made it go on: `quota`, `overload`, `error`, `context_length`.
    pub(crate) why: &'static str,
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.lane, self.why)
    }
}

/// What is known of one request while it is under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) shared: Arc<Shared>,
    /// What it is known by in the ledger.
    pub(crate) call_id: CallId,
    /// The same as its caller sees it, and the log.
    pub(crate) request_id: Arc<str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) caller: Caller,
    pub(crate) received: Instant,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) stream: bool,
    pub(crate) pool: Option<Arc<str>>,
    /// What decides which pool the request uses.
    pub(crate) asks: Option<Asks>,
    /// The lanes that it may take.
    pub(crate) lanes: Vec<Arc<Lane>>,
    /// The lane that it takes.
    pub(crate) lane: Option<Arc<Lane>>,
    /// Until when it waits while all lanes are ill.
    pub(crate) lanes_patience_until: Option<Timestamp>,
    /// Whether it goes there with the gateway's own key.
    pub(crate) own_key: bool,
    /// Whether it has left a queue for that of another lane.
    pub(crate) has_left: bool,
    /// The lanes that it went on from, and why.
    pub(crate) passed: Vec<Passed>,
    pub(crate) waited: Duration,
    pub(crate) limited_by: Option<Binding>,
    /// What the request was charged at admission.
    pub(crate) estimated_tokens: u64,
    /// How long the answer will probably be; 0 where nothing is known of it.
    pub(crate) expected_output_tokens: u64,
    /// What the input-token estimate was made from.
    pub(crate) estimate: Option<EstimateInput>,
    pub(crate) attempts: u32,
    /// Attempts that never got out because no connection could be had.
    pub(crate) unsent: u32,
    sent: Option<Instant>,
    first_byte: Option<Duration>,
    pub(crate) status: u16,
    /// The code of the error that the caller was told.
    pub(crate) error_code: Option<Arc<str>>,
    pub(crate) usage: Option<Usage>,
    /// The model that answered.
    pub(crate) model_answered: Option<String>,
    /// The service tier that was asked for, or that answered.
    pub(crate) service_tier: Option<String>,
    /// Characters of output that were seen.
    pub(crate) output_characters: u64,
    /// Input tokens, as estimated.
    pub(crate) estimated_input_tokens: u64,
    /// Images that were asked for.
    pub(crate) images: u64,
    /// The longest answer that the call allows, over all its choices.
    pub(crate) output_bound: Option<u64>,
    /// What is held of budgets for it.
    pub(crate) reserved: Option<Reserved>,
    pub(crate) trace: Trace,
    /// Which of two attempts it is, where there may be two at a time.
    part: Option<Part>,
    finished: bool,
}

impl Exchange {
    pub(crate) fn new(
        shared: Arc<Shared>,
        endpoint: Endpoint,
        caller: Caller,
        received: Instant,
    ) -> Self {
        let call_id = shared.call_ids.next(shared.now_ms());
        let shown = Arc::from(call_id::shown(call_id));
        Self::of_call((call_id, shown), shared, endpoint, caller, received)
    }

    fn of_call(
        (call_id, request_id): (CallId, Arc<str>),
        shared: Arc<Shared>,
        endpoint: Endpoint,
        caller: Caller,
        received: Instant,
    ) -> Self {
        Self {
            call_id,
            request_id,
            shared,
            endpoint,
            caller,
            received,
            model: None,
            stream: false,
            pool: None,
            asks: None,
            lanes: Vec::new(),
            lane: None,
            lanes_patience_until: None,
            own_key: false,
            has_left: false,
            passed: Vec::new(),
            waited: Duration::ZERO,
            limited_by: None,
            estimated_tokens: 0,
            expected_output_tokens: 0,
            estimate: None,
            attempts: 0,
            unsent: 0,
            sent: None,
            first_byte: None,
            status: 0,
            error_code: None,
            usage: None,
            model_answered: None,
            service_tier: None,
            output_characters: 0,
            estimated_input_tokens: 0,
            images: 0,
            output_bound: None,
            reserved: None,
            trace: Trace::default(),
            part: None,
            finished: false,
        }
    }

    /// Notes that an attempt goes out now.
    pub(crate) fn sent(&mut self) {
        let now = Instant::now();
        if self.attempts == 0 && !self.is_beside() {
            let own = now
                .saturating_duration_since(self.received)
                .saturating_sub(self.waited);
            self.shared
                .metrics
                .added_latency_seconds
                .observe(own.as_secs_f64());
        }
        self.attempts += 1;
        if self.sent.replace(now).is_none() {
            self.shared.hot.running.inc();
        }
        self.first_byte = None;
    }

    /// When the last attempt went out; the arrival of the request before the first.
    pub(crate) fn sent_at(&self) -> Timestamp {
        self.shared.clock.at(self.sent.unwrap_or(self.received))
    }

    /// Notes that an answer has started.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
        self.first_byte = self.sent.map(|sent| sent.elapsed());
        self.trace.answered(status);
    }

    /// Notes what the answer said of itself.
    pub(crate) fn read(&mut self, outcome: &Outcome) {
        self.usage = outcome.usage;
        self.output_characters = outcome.output_characters;
        self.model_answered.clone_from(&outcome.model);
        if outcome.service_tier.is_some() {
            self.service_tier.clone_from(&outcome.service_tier);
        }
        if let Some(id) = &outcome.response_id {
            self.keep_response(id);
        }
    }

    /// Remembers where the response is that the answer brings.
    pub(crate) fn keep_response(&self, id: &str) {
        let Some(lane) = self.lane.as_ref() else {
            return;
        };
        let place = Place {
            provider: &lane.provider,
            own_key: self.own_key,
        };
        let now = routing_time(self.shared.clock.now());
        self.shared
            .stored
            .keep((&self.caller.tenant, id), place, now);
    }

    /// From the last sending to the start of the answer, if it has started.
    pub(crate) fn first_byte(&self) -> Option<Duration> {
        self.first_byte
    }

    /// The lanes that it went on from, and why, in their order; `None` where there are none.
    pub(crate) fn passed_lanes(&self) -> Option<String> {
        let passed: Vec<_> = self.passed.iter().map(Passed::to_string).collect();
        (!passed.is_empty()).then(|| passed.join(", "))
    }

    /// Since the request came.
    pub(crate) fn elapsed(&self) -> Duration {
        self.received.elapsed()
    }

    /// Ends the story.
    pub(crate) fn finish(mut self, ending: Ending) {
        self.tell(ending);
    }

    fn tell(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        if self.sent.is_some() {
            self.shared.hot.running.dec();
        }
        if self.is_beside() {
            return self.leave_word(ending);
        }
        self.take_word();
        trace::tell(self, ending);
        self.measure(ending);
        self.learn(ending);
        self.account(ending);
        let usage = self.usage.unwrap_or_default();
        tracing::info!(
            target: "paceline::request",
            id = %self.request_id,
            endpoint = labels::endpoint(self.endpoint.kind),
            tenant = %self.caller.tenant,
            session = self.caller.session.as_deref(),
            tags = self.caller.tags.as_deref(),
            priority = self.caller.tier.name(),
            model = self.model.as_deref(),
            stream = self.stream,
            lane = self.lane.as_ref().map(|lane| &*lane.name),
            passed = self.passed_lanes(),
            hedged = self.hedged().map(|hedged| hedged.lane.name.to_string()),
            pool = self.pool.as_deref(),
            outcome = ending.name(),
            status = self.status,
            attempts = self.attempts,
            wait_ms = milliseconds(self.waited),
            limited_by = self.limited_by.map(|binding| binding.to_string()),
            first_byte_ms = self.first_byte.map(milliseconds),
            total_ms = milliseconds(self.received.elapsed()),
            estimated_tokens = self.estimated_tokens,
            input_tokens = usage.input_tokens,
            cached_input_tokens = usage.cached_input_tokens,
            output_tokens = usage.output_tokens,
            reasoning_tokens = usage.reasoning_tokens,
            total_tokens = usage.total_tokens,
            "request"
        );
    }

    /// Settles what is held of budgets, and keeps the record.
    fn account(&mut self, ending: Ending) {
        let reserved = self.reserved.take();
        let recorder = &self.shared.recorder;
        if reserved.is_none() && !recorder.keeps(self) {
            return;
        }
        let account = recorder.account(self, ending);
        if let Some(reserved) = reserved {
            budget::settle(reserved, self.attempts, &account);
        }
        recorder.record(self, ending, account);
    }

    fn measure(&self, ending: Ending) {
        let (metrics, hot) = (&self.shared.metrics, &self.shared.hot);
        let kind = self.endpoint.kind;
        hot.finished(metrics, kind, ending);
        if let Some(first_byte) = self.first_byte {
            hot.first_byte(metrics, kind, first_byte.as_secs_f64());
        }
        if let (Some(sent), true) = (self.sent, self.status > 0) {
            hot.duration(metrics, kind, sent.elapsed().as_secs_f64());
        }
        if let Some(usage) = &self.usage {
            hot.usage.input.inc_by(usage.input_tokens);
            hot.usage.cached_input.inc_by(usage.cached_input_tokens);
            hot.usage.output.inc_by(usage.output_tokens);
            hot.usage.reasoning.inc_by(usage.reasoning_tokens);
        }
    }

    /// Lets the estimators learn from an answer that tells its usage.
    fn learn(&self, ending: Ending) {
        let (Some(usage), Some(model), Ending::Ok) = (&self.usage, &self.model, ending) else {
            return;
        };
        let Some(estimate) = &self.estimate else {
            return;
        };
        let endpoint = labels::endpoint(self.endpoint.kind);
        self.shared.learn(model, endpoint, estimate, usage);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Whoever dropped the request did so because nobody is there to answer.
        self.tell(Ending::CallerGone);
    }
}

/// Whole milliseconds, rounded.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    let rounded = (duration.as_micros() + 500) / 1_000;
    u64::try_from(rounded).unwrap_or(u64::MAX)
}
