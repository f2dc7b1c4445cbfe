//! All limit pools of the process, made as traffic needs them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use paceline_config::{DomainRule, Settings};
use paceline_limiter::{DomainSnapshot, Metric, SettingsError};
use paceline_provider::{LimitHeaders, LimitMetric, Refusal};
use paceline_telemetry::Metrics;
use parking_lot::RwLock;
use tokio::runtime::Handle;

use super::Pool;
use super::convert::domain_settings;
use super::pool::named;
use super::sharing::{Account, Reading, Together};
use super::store::{SharedPools, when_away};
use super::table::Table;
use crate::changes::Recent;
use crate::clock::Clock;
use crate::memory::Memory;

/// The most pools held at once. Callers choose keys and models, so the number must be bounded;
/// beyond it idle pools are dropped.
const POOLS_MAX: usize = 10_000;

/// The most pools of one account that are compared with each other.
const COMPARED_MAX: usize = 32;

/// The longest names of rules and models that are kept over restarts, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// What tells one limit pool from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PoolKey {
    /// Configured limits, a bound on concurrency, or spacing: one pool for everything that the rule takes.
    Configured {
        /// The rule's name.
        rule: Arc<str>,
    },
    /// Limits that are learned: each credential and model has its own until more is known, see
    /// [`Sharing`](super::sharing::Sharing).
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

    /// Whether limits are learned.
    pub(super) fn is_learned(&self) -> bool {
        matches!(self, Self::Learned { .. })
    }

    /// The rule's name.
    pub(crate) fn rule(&self) -> &str {
        match self {
            Self::Configured { rule } | Self::Learned { rule, .. } => rule,
        }
    }

    /// Whether its names are short enough to be kept; longer ones are made up.
    pub(crate) fn is_keepable(&self) -> bool {
        let model = match self {
            Self::Configured { .. } => "",
            Self::Learned { model, .. } => model,
        };
        self.rule().len() <= NAME_BYTES_MAX && model.len() <= NAME_BYTES_MAX
    }

    /// A name for people: no part of a key is in it. `holder` is what they call the holder of the
    /// quota, where it has a name.
    pub(super) fn name(&self, holder: Option<&str>) -> Arc<str> {
        match (self, holder) {
            (Self::Configured { rule }, _) => Arc::clone(rule),
            (Self::Learned { model, .. }, Some(holder)) => Arc::from(format!("{model}@{holder}")),
            (
                Self::Learned {
                    credential, model, ..
                },
                None,
            ) => Arc::from(format!("{model}@{:08x}", credential >> 32)),
        }
    }
}

/// Whose quota a call draws on.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    /// A hash of the key or of the account's name.
    pub(crate) credential: u64,
    /// What people call it; `None` for keys of callers and of `[upstream]`.
    pub(crate) name: Option<Arc<str>>,
}

/// What decides which pool a request uses.
#[derive(Clone, Debug)]
pub(crate) struct Asks {
    pub(crate) key: PoolKey,
    /// What people call the holder of the quota, where it has a name.
    pub(crate) holder: Option<Arc<str>>,
    /// How long its input is, as estimated.
    pub(crate) input_tokens: u64,
}

/// All limit pools.
pub(crate) struct Registry {
    table: RwLock<Table>,
    clock: Clock,
    metrics: Arc<Metrics>,
    changes: Arc<Recent>,
    /// What pools knew in an earlier run.
    memory: Arc<Memory>,
    /// Where limits are counted that other gateways share.
    store: Option<SharedPools>,
    /// Where the pools' timers run.
    control: Handle,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registry({} pools)", self.table.read().len())
    }
}

impl Registry {
    pub(crate) fn new(
        clock: Clock,
        (metrics, changes): (Arc<Metrics>, Arc<Recent>),
        memory: Arc<Memory>,
        store: Option<SharedPools>,
        control: Handle,
    ) -> Self {
        Self {
            table: RwLock::default(),
            clock,
            metrics,
            changes,
            memory,
            store,
            control,
        }
    }

