//! When a limit will be hit at the present demand, and how fast the queue then grows.
//!
//! Plain arithmetic on a picture of the pool and the rates of demand. Demand counts what is
//! reserved at admission; what settlement gives back is taken off by the share that was kept so far.

use std::time::Duration;

use paceline_limiter::{Binding, DomainSnapshot, LimitView, Metric, Totals, WindowModel};

use super::demand::{Rates, SHORT};

/// The quick rate of demand is a fair witness of the near future only: three times the span over
/// which it forgets. What it foretells for later is left to the slow rate.
const NEAR: Duration = Duration::from_secs(3 * SHORT.as_secs());
/// Nothing is foretold beyond this.
const FAR: Duration = Duration::from_hours(31 * 24);

/// The highest ratio of demand to limit that is told apart.
const RATIO_MAX: f64 = 1e6;

/// What is to be expected of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LimitForecast {
    /// Time until the limit holds requests back; zero where it does now. `None`: the present
    /// demand does not reach it.
    pub(crate) hit_in: Option<Duration>,
    /// The present demand in terms of what the limit allows: above 1 it cannot be met.
    pub(crate) demand_ratio: f64,
    /// Requests a minute that come on top of what the limit lets through.
    surplus_per_minute: f64,
}

/// What is to be expected of one pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct PoolForecast {
    /// In the order of the picture's limits.
    pub(crate) limits: Vec<LimitForecast>,
    /// Requests a minute by which the queue grows, once a limit is hit; 0 where the limits keep up
    /// with the present demand.
    pub(crate) queue_growth_per_minute: f64,
}

/// Foretells every limit of a pool. `binding` is what holds back the head of the queue.
pub(crate) fn forecast(
    snapshot: &DomainSnapshot,
    rates: &Rates,
    binding: Option<Binding>,
) -> PoolForecast {
    let limits = snapshot.limits.iter();
    let limits: Vec<_> = limits
        .map(|limit| {
            let kept = kept_share(&snapshot.totals, limit.metric);
            let mut forecast = limit_forecast(limit, rates, kept);
            if binding.is_some_and(|binding| is_of(binding, limit)) {
                forecast.hit_in = Some(Duration::ZERO);
            }
            forecast
        })
        .collect();
    let growth = limits.iter().map(|limit| limit.surplus_per_minute);
    PoolForecast {
        queue_growth_per_minute: growth.fold(0.0, f64::max),
        limits,
    }
}

fn is_of(binding: Binding, limit: &LimitView) -> bool {
    matches!(binding, Binding::Limit { metric, window, .. }
        if metric == limit.metric && window == limit.window)
}

/// The share of what was reserved that was really spent, debt included; 1 before the first
/// settlement.
fn kept_share(totals: &Totals, metric: Metric) -> f64 {
    let closed = totals.settled.get(metric) + totals.refunded.get(metric);
    let spent = totals.settled.get(metric) + totals.debt.get(metric);
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let share = spent as f64 / closed as f64;
    if closed == 0 { 1.0 } else { share }
}

fn limit_forecast(limit: &LimitView, rates: &Rates, kept: f64) -> LimitForecast {
    let (short, long) = rates.of(limit.metric);
    let (short_requests, long_requests) = rates.of(Metric::Requests);
    let soon = hit_in(limit, short * kept).filter(|hit_in| *hit_in <= NEAR);
    let (units, requests, hit_in) = match soon {
        Some(_) => (short * kept, short_requests, soon),
        None => (long * kept, long_requests, hit_in(limit, long * kept)),
    };
    // Bounded, because a limit of nothing would make it infinite.
    let demand_ratio = (units / Limited::of(limit).refill).min(RATIO_MAX);
    let share_above = 1.0 - 1.0 / demand_ratio.max(1.0);
    LimitForecast {
        hit_in,
        demand_ratio,
        surplus_per_minute: share_above * requests * 60.0,
    }
}

/// A limit in units and seconds.
struct Limited {
    amount: f64,
    used: f64,
    window: f64,
    /// Time until nothing counts as used if nothing more is sent.
    clear_in: f64,
    /// Units that come free a second.
    refill: f64,
}

impl Limited {
    #[expect(clippy::cast_precision_loss, reason = "a forecast")]
    fn of(limit: &LimitView) -> Self {
        let window = limit.window.as_secs_f64().max(1e-3);
        // A limit of nothing is over at any demand.
        let amount = (limit.amount as f64).max(f64::MIN_POSITIVE);
        Self {
            amount,
            used: limit.used as f64,
            window,
            clear_in: limit.clear_in.as_secs_f64(),
            refill: amount / window,
        }
    }

    /// The level at which a limit of this kind holds everything back.
    #[expect(clippy::cast_precision_loss, reason = "a forecast")]
    fn capacity(&self, model: WindowModel) -> f64 {
        match model {
            WindowModel::Bucket { burst } => burst as f64,
            WindowModel::Quantised { quantum } => self.refill * quantum.as_secs_f64(),
            _ => self.amount,
        }
    }

    /// A level that drains all the time and holds `capacity` units.
    fn draining(&self, capacity: f64, demand: f64) -> Option<f64> {
        let rises_by = demand - self.refill;
        (rises_by > 0.0).then(|| (capacity - self.used).max(0.0) / rises_by)
    }

    /// A count that starts again with every window.
    fn resetting(&self, demand: f64) -> Option<f64> {
        let fills_in = (self.amount - self.used).max(0.0) / demand;
        let window_left = if self.used > 0.0 {
            self.clear_in
        } else {
            self.window
        };
        if fills_in <= window_left {
            return Some(fills_in);
        }
        // Not in this window; in the next if a whole one is not enough.
        (demand > self.refill).then(|| window_left + self.amount / demand)
    }

    /// A count of the last window, of which what is old expires little by little.
    fn expiring(&self, demand: f64) -> Option<f64> {
        if demand <= self.refill {
            return None;
        }
        let expires_by = if self.clear_in > 0.0 {
            self.used / self.clear_in
        } else {
            0.0
        };
        let rises_by = demand - expires_by;
        let fills_in = (self.amount - self.used).max(0.0) / rises_by;
        if rises_by > 0.0 && fills_in <= self.clear_in {
            return Some(fills_in);
        }
        // When all that is counted now has expired, only the demand itself is left.
        Some(self.amount / demand)
    }
}

/// Time until the level reaches the limit at `demand` units a second.
#[expect(clippy::cast_precision_loss, reason = "a forecast")]
fn hit_in(limit: &LimitView, demand: f64) -> Option<Duration> {
    let limited = Limited::of(limit);
    let capacity = limited.capacity(limit.model);
    if limited.used >= capacity || limit.amount == 0 {
        return Some(Duration::ZERO);
    }
    if demand <= 0.0 || demand.is_nan() {
        return None;
    }
    let seconds = match limit.model {
        WindowModel::Bucket { .. } | WindowModel::Quantised { .. } => {
            limited.draining(capacity, demand)
        }
        WindowModel::Fixed { .. } | WindowModel::FixedFromFirstUse => limited.resetting(demand),
        WindowModel::Sliding => limited.expiring(demand),
        // The pace is kept too: what may go at once lasts no longer than a full burst does.
        WindowModel::Unknown { burst } => limited
            .expiring(demand)
            .map(|seconds| seconds.min(burst as f64 / (demand - limited.refill))),
    }?;
    (seconds <= FAR.as_secs_f64()).then(|| Duration::from_secs_f64(seconds.max(0.0)))
}

#[cfg(test)]
mod tests;
