//! Running statistics of relative errors, in constant space.

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

impl ErrorStats {
    /// Adds one pair. An actual value of zero has no relative error and is passed over.
    pub fn record(&mut self, estimated_tokens: u64, actual_tokens: u64) {
        if actual_tokens == 0 {
            return;
        }
        let actual = actual_tokens as f64;
        let error = (estimated_tokens as f64 - actual) / actual;
        self.count += 1;
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

    fn mean(&self, sum: f64) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            sum / self.count as f64
        }
    }
}
