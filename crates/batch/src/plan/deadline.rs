//! Whether a batch ends in time, and what it would take.

use std::time::Duration;

use paceline_limiter::SettingsError;
use serde::Serialize;

use super::course::Entry;
use super::play::{Bind, Play, Played};
use super::pool::scaled;
use crate::Concurrency;

/// How often another bound may come to the fore.
const ROUNDS: usize = 6;

/// A little more than what would just do.
const MARGIN: f64 = 1.02;

/// Something that would have to be more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What binds as it is.
    pub bind: Bind,
    /// How much it is; of limits, units in each window.
    pub from: u64,
    /// How much it would have to be. Of requests at once: from the beginning, where the same as before
    /// is found while the batch runs.
    pub to: u64,
}

/// Whether all is done in the time there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadlinePlan {
    /// The time there is.
    pub available_ms: u64,
    /// Whether it is enough for the expected course.
    pub met: bool,
    /// Whether it is enough even with the high output.
    pub met_with_high_output: bool,
    /// By how much the expected course is done before that; negative where it is not.
    pub spare_ms: i64,
    /// What together would make it, where it is not met; `None`: nothing of what is planned with here, as
    /// where answers take too long.
    pub needed: Option<Vec<Change>>,
}

/// What would have to be more for a batch to end in time.
pub(super) fn needed(
    play: &Play,
    entries: &[Entry],
    played: &Played,
    available: Duration,
) -> Result<Option<Vec<Change>>, SettingsError> {
    let mut play = play.clone();
    let mut played = played.clone();
    let mut changes: Vec<Change> = Vec::new();
    for _ in 0..ROUNDS {
        if played.wall <= available {
            return Ok(Some(changes));
        }
        let Some(main) = played.binds.first() else {
            return Ok(None);
        };
        // The rest of the time, such as that of the last answers, stays.
        let wall = played.wall.as_secs_f64();
        let rest = wall * (1.0 - main.share);
        let room = available.as_secs_f64() - rest;
        let factor = match room > 0.0 {
            true => wall * main.share / room,
            false => wall / available.as_secs_f64().max(1e-3),
        };
        let bind = main.bind.clone();
        let Some((from, to)) = raise(&mut play, &bind, factor * MARGIN) else {
            return Ok(None);
        };
        note(&mut changes, bind, from, to);
        played = play.play(entries)?;
    }
    Ok((played.wall <= available).then_some(changes))
}

/// Makes more of what binds.
fn raise(play: &mut Play, bind: &Bind, factor: f64) -> Option<(u64, u64)> {
    match bind {
        Bind::Limit {
            pool,
            metric,
            window_ms,
            ..
        } => {
            let found = play.pools.iter_mut().find(|known| known.name == *pool)?;
            let limit = found.settings.limits.iter_mut().find(|limit| {
                limit.metric.name() == metric && limit.window.as_millis() == u128::from(*window_ms)
            })?;
            let from = limit.amount;
            *limit = scaled(*limit, factor);
            Some((from, limit.amount))
        }
        Bind::Concurrency => {
            let from = most(play.concurrency);
            let to = match play.concurrency {
                // A number that is found while the batch runs begins low.
                Concurrency::Auto { .. } => from,
                Concurrency::Fixed(_) => super::pool::times(from, factor),
            };
            play.concurrency = Concurrency::Fixed(usize::try_from(to).unwrap_or(usize::MAX));
            for pool in &mut play.pools {
                if let Some(bound) = pool.settings.concurrency_max {
                    let bound = super::pool::times(bound.into(), factor);
                    pool.settings.concurrency_max = Some(u32::try_from(bound).unwrap_or(u32::MAX));
                }
            }
            Some((from, to))
        }
        Bind::Spacing | Bind::Latency => None,
    }
}

fn most(concurrency: Concurrency) -> u64 {
    match concurrency {
        Concurrency::Auto { most } | Concurrency::Fixed(most) => most as u64,
    }
}

/// Several steps of the same are one.
fn note(changes: &mut Vec<Change>, bind: Bind, from: u64, to: u64) {
    let same = |known: &&mut Change| match (&known.bind, &bind) {
        (
            Bind::Limit {
                pool,
                metric,
                window_ms,
                ..
            },
            Bind::Limit {
                pool: other_pool,
                metric: other_metric,
                window_ms: other_window,
                ..
            },
        ) => pool == other_pool && metric == other_metric && window_ms == other_window,
        (known, bind) => *known == *bind,
    };
    match changes.iter_mut().find(same) {
        Some(known) => known.to = to,
        None => changes.push(Change { bind, from, to }),
    }
}
