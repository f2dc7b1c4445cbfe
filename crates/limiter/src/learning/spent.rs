//! What the provider has let in within the last minute, by metric.

use crate::charge::{Charge, METRICS, Metric};

const SLOT: u64 = 1_000_000_000;
const SLOTS: u64 = 64;

/// The longest time that is looked back.
pub(crate) const SPAN_MAX: u64 = 60 * SLOT;

/// Units by the second in which they were sent.
#[derive(Debug)]
pub(crate) struct Spent {
    slots: Box<[[u64; METRICS]; SLOTS as usize]>,
    /// The number of the present slot since the origin of time.
    present: u64,
}

impl Spent {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            slots: Box::new([[0; METRICS]; SLOTS as usize]),
            present: now / SLOT,
        }
    }

    fn advance(&mut self, now: u64) {
        let present = (now / SLOT).max(self.present);
        for slot in (self.present + 1..=present).take(SLOTS as usize) {
            self.slots[(slot % SLOTS) as usize] = [0; METRICS];
        }
        self.present = present;
    }

    fn slot(&mut self, at: u64) -> Option<&mut [u64; METRICS]> {
        let number = at / SLOT;
        let is_kept = number <= self.present && self.present - number < SLOTS;
        is_kept.then(|| &mut self.slots[(number % SLOTS) as usize])
    }

    pub(crate) fn add(&mut self, charge: &Charge, at: u64, now: u64) {
        self.advance(now);
        if let Some(slot) = self.slot(at) {
            for metric in Metric::ALL {
                let units = &mut slot[metric.index()];
                *units = units.saturating_add(charge.get(metric));
            }
        }
    }

    /// What was sent at `at` was not let in, or not charged.
    pub(crate) fn take_back(&mut self, charge: &Charge, at: u64, now: u64) {
        self.advance(now);
        if let Some(slot) = self.slot(at) {
            for metric in Metric::ALL {
                let units = &mut slot[metric.index()];
                *units = units.saturating_sub(charge.get(metric));
            }
        }
    }

    /// What was sent within `span`, which is at most [`SPAN_MAX`], to the second.
    pub(crate) fn within(&mut self, metric: Metric, span: u64, now: u64) -> u64 {
        self.advance(now);
        let slots = (span.min(SPAN_MAX) / SLOT).max(1);
        let ages = (0..=slots).filter_map(|age| self.present.checked_sub(age));
        let units = ages.map(|slot| self.slots[(slot % SLOTS) as usize][metric.index()]);
        units.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_span_and_what_was_taken_back_does_not_count() {
        let one = |units| Charge::ZERO.with(Metric::Tokens, units);
        let mut spent = Spent::new(0);
        spent.add(&one(5), 0, 0);
        spent.add(&one(7), 30 * SLOT, 30 * SLOT);
        assert_eq!(spent.within(Metric::Tokens, 10 * SLOT, 35 * SLOT), 7);
        assert_eq!(spent.within(Metric::Tokens, SPAN_MAX, 59 * SLOT), 12);
        spent.take_back(&one(3), 30 * SLOT, 61 * SLOT);
        assert_eq!(spent.within(Metric::Tokens, SPAN_MAX, 61 * SLOT), 4);
        assert_eq!(spent.within(Metric::Tokens, SPAN_MAX, 500 * SLOT), 0);
        spent.take_back(&one(3), SLOT, 500 * SLOT);
        assert_eq!(spent.within(Metric::Tokens, SPAN_MAX, 500 * SLOT), 0);
    }
}
