//! The account of one budget, and what follows from each message.
//!
//! Pure: the time is an argument. Stores that keep accounts elsewhere follow these rules operation by
//! operation. Sums stop at a ceiling that is above every amount.

use std::collections::BTreeMap;

use super::budget::{Budget, CEILING};
use super::calendar::Window;
use super::message::{BudgetAsk, CallId, Line, Receipt, Standing};
use crate::message::{Epoch, InstanceId};

/// How long something is known of a call that expired, or that ended without the store knowing of it.
pub const KEEP_MS: u64 = 600_000;

/// How long an instance may use its share, from its last message on.
pub const SHARE_MS: u64 = 600_000;

/// No shares are given out for so long after somebody had to wait.
const TIGHT_MS: u64 = 10_000;

/// No time is later.
const NEVER: u64 = CEILING;

fn sum(left: u64, right: u64) -> u64 {
    left.saturating_add(right).min(CEILING)
}

/// What is known of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In flight; this much is held.
    Open { hold: u64 },
    /// Nothing was heard of it for its lease: this much was counted as spent.
    Expired { hold: u64 },
    /// It is over; thresholds above the first and up to the second percentage were told of it.
    Closed { from: u16, to: u16 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    state: State,
    window_ms: u64,
    until_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    amount: u64,
    until_ms: u64,
    /// The instance's youngest message.
    sequence: u64,
}

/// Whether a call fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// So much is to be held.
    Fits(u64),
    /// It is in flight already.
    Held,
    /// It is over already.
    Ended,
    /// It fits when what is in flight has ended, as far as anybody knows.
    Later,
    /// It fits when the budget starts anew, if it does.
    Refused { free_at_ms: Option<u64> },
}

/// What one budget has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    epoch: Epoch,
    /// Time never goes back here.
    now_ms: u64,
    window: Window,
    spent: u64,
    held: u64,
    /// The amount at the last message.
    amount: u64,
    /// The highest threshold that was told in this window.
    told: u16,
    tight_until_ms: u64,
    /// Whether somebody waits who was not told of room since.
    is_awaited: bool,
    /// When the first entry's time is over.
    due_ms: u64,
    entries: BTreeMap<CallId, Entry>,
    shares: BTreeMap<InstanceId, Share>,
    /// What was taken when the present message came; `None`: there is room that was not there before.
    taken_before: Option<u64>,
}

impl Account {
    /// An account that knows what was spent, and nothing else.
    pub(super) fn new(budget: &Budget, spent: u64, now_ms: u64) -> Self {
        let mut account = Self {
            epoch: Epoch(now_ms),
            now_ms,
            window: budget.window(now_ms),
            spent: spent.min(CEILING),
            held: 0,
            amount: budget.amount,
            told: 0,
            tight_until_ms: 0,
            is_awaited: false,
            due_ms: NEVER,
            entries: BTreeMap::new(),
            shares: BTreeMap::new(),
            taken_before: Some(0),
        };
        account.told = account.reached(budget, u16::MAX);
        account
    }

    /// A message comes: what the time alone has changed, and who sends it.
    pub(super) fn arrive(&mut self, line: &Line, ask: &BudgetAsk, now_ms: u64) {
        let budget = &line.budget;
        self.now_ms = self.now_ms.max(now_ms);
        self.taken_before = Some(self.taken());
        let window = budget.window(self.now_ms);
        if window.start_ms > self.window.start_ms {
            self.start(window);
        }
        if budget.amount != self.amount {
            self.told = self.reached(budget, self.told);
            if budget.amount > self.amount {
                self.taken_before = None;
            }
            self.amount = budget.amount;
        }
        self.shares.retain(|_, share| share.until_ms > self.now_ms);
        if self.now_ms >= self.due_ms {
            self.sweep();
        }
        if budget.is_hard {
            self.keep_share(ask, line.keeps);
        } else {
            self.shares.remove(&ask.instance);
        }
    }

    fn start(&mut self, window: Window) {
        self.window = window;
        self.spent = 0;
        self.held = 0;
        self.told = 0;
        self.tight_until_ms = 0;
        self.taken_before = None;
        for share in self.shares.values_mut() {
            share.amount = 0;
        }
    }

