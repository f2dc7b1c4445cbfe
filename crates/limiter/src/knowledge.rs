//! Limits learned from what the provider says.
//!
//! A simple estimator: the time until everything is free again, over the part that is used, is
//! the window. It never lowers a level, so that a late or partial answer cannot make a domain
//! send too much.

use std::time::Duration;

use crate::charge::{METRICS, Metric};
use crate::limits::{LimitState, Limits};
use crate::settings::{Limit, WindowModel};
use crate::settlement::Observation;
use crate::snapshot::LimitSource;
use crate::time::nanos;

/// The windows that providers use.
const WINDOWS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(3_600),
    Duration::from_secs(86_400),
];

/// The window of a limit whose answers do not tell.
const WINDOW_DEFAULT: Duration = Duration::from_secs(60);

/// What a learned limit lets go at once: as much as it refills in this time. The refill of one guard
/// comes on top, and is kept free for late arrivals.
const BURST: Duration = Duration::from_millis(500);

/// Answers in a row that must agree on another window before a learned one changes.
const AGREEING_ANSWERS: u32 = 3;

/// A window that recent answers point to.
#[derive(Clone, Copy, Debug)]
struct Guess {
    window: Duration,
    answers: u32,
}

/// What is at hand when an answer arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// Units in flight; the provider may or may not count them yet.
    pub(crate) outstanding: u64,
    pub(crate) next_serial: u64,
    pub(crate) guard: Duration,
    pub(crate) now: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    guesses: [Option<Guess>; METRICS],
}

/// The window that an answer points to: `reset * limit / used`, if that is near a usual one.
/// A usual answer that is near none points to the default.
fn window_of(observation: &Observation, used: u64) -> Option<Duration> {
    let reset = nanos(observation.reset?);
    if reset == 0 || used == 0 {
        return None;
    }
    let window = u128::from(reset) * u128::from(observation.limit) / u128::from(used);
    let near = WINDOWS.iter().find(|usual| {
        let usual = usual.as_nanos();
        window.abs_diff(usual) <= usual / 4
    });
    Some(near.copied().unwrap_or(WINDOW_DEFAULT))
}

fn used_of(observation: &Observation) -> u64 {
    let used = i128::from(observation.limit) - i128::from(observation.remaining);
    u64::try_from(used.max(0)).unwrap_or(u64::MAX)
}

fn learned(metric: Metric, amount: u64, window: Duration, guard: Duration) -> Limit {
    let burst = u128::from(amount) * (BURST + guard).as_nanos() / window.as_nanos().max(1);
    let burst = u64::try_from(burst).unwrap_or(u64::MAX).clamp(1, amount);
    Limit {
        metric,
        amount,
        window,
        model: WindowModel::Unknown { burst },
        guard,
    }
}

impl Knowledge {
    /// Takes in what an answer says; `true` if a limit has changed.
    pub(crate) fn observe(
        &mut self,
        limits: &mut Limits,
        observation: &Observation,
        situation: &Situation,
    ) -> bool {
        let used = used_of(observation);
        let window = window_of(observation, used);
        let metric = observation.metric;
        let of_metric = |source| {
            move |state: &LimitState| state.limit.metric == metric && state.source == source
        };
        if limits.states.iter().any(of_metric(LimitSource::Configured)) {
            let states = limits
                .states
                .iter_mut()
                .filter(|s| s.limit.metric == metric);
            return confirm(states, observation, window, situation);
        }
        let guess = self.agree(metric, window);
        let (amount, guard) = (observation.limit, situation.guard);
        let Some(state) = limits
            .states
            .iter_mut()
            .find(|s| of_metric(LimitSource::Learned)(s))
        else {
            let limit = learned(metric, amount, window.unwrap_or(WINDOW_DEFAULT), guard);
            let (serial, now) = (situation.next_serial, situation.now);
            let mut state = LimitState::new(limit, LimitSource::Learned, serial, now);
            state
                .window
                .raise_to(used.saturating_add(situation.outstanding), now);
            limits.states.push(state);
            return true;
        };
        let limit = learned(metric, amount, guess.unwrap_or(state.limit.window), guard);
        let changed = limit != state.limit;
        if changed {
            state.resize(limit, situation.next_serial, situation.now);
        }
        let as_of = observation.as_of.as_nanos();
        state.window.reconcile(used, as_of, situation.now);
        changed
    }

    /// Notes which window an answer points to; the window, once enough answers in a row agree.
    fn agree(&mut self, metric: Metric, window: Option<Duration>) -> Option<Duration> {
        let window = window?;
        let guess = &mut self.guesses[metric.index()];
        let answers = match guess {
            Some(guess) if guess.window == window => guess.answers.saturating_add(1),
            _ => 1,
        };
        *guess = Some(Guess { window, answers });
        (answers >= AGREEING_ANSWERS).then_some(window)
    }
}

/// Configured limits stand, unless the provider enforces less over the same window.
fn confirm<'a>(
    states: impl Iterator<Item = &'a mut LimitState>,
    observation: &Observation,
    window: Option<Duration>,
    situation: &Situation,
) -> bool {
    let mut states: Vec<_> = states.collect();
    let index = states
        .iter()
        .position(|state| {
            state.limit.amount == observation.limit
                || state.configured_amount == Some(observation.limit)
        })
        .or_else(|| {
            states
                .iter()
                .position(|state| Some(state.limit.window) == window)
        });
    let Some(state) = index.and_then(|index| states.get_mut(index)) else {
        return false;
    };
    let configured = state.configured_amount.unwrap_or(state.limit.amount);
    let amount = observation.limit.min(configured);
    let changed = amount != state.limit.amount;
    if changed {
        state.configured_amount = (amount != configured).then_some(configured);
        let limit = with_amount(state.limit, amount);
        state.resize(limit, situation.next_serial, situation.now);
    }
    let as_of = observation.as_of.as_nanos();
    state
        .window
        .reconcile(used_of(observation), as_of, situation.now);
    changed
}

/// A limit with another amount; what it lets go at once shrinks or grows with it.
fn with_amount(limit: Limit, amount: u64) -> Limit {
    let scaled = |burst: u64| {
        let burst = u128::from(burst) * u128::from(amount) / u128::from(limit.amount.max(1));
        u64::try_from(burst).unwrap_or(u64::MAX).max(1)
    };
    let model = match limit.model {
        WindowModel::Bucket { burst } => WindowModel::Bucket {
            burst: scaled(burst),
        },
        WindowModel::Unknown { burst } => WindowModel::Unknown {
            burst: scaled(burst),
        },
        other => other,
    };
    Limit {
        amount,
        model,
        ..limit
    }
}
