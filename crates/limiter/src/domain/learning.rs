//! What the provider says about its limits, and its refusals.

use super::Domain;
use crate::charge::Metric;
use crate::knowledge::Situation;
use crate::limits::LimitState;
use crate::settlement::{Observation, ProviderRefusal, RefusalKind};
use crate::time::Timestamp;

impl Domain {
    /// Takes in the limit headers of an answer. A configured limit stands, unless the provider
    /// enforces less over the same window; other limits are learned. Levels only ever rise.
    pub fn observe(&mut self, observation: Observation, now: Timestamp) {
        let now = self.advance(now);
        if observation.limit == 0 {
            return;
        }
        self.gate.end_probe();
        let situation = Situation {
            outstanding: self.outstanding(observation.metric),
            next_serial: self.reservations.next_serial(),
            guard: self.settings.learned_guard,
            now,
        };
        if self
            .knowledge
            .observe(&mut self.limits, &observation, &situation)
        {
            self.limits_changed();
        }
        self.touch();
    }

    /// Takes in a refusal by the provider: the whole domain pauses once per episode, and starts
    /// slowly again after it. Only a refusal for quota touches levels.
    pub fn refused(&mut self, refusal: ProviderRefusal, now: Timestamp) {
        let at = self.advance(now);
        let first = self.gate.begins_episode(&refusal);
        match refusal.kind {
            RefusalKind::Quota => {
                self.totals.quota_refusals += 1;
                // What others were refused says nothing new unless it tells what is used.
                if first || refusal.used.is_some() {
                    self.raise_levels(&refusal, at);
                }
                if first {
                    self.limits.take(&refusal.penalty, at);
                }
            }
            RefusalKind::Overload => self.totals.overload_refusals += 1,
            RefusalKind::Acceleration => self.totals.acceleration_refusals += 1,
        }
        self.gate.refused(&refusal, &self.limits, at);
        self.touch();
    }

    fn raise_levels(&mut self, refusal: &ProviderRefusal, now: u64) {
        let Some(metric) = refusal.metric else { return };
        if let Some(limit) = refusal.limit {
            // A limit named in a refusal is as good as one in a header.
            let remaining = i64::try_from(limit).unwrap_or(i64::MAX);
            let observation = Observation {
                metric,
                limit,
                remaining,
                reset: None,
                as_of: Timestamp::from_nanos(now),
            };
            self.observe(observation, Timestamp::from_nanos(now));
        }
        // Where a provider says when it has room again, the pause until then is all there is to
        // know; a log of what was taken would hold the level for a whole window instead.
        let told = refusal.retry_after.is_some();
        let refused = |state: &&mut LimitState| {
            state.limit.metric == metric && !(told && state.window.is_log())
        };
        let states = self.limits.states.iter_mut().filter(refused);
        match (refusal.limit, refusal.used) {
            (Some(limit), used) => {
                for state in states.filter(|state| state.limit.amount == limit) {
                    state.window.raise_to(used.unwrap_or(limit), now);
                }
            }
            // What one window has seen, all longer ones have seen too.
            (None, Some(used)) => {
                for state in states.filter(|state| state.limit.amount >= used) {
                    state.window.raise_to(used, now);
                }
            }
            (None, None) => {
                if let Some(state) = states.min_by_key(|state| state.limit.window) {
                    state.window.raise_to(state.limit.amount, now);
                }
            }
        }
    }

    /// With both calls and tokens limited by configuration there is nothing to probe.
    pub(super) fn end_probe_if_known(&mut self) {
        let tokens = [Metric::Tokens, Metric::InputTokens, Metric::OutputTokens];
        if self.limits.covers(Metric::Requests)
            && tokens.iter().any(|metric| self.limits.covers(*metric))
        {
            self.gate.end_probe();
        }
    }
}
