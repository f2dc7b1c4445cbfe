//! A leaky bucket in exact arithmetic.

use super::window::Fit;
use crate::quota::{Quota, QuotaKind};

/// The level is kept in units of `1 / window_ns`, in which the bucket drains by exactly `amount`
/// every nanosecond: no rounding ever happens.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    amount: u64,
    window_ns: u64,
    /// What the bucket holds, in level units.
    capacity: u128,
    /// The largest single request that is ever admitted, in units of the metric.
    largest: u64,
    /// What is left is reported against this: the full amount for a quantised limit, whose headers
    /// do not tell that it is quantised, and the burst for the others, in units of the metric.
    reported: u64,
    level: u128,
    at_ns: u64,
}

impl Bucket {
    pub(super) fn new(quota: &Quota) -> Self {
        let mut bucket = Self {
            amount: 0,
            window_ns: 1,
            capacity: 0,
            largest: 0,
            reported: 0,
            level: 0,
            at_ns: 0,
        };
        bucket.adopt(quota);
        bucket
    }

    fn adopt(&mut self, quota: &Quota) {
        self.amount = quota.amount;
        self.window_ns = quota.window_ns().max(1);
        let (capacity, largest, reported) = match quota.kind {
            QuotaKind::Quantised { quantum_ms } => {
                let quantum_ns = quantum_ms.saturating_mul(crate::quota::NANOS_PER_MS);
                let quantum_ns = quantum_ns.min(self.window_ns);
                (
                    u128::from(quota.amount) * u128::from(quantum_ns),
                    quota.amount,
                    quota.amount,
                )
            }
            QuotaKind::BucketBurst { burst } => (self.units(burst), burst, burst),
            _ => (self.units(quota.amount), quota.amount, quota.amount),
        };
        self.capacity = capacity;
        self.largest = largest;
        self.reported = reported;
    }

    pub(super) fn change(&mut self, now_ns: u64, quota: &Quota) {
        self.advance(now_ns);
        self.adopt(quota);
    }

    pub(super) fn fit(&mut self, now_ns: u64, amount: u64) -> Fit {
        self.advance(now_ns);
        if amount > self.largest {
            return Fit::Never;
        }
        // A request larger than a quantised bucket passes when the bucket is empty.
        let highest = self.capacity.saturating_sub(self.units(amount));
        if self.level <= highest {
            return Fit::Now;
        }
        let whole = self.level.div_ceil(u128::from(self.window_ns));
        let whole_units = whole * u128::from(self.window_ns);
        // The message speaks of the amount, whatever the bucket holds. The level is stated as far
        // below the amount as it really is below the brim, so that the message's own arithmetic
        // gives the wait.
        let brim = self.capacity / u128::from(self.window_ns);
        let amount_of_window = u128::from(self.amount);
        let used = (whole + amount_of_window)
            .saturating_sub(brim)
            .min(amount_of_window);
        Fit::Later {
            used: saturate(used),
            stated_wait_ns: self.drain_ns(whole_units.saturating_sub(highest)),
            wait_ns: self.drain_ns(self.level - highest),
        }
    }

    pub(super) fn take(&mut self, now_ns: u64, amount: u64) {
        self.advance(now_ns);
        self.level = self.level.saturating_add(self.units(amount));
    }

    pub(super) fn give_back(&mut self, now_ns: u64, amount: u64) {
        self.advance(now_ns);
        self.level = self.level.saturating_sub(self.units(amount));
    }

    /// What is used, what is left, and the time until nothing is used.
    pub(super) fn level(&mut self, now_ns: u64) -> (u64, u64, u64) {
        self.advance(now_ns);
        let used = saturate(self.level.div_ceil(u128::from(self.window_ns)));
        let remaining = self.reported.saturating_sub(used).min(self.amount);
        (used, remaining, self.drain_ns(self.level))
    }

    fn advance(&mut self, now_ns: u64) {
        let elapsed = now_ns.saturating_sub(self.at_ns);
        let drained = u128::from(elapsed) * u128::from(self.amount);
        self.level = self.level.saturating_sub(drained);
        self.at_ns = self.at_ns.max(now_ns);
    }

    /// The time in which an excess drains, rounded up to whole nanoseconds.
    fn drain_ns(&self, excess: u128) -> u64 {
        if excess == 0 {
            return 0;
        }
        if self.amount == 0 {
            return u64::MAX;
        }
        saturate(excess.div_ceil(u128::from(self.amount)))
    }

    fn units(&self, amount: u64) -> u128 {
        u128::from(amount) * u128::from(self.window_ns)
    }
}

fn saturate(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
