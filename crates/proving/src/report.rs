//! What a run comes to, in figures.

mod minutes;
mod tenants;

use std::collections::BTreeMap;

use paceline_simulator::Quota;
use serde::Serialize;

pub use self::tenants::TenantShare;
use crate::scenario::{Scenario, Sender};
use crate::time::{NANOS_PER_MS, in_seconds};
use crate::world::Outcome;
use crate::{best, oracles};

/// What one run of one kind of sender comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Who sent.
    pub sender: Sender,
    /// Where chance started.
    pub seed: u64,
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that got the provider's answer.
    pub served: u64,
    /// Requests that got an error after all attempts.
    pub failed: u64,
    /// Requests that the sender itself refused.
    pub turned_away: u64,
    /// Requests that had no answer when the time was up.
    pub unfinished: u64,
    /// Attempts that were sent.
    pub attempts: u64,
    /// Attempts of them in the first minute.
    pub attempts_first_minute: u64,
    /// Refusals by the provider for its limits (429).
    pub refused: Refused,
    /// Attempts that met a provider short of capacity (503).
    pub overloaded: u64,
    /// Refusals by their reason: a limit's abbreviation, `concurrency`, `slow_down`, `too_large`.
    pub reasons: BTreeMap<String, u64>,
    /// Waits of the requests that were served, from arrival to the attempt that was.
    pub wait: Waits,
    /// How much of each limit was used.
    pub limits: Vec<LimitUse>,
    /// The share of the binding limit that was used from the second minute on: by the senders, of
    /// what others left. `None` for runs of less than two minutes.
    pub use_from_minute_2: Option<f64>,
    /// The same, of the minutes in which somebody waited all the time.
    pub use_while_waiting: Option<f64>,
    /// When the provider admitted the last request, in seconds since the start.
    pub last_admission_s: Option<f64>,
    /// When a sender who knows everything would have had it admitted: for finite jobs.
    pub best_last_admission_s: Option<f64>,
    /// When the last request was answered.
    pub last_answer_s: f64,
    /// What each tenant had.
    pub tenants: Vec<TenantShare>,
    /// Expectations of the scenario that the gateway did not meet.
    pub unmet: Vec<String>,
    /// Rules that must never be broken and were; empty in a good run.
    pub violations: Vec<String>,
    /// The story of the run as one number: the same for the same scenario and seed.
    pub trace_hash: String,
    /// How many events the story has.
    pub events: u64,
}

/// Refusals by the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Refused {
    /// In the first minute.
    pub first_minute: u64,
    /// Later.
    pub later: u64,
    /// Of 1,000 attempts in the first minute.
    pub first_minute_per_1000: f64,
    /// Of 1,000 attempts later.
    pub later_per_1000: f64,
}

/// Waits in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Waits {
    /// Half of the requests waited no longer.
    pub p50_s: f64,
    /// 95 of 100 waited no longer.
    pub p95_s: f64,
    /// 99 of 100 waited no longer.
    pub p99_s: f64,
    /// The longest.
    pub worst_s: f64,
    /// On average.
    pub mean_s: f64,
}

/// How much of one limit was used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitUse {
    /// The limit in the provider's abbreviation.
    pub limit: String,
    /// Units per window as the file gives it.
    pub amount: u64,
    /// What each minute of the run used.
    pub minutes: Vec<Minute>,
    /// From the second minute on: units of the senders, of what others left.
    pub use_from_minute_2: Option<f64>,
    /// The same, of the minutes in which somebody waited all the time.
    pub use_while_waiting: Option<f64>,
}

/// One minute of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Minute {
    /// Units that the senders took, less what of them was given back.
    pub own: i64,
    /// Units that others took.
    pub foreign: u64,
    /// Units that the limit allows in a minute.
    pub allowed: f64,
    /// Whether somebody waited all the time.
    pub waiting: bool,
}

/// One second of the binding limit, for drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Second {
    /// Units that the senders took.
    pub own: i64,
    /// Units that others took.
    pub foreign: u64,
    /// Units that the limit allows in a second.
    pub allowed: f64,
    /// What was in use at the end of the second, as a part of what the limit holds.
    pub level: f64,
    /// Requests that waited at the end of the second.
    pub waiting: u64,
    /// Requests that the provider refused.
    pub refused: u64,
    /// Tokens that the provider charged to the senders, whatever the limit counts.
    pub tokens: u64,
    /// Requests that got the provider's answer.
    pub served: u64,
}

/// The course of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// The limit that was used most, in the provider's abbreviation.
    pub limit: String,
    /// What it counts, in words.
    pub unit: &'static str,
    /// Every second of the run.
    pub seconds: Vec<Second>,
}

