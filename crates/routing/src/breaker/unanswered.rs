//! Calls that wait for their first byte, and those that went unanswered since the last sign of life.
//!
//! Only calls that were sent after the provider last answered anything say that it hangs: a long
//! call among short ones does not, nor does a lane that nobody uses.

use std::collections::BTreeMap;
use std::time::Duration;

use super::settings::Hang;
use crate::latency::Latency;
use crate::time::Timestamp;

/// Calls that are remembered; beyond that the oldest is forgotten.
const CALLS_MAX: usize = 16_384;

/// A call that nobody reported on is forgotten after this time.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// Patience is doubled at most this often.
const LESSONS_MAX: u32 = 4;

/// What is waited for on one lane.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unanswered {
    /// When each was sent, by id, which is by age.
    calls: BTreeMap<u64, Timestamp>,
    /// The id of the next call.
    next: u64,
    /// The first call after the last sign of life.
    silent_from: u64,
    /// Calls that were sent since, and given up after half of the patience or more.
    given_up: u32,
    /// How often silence turned out to be none.
    lessons: u32,
}

impl Unanswered {
    /// The id that the next call will have.
    pub(crate) const fn next_id(&self) -> u64 {
        self.next
    }

    /// Another call was sent.
    pub(crate) fn sent(&mut self, now: Timestamp) {
        self.calls.insert(self.next, now);
        self.next += 1;
        let forgotten = |sent: Timestamp| now.saturating_since(sent) > FORGOTTEN_AFTER;
        while self.calls.len() > CALLS_MAX
            || self
                .calls
                .first_key_value()
                .is_some_and(|(_, sent)| forgotten(*sent))
        {
            self.calls.pop_first();
        }
    }

    /// Something came back from the provider, whatever it was.
    pub(crate) fn heard(&mut self) {
        self.silent_from = self.next;
        self.given_up = 0;
    }

    /// The call is not waited for any more; when it was sent, unless it was answered before.
    pub(crate) fn remove(&mut self, id: u64) -> Option<Timestamp> {
        self.calls.remove(&id)
    }

    /// A call ended without a byte because its caller did not want to wait.
    pub(crate) fn gave_up(&mut self, id: u64, waited: Duration, patience: Duration) {
        if id >= self.silent_from && waited >= patience / 2 {
            self.given_up = self.given_up.saturating_add(1);
        }
    }

    /// How long nothing may come back from a lane whose answers usually take that long.
    pub(crate) fn patience(&self, hang: &Hang, usual: &Latency, now: Timestamp) -> Duration {
        let patience = usual.p95(now).map_or(hang.unknown, |p95| {
            Duration::try_from_secs_f64(p95.as_secs_f64() * hang.factor).unwrap_or(hang.most)
        });
        patience
            .saturating_mul(1 << self.lessons)
            .clamp(hang.least, hang.most)
    }

    /// Whether the lane hangs: enough calls went unanswered for that long, and nothing at all
    /// came back since they were sent.
    pub(crate) fn is_silent(&self, hang: &Hang, patience: Duration, now: Timestamp) -> bool {
        let wanted = hang.calls.saturating_sub(self.given_up) as usize;
        let mut oldest = self.calls.range(self.silent_from..).take(wanted);
        let waited = oldest.all(|(_, sent)| now.saturating_since(*sent) >= patience);
        waited && self.calls.range(self.silent_from..).take(wanted).count() == wanted
    }

    /// A lane that was said to hang did answer.
    pub(crate) fn learn_patience(&mut self) {
        self.lessons = (self.lessons + 1).min(LESSONS_MAX);
    }

    pub(crate) fn count(&self) -> usize {
        self.calls.len()
    }
}
