//! Starting over: what was learned and counted is forgotten.

use super::Domain;
use crate::learning::charges::Charges;
use crate::learning::delay::DelaySpread;
use crate::learning::spent::Spent;
use crate::limits::LimitState;
use crate::snapshot::LimitSource;
use crate::time::Timestamp;

impl Domain {
    /// Forgets what was learned of the limits and what was counted of them, but for what is under way;
    /// who waits goes on waiting.
    ///
    /// Nothing bursts after it: one request goes first, whose answer tells how much is used, and until
    /// a window is over no more goes than at the pace of the limits.
    pub fn reset(&mut self, now: Timestamp) {
        let now = self.advance(now);
        let serial = self.reservations.next_serial();
        let old = std::mem::take(&mut self.limits.states);
        for state in old {
            if state.source == LimitSource::Learned {
                continue;
            }
            let metric = state.limit.metric;
            let mut state = LimitState::new(state.limit, LimitSource::Configured, serial, now);
            state.window.raise_to(self.outstanding(metric), now);
            self.limits.states.push(state);
        }
        self.charges = Charges::default();
        self.charges.open(now);
        self.delay = DelaySpread::default();
        self.spent = Spent::new(now);
        self.learning = true;
        self.gate.start_over(&self.limits, now);
        self.limits_changed();
    }
}
