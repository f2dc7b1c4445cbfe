//! A fixed window: a counter that returns to zero when its window ends.

use super::window::Fit;
use crate::quota::Quota;

#[derive(Debug, Clone)]
pub(super) struct Counter {
    amount: u64,
    window_ns: u64,
    /// Whether windows lie on multiples of their length, or open with the first use.
    aligned: bool,
    /// When the current window opened; none has until the first use.
    opened_ns: Option<u64>,
    used: u64,
}

impl Counter {
    pub(super) fn aligned(quota: &Quota) -> Self {
        Self::with(quota, true)
    }

    pub(super) fn from_first_use(quota: &Quota) -> Self {
        Self::with(quota, false)
    }

    fn with(quota: &Quota, aligned: bool) -> Self {
        let window_ns = quota.window_ns().max(1);
        Self {
            amount: quota.amount,
            window_ns,
            aligned,
            opened_ns: None,
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
        if self.used.saturating_add(amount) <= self.amount {
            return Fit::Now;
        }
        let wait_ns = self.left_ns(now_ns);
        Fit::Later {
            used: self.used.min(self.amount),
            stated_wait_ns: wait_ns,
            wait_ns,
        }
    }

    pub(super) fn take(&mut self, now_ns: u64, amount: u64) {
        self.advance(now_ns);
        if self.opened_ns.is_none() {
            self.opened_ns = Some(now_ns);
        }
        self.used = self.used.saturating_add(amount);
    }

    /// A window that has ended takes nothing back.
    pub(super) fn give_back(&mut self, now_ns: u64, taken_ns: u64, amount: u64) {
        self.advance(now_ns);
        if self.opened_ns.is_some_and(|opened| opened <= taken_ns) {
            self.used = self.used.saturating_sub(amount);
        }
    }

    /// What is used, what is left, and the time until the window ends.
    pub(super) fn level(&mut self, now_ns: u64) -> (u64, u64, u64) {
        self.advance(now_ns);
        (
            self.used,
            self.amount.saturating_sub(self.used),
            self.left_ns(now_ns),
        )
    }

    fn advance(&mut self, now_ns: u64) {
        if self.aligned {
            let opened = now_ns - now_ns % self.window_ns;
            if self.opened_ns != Some(opened) {
                self.opened_ns = Some(opened);
                self.used = 0;
            }
        } else if self
            .opened_ns
            .is_some_and(|opened| now_ns >= opened.saturating_add(self.window_ns))
        {
            self.opened_ns = None;
            self.used = 0;
        }
    }

    fn left_ns(&self, now_ns: u64) -> u64 {
        self.opened_ns.map_or(0, |opened| {
            opened.saturating_add(self.window_ns).saturating_sub(now_ns)
        })
    }
}
