//! How evenly a window is used.

use crate::expected::{HORIZON_NS, whole};

/// This part of the amount may go at once.
const AT_ONCE: f64 = 64.0;

/// What was taken lately, as it drains evenly over a window, or over the time that is looked ahead if
/// that is shorter.
#[derive(Clone, Debug)]
pub(super) struct Evenness {
    /// Units per nanosecond.
    drain: f64,
    at_once: f64,
    units: f64,
    at: u64,
}

impl Evenness {
    pub(super) const fn new(amount: u64, span: u64) -> Self {
        let time = if span < HORIZON_NS { span } else { HORIZON_NS };
        let time = if time == 0 { 1 } else { time };
        Self {
            drain: amount as f64 / time as f64,
            at_once: amount as f64 / AT_ONCE,
            units: 0.0,
            at: 0,
        }
    }

    fn level_at(&self, time: u64) -> f64 {
        let drained = self.drain * time.saturating_sub(self.at) as f64;
        (self.units - drained).max(0.0)
    }

    pub(super) fn take(&mut self, units: u64, now: u64) {
        (self.units, self.at) = (self.level_at(now) + units as f64, now);
    }

    pub(super) fn refund(&mut self, units: u64) {
        self.units = (self.units - units as f64).max(0.0);
    }

    /// When use that is to be even may go on after `ahead` more.
    pub(super) fn earliest(&self, ahead: u64, from: u64) -> u64 {
        let excess = self.units + ahead as f64 - self.at_once;
        if excess <= 0.0 {
            return from;
        }
        from.max(self.at.saturating_add(whole((excess / self.drain).ceil())))
    }

    /// What may be taken at `now` so that it may go on at `time`: what is drained by then as well.
    pub(super) fn headroom(&self, time: u64, now: u64) -> u64 {
        let drained = self.drain * time.saturating_sub(now) as f64;
        whole((self.at_once + drained - self.level_at(now)).max(0.0))
    }
}