    /// Reservations whose lease is over are spent in full; what was kept long enough goes.
    fn sweep(&mut self) {
        let now_ms = self.now_ms;
        let (mut expired, mut due_ms) = (0, NEVER);
        self.entries.retain(|_, entry| {
            if entry.until_ms <= now_ms {
                let State::Open { hold } = entry.state else {
                    return false;
                };
                if entry.window_ms != self.window.start_ms {
                    return false;
                }
                expired = sum(expired, hold);
                entry.state = State::Expired { hold };
                entry.until_ms = now_ms + KEEP_MS;
            }
            due_ms = due_ms.min(entry.until_ms);
            true
        });
        self.held = self.held.saturating_sub(expired);
        self.spent = sum(self.spent, expired);
        self.due_ms = due_ms;
    }

    fn keep_share(&mut self, ask: &BudgetAsk, keeps: u64) {
        let old = self.shares.get(&ask.instance);
        let (has, sequence) = old.map_or((0, 0), |share| (share.amount, share.sequence));
        let is_returned = ask.gives_back && ask.sequence >= sequence;
        let share = Share {
            amount: if is_returned { keeps } else { keeps.max(has) }.min(CEILING),
            until_ms: self.now_ms + SHARE_MS,
            sequence: sequence.max(ask.sequence),
        };
        self.shares.insert(ask.instance, share);
    }

    fn elsewhere(&self, instance: InstanceId) -> u64 {
        let others = self.shares.iter().filter(|(id, _)| **id != instance);
        others.fold(0, |total, (_, share)| sum(total, share.amount))
    }

    /// What is not free, besides what is spent.
    fn taken(&self) -> u64 {
        let shares = self.shares.values();
        shares.fold(self.held, |total, share| sum(total, share.amount))
    }

    /// Whether a call may go, as far as this budget is concerned.
    pub(super) fn fit(&self, budget: &Budget, call: CallId, expected: u64, worst: u64) -> Fit {
        match self.entries.get(&call).map(|entry| entry.state) {
            Some(State::Open { .. }) => return Fit::Held,
            Some(_) => return Fit::Ended,
            None => {}
        }
        if !budget.is_hard {
            return Fit::Fits(worst);
        }
        if expected > self.amount {
            return Fit::Refused { free_at_ms: None };
        }
        if sum(self.spent, expected) > self.amount {
            let free_at_ms = self.window.end_ms;
            return Fit::Refused { free_at_ms };
        }
        let taken = self.taken();
        if sum(sum(self.spent, taken), worst) <= self.amount {
            return Fit::Fits(worst);
        }
        if taken == 0 {
            // The last of the budget goes to one at a time.
            return Fit::Fits(self.amount - self.spent);
        }
        Fit::Later
    }

    /// Somebody waits for this budget: no shares are given out for a while. When to look again, and
    /// whether instances hold shares of it.
    pub(super) fn tighten(&mut self) -> (Option<u64>, bool) {
        self.tight_until_ms = self.now_ms + TIGHT_MS;
        let held = self.shares.values().filter(|share| share.amount > 0);
        let first = held.map(|share| share.until_ms).min();
        let is_shared = first.is_some();
        let first = first.unwrap_or(NEVER).min(self.due_ms);
        let first = first.min(self.window.end_ms.unwrap_or(NEVER));
        ((first < NEVER).then_some(first), is_shared)
    }

    /// The call may go: its lease begins, anew if it is in flight already.
    pub(super) fn hold(&mut self, call: CallId, fit: Fit, lease_ms: u64) {
        let until_ms = sum(self.now_ms, lease_ms);
        match (fit, self.entries.get_mut(&call)) {
            (Fit::Fits(hold), _) => {
                self.held = sum(self.held, hold);
                self.keep(call, State::Open { hold }, self.window.start_ms, until_ms);
            }
            (_, Some(entry)) => entry.until_ms = entry.until_ms.max(until_ms),
            _ => {}
        }
    }

    fn keep(&mut self, call: CallId, state: State, window_ms: u64, until_ms: u64) {
        let entry = Entry {
            state,
            window_ms,
            until_ms,
        };
        self.entries.insert(call, entry);
        self.due_ms = self.due_ms.min(until_ms);
    }

    /// The call has ended. The thresholds that are told again, where this was said before.
    pub(super) fn close(
        &mut self,
        call: CallId,
        receipt: Receipt,
        actual: u64,
        ended_ago_ms: u64,
    ) -> Option<(u16, u16)> {
        let present_ms = self.window.start_ms;
        let entry = self.entries.get(&call).copied();
        let is_present = entry.is_some_and(|entry| entry.window_ms == present_ms);
        match entry.map(|entry| entry.state) {
            Some(State::Closed { from, to }) => return is_present.then_some((from, to)),
            Some(State::Open { hold }) if is_present => {
                self.held = self.held.saturating_sub(hold);
                self.spent = sum(self.spent, actual);
            }
            Some(State::Expired { hold }) if is_present => {
                self.spent = sum(self.spent.saturating_sub(hold), actual);
            }
            Some(_) => {}
            None => self.close_unknown(call, receipt, actual, ended_ago_ms),
        }
        if entry.is_some() {
            self.entries.remove(&call);
        }
        None
    }

