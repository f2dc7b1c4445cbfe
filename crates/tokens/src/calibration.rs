//! Learning from reported usage how far the estimates for each model are off.

mod error_stats;
mod state;
#[cfg(test)]
mod tests;

pub use error_stats::ErrorStats;
pub(crate) use error_stats::ErrorStatsState;
pub use state::CalibrationsState;

use std::collections::HashMap;

use crate::estimate::scale;
use crate::state::is_keepable;
use crate::{Estimate, EstimateInput, Estimator};

/// One, in parts per million.
const ONE_PPM: u32 = 1_000_000;
/// The least share that a new observation has in the correction, so that a change of tokeniser or
/// traffic is followed for ever: after about 1 / 0.05 = 20 requests it dominates.
const LEAST_SHARE: f64 = 0.05;
/// How many observations the assumption of a correct estimate is worth at the start.
const PRIOR_OBSERVATIONS: f64 = 2.0;
/// Requests of this many tokens count half: in small ones the framing, not the text, decides.
const HALF_WEIGHT_TOKENS: f64 = 64.0;

/// A factor on estimated input tokens, in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CorrectionPpm(u32);

/// How well each way of estimating the input of one model, or of all, has done.
///
/// Each estimate is judged as it stood before its own observation was learned from.
#[derive(Clone, Debug, Default)]
pub struct ModelAccuracy {
    /// Four characters a token and nothing else, which no estimator is: the usual rule of thumb,
    /// to compare with.
    pub four_characters: ErrorStats,
    /// [`Estimator::Simple`].
    pub simple: ErrorStats,
    /// [`Estimator::Generous`].
    pub generous: ErrorStats,
    /// [`Estimator::Calibrated`] without correction.
    pub calibrated: ErrorStats,
    /// [`Estimator::Calibrated`] times the learned correction: what is used.
    pub corrected: ErrorStats,
}

/// What was learned about the estimates of one model.
#[derive(Clone, Debug)]
struct ModelCalibration {
    /// Actual over estimated input tokens.
    ratio: f64,
    observations: u64,
    accuracy: ModelAccuracy,
}

/// Corrections and running errors of the input estimates, per model.
///
/// The number of models is bounded, and so is the length of their names: those beyond share one entry, so that a caller who makes
/// up model names costs no memory and disturbs no model that is already known.
#[derive(Clone, Debug)]
pub struct Calibrations {
    models: HashMap<Box<str>, ModelCalibration>,
    max_models: usize,
    overflow: ModelCalibration,
    total: ModelAccuracy,
}

impl CorrectionPpm {
    /// Leaves an estimate as it is.
    pub const ONE: Self = Self(ONE_PPM);
    /// The lowest correction, a quarter.
    pub const MIN: Self = Self(ONE_PPM / 4);
    /// The highest correction, four times.
    pub const MAX: Self = Self(ONE_PPM * 4);

    /// The factor in parts per million.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Corrects a number of tokens, rounding up.
    #[must_use]
    pub fn apply(self, tokens: u64) -> u64 {
        scale(tokens, u64::from(self.0), u64::from(ONE_PPM))
    }

    fn from_ratio(ratio: f64) -> Self {
        // The cast saturates, and takes what is not a number for zero; the clamp bounds both.
        Self((ratio * f64::from(ONE_PPM)).round() as u32).clamp(Self::MIN, Self::MAX)
    }
}

impl ModelAccuracy {
    /// The errors of one estimator, uncorrected.
    #[must_use]
    pub const fn of(&self, estimator: Estimator) -> &ErrorStats {
        match estimator {
            Estimator::Simple => &self.simple,
            Estimator::Generous => &self.generous,
            Estimator::Calibrated => &self.calibrated,
        }
    }

    fn record(&mut self, input: &EstimateInput, correction: CorrectionPpm, actual_tokens: u64) {
        let estimated = |estimator: Estimator| estimator.estimate(input).input_tokens;
        let calibrated_tokens = estimated(Estimator::Calibrated);
        self.four_characters
            .record(input.four_characters_tokens(), actual_tokens);
        self.simple
            .record(estimated(Estimator::Simple), actual_tokens);
        self.generous
            .record(estimated(Estimator::Generous), actual_tokens);
        self.calibrated.record(calibrated_tokens, actual_tokens);
        self.corrected
            .record(correction.apply(calibrated_tokens), actual_tokens);
    }
}

