//! Learning how long answers are, so that a request without a bound of its own need not reserve
//! the longest answer that the model could give.

mod histogram;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::ErrorStats;
use histogram::LengthHistogram;

/// Fewer answers than this are no ground to predict from.
const LEAST_OBSERVATIONS: u64 = 20;
/// Upper bounds of the classes of `max_output_tokens`; two more hold what is above, and requests
/// without a bound. Callers who ask for more tend to get more.
const CLASS_BOUNDS: [u64; 4] = [256, 1_024, 4_096, 16_384];
const CLASSES: usize = CLASS_BOUNDS.len() + 2;

/// What the length of an answer is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputKey<'a> {
    /// The model that was asked.
    pub model: &'a str,
    /// The route, or whatever else tells kinds of request apart. Empty where there is none.
    pub route: &'a str,
    /// The caller's own bound on the length of the answer.
    pub max_output_tokens: Option<u64>,
}

/// Where a prediction comes from, the most specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PredictionSource {
    /// Answers of the same model on the same route with a similar bound.
    Route,
    /// Answers of the same model with a similar bound.
    Model,
    /// Answers of any model with a similar bound.
    Everything,
    /// Too little has been seen: this is the caller's default.
    Default,
}

/// How long an answer will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputPrediction {
    /// Half of the answers are no longer.
    pub typical_tokens: u64,
    /// 95 of 100 answers are no longer.
    pub high_tokens: u64,
    /// What it was learned from.
    pub source: PredictionSource,
}

/// How well predictions have done.
#[derive(Clone, Debug, Default)]
pub struct OutputAccuracy {
    /// The error of [`OutputPrediction::typical_tokens`].
    pub typical: ErrorStats,
    /// Answers that were predicted from observation, not by default.
    pub predicted: u64,
    /// Of these, how many were no longer than [`OutputPrediction::high_tokens`]. A sound
    /// prediction covers about 95 of 100.
    pub covered: u64,
}

/// One histogram per class of bound.
#[derive(Clone, Debug, Default)]
struct ClassHistograms([LengthHistogram; CLASSES]);

#[derive(Clone, Debug, Default)]
struct RouteLengths {
    lengths: ClassHistograms,
    accuracy: OutputAccuracy,
}

#[derive(Clone, Debug, Default)]
struct ModelLengths {
    lengths: ClassHistograms,
    accuracy: OutputAccuracy,
    routes: HashMap<Box<str>, RouteLengths>,
}

/// Running quantiles of answer lengths per model, route and class of bound.
///
/// The number of models and of routes in all is bounded. A model beyond it shares one entry with
/// its like; a route beyond it is predicted from its model.
#[derive(Clone, Debug)]
pub struct OutputLengths {
    models: HashMap<Box<str>, ModelLengths>,
    max_entries: usize,
    route_count: usize,
    overflow: ModelLengths,
    everything: ClassHistograms,
    total: OutputAccuracy,
}

impl OutputAccuracy {
    fn record(&mut self, prediction: &OutputPrediction, actual_tokens: u64) {
        if prediction.source == PredictionSource::Default {
            return;
        }
        self.typical
            .record(prediction.typical_tokens, actual_tokens);
        self.predicted += 1;
        self.covered += u64::from(actual_tokens <= prediction.high_tokens);
    }
}

impl ClassHistograms {
    fn class(max_output_tokens: Option<u64>) -> usize {
        max_output_tokens.map_or(CLASSES - 1, |max| {
            CLASS_BOUNDS.partition_point(|&bound| max > bound)
        })
    }

    fn record(&mut self, max_output_tokens: Option<u64>, tokens: u64) {
        if let Some(histogram) = self.0.get_mut(Self::class(max_output_tokens)) {
            histogram.record(tokens);
        }
    }

