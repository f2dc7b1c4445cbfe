//! What the gateway remembers of its pools over the last hour and the last day, without the ledger.
//!
//! Nothing here reads a clock: a [`Past`] is told when something was seen.

mod sampler;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use paceline_admin_api::{History, LimitHistory, PoolHistory};
use paceline_limiter::Metric;

pub(crate) use sampler::{look, watch_pools};

/// Steps for the last hour.
const FINE: (i64, usize) = (10_000, 360);

/// Steps for the last day.
const COARSE: (i64, usize) = (300_000, 288);

/// Up to this long ago is told in fine steps.
const FINE_SPAN_MS: i64 = 3_600_000;

/// A pool as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) name: Arc<str>,
    pub(crate) waiting: u32,
    pub(crate) in_flight: u32,
    /// Refused attempts since it was seen last.
    pub(crate) refusals: u32,
    pub(crate) limits: Box<[LimitSight]>,
}

/// A limit as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitSight {
    pub(crate) metric: Metric,
    pub(crate) window_ms: u64,
    pub(crate) used: u64,
    pub(crate) amount: u64,
}

impl Sight {
    /// Makes one of what was seen in the same step: the highest of everything, the latest amounts.
    fn join(&mut self, later: &Self) {
        self.waiting = self.waiting.max(later.waiting);
        self.in_flight = self.in_flight.max(later.in_flight);
        self.refusals = self.refusals.saturating_add(later.refusals);
        let mut limits = later.limits.clone();
        for limit in &mut limits {
            let mut before = self.limits.iter();
            if let Some(before) = before.find(|before| before.is_of(limit)) {
                limit.used = limit.used.max(before.used);
            }
        }
        self.limits = limits;
    }
}

impl LimitSight {
    fn is_of(&self, other: &Self) -> bool {
        (self.metric, self.window_ms) == (other.metric, other.window_ms)
    }
}

/// What was seen of pools, in fine steps and in coarse ones.
#[derive(Debug)]
pub(crate) struct Past {
    fine: Grid,
    coarse: Grid,
}

impl Default for Past {
    fn default() -> Self {
        Self {
            fine: Grid::new(FINE),
            coarse: Grid::new(COARSE),
        }
    }
}

impl Past {
    /// Takes in what was seen at one moment. Moments come in order.
    pub(crate) fn note(&mut self, at_ms: i64, pools: &[Sight]) {
        self.fine.note(at_ms, pools);
        self.coarse.note(at_ms, pools);
    }

    /// What is remembered from `from_ms` on, of one pool or all.
    pub(crate) fn told(&self, from_ms: i64, now_ms: i64, pool: Option<&str>) -> History {
        // What was asked for as an hour ago arrives a moment later.
        let is_recent = now_ms - from_ms < FINE_SPAN_MS + FINE.0;
        let grid = if is_recent { &self.fine } else { &self.coarse };
        grid.told(from_ms, now_ms, pool)
    }
}

/// Steps of one length, as many as are kept.
#[derive(Debug)]
struct Grid {
    step_ms: i64,
    steps_max: usize,
    rows: VecDeque<Row>,
}

/// One step.
#[derive(Debug)]
struct Row {
    /// Counts steps since 1970.
    step: i64,
    pools: Vec<Sight>,
}

impl Grid {
    const fn new((step_ms, steps_max): (i64, usize)) -> Self {
        Self {
            step_ms,
            steps_max,
            rows: VecDeque::new(),
        }
    }

    /// The first step that is kept when `step` is the latest.
    fn oldest(&self, step: i64) -> i64 {
        step - i64::try_from(self.steps_max).unwrap_or(i64::MAX) + 1
    }

    fn note(&mut self, at_ms: i64, pools: &[Sight]) {
        let latest = self.rows.back().map(|row| row.step);
        let step = at_ms.div_euclid(self.step_ms).max(latest.unwrap_or(0));
        if latest != Some(step) {
            let pools = Vec::with_capacity(pools.len());
            self.rows.push_back(Row { step, pools });
        }
        let oldest = self.oldest(step);
        while self.rows.front().is_some_and(|row| row.step < oldest) {
            self.rows.pop_front();
        }
        let Some(row) = self.rows.back_mut() else {
            return;
        };
        for sight in pools {
            match row.pools.iter_mut().find(|known| known.name == sight.name) {
                Some(known) => known.join(sight),
                None => row.pools.push(sight.clone()),
            }
        }
    }

    fn told(&self, from_ms: i64, now_ms: i64, pool: Option<&str>) -> History {
        let now = now_ms.div_euclid(self.step_ms);
        let from = from_ms.div_euclid(self.step_ms).max(self.oldest(now));
        let rows = || self.rows.iter().filter(|row| row.step >= from);
        let steps = match (rows().next(), rows().next_back()) {
            (Some(first), Some(last)) => first.step..last.step + 1,
            _ => 0..0,
        };
        let first = steps.start;
        let at_ms: Vec<i64> = steps.map(|step| step * self.step_ms).collect();
        let mut pools: BTreeMap<&str, PoolHistory> = BTreeMap::new();
        for row in rows() {
            let index = usize::try_from(row.step - first).unwrap_or(usize::MAX);
            let asked = |sight: &&Sight| pool.is_none_or(|pool| *sight.name == *pool);
            for sight in row.pools.iter().filter(asked) {
                let told = pools
                    .entry(&sight.name)
                    .or_insert_with(|| empty(&sight.name, at_ms.len()));
                tell(told, sight, index, at_ms.len());
            }
        }
        History {
            from_ms: from * self.step_ms,
            step_ms: self.step_ms.unsigned_abs(),
            at_ms,
            pools: pools.into_values().collect(),
        }
    }
}

fn empty(name: &str, steps: usize) -> PoolHistory {
    PoolHistory {
        name: name.to_owned(),
        limits: Vec::new(),
        waiting: vec![None; steps],
        in_flight: vec![None; steps],
        refusals: vec![None; steps],
    }
}

/// Puts one step into the series of a pool.
fn tell(told: &mut PoolHistory, sight: &Sight, index: usize, steps: usize) {
    put(&mut told.waiting, index, sight.waiting.into());
    put(&mut told.in_flight, index, sight.in_flight.into());
    put(&mut told.refusals, index, sight.refusals.into());
    for limit in &sight.limits {
        let metric = limit.metric.name();
        let known = told
            .limits
            .iter()
            .position(|known| known.metric == metric && known.window_ms == limit.window_ms);
        let at = known.unwrap_or_else(|| {
            told.limits.push(LimitHistory {
                metric: metric.to_owned(),
                window_ms: limit.window_ms,
                used: vec![None; steps],
                amount: vec![None; steps],
            });
            told.limits.len() - 1
        });
        if let Some(known) = told.limits.get_mut(at) {
            put(&mut known.used, index, limit.used);
            put(&mut known.amount, index, limit.amount);
        }
    }
}

fn put(series: &mut [Option<u64>], index: usize, value: u64) {
    if let Some(slot) = series.get_mut(index) {
        *slot = Some(value);
    }
}

#[cfg(test)]
mod tests;