    /// The pool of `key`, made with what is remembered of it if it is not there yet.
    ///
    /// # Errors
    /// When the limiter refuses the rule's settings; checked settings do not get that far.
    pub(crate) fn pool(
        &self,
        asks: &Asks,
        rule: &DomainRule,
        settings: &Settings,
    ) -> Result<Arc<Pool>, SettingsError> {
        let long = {
            let table = self.table.read();
            let long = table.sharing.long(&asks.key, asks.input_tokens);
            if let Some(pool) = table.route(long.as_ref().unwrap_or(&asks.key)) {
                return Ok(Arc::clone(pool));
            }
            long
        };
        let key = long.as_ref().unwrap_or(&asks.key);
        let mut table = self.table.write();
        if let (PoolKey::Learned { credential, .. }, Some(holder)) = (key, &asks.holder) {
            table.call(*credential, holder);
        }
        if let Some(pool) = table.adopt(key) {
            return Ok(pool);
        }
        table.prune(POOLS_MAX);
        let settings = domain_settings(rule, settings, &self.clock);
        let watchers = (&*self.metrics, &self.changes);
        let pool = Arc::new(named(table.name_of(key), settings, self.clock, watchers)?);
        if let Some((known, age)) = self.memory.of(key) {
            pool.recall(&known, age);
            self.changes.recalled(&pool, age);
        }
        self.control.spawn(Pool::run_timer(Arc::downgrade(&pool)));
        if let Some(store) = &self.store {
            store.share(&pool, key, rule, &self.control);
        }
        table.insert(key, &pool);
        Ok(pool)
    }

    /// Learns from the headers of an answer which calls share a pool.
    pub(crate) fn heard(&self, asks: &Asks, headers: &LimitHeaders) {
        let named = headers.organization.as_deref();
        let project = headers.project.as_deref();
        let tokens = headers.account(LimitMetric::Tokens);
        let amount = tokens.and_then(|report| report.limit);
        let (is_new, tells_length) = {
            let sharing = &self.table.read().sharing;
            let is_new = |organization| !sharing.knows(&asks.key, organization, project);
            (
                asks.key.is_learned() && named.is_some_and(is_new),
                sharing.watches_length(&asks.key),
            )
        };
        if let Some(organization) = named.filter(|_| is_new) {
            let account = Account {
                organization: Arc::from(organization),
                project: project.map(Arc::from),
            };
            let mut table = self.table.write();
            if table.sharing.belongs(&asks.key, account) {
                table.regroup("the keys belong to one organization and project");
            }
        }
        if let Some(amount) = amount.filter(|_| tells_length) {
            let mut table = self.table.write();
            table.sharing.answered(&asks.key, asks.input_tokens, amount);
        }
    }

    /// Learns from a refusal which calls share a pool.
    pub(crate) fn refused(&self, asks: &Asks, refusal: &Refusal) {
        let Some(name) = refusal.limit_name.as_deref() else {
            return;
        };
        let mut table = self.table.write();
        let (key, input_tokens) = (&asks.key, asks.input_tokens);
        if table
            .sharing
            .refused_for(key, name, input_tokens, refusal.limit)
        {
            table.regroup(&format!("one limit is behind them: {name}"));
        }
    }

    /// Compares the pools of each account with each other: models whose remainders move together
    /// share a pool from then on.
    pub(crate) fn compare(&self, together: &mut Together) {
        let mut accounts: HashMap<_, Vec<_>> = HashMap::new();
        for (key, pool) in self.table.read().homes() {
            if let PoolKey::Learned {
                rule, credential, ..
            } = key
            {
                let account = accounts.entry((Arc::clone(rule), *credential)).or_default();
                account.push((key.clone(), Arc::clone(pool)));
            }
        }
        accounts.retain(|_, pools| (2..=COMPARED_MAX).contains(&pools.len()));
        let now = self.clock.now();
        for pools in accounts.values() {
            let readings: Vec<_> = pools
                .iter()
                .filter_map(|(key, pool)| token_reading(key, &pool.snapshot()))
                .collect();
            for (newer, older) in together.sample(&readings, now) {
                let mut table = self.table.write();
                if table.sharing.join(&newer, &older) {
                    table.regroup("their remainders move together");
                }
            }
        }
        let table = self.table.read();
        together.retain(|key| table.sharing.home(key) == *key && table.has_home(key));
    }

