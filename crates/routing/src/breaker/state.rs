//! The states of a breaker, and what time alone makes of them.

use super::Breaker;
use crate::time::Timestamp;

/// Where a breaker stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    Closed {
        since: Timestamp,
    },
    Open {
        since: Timestamp,
        until: Timestamp,
    },
    HalfOpen {
        since: Timestamp,
        probe: Option<Probe>,
    },
    Returning {
        since: Timestamp,
    },
}

/// The call that finds out whether the lane is well again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) id: u64,
    pub(crate) sent: Timestamp,
    pub(crate) answered: Option<Timestamp>,
}

impl Breaker {
    /// The state that time alone brings about.
    pub(crate) fn settled(&self, now: Timestamp) -> State {
        let mut state = self.state;
        if let State::Open { until, .. } = state
            && now >= until
        {
            state = State::HalfOpen {
                since: until,
                probe: None,
            };
        }
        if let State::HalfOpen {
            since,
            probe: Some(probe),
        } = state
        {
            let until = self.probed_until(&probe);
            match probe.answered {
                Some(_) if now >= until => state = State::Returning { since: until },
                None if now >= until => {
                    state = State::HalfOpen { since, probe: None };
                }
                _ => {}
            }
        }
        if let State::Returning { since } = state
            && now >= since + self.settings.return_over
        {
            state = State::Closed { since };
        }
        state
    }

    /// When the place for a probe is free at the latest, or the lane is well.
    pub(crate) fn probed_until(&self, probe: &Probe) -> Timestamp {
        match probe.answered {
            Some(answered) => answered + self.settings.probe_settles,
            None => probe.sent + self.settings.probe_bound,
        }
    }

    pub(crate) fn move_on(&mut self, now: Timestamp) {
        self.state = self.settled(now);
    }

    /// The share of its traffic that a lane gets that has been returning since then.
    pub(crate) fn share(&self, since: Timestamp, now: Timestamp) -> f64 {
        let part =
            now.saturating_since(since).as_secs_f64() / self.settings.return_over.as_secs_f64();
        let from = self.settings.return_from;
        (from + (1.0 - from) * part).min(1.0)
    }
}
