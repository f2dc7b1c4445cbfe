//! What this process may spend of each budget while the store is away: its shares.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::account::SHARE_MS;
use super::budget::Budget;
use super::message::Standing;
use crate::message::Epoch;

/// Shares are kept of so many budgets before those that are over are looked for.
const MANY: usize = 1_024;

/// A share, and what was taken of it that the store has not been told of.
#[derive(Clone, Debug)]
struct Share {
    budget: Budget,
    epoch: Epoch,
    window_ms: u64,
    amount: u64,
    /// When it may be used no longer: it is over for the store then, or the period is.
    until: Instant,
    /// The youngest message that gave something back.
    returned: u64,
    spent: u64,
    held: u64,
}

impl Share {
    const fn used(&self) -> u64 {
        self.spent.saturating_add(self.held)
    }
}

/// Whether a call may go without the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alone {
    /// So much is to be held of the share of this window.
    Fits {
        /// What is to be held.
        hold: u64,
        /// The window's start.
        window_ms: u64,
    },
    /// When what goes on here without the store has ended.
    Later,
    /// The share is used up, or over.
    No,
    /// There never was one.
    Unknown,
}

/// The shares of a process.
#[derive(Debug, Default)]
pub(super) struct Shares {
    shares: HashMap<String, Share>,
    sequence: u64,
}

impl Shares {
    /// The next message: its number, and what it keeps of each share. One that gives back takes the rest
    /// from use, now.
    pub(super) fn next_message(&mut self, keys: &[String], gives_back: bool) -> (u64, Vec<u64>) {
        self.sequence += 1;
        let sequence = self.sequence;
        let mut keep = |key: &String| {
            let Some(share) = self.shares.get_mut(key) else {
                return 0;
            };
            if gives_back {
                share.amount = share.amount.min(share.used());
                share.returned = sequence;
            }
            share.used()
        };
        let keeps = keys.iter().map(&mut keep).collect();
        (sequence, keeps)
    }

    /// An answer to the message of this number, which was sent at this moment.
    pub(super) fn learn(
        &mut self,
        key: &str,
        budget: &Budget,
        standing: &Standing,
        (sequence, sent, now_ms): (u64, Instant, u64),
    ) {
        let left_ms = standing.window_end_ms.unwrap_or(u64::MAX);
        let left_ms = left_ms.saturating_sub(now_ms).min(SHARE_MS);
        let until = sent + Duration::from_millis(left_ms);
        if self.shares.len() >= MANY && !self.shares.contains_key(key) {
            let now = Instant::now();
            self.shares
                .retain(|_, share| share.until > now || share.used() > 0);
        }
        let fresh = Share {
            budget: budget.clone(),
            epoch: standing.epoch,
            window_ms: standing.window_ms,
            amount: standing.share,
            until,
            returned: 0,
            spent: 0,
            held: 0,
        };
        let share = self.shares.entry(key.to_owned());
        let share = share.or_insert_with(|| fresh.clone());
        if standing.window_ms > share.window_ms {
            *share = fresh;
        } else if standing.window_ms == share.window_ms && sequence >= share.returned {
            let is_same = share.epoch == standing.epoch;
            let amount = if is_same { share.amount } else { 0 };
            share.amount = amount.max(standing.share);
            share.epoch = standing.epoch;
            share.budget = fresh.budget;
            share.until = if is_same {
                share.until.max(until)
            } else {
                until
            };
        }
    }

    /// The start of the present window: as the store said, or by the clock of this machine.
    pub(super) fn window_ms(&self, key: &str, budget: &Budget) -> u64 {
        let share = self.shares.get(key);
        match share.filter(|share| Instant::now() < share.until) {
            Some(share) => share.window_ms,
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                let now_ms = since.map_or(0, |since| since.as_millis());
                budget.window(u64::try_from(now_ms).unwrap_or(0)).start_ms
            }
        }
    }

    /// The budget of a share that could be given back.
    pub(super) fn unused(&self, key: &str) -> Option<Budget> {
        let share = self.shares.get(key)?;
        (share.amount > share.used()).then(|| share.budget.clone())
    }

    /// Whether a call may go.
    pub(super) fn fit(&self, key: &str, expected: u64, worst: u64) -> Alone {
        let Some(share) = self.shares.get(key) else {
            return Alone::Unknown;
        };
        let window_ms = share.window_ms;
        let left = share.amount.saturating_sub(share.used());
        if Instant::now() >= share.until {
            return Alone::No;
        }
        if worst <= left {
            let hold = worst;
            return Alone::Fits { hold, window_ms };
        }
        if share.amount.saturating_sub(share.spent) < expected {
            return Alone::No;
        }
        if share.held == 0 {
            return Alone::Fits {
                hold: left,
                window_ms,
            };
        }
        Alone::Later
    }

    fn of_window(&mut self, key: &str, window_ms: u64) -> Option<&mut Share> {
        let share = self.shares.get_mut(key);
        share.filter(|share| share.window_ms == window_ms)
    }

    /// A call goes.
    pub(super) fn hold(&mut self, key: &str, window_ms: u64, hold: u64) {
        if let Some(share) = self.of_window(key, window_ms) {
            share.held = share.held.saturating_add(hold);
        }
    }

    /// It has ended.
    pub(super) fn settle(&mut self, key: &str, window_ms: u64, hold: u64, actual: u64) {
        if let Some(share) = self.of_window(key, window_ms) {
            share.held = share.held.saturating_sub(hold);
            share.spent = share.spent.saturating_add(actual);
        }
    }

    /// The store is being told, or was not after all.
    pub(super) fn tell(&mut self, key: &str, window_ms: u64, actual: u64, is_told: bool) {
        if let Some(share) = self.of_window(key, window_ms) {
            share.spent = if is_told {
                share.spent.saturating_sub(actual)
            } else {
                share.spent.saturating_add(actual)
            };
        }
    }
}
