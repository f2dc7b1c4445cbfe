//! What a run leaves behind.

use std::collections::BTreeMap;

use paceline_simulator::JournalEntry;

use super::{Call, World};
use crate::sender::Fate;
use crate::time::{NANOS_PER_MINUTE, NANOS_PER_SECOND};
use crate::trace::Event;
use crate::upstream::Ledger;

/// Figures that a run gathers on its way. Times are since its start.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// Attempts in the first minute and later.
    pub(crate) attempts: [u64; 2],
    /// Refusals by the provider in the first minute and later.
    pub(crate) refusals: [u64; 2],
    /// Attempts that met a provider short of capacity.
    pub(crate) overloaded: u64,
    /// Refusals by the provider by their reason.
    pub(crate) reasons: BTreeMap<String, u64>,
    /// Requests that arrived and were not on their way, at the end of each second.
    pub(crate) waiting: Vec<u64>,
    /// Requests that were served, by the second of the answer.
    pub(crate) served: Vec<u64>,
    /// Tokens that were charged to the senders, by the second of the admission.
    pub(crate) tokens: Vec<u64>,
    /// Waits of the requests that were served, from arrival to the attempt that was.
    pub(crate) waits_ns: Vec<u64>,
    /// When the provider admitted the last request.
    pub(crate) last_admission_ns: Option<u64>,
    /// When the last request was answered.
    pub(crate) last_answer_ns: u64,
    /// How requests ended.
    pub(crate) fates: [u64; 3],
    /// What must not happen and did, once each.
    pub(crate) broken: Vec<String>,
}

impl Story {
    pub(super) fn break_rule(&mut self, what: &str) {
        if self.broken.len() < 20 && !self.broken.iter().any(|known| known == what) {
            self.broken.push(what.to_owned());
        }
    }

    pub(super) fn sent(&mut self, since_ns: u64) {
        self.attempts[part(since_ns)] += 1;
    }

    pub(super) fn refused(&mut self, since_ns: u64, reason: &str) {
        self.refusals[part(since_ns)] += 1;
        match self.reasons.get_mut(reason) {
            Some(count) => *count += 1,
            None => {
                self.reasons.insert(reason.to_owned(), 1);
            }
        }
    }

    pub(super) fn admitted(&mut self, since_ns: u64, tokens: u64) {
        self.last_admission_ns = Some(since_ns);
        count(&mut self.tokens, since_ns, tokens);
    }

    /// `since_ns` is the time since the start.
    pub(super) fn answered(&mut self, call: &Call, now_ns: u64, since_ns: u64) {
        self.last_answer_ns = now_ns;
        let Some(fate) = call.fate else { return };
        self.fates[fate as usize] += 1;
        if fate == Fate::Served {
            count(&mut self.served, since_ns, 1);
            self.waits_ns
                .push(call.sent_ns.saturating_sub(call.arrived_ns));
        }
    }

    pub(super) fn tick(&mut self, waiting: u64) {
        self.waiting.push(waiting);
    }
}

/// Adds to the second of a time.
fn count(seconds: &mut Vec<u64>, since_ns: u64, more: u64) {
    let second = usize::try_from(since_ns / NANOS_PER_SECOND).unwrap_or(usize::MAX);
    if seconds.len() <= second {
        seconds.resize(second.saturating_add(1), 0);
    }
    if let Some(sum) = seconds.get_mut(second) {
        *sum += more;
    }
}

/// The first minute, or later.
const fn part(since_ns: u64) -> usize {
    if since_ns < NANOS_PER_MINUTE { 0 } else { 1 }
}

/// All that is left of a run.
pub(crate) struct Outcome {
    pub(crate) story: Story,
    pub(crate) ledger: Ledger,
    pub(crate) calls: Vec<Call>,
    pub(crate) journal: Vec<JournalEntry>,
    pub(crate) start_ns: u64,
    /// How long it was, in nanoseconds.
    pub(crate) length_ns: u64,
    pub(crate) hash: u64,
    pub(crate) events: u64,
    pub(crate) trace: Vec<Event>,
}

impl World<'_> {
    /// The last checks, and what there is to report.
    pub(super) fn outcome(mut self) -> Outcome {
        let idle = self.open == 0 && self.flights.is_empty();
        let broken: Vec<String> = self
            .seats
            .iter()
            .filter_map(|seat| seat.sender.check(idle))
            .collect();
        for what in &broken {
            self.story.break_rule(what);
        }
        let at_rest = self
            .seats
            .iter()
            .all(|seat| seat.sender.wake_ns().is_none());
        if !idle && self.flying == 0 && self.paused == 0 && at_rest {
            self.story
                .break_rule("requests wait, and nothing is planned that could end it");
        }
        Outcome {
            journal: self.upstream.take_journal(),
            ledger: self.upstream.ledger,
            story: self.story,
            calls: self.calls,
            start_ns: self.start_ns,
            length_ns: self.now_ns.saturating_sub(self.start_ns),
            hash: self.trace.hash(),
            events: self.trace.count(),
            trace: self.trace.into_events(),
        }
    }
}
