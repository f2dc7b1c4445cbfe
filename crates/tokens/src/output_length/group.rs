//! Answers of one kind: their lengths, and how well they are predicted.

use serde::{Deserialize, Serialize};

use super::histogram::{HistogramState, LengthHistogram};
use super::{OutputAccuracy, OutputPrediction, PredictionSource};
use crate::StateError;

/// Fewer answers than this are no ground to predict from.
pub(super) const LEAST_OBSERVATIONS: u64 = 20;
/// The share of answers that the high prediction is to cover, in hundredths.
const TARGET_PERCENT: u64 = 95;
/// How far one answer moves the high prediction, as a natural logarithm: a miss raises it by
/// `STEP * 0.95`, a hit lowers it by `STEP * 0.05`.
const STEP: f64 = 0.1;
/// The bounds of the correction. Above e^17 tokens no answer is missed; below e^-1 it would take
/// longer than the histogram needs to forget until the prediction is high again.
const CORRECTION_LOG: std::ops::RangeInclusive<f64> = -1.0..=17.0;

/// Answers of one kind.
///
/// The high prediction is the 95 % quantile of the recent past times a correction that follows
/// hits and misses, as in adaptive conformal inference (Gibbs and Candès 2021, on the pinball
/// loss of the logarithm): every miss raises it nineteen times as far as a hit lowers it, so in
/// the long run at most one answer in twenty is missed however the lengths change.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    histogram: LengthHistogram,
    correction_log: f64,
    pub(super) accuracy: OutputAccuracy,
}

/// A [`Group`] as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct GroupState {
    lengths: HistogramState,
    correction_log: f64,
    accuracy: super::AccuracyState,
}

impl Group {
    /// Answers seen.
    pub(super) const fn observations(&self) -> u64 {
        self.histogram.observations()
    }

    /// The prediction, or `None` while too little has been seen. Bounds are the caller's business.
    pub(super) fn predict(&self, source: PredictionSource) -> Option<OutputPrediction> {
        (self.observations() >= LEAST_OBSERVATIONS).then(|| {
            let high_tokens = self.corrected_tokens().max(self.floor_tokens());
            OutputPrediction {
                typical_tokens: self.histogram.median(),
                high_tokens,
                source,
            }
        })
    }

    /// Learns from one answer.
    pub(super) fn observe(&mut self, tokens: u64) {
        if self.observations() >= LEAST_OBSERVATIONS {
            self.correct(tokens);
        }
        self.histogram.record(tokens);
    }

    fn correct(&mut self, tokens: u64) {
        let (corrected, floor) = (self.corrected_tokens(), self.floor_tokens());
        let target = TARGET_PERCENT as f64 / 100.0;
        if tokens > corrected.max(floor) {
            self.correction_log += STEP * target;
        } else if corrected > floor {
            // At the floor a hit is owed to the floor and must not lower anything, or the
            // correction would run away while all goes well.
            self.correction_log -= STEP * (1.0 - target);
        }
        let (low, high) = (*CORRECTION_LOG.start(), *CORRECTION_LOG.end());
        self.correction_log = self.correction_log.clamp(low, high);
    }

    fn corrected_tokens(&self) -> u64 {
        let quantile = self.histogram.quantile(TARGET_PERCENT) as f64;
        // The cast saturates.
        (quantile * self.correction_log.exp()).ceil() as u64
    }

    /// The high prediction never falls below the median: where most answers have the same length,
    /// covering them all costs less than missing some of them.
    fn floor_tokens(&self) -> u64 {
        self.histogram.quantile(50)
    }

    pub(super) fn export(&self) -> GroupState {
        GroupState {
            lengths: self.histogram.export(),
            correction_log: self.correction_log,
            accuracy: self.accuracy.export(),
        }
    }

    /// # Errors
    /// When the data cannot come from [`Group::export`].
    pub(super) fn import(state: &GroupState) -> Result<Self, StateError> {
        if !CORRECTION_LOG.contains(&state.correction_log) {
            return Err(StateError::Nonsense("a correction of answer lengths"));
        }
        Ok(Self {
            histogram: LengthHistogram::import(&state.lengths)?,
            correction_log: state.correction_log,
            accuracy: OutputAccuracy::import(&state.accuracy)?,
        })
    }
}
