//! Whether a lane is fit for use, judged by how its calls went.
//!
//! A breaker is *closed* while its lane is well. It trips on faults of the provider alone: three in
//! a row, or half of the last results; at once where the account is refused; and on silence, before
//! calls time out. Whether calls get a first byte and whether answers come to their end is judged
//! apart: long answers that still come to their end do not hide that no new ones begin, and first
//! bytes do not hide that all answers are cut. Then it is *open*: nobody goes there, for a time that doubles with each trip.
//! After that it is *half open*: one call at a time may go and see. When one comes back well, the
//! lane is *returning*: it gets a tenth of its traffic, and within some seconds all of it.
//!
//! Calls that were sent before a trip say nothing new afterwards, so that one failure is one trip
//! however many calls were under way. Two things they may still tell: that the account is refused,
//! and that a lane that seemed to hang did answer.

mod recent;
mod settings;
mod state;
mod unanswered;
mod view;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::fault::{Cause, Fault, FaultKind, Outcome};
use crate::hash;
use crate::latency::Latency;
use crate::time::Timestamp;
use recent::{Recent, Track};
pub use settings::{BreakerSettings, Hang, Slow};
use state::{Probe, State};
use unanswered::Unanswered;
pub use view::{BreakerView, StateView};

/// Faults in a row that trip a lane that has just come back.
const FAULTS_IN_A_ROW_RETURNING: u32 = 2;

/// What a lane is fit for at a point in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Health {
    /// It takes every call.
    Well,
    /// It was ill of `kind` and takes this share (0 to 1) of its calls.
    Returning {
        /// The share of its usual traffic.
        share: f64,
        /// What it was ill of.
        kind: FaultKind,
    },
    /// It was ill of `kind`, and one call may go and see.
    Probe {
        /// What it was ill of.
        kind: FaultKind,
    },
    /// It takes nothing.
    Ill {
        /// What it is ill of.
        kind: FaultKind,
        /// When the next call may go and see, at the latest.
        until: Timestamp,
    },
}

/// Leave to send one call on a lane. It is given back with [`Breaker::end`], exactly once; one that
/// never is costs nothing but a probe's place for [`BreakerSettings::probe_bound`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "how the call ended has to be reported with `Breaker::end`"]
pub struct Pass {
    id: u64,
    /// Trips before it: what it reports after another one is old news.
    epoch: u64,
    probe: bool,
}

impl Pass {
    /// Whether the call is to find out if the lane is well again.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        self.probe
    }
}

/// The lane takes no call now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When the next call may go and see, at the latest.
    pub until: Timestamp,
    /// What the lane is ill of.
    pub kind: FaultKind,
}

/// The health of one lane. See the module for its rules.
///
/// Every `jitter` is a fresh random number from 0 to 1; every `now` is of one monotonic clock.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    /// Whether calls got a first byte.
    starts: Track,
    /// Whether answers that had begun came to their end.
    ends: Track,
    lateness: Recent,
    unanswered: Unanswered,
    latency: Latency,
    cause: Option<Cause>,
    /// Since when the lane has not been well, or was not the last time.
    ill_since: Timestamp,
    /// Trips without calm between them.
    trips_in_a_row: u32,
    trips: u64,
    epoch: u64,
    /// Until when the provider asked to be left alone.
    asked_until: Timestamp,
}

