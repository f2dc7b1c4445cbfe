//! The definition of each kind of window over a history of what was taken.

use std::collections::VecDeque;

use crate::quota::{NANOS_PER_MS, Quota, QuotaKind};

/// A history, and the rule that tells how much of it is still in use. Amounts are in units of
/// `1 / window_ns`, so that what drains in a nanosecond is whole.
pub(super) struct Rule {
    quota: Quota,
    history: History,
}

enum History {
    /// The sum of all changes less what a never idle drain would have taken, and the lowest that
    /// this difference has been: the level is the height above the lowest point.
    Drained {
        sum: i128,
        origin_ns: Option<u64>,
        lowest: i128,
    },
    /// What was taken and when, oldest first, and the sum of it.
    Listed {
        taken: VecDeque<(u64, u64)>,
        sum: u64,
    },
}

impl Rule {
    pub(super) fn new(quota: &Quota) -> Self {
        let history = match quota.kind {
            QuotaKind::Bucket | QuotaKind::BucketBurst { .. } | QuotaKind::Quantised { .. } => {
                History::Drained {
                    sum: 0,
                    origin_ns: None,
                    lowest: 0,
                }
            }
            QuotaKind::Fixed | QuotaKind::FixedFromFirstUse | QuotaKind::Sliding => {
                History::Listed {
                    taken: VecDeque::new(),
                    sum: 0,
                }
            }
        };
        Self {
            quota: *quota,
            history,
        }
    }

    /// What is in use just before a request, in fine units.
    pub(super) fn used_before(&mut self, now_ns: u64) -> i128 {
        self.forget(now_ns);
        match &self.history {
            History::Drained { .. } => self.height(now_ns),
            History::Listed { sum, .. } => self.fine(*sum),
        }
    }

    /// Whether a request fits on top of what is in use.
    pub(super) fn allows(&self, used: i128, amount: u64) -> bool {
        let wanted = self.fine(amount);
        let capacity = match self.quota.kind {
            QuotaKind::BucketBurst { burst } => self.fine(burst),
            QuotaKind::Quantised { quantum_ms } => {
                let capacity = i128::from(self.quota.amount)
                    * i128::from(quantum_ms.min(self.quota.window_ms))
                    * i128::from(NANOS_PER_MS);
                if wanted > capacity && amount <= self.quota.amount && amount > 0 {
                    return used == 0;
                }
                capacity
            }
            _ => self.fine(self.quota.amount),
        };
        amount == 0 || used + wanted <= capacity
    }

    pub(super) fn take(&mut self, now_ns: u64, amount: u64) {
        if amount == 0 {
            return;
        }
        self.forget(now_ns);
        self.height(now_ns);
        let fine = self.fine(amount);
        match &mut self.history {
            History::Drained { sum, .. } => *sum += fine,
            History::Listed { taken, sum } => {
                taken.push_back((now_ns, amount));
                *sum += amount;
            }
        }
    }

    pub(super) fn give_back(&mut self, now_ns: u64, taken_ns: u64, amount: u64) {
        self.forget(now_ns);
        self.height(now_ns);
        let fine = self.fine(amount);
        match &mut self.history {
            History::Drained { sum, .. } => *sum -= fine,
            History::Listed { taken, sum } => {
                let first = taken.partition_point(|(at, _)| *at < taken_ns);
                let mut left = amount;
                for (_, part) in taken
                    .range_mut(first..)
                    .take_while(|(at, _)| *at == taken_ns)
                {
                    let returned = left.min(*part);
                    *part -= returned;
                    *sum -= returned;
                    left -= returned;
                }
            }
        }
        self.height(now_ns);
    }

    /// An amount in whole units, rounded up.
    pub(super) fn whole(&self, fine: i128) -> i128 {
        let window = i128::from(self.quota.window_ns().max(1));
        (fine + window - 1) / window
    }

    fn fine(&self, amount: u64) -> i128 {
        i128::from(amount) * i128::from(self.quota.window_ns().max(1))
    }

    /// The level of a drained history, after noting its lowest point; zero for a listed one.
    fn height(&mut self, now_ns: u64) -> i128 {
        let History::Drained {
            sum,
            origin_ns,
            lowest,
        } = &mut self.history
        else {
            return 0;
        };
        let origin = *origin_ns.get_or_insert(now_ns);
        let drained = i128::from(self.quota.amount) * i128::from(now_ns.saturating_sub(origin));
        let point = *sum - drained;
        *lowest = (*lowest).min(point);
        point - *lowest
    }

    /// Drops what no longer counts from a listed history.
    fn forget(&mut self, now_ns: u64) {
        let window_ns = self.quota.window_ns().max(1);
        let kind = self.quota.kind;
        let History::Listed { taken, sum } = &mut self.history else {
            return;
        };
        let ended = |at: u64| match kind {
            QuotaKind::Fixed => at / window_ns < now_ns / window_ns,
            _ => now_ns.saturating_sub(at) >= window_ns,
        };
        if kind == QuotaKind::FixedFromFirstUse {
            // The first entry opened the window, and all of it ends together.
            if taken.front().is_some_and(|(at, _)| ended(*at)) {
                taken.clear();
                *sum = 0;
            }
            return;
        }
        while let Some(&(at, amount)) = taken.front() {
            if !ended(at) {
                break;
            }
            *sum -= amount;
            taken.pop_front();
        }
    }
}
