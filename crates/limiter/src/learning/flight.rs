//! Requests that were sent lately, and which of them have been answered.
//!
//! Whether a figure from the provider counts a request is certain in two cases only: a request that
//! was answered before is counted, and one that was sent later is not. What lies between bounds what
//! the provider can be counting.

use std::collections::VecDeque;

use crate::charge::{Charge, Metric};

/// Requests are remembered this long after they were sent, once later ones were answered.
const MEMORY_NS: u64 = 5_000_000_000;

/// And no more than this many.
const REMEMBERED_MAX: usize = 8_192;

#[derive(Clone, Copy, Debug)]
struct Sent {
    serial: u64,
    at: u64,
    charge: Charge,
    open: bool,
}

/// Requests in the order in which they were sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flight {
    sent: VecDeque<Sent>,
    /// When a request last went out that was not noted.
    missed: Option<u64>,
}

impl Flight {
    /// A request goes out.
    pub(crate) fn send(&mut self, serial: u64, charge: Charge, now: u64) {
        self.sent.push_back(Sent {
            serial,
            at: now,
            charge,
            open: true,
        });
        if self.sent.len() > REMEMBERED_MAX {
            self.sent.pop_front();
        }
    }

    /// A request goes out that is not noted.
    pub(crate) const fn miss(&mut self, now: u64) {
        self.missed = Some(now);
    }

    /// Whether every request that went out from `since` on was noted.
    pub(crate) fn knows_since(&self, since: u64) -> bool {
        self.missed.is_none_or(|missed| missed < since)
    }

    /// A request was answered, or will not be: it is counted by now, or never will be.
    pub(crate) fn answered(&mut self, serial: u64) {
        let Ok(index) = self.sent.binary_search_by_key(&serial, |sent| sent.serial) else {
            return;
        };
        let Some(sent) = self.sent.get_mut(index) else {
            return;
        };
        sent.open = false;
        let at = sent.at;
        while self
            .sent
            .front()
            .is_some_and(|first| first.at.saturating_add(MEMORY_NS) < at)
        {
            self.sent.pop_front();
        }
    }

    /// Whether every request that was sent lately has been answered.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.sent.iter().any(|sent| sent.open)
    }

    /// Units of `metric` that a figure made up after a request sent at `since` may lack although
    /// they were sent: those of requests without an answer.
    pub(crate) fn open_since(&self, metric: Metric, since: u64) -> u64 {
        self.since(since)
            .filter(|sent| sent.open)
            .map(|sent| sent.charge.get(metric))
            .fold(0, u64::saturating_add)
    }

    /// Units of `metric` that were sent after `since`: no figure made up before counts them.
    pub(crate) fn sent_after(&self, metric: Metric, since: u64) -> u64 {
        self.since(since.saturating_add(1))
            .map(|sent| sent.charge.get(metric))
            .fold(0, u64::saturating_add)
    }

    /// Units of `metric` that were sent within `spread` of `time`: these may have overtaken each
    /// other on the way.
    pub(crate) fn sent_around(&self, metric: Metric, time: u64, spread: u64) -> u64 {
        self.since(time.saturating_sub(spread))
            .filter(|sent| sent.at <= time.saturating_add(spread))
            .map(|sent| sent.charge.get(metric))
            .fold(0, u64::saturating_add)
    }

    fn since(&self, since: u64) -> impl Iterator<Item = &Sent> {
        self.sent
            .iter()
            .rev()
            .take_while(move |sent| sent.at >= since)
    }
}
