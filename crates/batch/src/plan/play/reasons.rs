//! What the time went by waiting for.
//!
//! Each request that goes explains the time since the one before it went: by the limit that it waited
//! for, or, where it did not wait for one, by the answer that made room for it.

use std::collections::BTreeMap;
use std::time::Duration;

use paceline_limiter::{Binding, Timestamp};
use serde::Serialize;

/// What can hold a batch back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Bind {
    /// A limit of the provider.
    Limit {
        /// The pool.
        pool: String,
        /// What is limited, in words.
        metric: String,
        /// Units in each window.
        amount: u64,
        /// Length of the window.
        window_ms: u64,
    },
    /// As many requests as may be under way were.
    Concurrency,
    /// The time between two launches.
    Spacing,
    /// The last answers, after all requests had gone.
    Latency,
}

/// A part of the time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// What was waited for.
    pub bind: Bind,
    /// The part of the whole time, from 0 to 1.
    pub share: f64,
}

#[derive(Debug)]
pub(super) struct Reasons {
    start: Timestamp,
    /// When the latest request went.
    latest: Timestamp,
    end: Timestamp,
    times: BTreeMap<Bind, Duration>,
    /// The limit that was waited for last.
    limit: Option<Bind>,
}

impl Reasons {
    pub(super) fn new(start: Timestamp) -> Self {
        Self {
            start,
            latest: start,
            end: start,
            times: BTreeMap::new(),
            limit: None,
        }
    }

    /// A request did not have to wait for a limit, but for room among those under way. Where that is not
    /// all there could be, it is small because of a limit that others had to wait for.
    pub(super) fn admitted_at_once(&mut self, is_all: bool, now: Timestamp) {
        if now > self.latest {
            let limit = self.limit.clone().filter(|_| !is_all);
            self.explain(limit.unwrap_or(Bind::Concurrency), now);
        }
    }

    /// A request waited for this.
    pub(super) fn admitted(&mut self, pool: &str, binding: Binding, now: Timestamp) {
        if now <= self.latest {
            return;
        }
        let bind = match binding {
            Binding::Limit {
                metric,
                amount,
                window,
            } => Bind::Limit {
                pool: pool.to_owned(),
                metric: metric.name().to_owned(),
                amount,
                window_ms: u64::try_from(window.as_millis()).unwrap_or(u64::MAX),
            },
            Binding::Spacing => Bind::Spacing,
            _ => Bind::Concurrency,
        };
        if matches!(bind, Bind::Limit { .. }) {
            self.limit = Some(bind.clone());
        }
        self.explain(bind, now);
    }

    /// All answers are there.
    pub(super) fn finish(&mut self, end: Timestamp) {
        self.explain(Bind::Latency, end);
        self.end = end;
    }

    fn explain(&mut self, bind: Bind, now: Timestamp) {
        let time = now.saturating_since(self.latest);
        *self.times.entry(bind).or_default() += time;
        self.latest = self.latest.max(now);
    }

    /// The parts, the longest first.
    pub(super) fn shares(&self) -> Vec<Share> {
        let whole = self.end.saturating_since(self.start).as_secs_f64();
        let times = self.times.iter().filter(|(_, time)| !time.is_zero());
        let mut shares: Vec<Share> = times
            .map(|(bind, time)| Share {
                bind: bind.clone(),
                share: time.as_secs_f64() / whole.max(1e-9),
            })
            .collect();
        shares.sort_by(|one, other| other.share.total_cmp(&one.share));
        shares
    }
}
