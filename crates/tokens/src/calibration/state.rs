//! Learned corrections as plain data.

use serde::{Deserialize, Serialize};

use super::{Calibrations, ErrorStats, ErrorStatsState, ModelAccuracy, ModelCalibration};
use crate::StateError;
use crate::state::{VERSION, check_version, is_keepable};

/// What [`Calibrations`] has learned, to be written and read as a whole in any format of `serde`.
///
/// It holds names of models, ratios and errors, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationsState {
    version: u32,
    models: Vec<ModelState>,
    others: CalibrationState,
    total: AccuracyState,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ModelState {
    model: String,
    calibration: CalibrationState,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CalibrationState {
    ratio: f64,
    observations: u64,
    accuracy: AccuracyState,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AccuracyState {
    four_characters: ErrorStatsState,
    simple: ErrorStatsState,
    generous: ErrorStatsState,
    calibrated: ErrorStatsState,
    corrected: ErrorStatsState,
}

impl Calibrations {
    /// Everything that was learned, as plain data.
    #[must_use]
    pub fn export(&self) -> CalibrationsState {
        let models = self.models.iter().map(|(model, calibration)| ModelState {
            model: model.to_string(),
            calibration: calibration.export(),
        });
        CalibrationsState {
            version: VERSION,
            models: models.collect(),
            others: self.overflow.export(),
            total: self.total.export(),
        }
    }

    /// Goes on from what was learned before, with room for `max_models`. Of more than that, those
    /// with the most answers are kept.
    ///
    /// # Errors
    /// When another version wrote the data, or when it holds what no run can have learned.
    pub fn import(state: &CalibrationsState, max_models: usize) -> Result<Self, StateError> {
        check_version(state.version)?;
        let mut models: Vec<&ModelState> = state.models.iter().collect();
        models.sort_by_key(|model| std::cmp::Reverse(model.calibration.observations));
        let mut calibrations = Self::new(max_models);
        for ModelState { model, calibration } in models {
            let calibration = ModelCalibration::import(calibration)?;
            let known = calibrations.models.contains_key(model.as_str());
            if known || !is_keepable(model) {
                return Err(StateError::Nonsense("the name of a model"));
            }
            if calibrations.models.len() < max_models {
                let name = model.as_str().into();
                calibrations.models.insert(name, calibration);
            }
        }
        calibrations.overflow = ModelCalibration::import(&state.others)?;
        calibrations.total = ModelAccuracy::import(&state.total)?;
        Ok(calibrations)
    }
}

impl ModelCalibration {
    fn export(&self) -> CalibrationState {
        CalibrationState {
            ratio: self.ratio,
            observations: self.observations,
            accuracy: self.accuracy.export(),
        }
    }

    fn import(state: &CalibrationState) -> Result<Self, StateError> {
        // Each observation is held between a quarter and four, and so, but for rounding, is their mean.
        if !(0.24..=4.01).contains(&state.ratio) {
            return Err(StateError::Nonsense("the correction of a model"));
        }
        Ok(Self {
            ratio: state.ratio,
            observations: state.observations,
            accuracy: ModelAccuracy::import(&state.accuracy)?,
        })
    }
}

impl ModelAccuracy {
    fn export(&self) -> AccuracyState {
        AccuracyState {
            four_characters: self.four_characters.export(),
            simple: self.simple.export(),
            generous: self.generous.export(),
            calibrated: self.calibrated.export(),
            corrected: self.corrected.export(),
        }
    }

    fn import(state: &AccuracyState) -> Result<Self, StateError> {
        Ok(Self {
            four_characters: ErrorStats::import(&state.four_characters)?,
            simple: ErrorStats::import(&state.simple)?,
            generous: ErrorStats::import(&state.generous)?,
            calibrated: ErrorStats::import(&state.calibrated)?,
            corrected: ErrorStats::import(&state.corrected)?,
        })
    }
}
