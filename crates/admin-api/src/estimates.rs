//! `GET /monitoring/estimates`: how well the tokens of requests and answers are known beforehand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was learned from the usage that answers reported, and how far it was off.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Estimates {
    /// The length of answers, by model, route and the caller's own bound.
    pub outputs: Vec<OutputEstimate>,
    /// The size of requests, by model.
    pub inputs: Vec<InputEstimate>,
}

/// Answers of one kind.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OutputEstimate {
    /// The model; `None` stands for all models beyond those that are kept apart.
    pub model: Option<String>,
    /// The route; `None` stands for all routes of the model together.
    pub route: Option<String>,
    /// The class of the callers' own bounds on the length, such as `up_to_1024` or `unbounded`.
    pub bound: String,
    /// Answers seen.
    pub answers: u64,
    /// Half of the answers are expected to be no longer; `None` while too few were seen.
    pub p50_tokens: Option<u64>,
    /// 95 of 100 answers are expected to be no longer.
    pub p95_tokens: Option<u64>,
    /// Answers that were predicted before they came.
    pub predicted: u64,
    /// The share of these that were no longer than predicted, which should be about 0.95.
    pub coverage: Option<f64>,
    /// The mean error of the typical length, as a fraction of the truth and without sign.
    pub mean_error: Option<f64>,
    /// How many times more tokens the 95 % predictions set aside than the answers took.
    pub cost_ratio: Option<f64>,
}

/// Requests for one model.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InputEstimate {
    /// The model; `None` stands for all models together.
    pub model: Option<String>,
    /// Answers that told how many tokens their request had.
    pub answers: u64,
    /// The factor that was learned for the calibrated estimate; `None` for all models together.
    pub correction: Option<f64>,
    /// The errors of each way to estimate, all judged on the same requests.
    pub errors: Vec<EstimatorError>,
}

/// How far one way to estimate was off, as fractions of the truth.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EstimatorError {
    /// `corrected` (the calibrated estimate with its correction), `calibrated` (without it),
    /// `simple`, `generous`, or `four_characters` (four characters a token and nothing else).
    pub estimator: String,
    /// The mean error without sign.
    pub mean_error: f64,
    /// The error that 95 of 100 estimates did not pass, without sign.
    pub p95_error: f64,
    /// The mean error with its sign: above 0 is an estimate that is too high.
    pub bias: f64,
}
