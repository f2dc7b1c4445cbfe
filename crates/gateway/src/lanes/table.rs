//! All lanes of the process: those that the settings name, and others as traffic needs them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use paceline_config::{ModelRule, Settings};
use paceline_routing::{Breaker, BreakerSettings, Slow};
use paceline_telemetry::Metrics;
use parking_lot::{Mutex, RwLock};

use super::chooser::Chooser;
use super::lane::{Lane, Named};
use crate::clock::Clock;
use crate::route::configured_lanes;

/// The most lanes held at once. Callers choose models, so the number must be bounded; beyond it those
/// that nobody uses are forgotten, but for those of the settings.
const LANES_MAX: usize = 2_000;

/// The most lanes of models that callers chose that metrics tell apart.
const OWN_LABELS_MAX: usize = 100;

/// The longest name that such a lane may have of its own, in bytes.
const OWN_LABEL_BYTES_MAX: usize = 256;

/// What metrics call the others.
const OTHER: &str = "other";

/// By provider, then by the model's name there.
type ByName = HashMap<Arc<str>, HashMap<Arc<str>, Arc<Lane>>>;

/// All lanes, and what is known of choices between them.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: RwLock<ByName>,
    /// By the name of the rule of `[models]`.
    choosers: RwLock<HashMap<String, Arc<Mutex<Chooser>>>>,
    /// The lanes that callers made up and that have names of their own in metrics. Series stay, and
    /// so do these.
    labels: Mutex<HashSet<Arc<str>>>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Lanes {
    pub(crate) fn new(clock: Clock, metrics: Arc<Metrics>, settings: &Settings) -> Self {
        let lanes = Self {
            lanes: RwLock::default(),
            choosers: RwLock::default(),
            labels: Mutex::default(),
            metrics,
            clock,
        };
        lanes.reconfigure(settings);
        lanes
    }

    /// The lane to a model at a provider.
    pub(crate) fn lane(&self, settings: &Settings, provider: &str, model: &str) -> Arc<Lane> {
        let known = |lanes: &ByName| {
            let lane = lanes.get(provider)?.get(model)?;
            Some(Arc::clone(lane))
        };
        if let Some(lane) = known(&self.lanes.read()) {
            return lane;
        }
        let mut lanes = self.lanes.write();
        if let Some(lane) = known(&lanes) {
            return lane;
        }
        if lanes.values().map(HashMap::len).sum::<usize>() >= LANES_MAX {
            for models in lanes.values_mut() {
                models.retain(|_, lane| lane.is_configured || Arc::strong_count(lane) > 1);
            }
        }
        self.make(&mut lanes, settings, (provider, model), false)
    }

    fn make(
        &self,
        lanes: &mut ByName,
        settings: &Settings,
        (provider, model): (&str, &str),
        is_configured: bool,
    ) -> Arc<Lane> {
        let name = Arc::<str>::from(format!("{provider}/{model}"));
        let label = match is_configured {
            true => Arc::clone(&name),
            false => self.label(&name),
        };
        let named = Named {
            provider: Arc::from(provider),
            model: Arc::from(model),
            name,
            label,
            is_configured,
        };
        let rule = &settings.breaker;
        let breaker = rule
            .is_enabled
            .then(|| Breaker::new(breaker_settings(rule)));
        let models = lanes.entry(Arc::clone(&named.provider)).or_default();
        let model = Arc::clone(&named.model);
        let lane = Lane::new(named, breaker, Arc::clone(&self.metrics), self.clock);
        let lane = Arc::new(lane);
        models.insert(model, Arc::clone(&lane));
        lane
    }

    /// What metrics call a lane that a caller made up.
    fn label(&self, name: &Arc<str>) -> Arc<str> {
        let mut labels = self.labels.lock();
        if labels.contains(name) {
            return Arc::clone(name);
        }
        if labels.len() >= OWN_LABELS_MAX || name.len() > OWN_LABEL_BYTES_MAX {
            return Arc::from(OTHER);
        }
        labels.insert(Arc::clone(name));
        Arc::clone(name)
    }

    /// What is known of choices under a rule.
    pub(crate) fn chooser(&self, rule: &ModelRule) -> Arc<Mutex<Chooser>> {
        let name = rule.name.as_str();
        if let Some(chooser) = self.choosers.read().get(name) {
            return Arc::clone(chooser);
        }
        let mut choosers = self.choosers.write();
        let chooser = choosers.entry(name.to_owned());
        Arc::clone(chooser.or_insert_with(|| Arc::new(Mutex::new(Chooser::new(rule)))))
    }

    /// All lanes, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<Lane>> {
        let lanes = self.lanes.read();
        let mut all: Vec<_> = lanes.values().flat_map(HashMap::values).cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Forgets how lanes did: other settings hold from now on.
    pub(crate) fn reconfigure(&self, settings: &Settings) {
        let mut lanes = ByName::default();
        for names in configured_lanes(settings) {
            self.make(&mut lanes, settings, names, true);
        }
        *self.lanes.write() = lanes;
        self.choosers.write().clear();
    }
}

fn breaker_settings(rule: &paceline_config::Breaker) -> BreakerSettings {
    BreakerSettings {
        window: rule.window,
        calls_min: rule.calls_min,
        fault_share: rule.failure_share_max,
        faults_in_a_row: rule.failures_max,
        open_first: rule.open,
        open_max: rule.open_max,
        open_account_max: rule.account_open,
        slow: rule.late_after.map(Slow::new),
        ..BreakerSettings::default()
    }
}

#[cfg(test)]
mod tests;
