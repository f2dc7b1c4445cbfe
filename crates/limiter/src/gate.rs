//! What every request must pass besides the limits: pauses, throttles, spacing and slots.

mod calm;

use crate::charge::Charge;
use crate::course::{Course, FULL_PPM, Stretch};
use crate::crowd::Crowd;
use crate::episode::Running;
use crate::limits::Limits;
use crate::meter::Meter;
use crate::ramp::Ramp;
use crate::request::Binding;
use crate::settings::{CalmSettings, DomainSettings};
use crate::settlement::Outcome;
use crate::snapshot::{RampView, ThrottleKind};
use crate::throttle::{Basis, Throttle};
use crate::time::nanos;

/// Whether a launch may happen now, whatever the limits say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    Open,
    /// Not before this time.
    At(u64, Binding),
    /// Not before something in flight ends.
    Slot(Binding),
}

/// Longer windows are not paced after a new start: an hour.
const PACED_MAX_NS: u64 = 3_600_000_000_000;

#[derive(Debug)]
pub(crate) struct Gate {
    concurrency_max: Option<u32>,
    /// The tightest bound on requests in flight.
    slots: Option<(u32, Binding)>,
    spacing: u64,
    next_launch: u64,
    probe: Option<Ramp>,
    /// What refusals have shown of a limit on requests in flight.
    crowd: Option<Crowd>,
    calm: CalmSettings,
    cool_down_until: u64,
    episode: Option<Running>,
    /// What is left of earlier refusals; nearly always nothing.
    throttles: Vec<Throttle>,
    meter: Meter,
}

impl Gate {
    pub(crate) fn new(settings: &DomainSettings, now: u64) -> Self {
        let mut gate = Self {
            concurrency_max: settings.concurrency_max,
            slots: None,
            spacing: nanos(settings.spacing),
            next_launch: 0,
            probe: settings.probe_concurrency.map(Ramp::from),
            crowd: None,
            calm: settings.calm,
            cool_down_until: 0,
            episode: None,
            throttles: Vec::new(),
            meter: Meter::new(now),
        };
        gate.count_slots();
        gate
    }

    /// The limits are known: nothing has to be probed any more.
    pub(crate) fn end_probe(&mut self) {
        self.probe = None;
        self.count_slots();
    }

    /// Nothing is known any more: one request goes first, and for the length of a window none goes before
    /// it would at the pace of the limits. Pauses go on.
    pub(crate) fn start_over(&mut self, limits: &Limits, now: u64) {
        self.probe = Some(Ramp::from(1));
        self.crowd = None;
        self.count_slots();
        self.throttles.clear();
        let windows = limits.states.iter().map(|state| nanos(state.limit.window));
        let Some(longest) = windows.filter(|window| *window <= PACED_MAX_NS).max() else {
            return;
        };
        let course = Course::of(vec![Stretch {
            length: longest,
            from_ppm: FULL_PPM,
            to_ppm: FULL_PPM,
        }]);
        let start = self.cool_down_until.max(now);
        self.throttles.push(Throttle::new(
            ThrottleKind::SlowStart,
            Basis::Every,
            course,
            start,
        ));
    }

    /// Takes over new bounds; pauses, ramps and throttles go on, unless they are turned off.
    pub(crate) fn reconfigure(&mut self, settings: &DomainSettings) {
        self.concurrency_max = settings.concurrency_max;
        self.calm = settings.calm;
        if settings.calm.stabilisation.is_zero() {
            self.throttles
                .retain(|throttle| throttle.kind() != ThrottleKind::Stabilisation);
        }
        self.spacing = nanos(settings.spacing);
        if settings.probe_concurrency.is_none() {
            self.probe = None;
        }
        self.count_slots();
    }

    fn count_slots(&mut self) {
        let configured = self
            .concurrency_max
            .map(|max| (max, Binding::Concurrency { max }));
        let probe = self.probe.map(|ramp| (ramp.concurrency(), Binding::Probe));
        let crowd = self.crowd.map(|crowd| crowd.most());
        let crowd = crowd.map(|max| (max, Binding::Concurrency { max }));
        self.slots = [configured, probe, crowd]
            .into_iter()
            .flatten()
            .filter(|(max, _)| *max < u32::MAX)
            .min_by_key(|(max, _)| *max);
    }

