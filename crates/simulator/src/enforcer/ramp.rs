//! A limit on how fast traffic may grow, inside the ordinary limits.
//!
//! Providers refuse with `slow_down` when traffic rises too fast; OpenAI's rule of thumb is that
//! above a million input tokens per minute it may grow by half every 15 minutes. Here: the tokens
//! of each step may not exceed a ceiling; the ceiling of a period is the floor, or the busiest step
//! of the period before plus the growth, whichever is higher.

use serde::{Deserialize, Serialize};

use super::decision::{QuotaLevel, Refusal};
use crate::{
    charge::Charge,
    quota::{Metric, NANOS_PER_MS, Quota, QuotaKind},
};

/// How fast traffic may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RampLimit {
    /// What is measured.
    pub metric: Metric,
    /// What every step may hold, whatever went before.
    pub floor: u64,
    /// How much more than the busiest step of the last period a step may hold, in percent.
    pub growth_percent: u64,
    /// The length of a step in milliseconds.
    pub step_ms: u64,
    /// The length of a period in milliseconds.
    pub period_ms: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Ramp {
    limit: RampLimit,
    ceiling: u64,
    period: Option<u64>,
    step: u64,
    step_used: u64,
    busiest: u64,
}

impl Ramp {
    pub(super) const fn new(limit: RampLimit) -> Self {
        Self {
            limit,
            ceiling: limit.floor,
            period: None,
            step: 0,
            step_used: 0,
            busiest: 0,
        }
    }

    pub(super) fn take(&mut self, now_ns: u64, charge: &Charge) {
        self.advance(now_ns);
        self.step_used = self.step_used.saturating_add(charge.of(self.limit.metric));
        self.busiest = self.busiest.max(self.step_used);
    }

    pub(super) fn refusal(&mut self, now_ns: u64, charge: &Charge) -> Option<Refusal> {
        self.advance(now_ns);
        let after = self.step_used.saturating_add(charge.of(self.limit.metric));
        // A step that holds nothing yet admits anything: this limit is on growth, not on size.
        if after <= self.ceiling || self.step_used == 0 {
            return None;
        }
        let step_ns = nanos(self.limit.step_ms);
        Some(Refusal::SlowDown {
            wait_ns: step_ns - now_ns % step_ns,
        })
    }

    pub(super) fn level(&mut self, now_ns: u64) -> QuotaLevel {
        self.advance(now_ns);
        let step_ns = nanos(self.limit.step_ms);
        let quota = Quota::bucket(self.limit.metric, self.ceiling, self.limit.step_ms);
        QuotaLevel {
            quota: quota.kept_as(QuotaKind::Fixed),
            used: self.step_used,
            remaining: self.ceiling.saturating_sub(self.step_used),
            reset_ns: step_ns - now_ns % step_ns,
        }
    }

    fn advance(&mut self, now_ns: u64) {
        let period = now_ns / nanos(self.limit.period_ms);
        match self.period {
            Some(current) if current == period => {}
            Some(current) => {
                // A period without traffic in between forgets what was reached.
                let reached = if current + 1 == period {
                    self.busiest
                } else {
                    0
                };
                let grown =
                    u128::from(reached) * (u128::from(self.limit.growth_percent) + 100) / 100;
                self.ceiling = self
                    .limit
                    .floor
                    .max(u64::try_from(grown).unwrap_or(u64::MAX));
                self.busiest = 0;
                self.period = Some(period);
            }
            None => self.period = Some(period),
        }
        let step = now_ns / nanos(self.limit.step_ms);
        if step != self.step {
            self.step = step;
            self.step_used = 0;
        }
    }
}

const fn nanos(ms: u64) -> u64 {
    let nanos = ms.saturating_mul(NANOS_PER_MS);
    if nanos == 0 { 1 } else { nanos }
}
