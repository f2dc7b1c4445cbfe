//! Random numbers that are the same each time.

/// A small generator (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn choose<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let index = self.below(from.len() as u64) as usize;
        from.get(index).copied().unwrap_or_default()
    }

    /// Evenly between 0 and 1, without 0.
    pub(crate) fn even(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// A value whose logarithm is normal around that of `median`.
    pub(crate) fn lognormal(&mut self, median: f64, spread: f64) -> f64 {
        let radius = (-2.0 * self.even().ln()).sqrt();
        let normal = radius * (self.even() * std::f64::consts::TAU).cos();
        median * (spread * normal).exp()
    }

    /// A value with a heavy tail: one in `x.powf(index)` is more than `x` times `least`.
    pub(crate) fn pareto(&mut self, least: f64, index: f64) -> f64 {
        least * self.even().powf(-1.0 / index)
    }
}