    pub(crate) fn passage(&self, charge: &Charge, in_flight: usize, now: u64) -> Passage {
        if let Some((max, binding)) = self.slots
            && in_flight >= max as usize
        {
            return Passage::Slot(binding);
        }
        let spacing = (self.next_launch, Binding::Spacing);
        let mut latest = (self.cool_down_until, Binding::CoolDown);
        if spacing.0 > latest.0 {
            latest = spacing;
        }
        for throttle in &self.throttles {
            if throttle.counts(charge)
                && let Some(at) = throttle.opens_at(now)
                && at > latest.0
            {
                latest = (at, throttle.binding());
            }
        }
        if latest.0 > now {
            return Passage::At(latest.0, latest.1);
        }
        Passage::Open
    }

    /// Whether a launch of `charge` now leaves room for another at `at`.
    pub(crate) fn leaves_room(
        &self,
        charge: &Charge,
        limits: &Limits,
        in_flight: usize,
        (now, at): (u64, u64),
    ) -> bool {
        let slot = self
            .slots
            .is_none_or(|(max, _)| in_flight + 2 <= max as usize);
        let mut throttles = self.throttles.iter();
        slot && now.saturating_add(self.spacing) <= at
            && throttles.all(|throttle| throttle.opens_after(charge, limits, now) <= at)
    }

    /// The time that `launches` of `charge` together push one behind them back to.
    pub(crate) fn spaced(
        &self,
        launches: u64,
        charge: &Charge,
        limits: &Limits,
        now: u64,
    ) -> (u64, Binding) {
        let spaced = now
            .max(self.next_launch)
            .saturating_add(self.spacing.saturating_mul(launches));
        let mut latest = (spaced, Binding::Spacing);
        for throttle in self.throttles.iter().filter(|_| launches > 0) {
            let at = throttle.opens_after(charge, limits, now);
            if at > latest.0 {
                latest = (at, throttle.binding());
            }
        }
        latest
    }

    pub(crate) fn launch(&mut self, charge: &Charge, limits: &Limits, now: u64) {
        if self.spacing > 0 {
            self.next_launch = now.saturating_add(self.spacing);
        }
        for throttle in &mut self.throttles {
            throttle.launch(charge, limits, now);
        }
        self.meter.add(charge, now);
    }

    /// Whether anything that is left of earlier refusals bounds the pace.
    pub(crate) fn is_throttled(&self) -> bool {
        !self.throttles.is_empty()
    }

    /// Until when that holds up `charge`; `None`: it does not.
    pub(crate) fn throttled_until(&self, charge: &Charge, now: u64) -> Option<u64> {
        let throttles = self.throttles.iter();
        let counting = throttles.filter(|throttle| throttle.counts(charge));
        counting.filter_map(|throttle| throttle.opens_at(now)).max()
    }

    /// The bound on requests in flight.
    pub(crate) fn in_flight_max(&self) -> Option<u32> {
        self.slots.map(|(max, _)| max)
    }

    /// The one that refusals have shown.
    pub(crate) fn crowd_max(&self) -> Option<u32> {
        self.crowd.map(|crowd| crowd.most())
    }

    pub(crate) fn probe_view(&self) -> Option<RampView> {
        self.probe.map(|ramp| ramp.view())
    }

    /// Whether anything bounds the requests in flight.
    pub(crate) fn has_slots(&self) -> bool {
        self.slots.is_some()
    }

    /// Learns from the end of a request.
    ///
    /// A success during a pause was sent before it and says nothing about the pace after it.
    pub(crate) fn ended(&mut self, outcome: Outcome, in_flight: usize, now: u64) {
        if let (Some(crowd), Outcome::Success) = (&mut self.crowd, outcome)
            && crowd.succeed(in_flight)
        {
            self.count_slots();
        }
        if let (Some(probe), Outcome::Success) = (&mut self.probe, outcome)
            && now >= self.cool_down_until
        {
            probe.succeed();
            self.count_slots();
        }
    }

    /// Too many were in flight, with `in_flight` others; the provider may have named its limit.
    pub(crate) fn crowded(&mut self, limit: Option<u64>, in_flight: usize, first: bool) {
        self.crowd = Some(Crowd::refused(self.crowd, limit, in_flight, first));
        // How many may be tried at once is known by it.
        self.end_probe();
    }

    /// What was launched then was not let in by the provider.
    pub(crate) fn not_let_in(&mut self, charge: &Charge, launched_at: u64) {
        self.meter.take_back(charge, launched_at);
    }
}