    fn predict(
        &self,
        max_output_tokens: Option<u64>,
        source: PredictionSource,
    ) -> Option<OutputPrediction> {
        let histogram = self.0.get(Self::class(max_output_tokens))?;
        if histogram.observations() < LEAST_OBSERVATIONS {
            return None;
        }
        let most = max_output_tokens.unwrap_or(u64::MAX);
        Some(OutputPrediction {
            typical_tokens: histogram.quantile(50).min(most),
            high_tokens: histogram.quantile(95).min(most),
            source,
        })
    }
}

impl Default for OutputLengths {
    /// Room for 1,000 models and 1,000 routes.
    fn default() -> Self {
        Self::new(1_000)
    }
}

impl OutputLengths {
    /// Keeps at most `max_entries` models, and as many routes of all models together, apart.
    #[must_use]
    pub fn new(max_entries: usize) -> Self {
        Self {
            models: HashMap::new(),
            max_entries,
            route_count: 0,
            overflow: ModelLengths::default(),
            everything: ClassHistograms::default(),
            total: OutputAccuracy::default(),
        }
    }

    /// Predicts an answer from the most specific group that has seen enough, and otherwise takes
    /// `default_output_tokens`. Never above the caller's own bound.
    #[must_use]
    pub fn predict(&self, key: OutputKey<'_>, default_output_tokens: u64) -> OutputPrediction {
        let max = key.max_output_tokens;
        let model = self.model(key.model);
        let route = model.and_then(|model| model.routes.get(key.route));
        let by_default = || {
            let tokens = default_output_tokens.min(max.unwrap_or(u64::MAX));
            OutputPrediction {
                typical_tokens: tokens,
                high_tokens: tokens,
                source: PredictionSource::Default,
            }
        };
        route
            .and_then(|route| route.lengths.predict(max, PredictionSource::Route))
            .or_else(|| model.and_then(|m| m.lengths.predict(max, PredictionSource::Model)))
            .or_else(|| self.everything.predict(max, PredictionSource::Everything))
            .unwrap_or_else(by_default)
    }

    /// Learns from the output tokens that an answer reported. First judges by them what would
    /// have been predicted.
    pub fn observe(&mut self, key: OutputKey<'_>, actual_output_tokens: u64) {
        let prediction = self.predict(key, 0);
        let max = key.max_output_tokens;
        self.total.record(&prediction, actual_output_tokens);
        self.everything.record(max, actual_output_tokens);
        let room_for_route = self.route_count < self.max_entries;
        let known_model = self.models.contains_key(key.model);
        let model = if known_model || self.models.len() < self.max_entries {
            self.models.entry(key.model.into()).or_default()
        } else {
            &mut self.overflow
        };
        model.accuracy.record(&prediction, actual_output_tokens);
        model.lengths.record(max, actual_output_tokens);
        if !model.routes.contains_key(key.route) {
            if !room_for_route {
                return;
            }
            self.route_count += 1;
        }
        let route = model.routes.entry(key.route.into()).or_default();
        route.accuracy.record(&prediction, actual_output_tokens);
        route.lengths.record(max, actual_output_tokens);
    }

    /// How well predictions for a model have done, or `None` for one that was never observed.
    #[must_use]
    pub fn model_accuracy(&self, model: &str) -> Option<&OutputAccuracy> {
        self.model(model).map(|model| &model.accuracy)
    }

    /// How well predictions for a route of a model have done, or `None` for one that is not kept.
    #[must_use]
    pub fn route_accuracy(&self, model: &str, route: &str) -> Option<&OutputAccuracy> {
        self.model(model)?
            .routes
            .get(route)
            .map(|route| &route.accuracy)
    }

    /// How well all predictions together have done.
    #[must_use]
    pub const fn total(&self) -> &OutputAccuracy {
        &self.total
    }

    fn model(&self, model: &str) -> Option<&ModelLengths> {
        let full = self.models.len() >= self.max_entries;
        self.models
            .get(model)
            .or_else(|| full.then_some(&self.overflow))
    }
}
