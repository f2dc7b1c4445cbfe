//! What a run has done so far, counted as it happens.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The time over which the present speed is taken: at least one minute of quota.
const SPEED_OVER: Duration = Duration::from_secs(120);

/// Steps in which the present speed is counted.
const STEP: Duration = Duration::from_secs(2);

/// Kinds of errors, and models, that are counted apart; what comes after goes under `other`.
const NAMES_MAX: usize = 100;

/// What one line took, once it is done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) error: Option<String>,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cost_nanousd: Option<u64>,
    pub(crate) waited: Duration,
    pub(crate) took: Duration,
    pub(crate) attempts: u32,
    pub(crate) limited_by: Option<String>,
}

/// Sums of what is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Lines with a good answer.
    pub ok: u64,
    /// Lines that failed for good.
    pub failed: u64,
    /// Input tokens, as told by the answers.
    pub input_tokens: u64,
    /// Output tokens, as told by the answers.
    pub output_tokens: u64,
    /// Costs that are known, in billionths of a dollar.
    pub cost_nanousd: u64,
    /// Answers whose cost is not known.
    pub unpriced: u64,
}

impl Sums {
    /// Lines that are done.
    pub fn done(&self) -> u64 {
        self.ok + self.failed
    }

    /// Input and output tokens.
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    fn add(&mut self, taken: &Taken) {
        match taken.error {
            None => self.ok += 1,
            Some(_) => self.failed += 1,
        }
        self.input_tokens = self.input_tokens.saturating_add(taken.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(taken.output_tokens);
        match taken.cost_nanousd {
            Some(cost) => self.cost_nanousd = self.cost_nanousd.saturating_add(cost),
            None => self.unpriced += 1,
        }
    }
}

/// The present speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Lines per minute.
    pub lines_per_minute: f64,
    /// Tokens per minute, input and output.
    pub tokens_per_minute: f64,
    /// Dollars' billionths per minute.
    pub nanousd_per_minute: f64,
}

/// Counts lines as they are done.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Of this run and those before it.
    pub(crate) all: Sums,
    /// Of this run.
    pub(crate) here: Sums,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) retries: u64,
    /// What held lines back, and how many.
    pub(crate) limited_by: BTreeMap<String, u64>,
    pub(crate) waited: Duration,
    pub(crate) dearest_nanousd: u64,
    pub(crate) longest_tokens: u64,
    started: Instant,
    steps: VecDeque<(u64, Sums)>,
}

impl Tally {
    pub(crate) fn new(before: Sums, now: Instant) -> Self {
        Self {
            all: before,
            here: Sums::default(),
            errors: BTreeMap::new(),
            retries: 0,
            limited_by: BTreeMap::new(),
            waited: Duration::ZERO,
            dearest_nanousd: 0,
            longest_tokens: 0,
            started: now,
            steps: VecDeque::new(),
        }
    }

    pub(crate) fn done(&mut self, taken: &Taken, now: Instant) {
        self.all.add(taken);
        self.here.add(taken);
        self.retries += u64::from(taken.attempts.saturating_sub(1));
        self.waited += taken.waited;
        self.dearest_nanousd = self.dearest_nanousd.max(taken.cost_nanousd.unwrap_or(0));
        let tokens = taken.input_tokens.saturating_add(taken.output_tokens);
        self.longest_tokens = self.longest_tokens.max(tokens);
        if let Some(error) = &taken.error {
            count(&mut self.errors, error);
        }
        if let Some(limit) = &taken.limited_by {
            count(&mut self.limited_by, limit);
        }
        let step = self.step(now);
        match self.steps.back_mut() {
            Some((last, sums)) if *last == step => sums.add(taken),
            _ => {
                let mut sums = Sums::default();
                sums.add(taken);
                self.steps.push_back((step, sums));
            }
        }
        self.forget(step);
    }

    /// The speed over the last minutes; all zero in the first moment.
    pub(crate) fn speed(&mut self, now: Instant) -> Speed {
        let step = self.step(now);
        self.forget(step);
        let ran = now.saturating_duration_since(self.started);
        let over = ran.min(SPEED_OVER).as_secs_f64();
        if over < 0.5 {
            return Speed::default();
        }
        let sum = |of: fn(&Sums) -> u64| self.steps.iter().map(|(_, sums)| of(sums)).sum::<u64>();
        #[expect(clippy::cast_precision_loss, reason = "a speed to be shown")]
        let per_minute = |count: u64| count as f64 * 60.0 / over;
        Speed {
            lines_per_minute: per_minute(sum(Sums::done)),
            tokens_per_minute: per_minute(sum(Sums::tokens)),
            nanousd_per_minute: per_minute(sum(|sums| sums.cost_nanousd)),
        }
    }

    fn step(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_secs() / STEP.as_secs()
    }

    fn forget(&mut self, step: u64) {
        let oldest = step.saturating_sub(SPEED_OVER.as_secs() / STEP.as_secs());
        while self.steps.front().is_some_and(|(at, _)| *at < oldest) {
            self.steps.pop_front();
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    let name = if counts.len() < NAMES_MAX || counts.contains_key(name) {
        name
    } else {
        "other"
    };
    *counts.entry(name.to_owned()).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(tokens: u64, cost: Option<u64>) -> Taken {
        Taken {
            input_tokens: tokens,
            cost_nanousd: cost,
            attempts: 1,
            ..Taken::default()
        }
    }

    #[test]
    fn sums_go_on_from_the_runs_before_and_the_speed_does_not() {
        let start = Instant::now();
        let before = Sums {
            ok: 10,
            input_tokens: 100,
            ..Sums::default()
        };
        let mut tally = Tally::new(before, start);
        tally.done(&taken(50, Some(7)), start + Duration::from_secs(5));
        tally.done(&taken(50, None), start + Duration::from_secs(9));
        assert_eq!(tally.all.ok, 12);
        assert_eq!(tally.all.input_tokens, 200);
        assert_eq!(
            (tally.here.ok, tally.here.unpriced, tally.here.cost_nanousd),
            (2, 1, 7)
        );
        let speed = tally.speed(start + Duration::from_secs(10));
        assert!((speed.lines_per_minute - 12.0).abs() < 1e-9, "{speed:?}");
        assert!((speed.tokens_per_minute - 600.0).abs() < 1e-9, "{speed:?}");
    }

    #[test]
    fn the_speed_forgets_what_is_long_ago() {
        let start = Instant::now();
        let mut tally = Tally::new(Sums::default(), start);
        tally.done(&taken(50, None), start);
        let speed = tally.speed(start + Duration::from_secs(600));
        assert_eq!(speed, Speed::default());
    }

    #[test]
    fn kinds_of_errors_are_bounded() {
        let start = Instant::now();
        let mut tally = Tally::new(Sums::default(), start);
        for number in 0..500 {
            let failed = Taken {
                error: Some(format!("code_{number}")),
                ..Taken::default()
            };
            tally.done(&failed, start);
        }
        assert_eq!(tally.errors.len(), NAMES_MAX + 1);
        assert_eq!(tally.errors.values().sum::<u64>(), 500);
    }
}
