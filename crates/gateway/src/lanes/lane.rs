//! One lane, and the leave to send a call over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use paceline_limiter::Timestamp;
use paceline_provider::Fault as Blame;
use paceline_routing::{
    Breaker, BreakerView, Fault, FaultKind, Health, LaneKey, Outcome, Pass, Refused, StateView,
};
use paceline_telemetry::Metrics;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::drawn::Drawn;
use super::meter::Meter;
use crate::clock::Clock;
use crate::pace::Pool;
use crate::upstream::{ConnectError, SendError};

/// A way to reach a model: a provider, and the model's name there.
pub(crate) struct Lane {
    /// `provider/model`.
    pub(crate) name: Arc<str>,
    pub(crate) provider: Arc<str>,
    pub(crate) model: Arc<str>,
    /// Whether the settings name it, and not a caller.
    is_configured: AtomicBool,
    /// `None`: lanes are not watched.
    breaker: Option<Mutex<Breaker>>,
    drawn: Drawn,
    meter: Meter,
    /// Told whenever the lane may have become fit for use.
    changed: Notify,
    clock: Clock,
}

/// What makes one lane another than the next.
pub(super) struct Named {
    pub(super) provider: Arc<str>,
    pub(super) model: Arc<str>,
    /// `provider/model`.
    pub(super) name: Arc<str>,
    /// The name in metrics, which may be shared with others.
    pub(super) label: Arc<str>,
    pub(super) is_configured: bool,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lane({})", self.name)
    }
}

impl Lane {
    pub(super) fn new(
        named: Named,
        breaker: Option<Breaker>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self {
            name: named.name,
            provider: named.provider,
            model: named.model,
            is_configured: AtomicBool::new(named.is_configured),
            breaker: breaker.map(Mutex::new),
            drawn: Drawn::default(),
            meter: Meter::new(metrics, named.label),
            changed: Notify::new(),
            clock,
        }
    }

    /// Whether the settings name it, and not a caller.
    pub(super) fn is_configured(&self) -> bool {
        self.is_configured.load(Ordering::Relaxed)
    }

    /// Other settings hold, which name it or do not.
    pub(super) fn set_configured(&self, is_configured: bool) {
        self.is_configured.store(is_configured, Ordering::Relaxed);
    }

    /// What callers are told of it: its name, and of one whose model they named themselves the provider
    /// alone. What a caller sends does not come back in headers.
    pub(crate) fn shown(&self) -> &Arc<str> {
        match self.is_configured() {
            true => &self.name,
            false => &self.provider,
        }
    }

    /// Its name as a number.
    pub(crate) fn key(&self) -> LaneKey {
        LaneKey::of(&self.provider, &self.model)
    }

    /// What the lane is fit for now.
    pub(crate) fn health(&self) -> Health {
        let Some(breaker) = &self.breaker else {
            return Health::Well;
        };
        let now = self.now();
        let mut breaker = breaker.lock();
        let before = breaker.trips();
        let health = breaker.health(now, jitter());
        // That nothing comes back is noticed when somebody asks.
        if breaker.trips() > before {
            let after = breaker.view(now);
            drop(breaker);
            self.tell_trip(&after, None);
        }
        health
    }

    /// Whether a call is finding out if it is well again.
    pub(crate) fn is_probed(&self) -> bool {
        let state = self.view().map(|view| view.state);
        matches!(state, Some(StateView::HalfOpen { probing: true }))
    }

    /// How the lane does, for people; `None` where it is not watched.
    pub(crate) fn view(&self) -> Option<BreakerView> {
        let breaker = self.breaker.as_ref()?;
        Some(breaker.lock().view(self.now()))
    }

    /// What is known of its latency, by `read`.
    pub(crate) fn latency<T>(
        &self,
        read: impl FnOnce(&paceline_routing::Latency, paceline_routing::Timestamp) -> Option<T>,
    ) -> Option<T> {
        let breaker = self.breaker.as_ref()?.lock();
        read(breaker.latency(), self.now())
    }

    /// Its name in metrics, which lanes that callers make up may share.
    pub(crate) fn label(&self) -> &Arc<str> {
        self.meter.label()
    }

    /// Calls that were sent over it and have not ended.
    pub(crate) fn under_way(&self) -> u64 {
        self.meter.under_way()
    }

    /// The limit pools that it draws on, as far as calls told.
    pub(crate) fn pools(&self) -> Vec<Arc<Pool>> {
        self.drawn.all()
    }

    /// A call that takes the lane waits for its turn in this pool.
    pub(crate) fn draws_on(&self, pool: &Arc<Pool>) {
        self.drawn.note(pool);
    }

    /// A call went on from here to another lane.
    pub(crate) fn passed_on(&self, why: &str) {
        self.meter.passed_on(why);
    }

