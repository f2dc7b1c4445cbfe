//! Other consumers of the same limits, which a client only notices by what is left.

use serde::{Deserialize, Serialize};

use super::window::Window;
use crate::quota::{Metric, NANOS_PER_MS, Quota};

/// A consumer outside the simulation. At every multiple of its interval it takes its amount from
/// all limits of its metric, if they have room for it; otherwise it goes without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignTraffic {
    /// What it consumes.
    pub metric: Metric,
    /// How much at a time.
    pub amount: u64,
    /// How often, in milliseconds.
    pub every_ms: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Foreign {
    traffic: ForeignTraffic,
    next_ns: Option<u64>,
    taken: u64,
}

impl Foreign {
    pub(super) const fn new(traffic: ForeignTraffic) -> Self {
        Self {
            traffic,
            next_ns: None,
            taken: 0,
        }
    }

    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes what is due up to a time. What is due longer ago than two windows is left out: it has
    /// no effect on the level any more.
    pub(super) fn advance(
        &mut self,
        now_ns: u64,
        longest_window_ns: u64,
        quotas: &[Quota],
        windows: &mut [Window],
    ) {
        let every_ns = self.traffic.every_ms.max(1).saturating_mul(NANOS_PER_MS);
        let oldest = now_ns.saturating_sub(longest_window_ns.saturating_mul(2));
        let mut due = match self.next_ns {
            Some(next) if next >= oldest => next,
            Some(_) => next_due(oldest, every_ns),
            None => next_due(now_ns, every_ns),
        };
        while due <= now_ns {
            self.take(due, quotas, windows);
            due = due.saturating_add(every_ns);
        }
        self.next_ns = Some(due);
    }

    fn take(&mut self, at_ns: u64, quotas: &[Quota], windows: &mut [Window]) {
        let amount = self.traffic.amount;
        let metric = self.traffic.metric;
        let mine = |quota: &Quota| quota.metric == metric;
        let mut pairs = quotas
            .iter()
            .zip(windows.iter_mut())
            .filter(|(quota, _)| mine(quota));
        if pairs.any(|(quota, window)| window.refusal(quota, at_ns, amount).is_some()) {
            return;
        }
        for (_, window) in quotas.iter().zip(windows).filter(|(quota, _)| mine(quota)) {
            window.take(at_ns, amount);
        }
        self.taken = self.taken.saturating_add(amount);
    }
}

fn next_due(from_ns: u64, every_ns: u64) -> u64 {
    from_ns
        .checked_next_multiple_of(every_ns)
        .unwrap_or(u64::MAX)
}
