//! A histogram of token counts with bins that grow with the value, and that forgets.

use serde::{Deserialize, Serialize};

use crate::StateError;

/// Bins per doubling, so that a quantile is at most an eighth too high.
const BINS_PER_OCTAVE: usize = 8;
/// log2 of [`BINS_PER_OCTAVE`].
const OCTAVE_BITS: u32 = 3;
/// Values from 2^24 on share the last bin.
const OCTAVES: usize = 24;
const BINS: usize = BINS_PER_OCTAVE * (OCTAVES - OCTAVE_BITS as usize + 1);
/// At this many counts all of them are halved, so that the past few hundred answers decide.
const HALVE_AT: u64 = 1_024;

/// A histogram as plain data: only the bins that hold something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HistogramState {
    observations: u64,
    /// Number of the bin and its count, in the order of the bins.
    bins: Vec<(u16, u16)>,
}

#[derive(Clone, Debug)]
pub(super) struct LengthHistogram {
    bins: [u16; BINS],
    /// The sum of `bins`.
    weight: u64,
    observations: u64,
}

impl Default for LengthHistogram {
    fn default() -> Self {
        Self {
            bins: [0; BINS],
            weight: 0,
            observations: 0,
        }
    }
}

impl LengthHistogram {
    /// Values recorded since the start.
    pub(super) const fn observations(&self) -> u64 {
        self.observations
    }

    pub(super) fn record(&mut self, tokens: u64) {
        if let Some(bin) = self.bins.get_mut(bin_of(tokens)) {
            *bin += 1;
            self.weight += 1;
        }
        self.observations = self.observations.saturating_add(1);
        if self.weight >= HALVE_AT {
            // Rounding up would keep a single outlier for ever.
            self.bins.iter_mut().for_each(|bin| *bin /= 2);
            self.weight = self.bins.iter().map(|&bin| u64::from(bin)).sum();
        }
    }

    /// The value that `percent` of 100 do not pass, rounded up to the end of a bin.
    pub(super) fn quantile(&self, percent: u64) -> u64 {
        let wanted = (self.weight * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (index, &bin) in self.bins.iter().enumerate() {
            seen += u64::from(bin);
            if seen >= wanted {
                return last_of(index);
            }
        }
        last_of(BINS - 1)
    }

    /// The middle of the bin that holds the value which half of all do not pass.
    pub(super) fn median(&self) -> u64 {
        let last = self.quantile(50);
        first_of(bin_of(last)).midpoint(last)
    }

    pub(super) fn export(&self) -> HistogramState {
        let held = (0..).zip(self.bins).filter(|(_, count)| *count > 0);
        HistogramState {
            observations: self.observations,
            bins: held.collect(),
        }
    }

    /// # Errors
    /// When the data cannot come from [`LengthHistogram::export`].
    pub(super) fn import(state: &HistogramState) -> Result<Self, StateError> {
        const WRONG: StateError = StateError::Nonsense("a histogram of answer lengths");
        let mut histogram = Self {
            observations: state.observations,
            ..Self::default()
        };
        for &(bin, count) in &state.bins {
            let place = histogram.bins.get_mut(usize::from(bin)).ok_or(WRONG)?;
            if *place != 0 || count == 0 {
                return Err(WRONG);
            }
            *place = count;
            histogram.weight += u64::from(count);
        }
        if histogram.weight >= HALVE_AT || histogram.weight > histogram.observations {
            return Err(WRONG);
        }
        Ok(histogram)
    }
}

/// Values below 8 have a bin each; above, the three bits behind the leading one choose.
fn bin_of(tokens: u64) -> usize {
    let octave = tokens.checked_ilog2().unwrap_or(0);
    if octave < OCTAVE_BITS {
        return tokens as usize;
    }
    let within = (tokens >> (octave - OCTAVE_BITS)) as usize % BINS_PER_OCTAVE;
    let bin = (octave - OCTAVE_BITS + 1) as usize * BINS_PER_OCTAVE + within;
    bin.min(BINS - 1)
}

/// The highest value of a bin.
const fn last_of(bin: usize) -> u64 {
    first_of(bin + 1) - 1
}

const fn first_of(bin: usize) -> u64 {
    if bin < BINS_PER_OCTAVE {
        return bin as u64;
    }
    let shift = bin / BINS_PER_OCTAVE - 1;
    ((BINS_PER_OCTAVE + bin % BINS_PER_OCTAVE) as u64) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_own_bin() {
        for tokens in (0..5_000).chain([65_535, 65_536, (1 << 24) - 1]) {
            let bin = bin_of(tokens);
            assert!(
                first_of(bin) <= tokens && tokens <= last_of(bin),
                "{tokens} in bin {bin}"
            );
        }
    }

    #[test]
    fn a_bin_is_at_most_an_eighth_wide() {
        for bin in BINS_PER_OCTAVE..BINS {
            let (first, last) = (first_of(bin), last_of(bin));
            assert!((last - first) * 8 <= first, "bin {bin}: {first} to {last}");
        }
    }

    #[test]
    fn values_beyond_the_last_bin_do_not_overflow() {
        let mut histogram = LengthHistogram::default();
        histogram.record(u64::MAX);
        assert_eq!(histogram.quantile(50), (1 << 24) - 1);
    }

    #[test]
    fn counts_stay_bounded_and_the_past_is_forgotten() {
        let mut histogram = LengthHistogram::default();
        (0..100_000).for_each(|_| histogram.record(4_000));
        assert!(histogram.weight < HALVE_AT);
        (0..1_500).for_each(|_| histogram.record(10));
        assert_eq!(histogram.quantile(50), 10);
        assert_eq!(histogram.observations(), 101_500);
    }
}
