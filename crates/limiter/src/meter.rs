//! How much was launched lately, per metric.

use crate::charge::{Charge, METRICS, Metric};

/// The resolution.
const SLOT: u64 = 5_000_000_000;

/// Whole slots that count as lately, beside the present one.
const RECENT: u64 = 3;

/// Slots before those: what was usual.
const EARLIER: u64 = 12;

const SLOTS: u64 = 1 + RECENT + EARLIER;

/// Units over a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) units: u64,
    /// Nanoseconds, never zero.
    pub(crate) over: u64,
}

impl Rate {
    /// `numerator / denominator` of it.
    pub(crate) fn scaled(self, numerator: u64, denominator: u64) -> Self {
        // A longer time is a lower rate; units may be too few to be divided.
        let over = u128::from(self.over) * u128::from(denominator) / u128::from(numerator.max(1));
        Self {
            units: self.units,
            over: u64::try_from(over).unwrap_or(u64::MAX).max(1),
        }
    }

    /// Nanoseconds that `units` take at this rate.
    pub(crate) fn time_of(self, units: u64) -> u128 {
        u128::from(units) * u128::from(self.over) / u128::from(self.units.max(1))
    }

    pub(crate) fn per_minute(self) -> u64 {
        let over = u128::from(self.over);
        let units = (u128::from(self.units) * 60_000_000_000 + over / 2) / over;
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    pub(crate) fn higher(self, other: Self) -> Self {
        if self.is_above(other) { self } else { other }
    }

    pub(crate) fn lower(self, other: Self) -> Self {
        if self.is_above(other) { other } else { self }
    }

    fn is_above(self, other: Self) -> bool {
        let cross = |a: Self, b: Self| u128::from(a.units) * u128::from(b.over);
        cross(self, other) > cross(other, self)
    }
}

/// Units launched in slots of time, the oldest forgotten.
#[derive(Debug)]
pub(crate) struct Meter {
    slots: [[u64; METRICS]; SLOTS as usize],
    /// The number of the present slot since the origin of time.
    present: u64,
}

impl Meter {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            slots: [[0; METRICS]; SLOTS as usize],
            present: now / SLOT,
        }
    }

    fn advance(&mut self, now: u64) {
        let present = (now / SLOT).max(self.present);
        for slot in (self.present + 1..=present).take(SLOTS as usize) {
            self.slots[(slot % SLOTS) as usize] = [0; METRICS];
        }
        if present - self.present >= SLOTS {
            self.slots = [[0; METRICS]; SLOTS as usize];
        }
        self.present = present;
    }

    pub(crate) fn add(&mut self, charge: &Charge, now: u64) {
        self.advance(now);
        let slot = &mut self.slots[(self.present % SLOTS) as usize];
        for metric in Metric::ALL {
            let units = &mut slot[metric.index()];
            *units = units.saturating_add(charge.get(metric));
        }
    }

    /// What was launched at `launched_at` was not let in.
    pub(crate) fn take_back(&mut self, charge: &Charge, launched_at: u64) {
        let number = launched_at / SLOT;
        if number > self.present || self.present - number >= SLOTS {
            return;
        }
        let slot = &mut self.slots[(number % SLOTS) as usize];
        for metric in Metric::ALL {
            let units = &mut slot[metric.index()];
            *units = units.saturating_sub(charge.get(metric));
        }
    }

    /// The rate of the last 15 to 20 seconds.
    pub(crate) fn recent(&mut self, metric: Metric, now: u64) -> Rate {
        self.advance(now);
        Rate {
            units: self.sum(metric, 0, RECENT + 1),
            over: RECENT * SLOT + now.saturating_sub(self.present * SLOT).max(1),
        }
    }

    /// The rate of the minute before that.
    pub(crate) fn earlier(&mut self, metric: Metric, now: u64) -> Rate {
        self.advance(now);
        Rate {
            units: self.sum(metric, RECENT + 1, SLOTS),
            over: EARLIER * SLOT,
        }
    }

    /// The sum of slots by their age.
    fn sum(&self, metric: Metric, from: u64, to: u64) -> u64 {
        let ages = (from..to).filter_map(|age| self.present.checked_sub(age));
        let units = ages.map(|slot| self.slots[(slot % SLOTS) as usize][metric.index()]);
        units.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(units: u64) -> Charge {
        Charge::ZERO.with(Metric::Tokens, units)
    }

    #[test]
    fn what_is_recent_becomes_usual_and_is_forgotten() {
        let mut meter = Meter::new(0);
        for second in 0..20 {
            meter.add(&one(10), second * SLOT / 5);
        }
        let metric = Metric::Tokens;
        let at = |seconds: u64| seconds * SLOT / 5;
        assert_eq!(
            meter.recent(metric, at(19)),
            Rate {
                units: 200,
                over: at(19)
            }
        );
        assert_eq!(
            meter.recent(metric, at(20)),
            Rate {
                units: 150,
                over: at(15) + 1
            }
        );
        assert_eq!(meter.earlier(metric, at(20)).units, 50);
        assert_eq!(meter.earlier(metric, at(40)).units, 200);
        assert_eq!(meter.recent(metric, at(40)).units, 0);
        assert_eq!(meter.earlier(metric, at(1_000)).units, 0);
    }

    #[test]
    fn what_was_refused_is_taken_out_again() {
        let mut meter = Meter::new(0);
        meter.add(&one(10), 0);
        meter.add(&one(30), 2 * SLOT);
        meter.take_back(&one(30), 2 * SLOT);
        assert_eq!(meter.recent(Metric::Tokens, 2 * SLOT).units, 10);
        meter.add(&one(5), 100 * SLOT);
        meter.take_back(&one(5), SLOT);
        assert_eq!(meter.recent(Metric::Tokens, 100 * SLOT).units, 5);
    }

    #[test]
    fn rates_are_compared_and_scaled_without_losing_small_ones() {
        let slow = Rate { units: 1, over: 15 };
        let fast = Rate { units: 3, over: 5 };
        assert_eq!((slow.higher(fast), slow.lower(fast)), (fast, slow));
        assert_eq!(slow.scaled(1, 8).time_of(2), 240);
    }
}