impl Breaker {
    /// A lane that is taken to be well. The settings are used as they are:
    /// [`BreakerSettings::check`] says whether they make sense.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: State::Closed {
                since: Timestamp::ZERO,
            },
            starts: Track::default(),
            ends: Track::default(),
            lateness: Recent::default(),
            unanswered: Unanswered::default(),
            latency: Latency::new(),
            cause: None,
            ill_since: Timestamp::ZERO,
            trips_in_a_row: 0,
            trips: 0,
            epoch: 0,
            asked_until: Timestamp::ZERO,
        }
    }

    /// What the lane is fit for. Trips it if it hangs.
    pub fn health(&mut self, now: Timestamp, jitter: f64) -> Health {
        self.move_on(now);
        self.notice_silence(now, jitter);
        let kind = self.kind();
        match self.state {
            State::Closed { .. } => Health::Well,
            State::Returning { since } => Health::Returning {
                share: self.share(since, now),
                kind,
            },
            State::HalfOpen { probe: None, .. } => Health::Probe { kind },
            State::HalfOpen {
                probe: Some(probe), ..
            } => Health::Ill {
                kind,
                until: self.probed_until(&probe),
            },
            State::Open { until, .. } => Health::Ill { kind, until },
        }
    }

    /// Leave to send a call on this lane now; the one place for a probe is taken by it.
    ///
    /// # Errors
    ///
    /// The lane is ill, or another call is its probe already.
    pub fn begin(&mut self, now: Timestamp) -> Result<Pass, Refused> {
        self.move_on(now);
        let kind = self.kind();
        let id = self.unanswered.next_id();
        let probe = match &mut self.state {
            State::Closed { .. } | State::Returning { .. } => false,
            State::Open { until, .. } => {
                let until = *until;
                return Err(Refused { until, kind });
            }
            State::HalfOpen {
                probe: Some(probe), ..
            } => {
                let probe = *probe;
                let until = self.probed_until(&probe);
                return Err(Refused { until, kind });
            }
            State::HalfOpen { probe, .. } => {
                *probe = Some(Probe {
                    id,
                    sent: now,
                    answered: None,
                });
                true
            }
        };
        self.unanswered.sent(now);
        Ok(Pass {
            id,
            epoch: self.epoch,
            probe,
        })
    }

    /// The first byte of a good answer came. Its end is told with [`Breaker::end`].
    pub fn first_byte(&mut self, pass: &Pass, now: Timestamp, jitter: f64) {
        self.move_on(now);
        self.came_back(pass, now);
        let Some(sent) = self.unanswered.remove(pass.id) else {
            return;
        };
        let latency = now.saturating_since(sent);
        self.latency.record(latency, now);
        if pass.epoch == self.epoch {
            self.starts.note_good(now, self.settings.window);
            self.judge_lateness(pass, latency, now, jitter);
        }
    }

    /// How the call ended.
    pub fn end(&mut self, pass: Pass, outcome: &Outcome, now: Timestamp, jitter: f64) {
        self.move_on(now);
        match outcome {
            Outcome::Whole => {
                self.first_byte(&pass, now, jitter);
                self.succeeded(&pass, now);
            }
            Outcome::Refused | Outcome::Quota => {
                self.came_back(&pass, now);
                self.unanswered.remove(pass.id);
                self.free_probe(&pass);
            }
            Outcome::Left | Outcome::Ours | Outcome::Overtaken => {
                if let Some(sent) = self.unanswered.remove(pass.id) {
                    if *outcome == Outcome::Overtaken {
                        // It would have taken longer still. Without it only the quick answers would
                        // be remembered, and the next calls would count as late ever sooner.
                        self.latency.record(now.saturating_since(sent), now);
                    }
                    let patience = self.patience(now).unwrap_or(Duration::MAX);
                    let waited = now.saturating_since(sent);
                    self.unanswered.gave_up(pass.id, waited, patience);
                }
                self.free_probe(&pass);
            }
            Outcome::Fault(fault) => {
                if fault.kind.shows_life() {
                    self.unanswered.heard();
                }
                self.failed(&pass, fault, now, jitter);
            }
        }
    }

    /// How long the lane takes until the first byte, as its calls told.
    #[must_use]
    pub const fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Trips so far: whether one call of [`Breaker::health`] found the lane to hang.
    #[must_use]
    pub const fn trips(&self) -> u64 {
        self.trips
    }

    /// Takes the lane to be well, whatever was known: for people who mended something.
    pub fn reset(&mut self, now: Timestamp) {
        self.state = State::Closed { since: now };
        self.forget_results();
        self.unanswered.heard();
        self.trips_in_a_row = 0;
        self.epoch += 1;
        self.asked_until = Timestamp::ZERO;
        self.cause = None;
    }

    fn kind(&self) -> FaultKind {
        self.cause
            .as_ref()
            .map_or(FaultKind::Status, |cause| cause.kind)
    }

    fn patience(&self, now: Timestamp) -> Option<Duration> {
        let hang = self.settings.hang.as_ref()?;
        Some(self.unanswered.patience(hang, &self.latency, now))
    }

    fn notice_silence(&mut self, now: Timestamp, jitter: f64) {
        let Some(hang) = &self.settings.hang else {
            return;
        };
        let in_use = matches!(self.state, State::Closed { .. } | State::Returning { .. });
        // What patience is takes longer to find out than that nobody has waited for long.
        if !in_use || !self.unanswered.is_silent(hang, hang.least, now) {
            return;
        }
        let patience = self.unanswered.patience(hang, &self.latency, now);
        if self.unanswered.is_silent(hang, patience, now) {
            let waiting = self.unanswered.count();
            let fault = Fault::new(FaultKind::Hang).with_message(&format!(
                "no answer for {:.1} s, {waiting} calls waiting",
                patience.as_secs_f64()
            ));
            self.trip(&fault, now, jitter);
        }
    }

    /// The provider answered this call, one way or another: what seemed to hang does not.
    fn came_back(&mut self, pass: &Pass, now: Timestamp) {
        self.unanswered.heard();
        let out = matches!(self.state, State::Open { .. } | State::HalfOpen { .. });
        if out && self.kind() == FaultKind::Hang && pass.epoch < self.epoch {
            self.unanswered.learn_patience();
            self.trips_in_a_row = self.trips_in_a_row.saturating_sub(1);
            self.state = State::Returning { since: now };
        }
    }

    fn judge_lateness(&mut self, pass: &Pass, latency: Duration, now: Timestamp, jitter: f64) {
        let slow = self.settings.slow.clone();
        let late = slow.as_ref().is_some_and(|slow| latency > slow.bound);
        let ill = match &mut self.state {
            State::HalfOpen {
                probe: Some(probe), ..
            } if probe.id == pass.id => {
                probe.answered = (!late).then_some(now);
                late
            }
            State::Closed { .. } | State::Returning { .. } => slow.as_ref().is_some_and(|slow| {
                let (window, least) = (self.settings.window, self.settings.calls_min);
                self.lateness.note(late, now, window);
                let count = self.lateness.count(now, window);
                // Time in which all went well is not to hide that all are late now.
                count.reaches(least, 0, slow.share) || count.bad_in_a_row >= least
            }),
            State::HalfOpen { .. } | State::Open { .. } => false,
        };
        if ill {
            let fault = Fault::new(FaultKind::Slow)
                .with_message(&format!("first byte after {:.1} s", latency.as_secs_f64()));
            self.trip(&fault, now, jitter);
        }
    }

    fn succeeded(&mut self, pass: &Pass, now: Timestamp) {
        if pass.epoch != self.epoch {
            return;
        }
        match self.state {
            State::HalfOpen { .. } => self.state = State::Returning { since: now },
            State::Closed { .. } | State::Returning { .. } => {
                self.ends.note_good(now, self.settings.window);
            }
            State::Open { .. } => {}
        }
    }

    /// A call that says nothing about the lane's health leaves the place to the next probe.
    fn free_probe(&mut self, pass: &Pass) {
        if let State::HalfOpen { probe, .. } = &mut self.state
            && probe.is_some_and(|probe| probe.id == pass.id)
        {
            *probe = None;
        }
    }

    fn failed(&mut self, pass: &Pass, fault: &Fault, now: Timestamp, jitter: f64) {
        self.leave_alone(fault, now);
        let had_begun = self.unanswered.remove(pass.id).is_none();
        let current = pass.epoch == self.epoch;
        let ill = match self.state {
            // That the account is refused is worth knowing whenever the lane is not well.
            State::Open { .. } => {
                fault.kind == FaultKind::Account && self.kind() != FaultKind::Account
            }
            _ if !current => false,
            State::HalfOpen { .. } => true,
            _ if fault.is_repeated && fault.kind != FaultKind::Account => {
                self.starts.leave_out();
                self.ends.leave_out();
                false
            }
            State::Closed { .. } | State::Returning { .. } => {
                let sent = self.unanswered.next_id();
                let window = self.settings.window;
                let track = if had_begun {
                    &mut self.ends
                } else {
                    &mut self.starts
                };
                track.note_bad(now, window, sent);
                fault.kind == FaultKind::Account || self.is_failing(had_begun, now)
            }
        };
        if ill {
            self.trip(fault, now, jitter);
        }
    }

    /// Remembers how long the provider asks to be left alone, and adds to a pause that is shorter.
    fn leave_alone(&mut self, fault: &Fault, now: Timestamp) {
        let Some(asked) = fault.retry_after else {
            return;
        };
        let asked = asked.min(self.settings.retry_after_max);
        self.asked_until = self.asked_until.max(now + asked);
        if let State::Open { until, .. } = &mut self.state {
            *until = (*until).max(self.asked_until);
        }
    }

    fn is_failing(&self, had_begun: bool, now: Timestamp) -> bool {
        let track = if had_begun { &self.ends } else { &self.starts };
        let count = track.recent.count(now, self.settings.window);
        let returning = matches!(self.state, State::Returning { .. });
        let (least, in_a_row) = if returning {
            let in_a_row = FAULTS_IN_A_ROW_RETURNING.min(self.settings.faults_in_a_row);
            (self.settings.calls_min.div_ceil(2), in_a_row)
        } else if count.all < self.settings.calls_min {
            (self.settings.calls_min, self.settings.faults_in_a_row)
        } else {
            // Among many calls three failures in a row are bound to happen one day.
            (self.settings.calls_min, self.settings.calls_min)
        };
        let sent = self.unanswered.next_id();
        // Before the first success is told, calls that wait may well be successes.
        let waiting = if count.bad == count.all && !had_begun {
            self.unanswered.count()
        } else {
            0
        };
        track.fails_in_a_row(in_a_row, sent)
            || count.reaches(least, waiting, self.settings.fault_share)
    }

    fn trip(&mut self, fault: &Fault, now: Timestamp, jitter: f64) {
        if let State::Closed { since } = self.state {
            self.ill_since = now;
            if now.saturating_since(since) >= self.settings.calm {
                self.trips_in_a_row = 0;
            }
        }
        let is_account = fault.kind == FaultKind::Account;
        if is_account != (self.kind() == FaultKind::Account) {
            // The one says nothing about how long the other lasts.
            self.trips_in_a_row = 0;
        }
        let settings = &self.settings;
        let (first, most) = match is_account {
            true => (settings.open_account_first, settings.open_account_max),
            false => (settings.open_first, settings.open_max),
        };
        let doubled = 1_u32.checked_shl(self.trips_in_a_row).unwrap_or(u32::MAX);
        let open = first.saturating_mul(doubled).min(most);
        let open = open.mul_f64(1.0 + self.settings.jitter_share * hash::share(jitter));
        self.state = State::Open {
            since: now,
            until: (now + open).max(self.asked_until),
        };
        self.trips_in_a_row = self.trips_in_a_row.saturating_add(1);
        self.trips += 1;
        self.epoch += 1;
        self.cause = Some(Cause::of(fault, now));
        self.forget_results();
    }

    fn forget_results(&mut self) {
        self.starts = Track::default();
        self.ends = Track::default();
        self.lateness = Recent::default();
    }
}
