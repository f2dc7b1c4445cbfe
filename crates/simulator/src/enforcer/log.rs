//! A sliding window: an exact log of what was taken and when.

use std::collections::VecDeque;

use super::window::Fit;
use crate::quota::Quota;

#[derive(Debug, Clone)]
pub(super) struct Log {
    amount: u64,
    window_ns: u64,
    /// When and how much, oldest first. An entry leaves one window after it came.
    entries: VecDeque<(u64, u64)>,
    used: u64,
}

impl Log {
    pub(super) fn new(quota: &Quota) -> Self {
        let window_ns = quota.window_ns().max(1);
        Self {
            amount: quota.amount,
            window_ns,
            entries: VecDeque::new(),
            used: 0,
        }
    }

    pub(super) fn change(&mut self, quota: &Quota) {
        self.amount = quota.amount;
    }

    pub(super) fn fit(&mut self, now_ns: u64, amount: u64) -> Fit {
        self.advance(now_ns);
        if amount > self.amount {
            return Fit::Never;
        }
        let total = self.used.saturating_add(amount);
        if total <= self.amount {
            return Fit::Now;
        }
        let wait_ns = self.wait_ns(now_ns, total - self.amount);
        Fit::Later {
            used: self.used.min(self.amount),
            stated_wait_ns: wait_ns,
            wait_ns,
        }
    }

    pub(super) fn take(&mut self, now_ns: u64, amount: u64) {
        self.advance(now_ns);
        match self.entries.back_mut() {
            Some((at, taken)) if *at == now_ns => *taken = taken.saturating_add(amount),
            _ => self.entries.push_back((now_ns, amount)),
        }
        self.used = self.used.saturating_add(amount);
    }

    /// An entry that has left the window takes nothing back.
    pub(super) fn give_back(&mut self, now_ns: u64, taken_ns: u64, amount: u64) {
        self.advance(now_ns);
        let Ok(index) = self.entries.binary_search_by_key(&taken_ns, |(at, _)| *at) else {
            return;
        };
        if let Some((_, taken)) = self.entries.get_mut(index) {
            let returned = amount.min(*taken);
            *taken -= returned;
            self.used -= returned;
        }
    }

    /// What is used, what is left, and the time until the newest entry leaves.
    pub(super) fn level(&mut self, now_ns: u64) -> (u64, u64, u64) {
        self.advance(now_ns);
        let newest = self.entries.iter().rev().find(|(_, taken)| *taken > 0);
        let reset_ns = newest.map_or(0, |(at, _)| {
            at.saturating_add(self.window_ns).saturating_sub(now_ns)
        });
        (self.used, self.amount.saturating_sub(self.used), reset_ns)
    }

    fn advance(&mut self, now_ns: u64) {
        while let Some(&(at, taken)) = self.entries.front() {
            if now_ns < at.saturating_add(self.window_ns) {
                break;
            }
            self.used = self.used.saturating_sub(taken);
            self.entries.pop_front();
        }
    }

    /// The time until `excess` has left the window.
    fn wait_ns(&self, now_ns: u64, excess: u64) -> u64 {
        let mut left = 0_u64;
        for (at, taken) in &self.entries {
            left = left.saturating_add(*taken);
            if left >= excess {
                return at.saturating_add(self.window_ns).saturating_sub(now_ns);
            }
        }
        self.window_ns
    }
}
