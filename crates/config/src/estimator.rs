//! `[estimator]`: how tokens are estimated before they are known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How tokens are estimated before they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EstimatorKind {
    /// Fitted to each model and corrected by the usage that answers report.
    Calibrated,
    /// Four characters a token and a fifth more.
    Simple,
    /// Four characters a token, 100 more, the output allowance, and a fifth on top.
    Generous,
}

/// How tokens are estimated before they are known.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawEstimator {
    /// The estimator.
    pub(crate) kind: EstimatorKind,
    /// Output tokens assumed for a request that names no maximum while nothing better is known.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub(crate) default_output_tokens: u64,
    /// Percent added by the generous estimator for calls that search or use tools.
    #[schemars(range(min = 0, max = 1_000))]
    pub(crate) grounded_margin_percent: u32,
}

impl Default for RawEstimator {
    fn default() -> Self {
        Self {
            kind: EstimatorKind::Calibrated,
            default_output_tokens: 1_000,
            grounded_margin_percent: 15,
        }
    }
}
