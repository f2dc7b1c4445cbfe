//! The figures by which the contestants are compared.

use std::time::Duration;

use paceline_simulator::Counters;
use serde::Serialize;

use super::board::Board;
use super::stage::TOKENS_PER_MINUTE;
use super::workload::Tenant;

/// The first seconds do not count for the use of the quota: in them, the piece of it that may go at
/// once is spent, and the gateway learns the limits.
const WARM_UP_MAX: Duration = Duration::from_secs(10);

/// How one contestant does.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Score {
    /// Tokens charged by the provider over tokens that its limit lets pass in the same time, once
    /// warmed up; absent before.
    pub(super) quota_used: Option<f64>,
    /// Refusals by the provider, counted there.
    pub(super) refused_429: u64,
    pub(super) answered: u64,
    /// Given up by the client after its retries.
    pub(super) lost: u64,
    /// Neither yet.
    pub(super) under_way: u64,
    pub(super) chat_asked: u64,
    pub(super) chat_lost: u64,
    /// Waits of answered questions: time from asking to the answer, less what the provider worked.
    pub(super) chat_wait_p50_ms: Option<u64>,
    pub(super) chat_wait_p95_ms: Option<u64>,
    /// Tokens charged for what was answered, of all tenants and of each batch job.
    pub(super) tokens_answered: u64,
    pub(super) batch_a_tokens: u64,
    pub(super) batch_b_tokens: u64,
}

impl Score {
    /// The figures at this moment.
    pub(super) fn now(board: &Board, meter: &Meter, counters: &Counters) -> Self {
        let tallies = Tenant::ALL.map(|tenant| board.tally(tenant));
        let sum = |of: fn(&super::board::Tally) -> u64| tallies.iter().map(of).sum();
        let [chat, batch_a, batch_b] = &tallies;
        let mut waits = chat.waits.clone();
        waits.sort_unstable();
        Self {
            quota_used: meter.quota_used(),
            refused_429: counters.refused_in_total(),
            answered: sum(|tally| tally.answered),
            lost: sum(|tally| tally.lost),
            under_way: sum(super::board::Tally::under_way),
            chat_asked: chat.started,
            chat_lost: chat.lost,
            chat_wait_p50_ms: percentile_ms(&waits, 50),
            chat_wait_p95_ms: percentile_ms(&waits, 95),
            tokens_answered: sum(|tally| tally.tokens),
            batch_a_tokens: batch_a.tokens,
            batch_b_tokens: batch_b.tokens,
        }
    }
}

/// The value that so many percent of the sorted values do not exceed.
fn percentile_ms(sorted: &[Duration], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    let value = sorted.get(rank - 1)?;
    u64::try_from(value.as_millis()).ok()
}

/// How fast the provider takes tokens from the quota.
#[derive(Debug)]
pub(super) struct Meter {
    warm_up: Duration,
    /// The first reading after warming up.
    first: Option<(Duration, u64)>,
    last: Option<(Duration, u64)>,
}

impl Meter {
    pub(super) fn new(length: Duration) -> Self {
        Self {
            warm_up: WARM_UP_MAX.min(length / 3),
            first: None,
            last: None,
        }
    }

    /// Takes a reading of the tokens charged so far.
    pub(super) fn sample(&mut self, elapsed: Duration, charged_tokens: u64) {
        if elapsed < self.warm_up {
            return;
        }
        self.last = Some((elapsed, charged_tokens));
        self.first = self.first.or(self.last);
    }

    #[expect(clippy::cast_precision_loss, reason = "a share with two digits")]
    fn quota_used(&self) -> Option<f64> {
        let ((begun, before), (now, after)) = (self.first?, self.last?);
        let seconds = (now - begun).as_secs_f64();
        let passed = TOKENS_PER_MINUTE as f64 / 60.0 * seconds;
        // A second of readings is the least that says anything.
        (seconds >= 1.0).then(|| (after - before) as f64 / passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let waits: Vec<Duration> = (1..=20).map(Duration::from_millis).collect();
        assert_eq!(percentile_ms(&waits, 50), Some(10));
        assert_eq!(percentile_ms(&waits, 95), Some(19));
        assert_eq!(percentile_ms(&waits[..1], 95), Some(1));
        assert_eq!(percentile_ms(&[], 50), None);
    }

    #[test]
    fn the_quota_is_measured_once_warmed_up() {
        let mut meter = Meter::new(Duration::from_secs(45));
        meter.sample(Duration::from_secs(2), 5_000);
        assert_eq!(meter.quota_used(), None);
        meter.sample(Duration::from_secs(10), 9_000);
        meter.sample(Duration::from_secs(30), 28_000);
        assert_eq!(meter.quota_used(), Some(0.95));
    }
}
