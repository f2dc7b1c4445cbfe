//! Chance that is the same in every run of the same seed.

use crate::time::{NANOS_PER_MS, Span};

/// A small generator of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// A generator of its own for one purpose, so that more draws for one do not shift another's.
    pub(crate) fn fork(&self, purpose: u64) -> Self {
        Self(mix(
            self.0 ^ mix(purpose.wrapping_add(0x5851_f42d_4c95_7f2d))
        ))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn within(&mut self, low: u64, high: u64) -> u64 {
        if high <= low {
            return low;
        }
        let span = u128::from(high - low) + 1;
        let scaled = (u128::from(self.next()) * span) >> 64;
        low + u64::try_from(scaled).unwrap_or(0)
    }

    /// A number from 0 up to, but not including, 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that happens in `percent` of all cases.
    pub(crate) fn happens(&mut self, percent: f64) -> bool {
        self.fraction() * 100.0 < percent
    }

    /// A time within a span, in nanoseconds.
    pub(crate) fn delay_ns(&mut self, span: Span) -> u64 {
        self.within(
            span.0.saturating_mul(NANOS_PER_MS),
            span.1.saturating_mul(NANOS_PER_MS),
        )
    }

    /// The time to the next of many independent arrivals.
    pub(crate) fn gap_ns(&mut self, mean_ns: f64) -> u64 {
        whole(-mean_ns * (1.0 - self.fraction()).ln())
    }

    /// A log-normal number with this mean, cut off at `max`; the spread is that of prompt sizes
    /// (a standard deviation of 1 in the logarithm).
    pub(crate) fn lognormal(&mut self, mean: u64, max: u64) -> u64 {
        let radius = (-2.0 * (1.0 - self.fraction()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.fraction()).cos();
        whole(((mean as f64).ln() - 0.5 + normal).exp()).clamp(1, max.max(1))
    }
}

fn mix(state: u64) -> u64 {
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A float as a whole number; what is negative or not a number is zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_cover_their_whole_range_evenly() {
        let mut dice = Dice::new(7);
        let mut counts = [0_u32; 5];
        for _ in 0..50_000 {
            let drawn = usize::try_from(dice.within(10, 14) - 10).unwrap();
            counts[drawn] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn sizes_have_the_mean_that_was_asked_for_and_stay_below_their_maximum() {
        let mut dice = Dice::new(1);
        let sizes: Vec<u64> = (0..50_000)
            .map(|_| dice.lognormal(1_000, 1_000_000))
            .collect();
        let mean = sizes.iter().sum::<u64>() / 50_000;
        assert!((950..1_050).contains(&mean), "{mean}");
        assert!((0..1_000).all(|_| dice.lognormal(1_000, 1_500) <= 1_500));
    }

    #[test]
    fn gaps_have_the_mean_that_was_asked_for() {
        let mut dice = Dice::new(3);
        let mean = (0..50_000).map(|_| dice.gap_ns(1e9)).sum::<u64>() / 50_000;
        assert!((970_000_000..1_030_000_000).contains(&mean), "{mean}");
    }

    #[test]
    fn more_draws_for_one_purpose_do_not_shift_another() {
        let root = Dice::new(9);
        let (mut first, mut second) = (root.fork(1), root.fork(2));
        let expected = second.clone().next();
        first.next();
        assert_eq!(second.next(), expected);
        assert_ne!(root.fork(1).next(), root.fork(2).next());
    }
}
