//! Limits that requests share.

use std::collections::HashMap;

use paceline_limiter::{
    Charge, ChargeFormula, ChargeParts, DomainSettings, Limit, Metric, WindowModel,
};
use paceline_provider::{ChargeRule, Pacing, RequestFacts};
use serde::Serialize;

use super::TooLarge;
use super::sizes::Sized;

/// Where the limits of a pool are known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitsSource {
    /// They were given for this plan.
    Given,
    /// From the configuration.
    Configured,
    /// From answers of the provider to an earlier run.
    Learned,
    /// A running gateway told them.
    Gateway,
    /// No limits are known: the time follows from latency and concurrency alone.
    Unknown,
}

/// What happens to a charge when the answer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// Nothing.
    AsReserved,
    /// It becomes what was used.
    Actual,
    /// It becomes what was used if that is more.
    Highest,
}

/// A pool of limits, as the run would be held by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Where its limits are known from.
    pub source: LimitsSource,
    /// Its limits.
    pub settings: DomainSettings,
    /// What a request is charged at admission.
    pub charge: ChargeFormula,
    /// And at its end.
    pub settle: Settle,
    /// What is in use of its limits when the batch begins.
    pub used: Charge,
}

/// A pool, and what of the batch goes there.
#[derive(Debug)]
pub(super) struct Planned {
    index: u32,
    pub(super) pool: Pool,
    pub(super) requests: u64,
    pub(super) too_large: TooLarge,
}

impl Planned {
    pub(super) const fn index(&self) -> u32 {
        self.index
    }

    /// What a request is charged.
    pub(super) fn charge(&self, sized: &Sized, facts: &RequestFacts<'_>, pacing: Pacing) -> Charge {
        let parts = ChargeParts {
            input: ChargeRule::OPENAI.input_tokens(facts),
            output_max: ChargeRule::OPENAI.output_tokens(facts),
        };
        Charge::ZERO
            .with(Metric::Requests, 1)
            .with(Metric::Tokens, self.pool.charge.tokens(&parts))
            .with(Metric::InputTokens, sized.input_tokens)
            .with(Metric::OutputTokens, sized.output_reserved)
            .with(Metric::Images, ChargeRule::images(pacing, facts))
    }

    /// Whether the limits can ever hold this charge; notes the line where they cannot.
    pub(super) fn fits(&mut self, charge: &Charge, line: u64) -> bool {
        self.requests += 1;
        let limits = self.pool.settings.limits.iter();
        let most = |limit: &&Limit| charge.get(limit.metric) > limit.amount;
        let Some(limit) = limits.clone().find(most) else {
            return true;
        };
        self.too_large
            .add(line, charge.get(limit.metric), limit.amount, limit.metric);
        false
    }
}

type PoolOf = Box<dyn Fn(&str) -> Pool>;

/// All pools of a batch.
pub(super) struct Pools {
    pool_of: PoolOf,
    by_model: HashMap<String, usize>,
    pub(super) pools: Vec<Planned>,
}

/// Models whose pool is remembered; beyond that each request asks anew.
const MODELS_MAX: usize = 10_000;

/// Pools that are told apart; names in a file must not fill the memory.
const POOLS_MAX: usize = 1_000;

impl Pools {
    pub(super) fn new(pool_of: PoolOf) -> Self {
        Self {
            pool_of,
            by_model: HashMap::new(),
            pools: Vec::new(),
        }
    }

    /// The pool of a model.
    pub(super) fn of(&mut self, model: &str) -> &mut Planned {
        let index = match self.by_model.get(model) {
            Some(index) => *index,
            None => self.find(model),
        };
        &mut self.pools[index]
    }

    fn find(&mut self, model: &str) -> usize {
        let pool = (self.pool_of)(model);
        let mut known = self.pools.iter();
        let index = known.position(|known| known.pool.name == pool.name);
        let last = (self.pools.len() >= POOLS_MAX).then(|| self.pools.len() - 1);
        let index = index.or(last).unwrap_or_else(|| {
            self.pools.push(Planned {
                index: self.pools.len() as u32,
                pool,
                requests: 0,
                too_large: TooLarge::default(),
            });
            self.pools.len() - 1
        });
        if self.by_model.len() < MODELS_MAX {
            self.by_model.insert(model.to_owned(), index);
        }
        index
    }
}

/// This limit with another amount; what it lets go at once grows with it.
pub(super) fn scaled(limit: Limit, factor: f64) -> Limit {
    let scale = |units: u64| times(units, factor).max(1);
    let model = match limit.model {
        WindowModel::Bucket { burst } => WindowModel::Bucket {
            burst: scale(burst),
        },
        WindowModel::Unknown { burst } => WindowModel::Unknown {
            burst: scale(burst),
        },
        other => other,
    };
    Limit {
        amount: scale(limit.amount),
        model,
        ..limit
    }
}

/// `units * factor`, rounded up.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and two digits matter"
)]
pub(super) fn times(units: u64, factor: f64) -> u64 {
    (units as f64 * factor).ceil() as u64
}

/// What goes at once when nothing is used.
pub(super) fn at_once(limit: &Limit) -> u64 {
    match limit.model {
        WindowModel::Bucket { burst } | WindowModel::Unknown { burst } => burst,
        WindowModel::Quantised { quantum } => times(
            limit.amount,
            quantum.as_secs_f64() / limit.window.as_secs_f64().max(1e-9),
        ),
        _ => limit.amount,
    }
}
