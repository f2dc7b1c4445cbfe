//! What is handed in and not yet durable.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};

use super::Lost;
use crate::entry::Entry;
use crate::health::Health;

/// Who is told what becomes of a record.
pub(super) type Told = Option<oneshot::Sender<Result<(), Lost>>>;

/// A record and who is told.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) entry: Entry,
    pub(super) told: Told,
}

/// The queue, and the counts of what left it.
#[derive(Debug)]
pub(crate) struct Queue {
    max: usize,
    batch_max: usize,
    state: Mutex<State>,
    /// How many of the records that were taken in are durable or lost, in their order.
    settled: watch::Sender<u64>,
    /// Something came into the empty queue, or it was closed.
    pub(super) filled: Notify,
    /// There is no use in waiting for company.
    pub(super) urgent: Notify,
    /// The queue is three quarters full.
    pub(super) high: Notify,
    /// It was closed.
    pub(super) closed: Notify,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// Records that were ever taken in.
    taken: u64,
    closed: bool,
    health: Health,
}

impl Queue {
    pub(crate) fn new(max: usize, batch_max: usize) -> Self {
        Self {
            max: max.max(1),
            batch_max: batch_max.max(1),
            state: Mutex::default(),
            settled: watch::Sender::new(0),
            filled: Notify::new(),
            urgent: Notify::new(),
            high: Notify::new(),
            closed: Notify::new(),
        }
    }

    pub(super) fn push(&self, entry: Entry, told: Told) -> Result<(), Lost> {
        let mut state = self.state.lock();
        let refused = match (state.closed, state.items.len() >= self.max) {
            (true, _) => Some(Lost::Closed),
            (false, true) => Some(Lost::Full),
            (false, false) => None,
        };
        if let Some(lost) = refused {
            state.health.lost += 1;
            return Err(lost);
        }
        state.items.push_back(Item { entry, told });
        state.taken += 1;
        state.health.queued += 1;
        let length = state.items.len();
        drop(state);
        if length == 1 {
            self.filled.notify_one();
        }
        if length == self.batch_max {
            self.urgent.notify_one();
        }
        if length >= self.high_mark() {
            self.high.notify_one();
        }
        Ok(())
    }

    fn high_mark(&self) -> usize {
        (self.max / 4 * 3).max(1)
    }

    /// The oldest records, as many as one commit takes.
    pub(super) fn take(&self, max: usize) -> Vec<Item> {
        let mut state = self.state.lock();
        let count = state.items.len().min(max);
        state.items.drain(..count).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().items.is_empty()
    }

    /// Whether so much waits that it must go somewhere.
    pub(super) fn is_high(&self) -> bool {
        self.state.lock().items.len() >= self.high_mark()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Takes nothing any more.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.closed.notify_one();
        self.filled.notify_one();
        self.urgent.notify_one();
    }

    /// Waits until everything taken in so far is durable or lost.
    pub(crate) async fn flush(&self) {
        let target = self.state.lock().taken;
        self.urgent.notify_one();
        let mut settled = self.settled.subscribe();
        // The sender lives in this very queue: it cannot go before this ends.
        drop(settled.wait_for(|settled| *settled >= target).await);
    }

    /// So many more of the oldest records are durable or lost.
    pub(super) fn settle(&self, count: usize) {
        self.settled.send_modify(|settled| *settled += count as u64);
    }

    pub(crate) fn health(&self) -> Health {
        self.state.lock().health.clone()
    }

    pub(super) fn change_health(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.state.lock().health);
    }

    /// Something is wrong. Whether it was not before.
    pub(super) fn ill(&self, error: &dyn std::error::Error) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
        let mut state = self.state.lock();
        let health = &mut state.health;
        health.last_error = Some(error.to_string());
        let is_new = health.since_ms.is_none();
        health.since_ms.get_or_insert(now_ms);
        is_new
    }

    /// Nothing is wrong. Whether something was before.
    pub(super) fn well(&self) -> bool {
        let mut state = self.state.lock();
        state.health.since_ms = None;
        state.health.last_error.take().is_some()
    }
}