    /// A call has ended that nothing is known of.
    fn close_unknown(&mut self, call: CallId, receipt: Receipt, actual: u64, ended_ago_ms: u64) {
        let counts_in = match receipt {
            // It was closed before.
            Receipt::Held { epoch, .. } if epoch == self.epoch => return,
            Receipt::Held { window_ms, .. } | Receipt::Elsewhere { window_ms } => Some(window_ms),
            Receipt::Unsure => None,
        };
        // What had ended when the account was seeded is in the books.
        let is_news = self.now_ms.saturating_sub(ended_ago_ms) >= self.epoch.0;
        if counts_in == Some(self.window.start_ms) && is_news {
            self.spent = sum(self.spent, actual);
        }
        let state = State::Closed { from: 0, to: 0 };
        let until_ms = self.now_ms + KEEP_MS;
        self.keep(call, state, self.window.start_ms, until_ms);
    }

    /// Somebody keeps books, and they say that so much was spent.
    pub(super) fn seed(&mut self, window_ms: u64, spent: u64) {
        if window_ms == self.window.start_ms {
            self.spent = self.spent.max(spent.min(CEILING));
        }
    }

    /// The highest threshold up to a percentage that what was spent reaches; 0: none.
    fn reached(&self, budget: &Budget, most: u16) -> u16 {
        let thresholds = budget.thresholds.iter().copied();
        let reached = thresholds
            .filter(|percent| *percent <= most && point(budget.amount, *percent) <= self.spent);
        reached.max().unwrap_or(0)
    }

    /// The message is over: what it reached above the first percentage and up to the second. One that
    /// closed a call gets the same answer when it is repeated.
    pub(super) fn crossed(&mut self, budget: &Budget, closing: Option<CallId>) -> (u16, u16) {
        let (from, to) = (self.told, self.reached(budget, u16::MAX));
        if to <= from {
            return (0, 0);
        }
        self.told = to;
        if let Some(call) = closing {
            let until_ms = self.now_ms + KEEP_MS;
            let state = State::Closed { from, to };
            self.keep(call, state, self.window.start_ms, until_ms);
        }
        (from, to)
    }

    /// Gives the sender its share, and tells how things stand.
    pub(super) fn leave(&mut self, budget: &Budget, instance: InstanceId) -> Standing {
        let elsewhere = self.elsewhere(instance);
        let instances = self.shares.len() as u64;
        if budget.is_hard && self.now_ms >= self.tight_until_ms {
            let used = sum(sum(self.spent, self.held), elsewhere);
            let fair = self.amount.saturating_sub(used) / (2 * instances.max(1));
            if let Some(share) = self.shares.get_mut(&instance) {
                share.amount = share.amount.max(fair);
            }
        }
        let share = self.shares.get(&instance).map_or(0, |share| share.amount);
        Standing {
            is_known: true,
            epoch: self.epoch,
            window_ms: self.window.start_ms,
            window_end_ms: self.window.end_ms,
            spent: self.spent,
            held: self.held,
            elsewhere,
            share,
            instances,
        }
    }

    /// Whether those who wait are to be told of room, which happens once. From now on somebody waits if the
    /// sender does.
    pub(super) fn tells_of_room(&mut self, waits: bool) -> bool {
        let is_freed = self.taken_before.is_none_or(|before| self.taken() < before);
        let tells = self.is_awaited && is_freed;
        self.is_awaited = waits || (self.is_awaited && !tells);
        tells
    }

    /// Whether nothing in it will matter any more.
    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        let end = self.window.end_ms;
        end.is_some_and(|end_ms| now_ms > end_ms.saturating_add(2 * KEEP_MS))
    }
}

/// How much is so many percent of an amount, rounded up. In steps that doubles take without loss.
const fn point(amount: u64, percent: u16) -> u64 {
    let percent = percent as u64;
    let point = amount / 100 * percent + (amount % 100 * percent).div_ceil(100);
    if point < CEILING { point } else { CEILING }
}

#[cfg(test)]
mod tests;
