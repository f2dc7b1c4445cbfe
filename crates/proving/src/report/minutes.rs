//! The use of limits by the minute.

use super::{LimitUse, Minute};
use crate::scenario::Scenario;
use crate::time::NANOS_PER_SECOND;
use crate::upstream::Second;
use crate::world::Outcome;

/// Seconds of a minute.
const MINUTE: usize = 60;

impl Minute {
    /// What others left.
    pub(super) fn left(&self) -> f64 {
        (self.allowed - self.foreign as f64).max(0.0)
    }
}

pub(super) fn limits(scenario: &Scenario, outcome: &Outcome) -> Vec<LimitUse> {
    // What happened after the last arrival was due is not the workload's doing, unless it is a
    // backlog.
    let length_s = usize::try_from(outcome.length_ns / NANOS_PER_SECOND).unwrap_or(usize::MAX);
    let duration_s = usize::try_from(scenario.duration_s).unwrap_or(usize::MAX);
    let accounts = outcome.ledger.accounts();
    accounts
        .map(|(quota, seconds)| {
            let seconds = seconds.get(..length_s.min(duration_s).min(seconds.len()));
            let minutes = minutes(seconds.unwrap_or_default(), &outcome.story.waiting);
            LimitUse {
                limit: quota.abbreviation(),
                amount: quota.amount,
                use_from_minute_2: share(minutes.iter().skip(1)),
                use_while_waiting: share(minutes.iter().skip(1).filter(|minute| minute.waiting)),
                minutes,
            }
        })
        .collect()
}

/// Whole minutes only: a part of one has no rate of its own.
fn minutes(seconds: &[Second], waiting: &[u64]) -> Vec<Minute> {
    let chunks = seconds.chunks_exact(MINUTE);
    let minute = |(index, chunk): (usize, &[Second])| {
        let from = index * MINUTE;
        let waiting = waiting.get(from..from + MINUTE).unwrap_or_default();
        Minute {
            own: chunk.iter().map(|second| second.own).sum(),
            foreign: chunk.iter().map(|second| second.foreign).sum(),
            allowed: chunk.iter().map(|second| second.allowed).sum(),
            waiting: !waiting.is_empty() && waiting.iter().all(|count| *count > 0),
        }
    };
    chunks.enumerate().map(minute).collect()
}

fn share<'m>(minutes: impl Iterator<Item = &'m Minute>) -> Option<f64> {
    let (own, left) = minutes.fold((0, 0.0), |(own, left), minute| {
        (own + minute.own, left + minute.left())
    });
    (left > 0.0).then(|| own as f64 / left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_taken_off_what_could_be_used() {
        let second = Second {
            own: 6,
            foreign: 4,
            allowed: 10.0,
            level: 0.0,
        };
        let minutes = minutes(&[second; 150], &[1; 150]);
        assert_eq!(minutes.len(), 2, "the last half minute does not count");
        assert_eq!(share(minutes.iter()), Some(1.0));
    }

    #[test]
    fn a_minute_with_one_second_of_nobody_waiting_is_not_a_minute_of_waiting() {
        let mut waiting = vec![3; 120];
        waiting[70] = 0;
        let minutes = minutes(&[Second::default(); 120], &waiting);
        let told: Vec<bool> = minutes.iter().map(|minute| minute.waiting).collect();
        assert_eq!(told, [true, false]);
    }
}
