//! What every request must pass besides the limits: pauses, spacing and slots.

use std::time::Duration;

use crate::ramp::{Ramp, Round};
use crate::request::Binding;
use crate::settings::DomainSettings;
use crate::settlement::{Outcome, ProviderRefusal};
use crate::snapshot::RampView;
use crate::time::{Timestamp, nanos};

/// The pause after a refusal that names none.
const COOL_DOWN_MIN: Duration = Duration::from_secs(1);

/// Whether a launch may happen now, whatever its charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    Open,
    /// Not before this time.
    At(u64, Binding),
    /// Not before something in flight ends.
    Slot(Binding),
}

#[derive(Debug)]
pub(crate) struct Gate {
    concurrency_max: Option<u32>,
    /// The tightest bound on requests in flight.
    slots: Option<(u32, Binding)>,
    spacing: u64,
    next_launch: u64,
    cool_down_until: u64,
    probe: Option<Ramp>,
    slow_start: Option<Ramp>,
}

impl Gate {
    pub(crate) fn new(settings: &DomainSettings) -> Self {
        let mut gate = Self {
            concurrency_max: settings.concurrency_max,
            slots: None,
            spacing: nanos(settings.spacing),
            next_launch: 0,
            cool_down_until: 0,
            probe: settings.probe_concurrency.map(Ramp::from),
            slow_start: None,
        };
        gate.count_slots();
        gate
    }

    /// The limits are known: nothing has to be probed any more.
    pub(crate) fn end_probe(&mut self) {
        self.probe = None;
        self.count_slots();
    }

    /// Takes over new bounds; pauses and ramps go on.
    pub(crate) fn reconfigure(&mut self, settings: &DomainSettings) {
        self.concurrency_max = settings.concurrency_max;
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
        let slow = self.slow_start.map(|ramp| ramp.concurrency());
        let slow = slow.map(|max| (max, Binding::Concurrency { max }));
        let probe = self.probe.map(|ramp| (ramp.concurrency(), Binding::Probe));
        self.slots = [configured, slow, probe]
            .into_iter()
            .flatten()
            .filter(|(max, _)| *max < u32::MAX)
            .min_by_key(|(max, _)| *max);
    }

    pub(crate) fn passage(&self, in_flight: usize, now: u64) -> Passage {
        if let Some((max, binding)) = self.slots
            && in_flight >= max as usize
        {
            return Passage::Slot(binding);
        }
        if now < self.cool_down_until && self.cool_down_until >= self.next_launch {
            return Passage::At(self.cool_down_until, Binding::CoolDown);
        }
        if now < self.next_launch {
            return Passage::At(self.next_launch, Binding::Spacing);
        }
        Passage::Open
    }

    /// Whether a launch now leaves room for another at `at`.
    pub(crate) fn leaves_room(&self, in_flight: usize, now: u64, at: u64) -> bool {
        let slot = self
            .slots
            .is_none_or(|(max, _)| in_flight + 2 <= max as usize);
        slot && now.saturating_add(self.spacing) <= at
    }

    /// The time that `launches` before it push a launch at `now` back to.
    pub(crate) fn spaced(&self, launches: u64, now: u64) -> u64 {
        now.max(self.next_launch)
            .saturating_add(self.spacing.saturating_mul(launches))
    }

    pub(crate) fn launch(&mut self, now: u64) {
        if self.spacing > 0 {
            self.next_launch = now.saturating_add(self.spacing);
        }
    }

    pub(crate) fn cool_down_until(&self) -> u64 {
        self.cool_down_until
    }

    pub(crate) fn probe_view(&self) -> Option<RampView> {
        self.probe.map(|ramp| ramp.view())
    }

    pub(crate) fn slow_start_view(&self) -> Option<RampView> {
        self.slow_start.map(|ramp| ramp.view())
    }

    /// Starts a pause, or extends the present one if the provider asks for it.
    pub(crate) fn cool_down(
        &mut self,
        refusal: &ProviderRefusal,
        in_flight: usize,
        now: Timestamp,
    ) {
        let pausing = now.as_nanos() < self.cool_down_until;
        let pause = match refusal.retry_after {
            Some(asked) => asked,
            None if pausing => return,
            None => COOL_DOWN_MIN,
        };
        let until = (now + pause + refusal.jitter).as_nanos();
        self.cool_down_until = self.cool_down_until.max(until);
        if !pausing {
            let quarter = u32::try_from(in_flight / 4).unwrap_or(u32::MAX);
            self.slow_start = Some(Ramp::from(quarter));
            self.count_slots();
        }
    }

    /// Whether anything bounds the requests in flight.
    pub(crate) fn has_slots(&self) -> bool {
        self.slots.is_some()
    }

    /// Learns from the end of a request. `in_flight` still counts it.
    ///
    /// A success during a pause was sent before it and says nothing about the pace after it.
    pub(crate) fn ended(&mut self, outcome: Outcome, in_flight: usize, now: u64) {
        if self.probe.is_none() && self.slow_start.is_none() {
            return;
        }
        match outcome {
            Outcome::Success if now >= self.cool_down_until => {
                if let Some(probe) = &mut self.probe {
                    probe.succeed(in_flight);
                }
                let slow_start = self.slow_start.as_mut();
                if slow_start.is_some_and(|ramp| ramp.succeed(in_flight) == Round::Slack) {
                    self.slow_start = None;
                }
            }
            Outcome::Refused => {
                if let Some(probe) = &mut self.probe {
                    probe.halve();
                }
            }
            Outcome::Success | Outcome::Failed => {}
        }
        self.count_slots();
    }
}
