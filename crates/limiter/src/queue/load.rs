//! Sums over waiting requests, for estimates.

use crate::charge::{Charge, METRICS, Metric};

/// In a sum a single request counts at most this many units, so that sums cannot overflow.
/// No real request comes near it.
const UNITS_MAX: u64 = 1 << 40;

/// Likewise for costs: more than three days of a whole limit.
const COST_MAX: u64 = 1 << 48;

/// What a set of waiting requests will take.
///
/// Additions and subtractions wrap, so that a difference of running sums is right whenever the
/// true difference is not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Normalised cost in nanoseconds.
    pub(crate) cost: u64,
    pub(crate) units: [u64; METRICS],
    pub(crate) count: u64,
}

impl Load {
    pub(crate) fn of(charge: &Charge, cost: u64) -> Self {
        let units = Metric::ALL.map(|metric| charge.get(metric).min(UNITS_MAX));
        Self {
            cost: cost.min(COST_MAX),
            units,
            count: 1,
        }
    }

    pub(crate) fn plus(mut self, other: &Self) -> Self {
        self.cost = self.cost.wrapping_add(other.cost);
        for (mine, theirs) in self.units.iter_mut().zip(other.units) {
            *mine = mine.wrapping_add(theirs);
        }
        self.count = self.count.wrapping_add(other.count);
        self
    }

    pub(crate) fn minus(mut self, other: &Self) -> Self {
        self.cost = self.cost.wrapping_sub(other.cost);
        for (mine, theirs) in self.units.iter_mut().zip(other.units) {
            *mine = mine.wrapping_sub(theirs);
        }
        self.count = self.count.wrapping_sub(other.count);
        self
    }
}

/// A sum of parts of loads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Estimate {
    pub(crate) cost: f64,
    units: [f64; METRICS],
    count: f64,
}

impl Estimate {
    pub(crate) fn add(&mut self, load: &Load) {
        self.add_fraction(load, 1.0);
    }

    /// Adds the part of a load that comes to `cost`; all of it if it costs no more.
    pub(crate) fn add_part(&mut self, load: &Load, cost: f64) {
        let whole = load.cost as f64;
        let fraction = if cost < whole {
            (cost / whole).max(0.0)
        } else {
            1.0
        };
        self.add_fraction(load, fraction);
    }

    fn add_fraction(&mut self, load: &Load, fraction: f64) {
        self.cost += load.cost as f64 * fraction;
        for (sum, units) in self.units.iter_mut().zip(load.units) {
            *sum += units as f64 * fraction;
        }
        self.count += load.count as f64 * fraction;
    }

    pub(crate) fn add_scaled(&mut self, other: &Self, factor: f64) {
        self.cost += other.cost * factor;
        for (sum, units) in self.units.iter_mut().zip(other.units) {
            *sum += units * factor;
        }
        self.count += other.count * factor;
    }

    /// To the nearest whole numbers.
    pub(crate) fn rounded(&self) -> Load {
        let round = |number: f64| (number + 0.5) as u64;
        Load {
            cost: round(self.cost),
            units: self.units.map(round),
            count: round(self.count),
        }
    }
}