    /// Puts new settings in force in every pool.
    ///
    /// Pools of rules that are gone keep what they have: requests may still be under way in them.
    ///
    /// # Errors
    /// The first pool's complaint; the others are changed all the same.
    pub(crate) fn reconfigure(&self, settings: &Settings) -> Result<(), SettingsError> {
        let mut result = Ok(());
        for (key, pool) in self.table.read().homes() {
            let mut rules = settings.all_domains();
            let Some(rule) = rules.find(|rule| rule.name == key.rule()) else {
                continue;
            };
            let changed = pool.reconfigure(domain_settings(rule, settings, &self.clock));
            result = result.and(changed);
            pool.set_when_away(when_away(rule));
        }
        result
    }

    /// Takes leave of the store that other gateways share.
    pub(crate) async fn leave_store(&self, patience: Duration) {
        if let Some(store) = &self.store {
            store.leave(patience).await;
        }
    }

    /// What every pool knows that is worth remembering.
    pub(crate) fn memories(&self) -> Vec<(PoolKey, paceline_limiter::Memory)> {
        let pools: Vec<_> = {
            let table = self.table.read();
            let homes = table.homes().into_iter();
            homes
                .map(|(key, pool)| (key.clone(), Arc::clone(pool)))
                .collect()
        };
        let memories = pools.into_iter().map(|(key, pool)| (key, pool.memory()));
        memories.collect()
    }

    /// All pools, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<Pool>> {
        let mut pools: Vec<_> = self.table.read().pools().cloned().collect();
        pools.sort_by(|a, b| a.watch().name().cmp(b.watch().name()));
        pools
    }

    /// The pools that were asked for a turn last, `count_max` at the most, in no order.
    pub(crate) fn latest_used(&self, count_max: usize) -> Vec<Arc<Pool>> {
        let pools = self.table.read().pools().cloned().collect::<Vec<_>>();
        if pools.len() <= count_max {
            return pools;
        }
        let mut pools: Vec<_> = pools
            .into_iter()
            .map(|pool| (pool.watch().last_asked(), pool))
            .collect();
        pools.select_nth_unstable_by_key(count_max, |(asked, _)| std::cmp::Reverse(*asked));
        pools.truncate(count_max);
        pools.into_iter().map(|(_, pool)| pool).collect()
    }

    /// All pools, with the names of what each serves where limits are learned.
    pub(crate) fn all_with_served(&self) -> Vec<(Arc<Pool>, Vec<String>)> {
        let mut served = self.table.read().served();
        let pools = self.all().into_iter();
        pools
            .map(|pool| {
                let names = served.remove(&Arc::as_ptr(&pool)).unwrap_or_default();
                (pool, names)
            })
            .collect()
    }
}

/// What a pool tells of its token limit; `None` where it knows none, or more than one.
pub(super) fn token_reading(key: &PoolKey, snapshot: &DomainSnapshot) -> Option<Reading> {
    let mut limits = snapshot.limits.iter();
    let limit = limits.find(|limit| limit.metric == Metric::Tokens)?;
    if limits.any(|other| other.metric == Metric::Tokens) {
        return None;
    }
    let totals = &snapshot.totals;
    let taken = totals.reserved.get(Metric::Tokens) + totals.debt.get(Metric::Tokens);
    let own = taken.saturating_sub(totals.refunded.get(Metric::Tokens));
    Some(Reading {
        key: key.clone(),
        amount: limit.amount,
        window: limit.window,
        own: u64::try_from(own).ok()?,
        foreign_per_minute: limit.belief.as_ref()?.foreign_per_minute,
    })
}
