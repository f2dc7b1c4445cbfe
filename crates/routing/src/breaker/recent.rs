//! The last results of a lane: bounded in number and in age.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// Results that are remembered. The bound makes a busy lane's memory short: one with a hundred
/// calls a second that dies is judged by less than a second, and not by half a minute of success.
pub(crate) const RESULTS_MAX: u32 = 64;

/// Results with a mark on the bad ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    results: VecDeque<(Timestamp, bool)>,
}

/// How many there are, how many of them are bad, and how many since the last good one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) all: u32,
    pub(crate) bad: u32,
    pub(crate) bad_in_a_row: u32,
}

impl Count {
    /// Whether there are enough, and enough of them bad, if `others` turn out to be good.
    pub(crate) fn reaches(self, least: u32, others: usize, share: f64) -> bool {
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let all = f64::from(self.all) + f64::from(others);
        self.all >= least && f64::from(self.bad) >= share * all
    }
}

impl Recent {
    pub(crate) fn note(&mut self, bad: bool, now: Timestamp, window: Duration) {
        self.results.push_back((now, bad));
        while self.results.len() > RESULTS_MAX as usize || self.oldest_is_past(now, window) {
            self.results.pop_front();
        }
    }

    pub(crate) fn count(&self, now: Timestamp, window: Duration) -> Count {
        let mut count = Count::default();
        for (_, bad) in self
            .results
            .iter()
            .rev()
            .take_while(|(at, _)| now.saturating_since(*at) <= window)
        {
            count.all += 1;
            count.bad += u32::from(*bad);
            if count.bad == count.all {
                count.bad_in_a_row = count.bad;
            }
        }
        count
    }

    fn oldest_is_past(&self, now: Timestamp, window: Duration) -> bool {
        self.results
            .front()
            .is_some_and(|(at, _)| now.saturating_since(*at) > window)
    }
}

/// One thing that calls do well or badly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Track {
    pub(crate) recent: Recent,
    /// Faults since the last good result.
    pub(crate) streak: u32,
    /// Calls that had been sent when the first of them was told.
    sent_before: u64,
}

impl Track {
    pub(crate) fn note_good(&mut self, now: Timestamp, window: Duration) {
        self.recent.note(false, now, window);
        self.streak = 0;
    }

    /// `sent` calls were sent so far.
    pub(crate) fn note_bad(&mut self, now: Timestamp, window: Duration, sent: u64) {
        self.recent.note(true, now, window);
        if self.streak == 0 {
            self.sent_before = sent;
        }
        self.streak = self.streak.saturating_add(1);
    }

    /// A call that was sent meanwhile says nothing here.
    pub(crate) fn leave_out(&mut self) {
        if self.streak > 0 {
            self.sent_before += 1;
        }
    }

    /// Whether there are enough faults in a row. Failures are often told sooner than successes:
    /// they count only if they are at least as many as half of the calls that were sent meanwhile.
    pub(crate) fn fails_in_a_row(&self, enough: u32, sent: u64) -> bool {
        let meanwhile = sent.saturating_sub(self.sent_before);
        self.streak >= enough && u64::from(self.streak) * 2 >= meanwhile
    }
}
