//! All lanes under certain settings: those that the settings name, and others as traffic needs them.

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

/// All lanes under certain settings, and what is known of choices between them.
///
/// Other settings have lanes and choosers of their own, so that a call which began under former ones
/// goes by these to its end. What a change does not concern is the same in both.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: RwLock<ByName>,
    /// In the order of `settings.models`.
    choosers: Vec<Arc<Mutex<Chooser>>>,
    rule: paceline_config::Breaker,
    /// The lanes that callers made up and that have names of their own in metrics. Series stay, and
    /// so do these.
    labels: Arc<Mutex<HashSet<Arc<str>>>>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Lanes {
    pub(crate) fn new(clock: Clock, metrics: Arc<Metrics>, settings: &Settings) -> Self {
        let choosers = settings.models.iter().map(Chooser::new);
        let lanes = Self {
            lanes: RwLock::default(),
            choosers: choosers.map(shared).collect(),
            rule: settings.breaker.clone(),
            labels: Arc::default(),
            metrics,
            clock,
        };
        lanes.make_configured(settings);
        lanes
    }

    /// Those of other settings: lanes keep their breakers, rules their turns and their sessions,
    /// wherever nothing that concerns them has changed.
    pub(crate) fn after(&self, before: &Settings, settings: &Settings) -> Self {
        let choosers = settings.models.iter();
        let choosers = choosers.map(|rule| self.chooser_after(before, rule));
        let mut kept = ByName::default();
        if settings.breaker == before.breaker {
            let same = |provider: &str| {
                let reach = settings.reach(provider);
                reach.is_some() && reach == before.reach(provider)
            };
            kept.clone_from(&self.lanes.read());
            kept.retain(|provider, _| same(provider));
        }
        let named: HashSet<_> = configured_lanes(settings).collect();
        for models in kept.values_mut() {
            for lane in models.values() {
                lane.set_configured(named.contains(&(&*lane.provider, &*lane.model)));
            }
            // One that shared its name in metrics with others gets its own where the settings name it.
            models.retain(|_, lane| !lane.is_configured() || lane.label() == &lane.name);
        }
        let lanes = Self {
            lanes: RwLock::new(kept),
            choosers: choosers.collect(),
            rule: settings.breaker.clone(),
            labels: Arc::clone(&self.labels),
            metrics: Arc::clone(&self.metrics),
            clock: self.clock,
        };
        lanes.make_configured(settings);
        lanes
    }

    /// What is known of choices under a rule that may be new, or another than it was.
    fn chooser_after(&self, before: &Settings, rule: &ModelRule) -> Arc<Mutex<Chooser>> {
        let mut known = before.models.iter().zip(&self.choosers);
        match known.find(|(former, _)| former.name == rule.name) {
            Some((former, chooser)) if former == rule => Arc::clone(chooser),
            Some((_, chooser)) => shared(chooser.lock().under(rule)),
            None => shared(Chooser::new(rule)),
        }
    }

    /// The lane to a model at a provider.
    pub(crate) fn lane(&self, provider: &str, model: &str) -> Arc<Lane> {
        if let Some(lane) = known(&self.lanes.read(), (provider, model)) {
            return lane;
        }
        let mut lanes = self.lanes.write();
        if let Some(lane) = known(&lanes, (provider, model)) {
            return lane;
        }
        if lanes.values().map(HashMap::len).sum::<usize>() >= LANES_MAX {
            for models in lanes.values_mut() {
                models.retain(|_, lane| lane.is_configured() || Arc::strong_count(lane) > 1);
            }
        }
        self.make(&mut lanes, (provider, model), false)
    }

    fn make_configured(&self, settings: &Settings) {
        let mut lanes = self.lanes.write();
        for names in configured_lanes(settings) {
            if known(&lanes, names).is_none() {
                self.make(&mut lanes, names, true);
            }
        }
    }

    fn make(
        &self,
        lanes: &mut ByName,
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
        let rule = &self.rule;
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

    /// What is known of choices under the rule at this place in `settings.models`.
    pub(crate) fn chooser(&self, rule: usize) -> Option<&Mutex<Chooser>> {
        self.choosers.get(rule).map(Arc::as_ref)
    }

    /// All lanes, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<Lane>> {
        let lanes = self.lanes.read();
        let mut all: Vec<_> = lanes.values().flat_map(HashMap::values).cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

fn shared(chooser: Chooser) -> Arc<Mutex<Chooser>> {
    Arc::new(Mutex::new(chooser))
}

fn known(lanes: &ByName, (provider, model): (&str, &str)) -> Option<Arc<Lane>> {
    let lane = lanes.get(provider)?.get(model)?;
    Some(Arc::clone(lane))
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
