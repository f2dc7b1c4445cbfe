//! What metrics tell of one lane.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use paceline_routing::Outcome;
use paceline_telemetry::{Counter, Metrics};

/// How calls end, as metrics name it.
const OUTCOMES: [&str; 7] = [
    "whole",
    "refused",
    "quota",
    "left",
    "overtaken",
    "ours",
    "fault",
];

/// What metrics tell of one lane.
pub(super) struct Meter {
    metrics: Arc<Metrics>,
    /// The lane's name, or the one that it shares with others.
    label: Arc<str>,
    under_way: AtomicU64,
    /// By [`OUTCOMES`], each made when it is first needed.
    ended: [OnceLock<Counter>; OUTCOMES.len()],
}

impl Meter {
    pub(super) fn new(metrics: Arc<Metrics>, label: Arc<str>) -> Self {
        Self {
            metrics,
            label,
            under_way: AtomicU64::new(0),
            ended: Default::default(),
        }
    }

    pub(super) fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// Calls that were begun and have not ended.
    pub(super) fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Relaxed)
    }

    pub(super) fn began(&self) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ended(&self, outcome: &Outcome) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        let place = match outcome {
            Outcome::Whole => 0,
            Outcome::Refused => 1,
            Outcome::Quota => 2,
            Outcome::Left => 3,
            Outcome::Overtaken => 4,
            Outcome::Ours => 5,
            Outcome::Fault(_) => 6,
        };
        let make = || self.metrics.lane_calls.of(&[&self.label, OUTCOMES[place]]);
        self.ended[place].get_or_init(make).inc();
    }

    pub(super) fn tripped(&self, cause: &str) {
        self.metrics.lane_trips.of(&[&self.label, cause]).inc();
    }

    pub(super) fn passed_on(&self, why: &str) {
        self.metrics.fallbacks.of(&[&self.label, why]).inc();
    }
}
