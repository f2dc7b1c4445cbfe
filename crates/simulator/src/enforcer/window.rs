//! One limit's window, whatever its kind.

use super::{
    bucket::Bucket,
    counter::Counter,
    decision::{QuotaLevel, Refusal},
    log::Log,
};
use crate::quota::{Quota, QuotaKind};

/// The state of one limit.
#[derive(Debug, Clone)]
pub(super) enum Window {
    Bucket(Bucket),
    Counter(Counter),
    Log(Log),
}

/// Whether an amount fits, and if not, since when it would.
pub(super) enum Fit {
    Now,
    Never,
    Later {
        used: u64,
        stated_wait_ns: u64,
        wait_ns: u64,
    },
}

impl Window {
    pub(super) fn new(quota: &Quota) -> Self {
        match quota.kind {
            QuotaKind::Bucket | QuotaKind::BucketBurst { .. } | QuotaKind::Quantised { .. } => {
                Self::Bucket(Bucket::new(quota))
            }
            QuotaKind::Fixed => Self::Counter(Counter::aligned(quota)),
            QuotaKind::FixedFromFirstUse => Self::Counter(Counter::from_first_use(quota)),
            QuotaKind::Sliding => Self::Log(Log::new(quota)),
        }
    }

    /// Adopts a changed amount (or burst, or quantum) of the same limit.
    pub(super) fn change(&mut self, now_ns: u64, quota: &Quota) {
        match self {
            Self::Bucket(bucket) => bucket.change(now_ns, quota),
            Self::Counter(counter) => counter.change(quota),
            Self::Log(log) => log.change(quota),
        }
    }

    /// Why an amount does not fit now, if it does not.
    pub(super) fn refusal(&mut self, quota: &Quota, now_ns: u64, amount: u64) -> Option<Refusal> {
        if amount == 0 {
            return None;
        }
        let fit = match self {
            Self::Bucket(bucket) => bucket.fit(now_ns, amount),
            Self::Counter(counter) => counter.fit(now_ns, amount),
            Self::Log(log) => log.fit(now_ns, amount),
        };
        let quota = *quota;
        match fit {
            Fit::Now => None,
            Fit::Never => Some(Refusal::TooLarge {
                quota,
                requested: amount,
            }),
            Fit::Later {
                used,
                stated_wait_ns,
                wait_ns,
            } => Some(Refusal::OverLimit {
                quota,
                used,
                requested: amount,
                stated_wait_ns,
                wait_ns,
            }),
        }
    }

    /// Takes an amount, whether it fits or not.
    pub(super) fn take(&mut self, now_ns: u64, amount: u64) {
        if amount == 0 {
            return;
        }
        match self {
            Self::Bucket(bucket) => bucket.take(now_ns, amount),
            Self::Counter(counter) => counter.take(now_ns, amount),
            Self::Log(log) => log.take(now_ns, amount),
        }
    }

    /// Gives back part of what was taken at `taken_ns`.
    pub(super) fn give_back(&mut self, now_ns: u64, taken_ns: u64, amount: u64) {
        if amount == 0 {
            return;
        }
        match self {
            Self::Bucket(bucket) => bucket.give_back(now_ns, amount),
            Self::Counter(counter) => counter.give_back(now_ns, taken_ns, amount),
            Self::Log(log) => log.give_back(now_ns, taken_ns, amount),
        }
    }

    pub(super) fn level(&mut self, quota: &Quota, now_ns: u64) -> QuotaLevel {
        let (used, remaining, reset_ns) = match self {
            Self::Bucket(bucket) => bucket.level(now_ns),
            Self::Counter(counter) => counter.level(now_ns),
            Self::Log(log) => log.level(now_ns),
        };
        QuotaLevel {
            quota: *quota,
            used,
            remaining,
            reset_ns,
        }
    }
}
