//! A breaker as people see it.

use super::Breaker;
use super::state::State;
use crate::fault::Cause;
use crate::time::Timestamp;

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StateView {
    /// All calls go.
    Closed,
    /// None goes.
    Open,
    /// One at a time goes and sees.
    HalfOpen {
        /// Whether one is under way.
        probing: bool,
    },
    /// This share of calls goes.
    Returning {
        /// 0 to 1.
        share: f64,
    },
}

impl StateView {
    /// The name in logs, metrics and views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen { .. } => "half_open",
            Self::Returning { .. } => "returning",
        }
    }
}

/// One lane's health, for logs and admin views.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerView {
    /// Where the breaker stands.
    pub state: StateView,
    /// Since when.
    pub since: Timestamp,
    /// Since when the lane has not been well, whatever its states since then; `None` while it is closed.
    pub ill_since: Option<Timestamp>,
    /// Why it tripped last; `None` if it never did, or was reset since.
    pub cause: Option<Cause>,
    /// Calls in the window that got a first byte, or failed before it.
    pub starts: u32,
    /// How many of them failed.
    pub starts_failed: u32,
    /// Answers in the window that came to their end, or failed after their first byte.
    pub ends: u32,
    /// How many of them failed.
    pub ends_failed: u32,
    /// Faults in a row, before or after first bytes.
    pub faults_in_a_row: u32,
    /// Calls that wait for their first byte.
    pub waiting: usize,
    /// When the next call may go and see; `None` unless the breaker is open.
    pub next_probe: Option<Timestamp>,
    /// Trips so far.
    pub trips: u64,
    /// Trips without calm between them: how often the time open was doubled, and once.
    pub trips_in_a_row: u32,
}

impl Breaker {
    /// The lane as it is at `now`.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> BreakerView {
        let state = self.settled(now);
        let window = self.settings.window;
        let starts = self.starts.recent.count(now, window);
        let ends = self.ends.recent.count(now, window);
        let (state, since, next_probe) = match state {
            State::Closed { since } => (StateView::Closed, since, None),
            State::Open { since, until } => (StateView::Open, since, Some(until)),
            State::HalfOpen { since, probe } => {
                let probing = probe.is_some();
                (StateView::HalfOpen { probing }, since, None)
            }
            State::Returning { since } => {
                let share = self.share(since, now);
                (StateView::Returning { share }, since, None)
            }
        };
        BreakerView {
            state,
            since,
            ill_since: (state != StateView::Closed).then_some(self.ill_since),
            cause: self.cause.clone(),
            starts: starts.all,
            starts_failed: starts.bad,
            ends: ends.all,
            ends_failed: ends.bad,
            faults_in_a_row: self.starts.streak.max(self.ends.streak),
            waiting: self.unanswered.count(),
            next_probe,
            trips: self.trips,
            trips_in_a_row: self.trips_in_a_row,
        }
    }
}