pub(crate) fn report(scenario: &Scenario, sender: Sender, seed: u64, outcome: &Outcome) -> Report {
    let story = &outcome.story;
    let limits = minutes::limits(scenario, outcome);
    let binding = binding(&limits);
    let binding = binding.and_then(|index| limits.get(index));
    let [served, failed, turned_away] = story.fates;
    let requests = outcome.calls.len() as u64;
    let prompts = outcome.calls.iter().map(|call| {
        (
            call.arrived_ns.saturating_sub(outcome.start_ns),
            call.prompt,
        )
    });
    let best_ns = best::last_admission_ns(scenario, prompts, outcome.start_ns);
    let mut report = Report {
        sender,
        seed,
        requests,
        served,
        failed,
        turned_away,
        unfinished: requests - served - failed - turned_away,
        attempts: story.attempts.iter().sum(),
        attempts_first_minute: story.attempts[0],
        refused: Refused {
            first_minute: story.refusals[0],
            later: story.refusals[1],
            first_minute_per_1000: per_1000(story.refusals[0], story.attempts[0]),
            later_per_1000: per_1000(story.refusals[1], story.attempts[1]),
        },
        overloaded: story.overloaded,
        reasons: story.reasons.clone(),
        wait: waits(&story.waits_ns),
        use_from_minute_2: binding.and_then(|limit| limit.use_from_minute_2),
        use_while_waiting: binding.and_then(|limit| limit.use_while_waiting),
        limits,
        last_admission_s: story.last_admission_ns.map(in_seconds),
        best_last_admission_s: best_ns.map(in_seconds),
        last_answer_s: in_seconds(story.last_answer_ns.saturating_sub(outcome.start_ns)),
        tenants: tenants::shares(scenario, outcome),
        unmet: Vec::new(),
        violations: oracles::violations(scenario, outcome),
        trace_hash: format!("{:016x}", outcome.hash),
        events: outcome.events,
    };
    if sender == Sender::Gateway {
        report.unmet = scenario.expect.unmet(&report);
    }
    report
}

/// The limit of which most was used.
fn binding(limits: &[LimitUse]) -> Option<usize> {
    let share = |limit: &LimitUse| {
        let own: i64 = limit.minutes.iter().map(|minute| minute.own).sum();
        let allowed: f64 = limit.minutes.iter().map(Minute::left).sum();
        own as f64 / allowed.max(1e-9)
    };
    (0..limits.len()).max_by(|a, b| {
        let of = |index: &usize| limits.get(*index).map_or(0.0, share);
        of(a).total_cmp(&of(b))
    })
}

pub(crate) fn timeline(scenario: &Scenario, outcome: &Outcome) -> Timeline {
    let binding = binding(&minutes::limits(scenario, outcome)).unwrap_or(0);
    let (quota, seconds) = outcome
        .ledger
        .accounts()
        .nth(binding)
        .unwrap_or((Quota::tokens_per_minute(1), Vec::new()));
    let last = seconds.len().saturating_sub(1);
    // A run ends within a second, which is not one of the account's.
    let told = |sums: &[u64], index: usize| match index {
        index if index == last => sums.iter().skip(index).sum(),
        index => sums.get(index).copied().unwrap_or(0),
    };
    let seconds = seconds.iter().enumerate().map(|(index, second)| Second {
        own: second.own,
        foreign: second.foreign,
        allowed: second.allowed,
        level: second.level,
        waiting: outcome.story.waiting.get(index).copied().unwrap_or(0),
        refused: outcome.ledger.refused_in(index),
        tokens: told(&outcome.story.tokens, index),
        served: told(&outcome.story.served, index),
    });
    Timeline {
        limit: quota.abbreviation(),
        unit: quota.metric.words(),
        seconds: seconds.collect(),
    }
}

fn per_1000(part: u64, whole: u64) -> f64 {
    part as f64 * 1_000.0 / whole.max(1) as f64
}

fn waits(waits_ns: &[u64]) -> Waits {
    let mut sorted: Vec<u64> = waits_ns.to_vec();
    sorted.sort_unstable();
    let sum_ns: u128 = sorted.iter().copied().map(u128::from).sum();
    let mean_ns = sum_ns as f64 / sorted.len().max(1) as f64;
    let at = |share: f64| {
        let last = sorted.len().saturating_sub(1);
        let index = crate::random::whole((last as f64 * share).ceil());
        let index = usize::try_from(index).unwrap_or(last).min(last);
        // To the millisecond: nobody reads more.
        let nanos = sorted.get(index).copied().unwrap_or(0) / NANOS_PER_MS * NANOS_PER_MS;
        in_seconds(nanos)
    };
    Waits {
        p50_s: at(0.5),
        p95_s: at(0.95),
        p99_s: at(0.99),
        worst_s: at(1.0),
        mean_s: mean_ns / 1e9,
    }
}
