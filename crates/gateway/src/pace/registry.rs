//! All limit pools of the process, made as traffic needs them.

use std::collections::HashMap;
use std::sync::Arc;

use paceline_config::{DomainRule, Settings};
use paceline_limiter::SettingsError;
use paceline_telemetry::Metrics;
use parking_lot::RwLock;
use tokio::runtime::Handle;

use super::Pool;
use super::convert::domain_settings;
use crate::clock::Clock;

/// The most pools held at once. Callers choose keys and models, so the number must be bounded;
/// beyond it idle pools are dropped.
const POOLS_MAX: usize = 10_000;

/// What tells one limit pool from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PoolKey {
    /// Configured limits, a bound on concurrency, or spacing: one pool for everything that the rule takes.
    Configured {
        /// The rule's name.
        rule: Arc<str>,
    },
    /// Limits that are learned: each credential and model has its own until more is known.
    Learned {
        /// The rule's name.
        rule: Arc<str>,
        /// A hash of the key and of the organisation and project that the caller named.
        credential: u64,
        /// The model as asked for.
        model: Arc<str>,
    },
}

impl PoolKey {
    /// The key of requests for `model` with this credential under `rule`.
    pub(crate) fn of(rule: &DomainRule, credential: u64, model: &str) -> Self {
        let name = Arc::from(rule.name.as_str());
        let bounded = rule.concurrency_max.is_some() || !rule.spacing.is_zero();
        if rule.limits.is_empty() && !bounded {
            Self::Learned {
                rule: name,
                credential,
                model: Arc::from(model),
            }
        } else {
            Self::Configured { rule: name }
        }
    }

    fn rule(&self) -> &str {
        match self {
            Self::Configured { rule } | Self::Learned { rule, .. } => rule,
        }
    }

    /// A name for people: no part of a key is in it.
    fn name(&self) -> Arc<str> {
        match self {
            Self::Configured { rule } => Arc::clone(rule),
            Self::Learned {
                credential, model, ..
            } => Arc::from(format!("{model}@{:08x}", credential >> 32)),
        }
    }
}

/// All limit pools.
pub(crate) struct Registry {
    pools: RwLock<HashMap<PoolKey, Arc<Pool>>>,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// Where the pools' timers run.
    control: Handle,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registry({} pools)", self.pools.read().len())
    }
}

impl Registry {
    pub(crate) fn new(clock: Clock, metrics: Arc<Metrics>, control: Handle) -> Self {
        Self {
            pools: RwLock::default(),
            clock,
            metrics,
            control,
        }
    }

    /// The pool of `key`, made if it is not there yet.
    ///
    /// # Errors
    /// When the limiter refuses the rule's settings; checked settings do not get that far.
    pub(crate) fn pool(
        &self,
        key: &PoolKey,
        rule: &DomainRule,
        settings: &Settings,
    ) -> Result<Arc<Pool>, SettingsError> {
        if let Some(pool) = self.pools.read().get(key) {
            return Ok(Arc::clone(pool));
        }
        let mut pools = self.pools.write();
        if let Some(pool) = pools.get(key) {
            return Ok(Arc::clone(pool));
        }
        if pools.len() >= POOLS_MAX {
            pools.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.is_idle());
        }
        let settings = domain_settings(rule, settings, &self.clock);
        let pool = Arc::new(Pool::new(key.name(), settings, self.clock, &self.metrics)?);
        self.control.spawn(Pool::run_timer(Arc::downgrade(&pool)));
        pools.insert(key.clone(), Arc::clone(&pool));
        Ok(pool)
    }

    /// Puts new settings in force in every pool.
    ///
    /// Pools of rules that are gone keep what they have: requests may still be under way in them.
    ///
    /// # Errors
    /// The first pool's complaint; the others are changed all the same.
    pub(crate) fn reconfigure(&self, settings: &Settings) -> Result<(), SettingsError> {
        let mut result = Ok(());
        for (key, pool) in self.pools.read().iter() {
            let rules = settings.domains.iter().chain([&settings.default_domain]);
            let Some(rule) = rules.into_iter().find(|rule| rule.name == key.rule()) else {
                continue;
            };
            let changed = pool.reconfigure(domain_settings(rule, settings, &self.clock));
            result = result.and(changed);
        }
        result
    }

    /// All pools, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<Pool>> {
        let mut pools: Vec<_> = self.pools.read().values().cloned().collect();
        pools.sort_by(|a, b| a.name().cmp(b.name()));
        pools
    }
}
