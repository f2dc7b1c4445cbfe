//! What an answer says: limit headers, and the words of a refusal.

use paceline_simulator::{Metric, QuotaLevel, Refusal};

use super::Upstream;
use crate::scenario::{FaultKind, Headers, Retry};
use crate::sender::{Level, Reason, Words};
use crate::time::{NANOS_PER_MS, NANOS_PER_SECOND, seconds};

impl Upstream<'_> {
    /// The limit headers of an answer: of several limits on one metric the one with the least left.
    pub(super) fn headers(&mut self, now_ns: u64) -> Vec<Level> {
        let wanted = self.rules.headers;
        if wanted == Headers::None || self.strikes(FaultKind::NoHeaders, now_ns) {
            return Vec::new();
        }
        let levels = self.enforcer.levels(now_ns);
        let shown = |metric: Metric| -> Option<Level> {
            let concerned = levels.iter().filter(|level| level.quota.metric == metric);
            let level = concerned.min_by_key(|level| level.remaining)?;
            Some(Level {
                metric,
                limit: level.quota.amount,
                remaining: level.remaining,
                reset_ns: reset_ns(level, wanted),
            })
        };
        Metric::ALL.into_iter().filter_map(shown).collect()
    }

    pub(super) fn words(&self, refusal: &Refusal) -> Words {
        let told = |wait_ns: u64| match self.rules.retry_after {
            Retry::Milliseconds => Some(wait_ns.div_ceil(NANOS_PER_MS).max(1) * NANOS_PER_MS),
            Retry::Seconds => Some(wait_ns.div_ceil(NANOS_PER_SECOND).max(1) * NANOS_PER_SECOND),
            Retry::Absent => None,
        };
        let unknown = Words {
            reason: Reason::SlowDown,
            metric: None,
            limit: None,
            used: None,
            level: None,
            requested: None,
            wait_ns: None,
        };
        match refusal {
            Refusal::TooLarge { quota, requested } => Words {
                reason: Reason::TooLarge,
                metric: Some(quota.metric),
                limit: Some(quota.amount),
                requested: Some(*requested),
                ..unknown
            },
            Refusal::OverLimit {
                quota,
                used,
                requested,
                stated_wait_ns,
                ..
            } => Words {
                reason: Reason::OverLimit,
                metric: Some(quota.metric),
                limit: Some(quota.amount),
                used: Some(*used),
                level: None,
                requested: Some(*requested),
                wait_ns: told(*stated_wait_ns),
            },
            Refusal::Concurrency { limit } => Words {
                reason: Reason::Concurrency,
                limit: Some(*limit),
                used: Some(*limit),
                requested: Some(1),
                wait_ns: told(NANOS_PER_SECOND),
                ..unknown
            },
            Refusal::SlowDown { wait_ns } => Words {
                wait_ns: told(*wait_ns),
                ..unknown
            },
        }
    }
}

fn reset_ns(level: &QuotaLevel, wanted: Headers) -> Option<u64> {
    match wanted {
        Headers::All => Some(level.reset_ns / NANOS_PER_MS * NANOS_PER_MS),
        Headers::WholeSeconds => Some(seconds(level.reset_ns.div_ceil(NANOS_PER_SECOND))),
        Headers::NoReset | Headers::None => None,
    }
}
