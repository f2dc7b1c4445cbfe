//! Sizes of requests, drawn by a generator that the proving ground does not have.

use paceline_proving::Size;

/// xorshift64*.
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn fraction(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A size; log-normal ones with a deviation of 1 in the logarithm, as the proving ground's.
    pub(crate) fn size(&mut self, size: Size) -> u64 {
        match size {
            Size::Fixed(tokens) => tokens,
            Size::Between { min, max } => min + (self.fraction() * (max - min) as f64) as u64,
            Size::Mixed {
                small,
                large,
                large_percent,
            } => match self.fraction() * 100.0 < large_percent {
                true => large,
                false => small,
            },
            Size::Lognormal { mean, max } => {
                // The sum of twelve is as good as normal here.
                let normal: f64 = (0..12).map(|_| self.fraction()).sum::<f64>() - 6.0;
                let drawn = ((mean as f64).ln() - 0.5 + normal).exp() as u64;
                drawn.clamp(1, max)
            }
        }
    }
}