impl Default for ModelCalibration {
    fn default() -> Self {
        Self {
            ratio: 1.0,
            observations: 0,
            accuracy: ModelAccuracy::default(),
        }
    }
}

impl ModelCalibration {
    fn correction(&self) -> CorrectionPpm {
        CorrectionPpm::from_ratio(self.ratio)
    }

    fn observe(&mut self, input: &EstimateInput, actual_tokens: u64) {
        self.accuracy
            .record(input, self.correction(), actual_tokens);
        let estimated = Estimator::Calibrated.estimate(input).input_tokens as f64;
        // One absurd report must not do more than a bad one, so each is bounded on its own.
        let observed = (actual_tokens as f64 / estimated).clamp(0.25, 4.0);
        let share = (1.0 / (self.observations as f64 + 1.0 + PRIOR_OBSERVATIONS)).max(LEAST_SHARE);
        let weight = estimated / (estimated + HALF_WEIGHT_TOKENS);
        self.ratio += share * weight * (observed - self.ratio);
        self.observations = self.observations.saturating_add(1);
    }
}

impl Default for Calibrations {
    /// Room for 1,000 models.
    fn default() -> Self {
        Self::new(1_000)
    }
}

impl Calibrations {
    /// Keeps at most `max_models` models apart.
    #[must_use]
    pub fn new(max_models: usize) -> Self {
        Self {
            models: HashMap::new(),
            max_models,
            overflow: ModelCalibration::default(),
            total: ModelAccuracy::default(),
        }
    }

    /// The factor that the input estimates of this model have needed, between
    /// [`CorrectionPpm::MIN`] and [`CorrectionPpm::MAX`].
    #[must_use]
    pub fn correction(&self, model: &str) -> CorrectionPpm {
        self.entry(model)
            .map_or(CorrectionPpm::ONE, ModelCalibration::correction)
    }

    /// Estimates a request for this model. The calibrated estimate is corrected by what was
    /// learned; the simple and the generous one stay what their names promise.
    #[must_use]
    pub fn estimate(&self, model: &str, estimator: Estimator, input: &EstimateInput) -> Estimate {
        let mut estimate = estimator.estimate(input);
        if estimator == Estimator::Calibrated && !input.is_empty() {
            estimate.input_tokens = self.correction(model).apply(estimate.input_tokens);
        }
        estimate
    }

    /// Learns from the input tokens (cached ones included) that an answer reported.
    ///
    /// Reports of zero tokens, and requests of which nothing could be counted, say nothing about
    /// an estimator and are passed over.
    pub fn observe(&mut self, model: &str, input: &EstimateInput, actual_input_tokens: u64) {
        if actual_input_tokens == 0 || input.is_empty() {
            return;
        }
        self.total
            .record(input, self.correction(model), actual_input_tokens);
        self.entry_mut(model).observe(input, actual_input_tokens);
    }

    /// How well the estimates of one model have done, or `None` before its first observation.
    #[must_use]
    pub fn accuracy(&self, model: &str) -> Option<&ModelAccuracy> {
        self.entry(model).map(|entry| &entry.accuracy)
    }

    /// How well the estimates of all models together have done.
    #[must_use]
    pub const fn total(&self) -> &ModelAccuracy {
        &self.total
    }

    /// The models that are kept apart, in no order.
    pub fn models(&self) -> impl Iterator<Item = (&str, &ModelAccuracy)> {
        self.models
            .iter()
            .map(|(model, entry)| (&**model, &entry.accuracy))
    }

    fn entry(&self, model: &str) -> Option<&ModelCalibration> {
        let shared = || {
            let stranger = self.models.len() >= self.max_models || !is_keepable(model);
            (stranger && self.overflow.observations > 0).then_some(&self.overflow)
        };
        self.models.get(model).or_else(shared)
    }

    fn entry_mut(&mut self, model: &str) -> &mut ModelCalibration {
        let room = self.models.len() < self.max_models && is_keepable(model);
        if !room && !self.models.contains_key(model) {
            return &mut self.overflow;
        }
        self.models.entry(model.into()).or_default()
    }
}
