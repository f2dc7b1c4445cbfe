//! Checks a journal against a limit, from the journal alone.
//!
//! This shares no code with the enforcer and states each kind of window by its definition, so that
//! it also judges the enforcer.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    journal::{Decision, JournalEntry},
    quota::{Quota, QuotaKind},
};

mod rules;

#[cfg(test)]
mod tests;

use rules::Rule;

/// How much of a limit was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Utilisation {
    /// Everything that was taken, less what was given back.
    pub total: u64,
    /// Requests admitted.
    pub admitted: u64,
    /// Requests refused, by whichever limit.
    pub refused: u64,
    /// What was taken in each minute of the Unix clock from the first entry to the last.
    pub minutes: Vec<MinuteUse>,
}

/// How much was taken in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MinuteUse {
    /// When the minute began, in nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// What was taken in it, less what of that was given back.
    pub used: u64,
    /// The share of what the limit allows in a minute; a full bucket spent at once goes above 1.
    pub share: f64,
}

/// An admission that the limit does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "entry {sequence} at {time_ns} ns took {requested} from {limit} {quota} with {used} in use"
)]
pub struct Violation {
    /// The journal entry.
    pub sequence: u64,
    /// When it was admitted.
    pub time_ns: u64,
    /// The limit.
    pub quota: Quota,
    /// What the limit holds.
    pub limit: u64,
    /// What was in use, in whole units, rounded up.
    pub used: u64,
    /// What the request took.
    pub requested: u64,
}

/// Checks that no admission of a journal exceeded a limit, and says how much of it was used.
///
/// The entries must be those of one pool under one unchanged limit, in order. If the oldest ones
/// are missing, what they took is not seen, and for [`QuotaKind::FixedFromFirstUse`] the windows
/// cannot be told; the check then needs the whole journal.
///
/// # Errors
/// The first admission that had no room.
pub fn verify(entries: &[JournalEntry], quota: &Quota) -> Result<Utilisation, Box<Violation>> {
    let mut rule = Rule::new(quota);
    let mut tally = Tally::default();
    for entry in entries {
        let amount = entry.charge.of(quota.metric);
        match &entry.decision {
            Decision::Refused { .. } => tally.refused += 1,
            Decision::Admitted { reservation } => {
                let used = rule.used_before(entry.time_ns);
                if !rule.allows(used, amount) {
                    return Err(Box::new(Violation {
                        sequence: entry.sequence,
                        time_ns: entry.time_ns,
                        quota: *quota,
                        limit: capacity_of(quota),
                        used: u64::try_from(rule.whole(used)).unwrap_or(u64::MAX),
                        requested: amount,
                    }));
                }
                rule.take(entry.time_ns, amount);
                tally.admit(*reservation, entry.time_ns, amount);
            }
            Decision::Settled { reservation, added }
            | Decision::Corrected { reservation, added } => {
                let added = added.of(quota.metric);
                if let Some(taken_ns) = tally.correct(*reservation, entry.time_ns, amount, added) {
                    rule.give_back(entry.time_ns, taken_ns, amount);
                }
                if matches!(entry.decision, Decision::Settled { .. }) {
                    tally.admissions.remove(reservation);
                }
                rule.take(entry.time_ns, added);
            }
        }
    }
    Ok(tally.utilisation(quota))
}

const fn capacity_of(quota: &Quota) -> u64 {
    match quota.kind {
        QuotaKind::BucketBurst { burst } => burst,
        _ => quota.amount,
    }
}

const MINUTE_NS: u64 = 60_000_000_000;

#[derive(Default)]
struct Tally {
    admitted: u64,
    refused: u64,
    admissions: HashMap<u64, u64>,
    minutes: std::collections::BTreeMap<u64, i128>,
}

impl Tally {
    fn admit(&mut self, reservation: u64, time_ns: u64, amount: u64) {
        self.admitted += 1;
        self.admissions.insert(reservation, time_ns);
        *self.minutes.entry(time_ns / MINUTE_NS).or_default() += i128::from(amount);
    }

    /// Books a correction and says when its request was admitted, if that is known.
    fn correct(&mut self, reservation: u64, now_ns: u64, back: u64, added: u64) -> Option<u64> {
        let taken_ns = self.admissions.get(&reservation).copied();
        if let Some(taken_ns) = taken_ns {
            *self.minutes.entry(taken_ns / MINUTE_NS).or_default() -= i128::from(back);
        }
        *self.minutes.entry(now_ns / MINUTE_NS).or_default() += i128::from(added);
        taken_ns
    }

    fn utilisation(self, quota: &Quota) -> Utilisation {
        let per_minute = quota.amount as f64 * MINUTE_NS as f64 / quota.window_ns().max(1) as f64;
        let first = self.minutes.keys().next().copied().unwrap_or(0);
        let last = self.minutes.keys().next_back().copied();
        let minutes = last.map_or(Vec::new(), |last| {
            let used_in = |minute| self.minutes.get(&minute).copied().unwrap_or(0);
            (first..=last)
                .map(|minute| {
                    let used = u64::try_from(used_in(minute)).unwrap_or(0);
                    let share = used as f64 / per_minute;
                    MinuteUse {
                        start_ns: minute * MINUTE_NS,
                        used,
                        share,
                    }
                })
                .collect()
        });
        let total = minutes.iter().map(|minute: &MinuteUse| minute.used).sum();
        Utilisation {
            total,
            admitted: self.admitted,
            refused: self.refused,
            minutes,
        }
    }
}
