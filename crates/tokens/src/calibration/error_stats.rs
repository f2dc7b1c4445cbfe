//! Running statistics of relative errors, in constant space.

use serde::{Deserialize, Serialize};

use crate::StateError;

/// Upper bounds of the histogram's bins: absolute relative errors in thousandths. One more bin
/// holds what is beyond the last.
const BIN_PERMILLE: [u32; 24] = [
    5, 10, 20, 30, 40, 50, 75, 100, 125, 150, 175, 200, 250, 300, 400, 500, 600, 800, 1_000, 1_500,
    2_000, 4_000, 8_000, 16_000,
];

/// How far estimates were off, as `(estimate - actual) / actual`.
#[derive(Clone, Debug, Default)]
pub struct ErrorStats {
    count: u64,
    signed_sum: f64,
    absolute_sum: f64,
    absolute_max: f64,
    bins: [u64; BIN_PERMILLE.len() + 1],
}

/// [`ErrorStats`] as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ErrorStatsState {
    signed_sum: f64,
    absolute_sum: f64,
    absolute_max: f64,
    /// The count of each bin.
    bins: Vec<u64>,
}

impl ErrorStats {
    /// Adds one pair. An actual value of zero has no relative error and is passed over.
    pub fn record(&mut self, estimated_tokens: u64, actual_tokens: u64) {
        if actual_tokens == 0 {
            return;
        }
        let actual = actual_tokens as f64;
        let error = (estimated_tokens as f64 - actual) / actual;
        self.count = self.count.saturating_add(1);
        self.signed_sum += error;
        self.absolute_sum += error.abs();
        self.absolute_max = self.absolute_max.max(error.abs());
        let bin = BIN_PERMILLE.partition_point(|&bound| error.abs() * 1_000.0 > f64::from(bound));
        if let Some(bin) = self.bins.get_mut(bin) {
            *bin += 1;
        }
    }

    /// Pairs recorded.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The mean error: above zero where estimates were too high. Zero before the first pair.
    #[must_use]
    pub fn mean_signed(&self) -> f64 {
        self.mean(self.signed_sum)
    }

    /// The mean size of the error. Zero before the first pair.
    #[must_use]
    pub fn mean_absolute(&self) -> f64 {
        self.mean(self.absolute_sum)
    }

    /// The size of error that 95 of 100 estimates did not pass, rounded up to the bound of a
    /// histogram bin, but never above the largest error seen. Zero before the first pair.
    #[must_use]
    pub fn p95_absolute(&self) -> f64 {
        let wanted = self.count.saturating_mul(95).div_ceil(100);
        let mut seen = 0;
        for (&bound, &bin) in BIN_PERMILLE.iter().zip(&self.bins) {
            seen += bin;
            if seen >= wanted {
                return (f64::from(bound) / 1_000.0).min(self.absolute_max);
            }
        }
        self.absolute_max
    }

    /// Takes in the pairs that another has recorded.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.signed_sum += other.signed_sum;
        self.absolute_sum += other.absolute_sum;
        self.absolute_max = self.absolute_max.max(other.absolute_max);
        for (own, others) in self.bins.iter_mut().zip(&other.bins) {
            *own = own.saturating_add(*others);
        }
    }

    pub(crate) fn export(&self) -> ErrorStatsState {
        ErrorStatsState {
            signed_sum: self.signed_sum,
            absolute_sum: self.absolute_sum,
            absolute_max: self.absolute_max,
            bins: self.bins.to_vec(),
        }
    }

    /// # Errors
    /// When the data cannot come from [`ErrorStats::export`].
    pub(crate) fn import(state: &ErrorStatsState) -> Result<Self, StateError> {
        const WRONG: StateError = StateError::Nonsense("the error of estimates");
        let bins = state.bins.as_slice().try_into().map_err(|_| WRONG)?;
        let mut counts = state.bins.iter();
        let count = counts.try_fold(0_u64, |sum, bin| sum.checked_add(*bin));
        let (sum, max) = (state.absolute_sum, state.absolute_max);
        // Sums of fractions are not exact to the last digit.
        let slack = 1e-6 * (1.0 + sum.abs());
        let finite = sum.is_finite() && max.is_finite() && state.signed_sum.is_finite();
        let consistent = max >= 0.0 && max <= sum + slack && state.signed_sum.abs() <= sum + slack;
        match count {
            Some(count) if finite && consistent && sum <= max * count as f64 + slack => Ok(Self {
                count,
                signed_sum: state.signed_sum,
                absolute_sum: sum,
                absolute_max: max,
                bins,
            }),
            _ => Err(WRONG),
        }
    }

    fn mean(&self, sum: f64) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            sum / self.count as f64
        }
    }
}
