//! Limits that nobody names: their amount is found out from refusals.

use std::time::Duration;

use super::Domain;
use crate::charge::Metric;
use crate::learning::guess::Guess;
use crate::learning::spent::SPAN_MAX;
use crate::learning::unknown_limit;
use crate::limits::LimitState;
use crate::settings::Limit;
use crate::settlement::ProviderRefusal;
use crate::snapshot::LimitSource;
use crate::time::nanos;

/// With fewer requests let in before it, a refusal tells next to nothing of a limit.
const REQUESTS_MIN: u64 = 5;

impl Domain {
    /// Takes in a refusal that names no amount, for a limit that no answer speaks of; whether it taught
    /// something, so that pacing by that is all that has to follow.
    pub(super) fn guess_amount(&mut self, refusal: &ProviderRefusal, now: u64) -> bool {
        let window = refusal.window.map_or(SPAN_MAX, nanos);
        let is_named = refusal.limit.is_some() || refusal.used.is_some();
        // A pool without limits that is not to learn any has no probe either.
        let learns = self.settings.limits.is_empty() && self.settings.probe_concurrency.is_some();
        if is_named || !learns || window > SPAN_MAX || !self.elsewhere.decides_here() {
            return false;
        }
        let metric = refusal.metric.unwrap_or(Metric::Requests);
        let concerns = |state: &&mut LimitState| {
            let of_metric = refusal.metric.is_none() || state.limit.metric == metric;
            of_metric && nanos(state.limit.window) <= SPAN_MAX
        };
        let (serial, guard) = (self.reservations.next_serial(), self.learned_guard());
        if let Some(state) = self.limits.states.iter_mut().find(concerns) {
            if state.learner.is_observed() {
                return false;
            }
            let (amount, window) = (state.limit.amount, nanos(state.limit.window));
            let guess = state.learner.guess.get_or_insert_with(|| Guess::new(0));
            let Some(less) = guess.refused(amount, (window, now)) else {
                return false;
            };
            state.resize(guessed(less, &state.limit, guard), serial, now);
        } else {
            let requests = self.spent.within(Metric::Requests, window, now);
            let amount = self.spent.within(metric, window, now);
            if requests < REQUESTS_MIN || amount == 0 {
                return false;
            }
            let limit = unknown_limit(metric, amount, window, guard);
            let mut state = LimitState::new(limit, LimitSource::Learned, serial, now);
            state.learner.guess = Some(Guess::new(now));
            // Where a wait is named, it is all there is to know of when the window has room again.
            if !refusal.wait_named {
                state.window.raise_to(amount, now);
            }
            self.limits.states.push(state);
        }
        self.gate.end_probe();
        self.limits_changed();
        true
    }

    /// Takes off the first amount what was in flight and was refused too.
    pub(super) fn correct_guess(&mut self, refusal: &ProviderRefusal, now: u64) {
        let sent = refusal.sent_at.as_nanos();
        let (serial, guard) = (self.reservations.next_serial(), self.learned_guard());
        let mut changed = false;
        for state in &mut self.limits.states {
            let guess = state.learner.guess.as_ref();
            if !guess.is_some_and(|guess| guess.is_of_first(sent)) {
                continue;
            }
            let window = nanos(state.limit.window);
            let amount = self.spent.within(state.limit.metric, window, now).max(1);
            if amount < state.limit.amount {
                state.resize(guessed(amount, &state.limit, guard), serial, now);
                changed = true;
            }
        }
        if changed {
            self.limits_changed();
        }
    }

    /// Lets guessed amounts grow where a window was used up without a refusal.
    pub(super) fn try_more(&mut self, now: u64) {
        let (serial, guard) = (self.reservations.next_serial(), self.learned_guard());
        let mut changed = false;
        for state in &mut self.limits.states {
            let Some(guess) = &mut state.learner.guess else {
                continue;
            };
            let (amount, window) = (state.limit.amount, nanos(state.limit.window));
            let used = self.spent.within(state.limit.metric, window, now);
            if let Some(more) = guess.held(amount, used, (window, now)) {
                state.resize(guessed(more, &state.limit, guard), serial, now);
                changed = true;
            }
        }
        if changed {
            self.limits_changed();
        }
    }
}

/// The limit with another amount. What goes at once follows from that anew: scaled time and again it
/// would lose a unit each time.
fn guessed(amount: u64, limit: &Limit, guard: Duration) -> Limit {
    unknown_limit(limit.metric, amount, nanos(limit.window), guard)
}
