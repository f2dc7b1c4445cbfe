//! Learning how long answers are, so that a request without a bound of its own need not reserve
//! the longest answer that the model could give.

mod accuracy;
mod class;
mod group;
mod histogram;
mod state;
#[cfg(test)]
mod tests;

pub use accuracy::OutputAccuracy;
pub use class::BoundClass;
pub use state::OutputLengthsState;

use std::collections::HashMap;

use crate::state::is_keepable;
use accuracy::AccuracyState;
use class::CLASSES;
use group::{Group, GroupState};

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

/// What is known about one kind of answer, for those who look at it.
#[derive(Clone, Copy, Debug)]
pub struct OutputEntry<'a> {
    /// The model; `None` stands for all models that found no place of their own.
    pub model: Option<&'a str>,
    /// The route; `None` stands for all routes of the model together.
    pub route: Option<&'a str>,
    /// The class of the callers' own bounds.
    pub class: BoundClass,
    /// Answers seen.
    pub observations: u64,
    /// What is predicted, before the caller's bound; `None` while too little has been seen.
    pub prediction: Option<OutputPrediction>,
    /// How well answers of this kind were predicted.
    pub accuracy: &'a OutputAccuracy,
}

/// One group per class of bound, made when it is first needed.
#[derive(Clone, Debug, Default)]
struct Classes([Option<Box<Group>>; CLASSES]);

#[derive(Clone, Debug, Default)]
struct ModelLengths {
    all: Classes,
    routes: HashMap<Box<str>, Classes>,
}

/// Running quantiles of answer lengths per model, route and class of bound.
///
/// The number of models and of routes in all is bounded, and so is the length of their names. A
/// model beyond that shares one entry with its like; a route beyond it is predicted from its model.
#[derive(Clone, Debug)]
pub struct OutputLengths {
    models: HashMap<Box<str>, ModelLengths>,
    max_entries: usize,
    route_count: usize,
    overflow: ModelLengths,
    everything: Classes,
}

impl OutputPrediction {
    fn bounded(self, max_output_tokens: Option<u64>) -> Self {
        let most = max_output_tokens.unwrap_or(u64::MAX);
        Self {
            typical_tokens: self.typical_tokens.min(most),
            high_tokens: self.high_tokens.min(most),
            ..self
        }
    }
}

impl Classes {
    fn get(&self, class: BoundClass) -> Option<&Group> {
        self.0.get(class.index())?.as_deref()
    }

    fn get_mut(&mut self, class: BoundClass) -> Option<&mut Group> {
        let place = self.0.get_mut(class.index())?;
        Some(place.get_or_insert_default())
    }

    fn predict(&self, class: BoundClass, source: PredictionSource) -> Option<OutputPrediction> {
        self.get(class)?.predict(source)
    }

    fn observe(&mut self, class: BoundClass, made: &OutputPrediction, tokens: u64) {
        if let Some(group) = self.get_mut(class) {
            group.accuracy.record(made, tokens);
            group.observe(tokens);
        }
    }

    fn iter(&self) -> impl Iterator<Item = (BoundClass, &Group)> {
        let groups = BoundClass::ALL.iter().zip(&self.0);
        groups.filter_map(|(class, group)| Some((*class, group.as_deref()?)))
    }

    fn accuracy(&self) -> OutputAccuracy {
        let mut merged = OutputAccuracy::default();
        for (_, group) in self.iter() {
            merged.merge(&group.accuracy);
        }
        merged
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
            everything: Classes::default(),
        }
    }

    /// Predicts an answer from the most specific group that has seen enough, and otherwise takes
    /// `default_output_tokens`. Never above the caller's own bound.
    #[must_use]
    pub fn predict(&self, key: OutputKey<'_>, default_output_tokens: u64) -> OutputPrediction {
        let class = BoundClass::of(key.max_output_tokens);
        let model = self.model(key.model);
        let route = model.and_then(|model| model.routes.get(key.route));
        route
            .and_then(|route| route.predict(class, PredictionSource::Route))
            .or_else(|| model.and_then(|m| m.all.predict(class, PredictionSource::Model)))
            .or_else(|| self.everything.predict(class, PredictionSource::Everything))
            .unwrap_or(OutputPrediction {
                typical_tokens: default_output_tokens,
                high_tokens: default_output_tokens,
                source: PredictionSource::Default,
            })
            .bounded(key.max_output_tokens)
    }

    /// Learns from the output tokens that an answer reported. First judges by them what would
    /// have been predicted, which it returns.
    pub fn observe(&mut self, key: OutputKey<'_>, actual_output_tokens: u64) -> OutputPrediction {
        let made = self.predict(key, 0);
        let class = BoundClass::of(key.max_output_tokens);
        self.everything.observe(class, &made, actual_output_tokens);
        let room_for_route = self.route_count < self.max_entries && is_keepable(key.route);
        let room_for_model = self.models.len() < self.max_entries && is_keepable(key.model);
        let model = if room_for_model || self.models.contains_key(key.model) {
            self.models.entry(key.model.into()).or_default()
        } else {
            &mut self.overflow
        };
        model.all.observe(class, &made, actual_output_tokens);
        if !model.routes.contains_key(key.route) {
            if !room_for_route {
                return made;
            }
            self.route_count += 1;
        }
        let route = model.routes.entry(key.route.into()).or_default();
        route.observe(class, &made, actual_output_tokens);
        made
    }

    /// How well predictions for a model have done, or `None` for one that was never observed.
    #[must_use]
    pub fn model_accuracy(&self, model: &str) -> Option<OutputAccuracy> {
        self.model(model).map(|model| model.all.accuracy())
    }

    /// How well all predictions together have done.
    #[must_use]
    pub fn total(&self) -> OutputAccuracy {
        self.everything.accuracy()
    }

    /// The models that are kept apart, in no order.
    pub fn models(&self) -> impl Iterator<Item = (&str, OutputAccuracy)> {
        let models = self.models.iter();
        models.map(|(name, model)| (&**name, model.all.accuracy()))
    }

    /// Everything that is known, by model, route and class, in no order.
    pub fn entries(&self) -> impl Iterator<Item = OutputEntry<'_>> {
        let named = self
            .models
            .iter()
            .map(|(name, model)| (Some(&**name), model));
        named
            .chain([(None, &self.overflow)])
            .flat_map(|(name, model)| {
                let routes = model.routes.iter();
                let routes = routes.map(|(route, classes)| (Some(&**route), classes));
                let sources = routes.chain([(None, &model.all)]);
                sources.map(move |(route, classes)| (name, route, classes))
            })
            .flat_map(|(model, route, classes)| {
                classes.iter().map(move |(class, group)| OutputEntry {
                    model,
                    route,
                    class,
                    observations: group.observations(),
                    prediction: group.predict(match route {
                        Some(_) => PredictionSource::Route,
                        None => PredictionSource::Model,
                    }),
                    accuracy: &group.accuracy,
                })
            })
    }

    fn model(&self, model: &str) -> Option<&ModelLengths> {
        let shared = || {
            let stranger = self.models.len() >= self.max_entries || !is_keepable(model);
            stranger.then_some(&self.overflow)
        };
        self.models.get(model).or_else(shared)
    }
}
