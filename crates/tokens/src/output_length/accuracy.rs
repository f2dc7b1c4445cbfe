//! How well predictions of answer lengths have done.

use serde::{Deserialize, Serialize};

use super::{OutputPrediction, PredictionSource};
use crate::calibration::ErrorStatsState;
use crate::{ErrorStats, StateError};

/// How well predictions have done. Each is judged as it stood before its answer was learned from.
#[derive(Clone, Debug, Default)]
pub struct OutputAccuracy {
    /// The error of [`OutputPrediction::typical_tokens`].
    pub typical: ErrorStats,
    /// Answers that were predicted from observation, not by default.
    pub predicted: u64,
    /// Of these, how many were no longer than [`OutputPrediction::high_tokens`]. A sound
    /// prediction covers about 95 of 100.
    pub covered: u64,
    /// Sum of the high predictions, in tokens.
    pub high_tokens: u64,
    /// Sum of the answers that were predicted, in tokens.
    pub actual_tokens: u64,
}

/// An [`OutputAccuracy`] as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct AccuracyState {
    typical: ErrorStatsState,
    predicted: u64,
    covered: u64,
    high_tokens: u64,
    actual_tokens: u64,
}

impl OutputAccuracy {
    /// The share of answers that were no longer than the high prediction; `None` before the first
    /// prediction. It should be close to 0.95.
    #[must_use]
    pub fn coverage(&self) -> Option<f64> {
        (self.predicted > 0).then(|| self.covered as f64 / self.predicted as f64)
    }

    /// How many times more tokens the high predictions set aside than the answers took; `None`
    /// before the first answer that took any.
    #[must_use]
    pub fn cost_ratio(&self) -> Option<f64> {
        (self.actual_tokens > 0).then(|| self.high_tokens as f64 / self.actual_tokens as f64)
    }

    pub(super) fn record(&mut self, prediction: &OutputPrediction, actual_tokens: u64) {
        if prediction.source == PredictionSource::Default {
            return;
        }
        self.typical
            .record(prediction.typical_tokens, actual_tokens);
        self.predicted = self.predicted.saturating_add(1);
        self.covered += u64::from(actual_tokens <= prediction.high_tokens);
        self.high_tokens = self.high_tokens.saturating_add(prediction.high_tokens);
        self.actual_tokens = self.actual_tokens.saturating_add(actual_tokens);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.typical.merge(&other.typical);
        self.predicted = self.predicted.saturating_add(other.predicted);
        self.covered = self.covered.saturating_add(other.covered);
        self.high_tokens = self.high_tokens.saturating_add(other.high_tokens);
        self.actual_tokens = self.actual_tokens.saturating_add(other.actual_tokens);
    }

    pub(super) fn export(&self) -> AccuracyState {
        AccuracyState {
            typical: self.typical.export(),
            predicted: self.predicted,
            covered: self.covered,
            high_tokens: self.high_tokens,
            actual_tokens: self.actual_tokens,
        }
    }

    /// # Errors
    /// When the data cannot come from [`OutputAccuracy::export`].
    pub(super) fn import(state: &AccuracyState) -> Result<Self, StateError> {
        let typical = ErrorStats::import(&state.typical)?;
        // Answers of no tokens are predicted, and have no relative error.
        if state.covered > state.predicted || typical.count() > state.predicted {
            return Err(StateError::Nonsense("the coverage of answer lengths"));
        }
        Ok(Self {
            typical,
            predicted: state.predicted,
            covered: state.covered,
            high_tokens: state.high_tokens,
            actual_tokens: state.actual_tokens,
        })
    }
}