    /// Leave to send one call over it.
    ///
    /// # Errors
    /// When the lane is ill, or another call is finding out whether it still is.
    pub(crate) fn begin(self: &Arc<Self>) -> Result<Passage, Refused> {
        let pass = match &self.breaker {
            Some(breaker) => Some(breaker.lock().begin(self.now())?),
            None => None,
        };
        self.meter.began();
        Ok(Passage {
            lane: Arc::clone(self),
            pass,
            is_over: false,
        })
    }

    /// Takes the lane to be well, whatever was known.
    pub(crate) fn reset(&self) {
        if let Some(breaker) = &self.breaker {
            breaker.lock().reset(self.now());
        }
        self.changed.notify_waiters();
    }

    /// Ends when the lane may have become fit for use.
    pub(crate) fn changes(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn now(&self) -> paceline_routing::Timestamp {
        routing_time(self.clock.now())
    }

    fn end(&self, pass: Option<Pass>, outcome: &Outcome) {
        self.meter.ended(outcome);
        let (Some(breaker), Some(pass)) = (&self.breaker, pass) else {
            return;
        };
        let now = self.now();
        let (before, after) = {
            let mut breaker = breaker.lock();
            let before = breaker.view(now);
            breaker.end(pass, outcome, now, jitter());
            (before, breaker.view(now))
        };
        self.tell(&before, &after);
        // Whoever waits for the lane looks again: it is better, or the place of its probe is free.
        self.changed.notify_waiters();
    }

    fn tell(&self, before: &BreakerView, after: &BreakerView) {
        if after.trips > before.trips {
            self.tell_trip(after, Some(before.faults_in_a_row + 1));
        } else if before.state.as_str() != after.state.as_str() {
            tracing::info!(lane = %self.name, state = after.state.as_str(), "the lane is on its way back");
        }
    }

    fn tell_trip(&self, after: &BreakerView, faults_in_a_row: Option<u32>) {
        let cause = after.cause.as_ref();
        let open = after
            .next_probe
            .map(|until| until.saturating_since(self.now()));
        let kind = cause.map(|cause| cause.kind.as_str());
        self.meter.tripped(kind.unwrap_or("other"));
        tracing::warn!(
            lane = %self.name,
            cause = kind,
            status = cause.and_then(|cause| cause.status),
            message = cause.map(|cause| cause.message.as_str()),
            faults_in_a_row,
            trips = after.trips,
            open_ms = open.map(crate::exchange::milliseconds),
            limits = self.drawn.told(),
            "the lane is ill: it is left alone for a while"
        );
    }
}

/// Leave to send one call over a lane. How the call went is told in the end; a caller that goes away
/// says nothing about the lane.
#[derive(Debug)]
pub(crate) struct Passage {
    lane: Arc<Lane>,
    pass: Option<Pass>,
    is_over: bool,
}

impl Passage {
    /// The first byte of a good answer has come.
    pub(crate) fn first_byte(&self) {
        let (Some(breaker), Some(pass)) = (&self.lane.breaker, &self.pass) else {
            return;
        };
        let now = self.lane.now();
        let (before, after) = {
            let mut breaker = breaker.lock();
            let before = breaker.view(now);
            breaker.first_byte(pass, now, jitter());
            (before, breaker.view(now))
        };
        self.lane.tell(&before, &after);
    }

    /// How the call went.
    pub(crate) fn end(mut self, outcome: &Outcome) {
        self.is_over = true;
        self.lane.end(self.pass.take(), outcome);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if !self.is_over {
            self.lane.end(self.pass.take(), &Outcome::Left);
        }
    }
}

/// What a refusal says about the lane. `own_key` says that the call went out with the gateway's key.
pub(crate) fn outcome_of(refusal: &paceline_provider::Refusal, own_key: bool) -> Outcome {
    let fault = |kind| {
        let mut fault = Fault::new(kind).with_message(&refusal.message);
        fault.status = refusal.status;
        fault.retry_after = refusal.retry_after;
        Outcome::Fault(fault)
    };
    match refusal.fault() {
        Blame::Quota => Outcome::Quota,
        Blame::Overload => fault(FaultKind::Overload),
        Blame::Provider => fault(FaultKind::Status),
        Blame::Account if own_key => fault(FaultKind::Account),
        Blame::Account | Blame::Permission | Blame::Caller => Outcome::Refused,
    }
}

impl From<&SendError> for Outcome {
    fn from(error: &SendError) -> Self {
        let kind = match error {
            SendError::Connect(ConnectError::Tls { .. }) => FaultKind::Tls,
            SendError::Connect(_) => FaultKind::Connect,
            SendError::Garbage(_) => FaultKind::Garbage,
            SendError::Cut(_) => FaultKind::Cut,
            SendError::Timeout { .. } => FaultKind::Timeout,
        };
        Self::Fault(Fault::new(kind).with_message(&error.to_string()))
    }
}

/// The same moment, as the lanes' rules have it.
pub(crate) fn routing_time(time: Timestamp) -> paceline_routing::Timestamp {
    paceline_routing::Timestamp::from_nanos(time.as_nanos())
}

/// A random number from 0 to 1.
pub(crate) fn jitter() -> f64 {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(random) / f64::from(u32::MAX)
}
