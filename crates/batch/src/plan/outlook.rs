//! The plan itself.

use std::time::Duration;

use paceline_limiter::{Charge, Metric, SettingsError};
use serde::Serialize;

use super::deadline::needed;
use super::model::{CostRange, ModelPlan, TokenRange};
use super::play::{Course, Play, Played};
use super::pool::{LimitsSource, Planned};
use super::{DeadlinePlan, Planner};
use crate::Concurrency;

/// Lines that are named.
const SHOWN_MAX: usize = 5;

/// What a batch will take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Requests that are to be sent.
    pub requests: u64,
    /// Tokens of their input.
    pub input_tokens: u64,
    /// Tokens of their answers.
    pub output_tokens: TokenRange,
    /// What they cost.
    pub cost: CostRange,
    /// The same by model and path, the dearest first.
    pub models: Vec<ModelPlan>,
    /// The limits that they draw on.
    pub pools: Vec<PoolPlan>,
    /// The most requests at once.
    pub concurrency: u64,
    /// The shortest time that it takes, with answers of the expected length.
    pub course: Course,
    /// The same with answers of the high length.
    pub course_with_high_output: Course,
    /// Whether that is in time; `None` where nobody asked.
    pub deadline: Option<DeadlinePlan>,
    /// Requests that the data plane would refuse.
    pub unreadable: Unreadable,
}

/// Limits that requests share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolPlan {
    /// Their name.
    pub name: String,
    /// Where they are known from.
    pub source: LimitsSource,
    /// Requests that draw on them.
    pub requests: u64,
    /// Each of them.
    pub limits: Vec<LimitUse>,
    /// Requests that no window can hold, which would be refused. They are counted in the sums of tokens
    /// and cost, and take no time.
    pub too_large: TooLarge,
}

/// How much a batch takes of a limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitUse {
    /// What is limited, in words.
    pub metric: String,
    /// Units in each window.
    pub amount: u64,
    /// Length of the window.
    pub window_ms: u64,
    /// Units that the batch takes.
    pub units: u64,
    /// The part of what the limit lets through in the time of the batch, from 0 to 1. What a full bucket
    /// holds at the beginning counts too.
    pub utilisation: f64,
}

/// Requests that are too large for a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TooLarge {
    /// How many.
    pub count: u64,
    /// The lines of the first of them.
    pub lines: Vec<u64>,
    /// What the first of them needs, and what of.
    pub first: Option<String>,
}

impl TooLarge {
    pub(super) fn add(&mut self, line: u64, units: u64, amount: u64, metric: Metric) {
        self.count += 1;
        if self.lines.len() < SHOWN_MAX {
            self.lines.push(line);
        }
        self.first
            .get_or_insert_with(|| format!("{units} {metric} of at most {amount}"));
    }
}

/// Requests that cannot be read as what they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// How many.
    pub count: u64,
    /// The lines of the first of them, and what is wrong there.
    pub first: Vec<(u64, String)>,
}

impl Unreadable {
    pub(super) fn add(&mut self, line: u64, what: &str) {
        self.count += 1;
        if self.first.len() < SHOWN_MAX {
            self.first.push((line, what.to_owned()));
        }
    }
}

pub(super) fn plan(planner: Planner, available: Option<Duration>) -> Result<Plan, SettingsError> {
    let Planner {
        settings,
        sums,
        pools,
        entries,
        unreadable,
        ..
    } = planner;
    let entries = entries.entries;
    let play = Play {
        pools: pools
            .pools
            .iter()
            .map(|planned| planned.pool.clone())
            .collect(),
        concurrency: settings.concurrency,
        latency: settings.latency,
        start: settings.start,
        high: false,
    };
    let high = Play {
        high: true,
        ..play.clone()
    };
    let (played, played_high) = (play.play(&entries)?, high.play(&entries)?);
    let deadline = available.map(|available| {
        let met = played.wall <= available;
        let needed = match met {
            true => None,
            false => needed(&play, &entries, &played, available)?,
        };
        Ok(DeadlinePlan {
            available_ms: millis(available),
            met,
            met_with_high_output: played_high.wall <= available,
            spare_ms: millis(available).cast_signed() - millis(played.wall).cast_signed(),
            needed,
        })
    });
    let models = sums.into_plans(&settings.calibrations);
    let mut total = ModelPlan::default();
    models.iter().for_each(|model| total.include(model));
    Ok(Plan {
        requests: total.requests,
        input_tokens: total.input_tokens,
        output_tokens: total.output_tokens,
        cost: total.cost,
        models,
        pools: pool_plans(pools.pools, &played),
        concurrency: match settings.concurrency {
            Concurrency::Auto { most } | Concurrency::Fixed(most) => most as u64,
        },
        course: played.course(),
        course_with_high_output: played_high.course(),
        deadline: deadline.transpose()?,
        unreadable,
    })
}

fn pool_plans(pools: Vec<Planned>, played: &Played) -> Vec<PoolPlan> {
    let wall = played.wall.as_secs_f64();
    let charged = played
        .charged
        .iter()
        .copied()
        .chain(std::iter::repeat(Charge::ZERO));
    let plans = pools.into_iter().zip(charged).map(|(planned, charged)| {
        let limits = planned.pool.settings.limits.iter().map(|limit| {
            let units = charged.get(limit.metric);
            let windows = wall / limit.window.as_secs_f64().max(1e-9);
            LimitUse {
                metric: limit.metric.name().to_owned(),
                amount: limit.amount,
                window_ms: millis(limit.window),
                units,
                utilisation: utilisation(units, limit.amount, windows),
            }
        });
        PoolPlan {
            limits: limits.collect(),
            name: planned.pool.name,
            source: planned.pool.source,
            requests: planned.requests,
            too_large: planned.too_large,
        }
    });
    plans.collect()
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn utilisation(units: u64, amount: u64, windows: f64) -> f64 {
    // One window's worth can go at the very beginning.
    let most = amount as f64 * windows.max(1.0);
    (units as f64 / most.max(1e-9)).min(1.0)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX >> 1)
}
