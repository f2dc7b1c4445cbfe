//! A provider that counts by itself, and tells what it counts.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How it counts its tokens in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bucket,
    Fixed,
    Sliding,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Bucket, Kind::Fixed, Kind::Sliding];

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Count {
    level: f64,
    at: Option<Instant>,
    window: u64,
    used: u64,
    log: VecDeque<(Instant, u64)>,
    admitted: Vec<(Instant, u64)>,
    refused: Vec<Instant>,
}

/// What an answer says of the limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) is_admitted: bool,
    pub(crate) used: u64,
    pub(crate) reset: Duration,
}

#[derive(Debug)]
pub(crate) struct Provider {
    kind: Kind,
    pub(crate) amount: u64,
    started: Instant,
    count: Mutex<Count>,
}

impl Provider {
    pub(crate) fn new(kind: Kind, amount: u64) -> Self {
        Self {
            kind,
            amount,
            started: Instant::now(),
            count: Mutex::default(),
        }
    }

    fn per_second(&self) -> f64 {
        self.amount as f64 / MINUTE.as_secs_f64()
    }

    pub(crate) fn ask(&self, units: u64) -> Counted {
        let now = Instant::now();
        let mut count = self.count.lock();
        let used = match self.kind {
            Kind::Bucket => {
                let passed = count.at.map_or(0.0, |at| (now - at).as_secs_f64());
                count.level = (count.level - passed * self.per_second()).max(0.0);
                count.at = Some(now);
                count.level
            }
            Kind::Fixed => {
                let window = (now - self.started).as_secs() / MINUTE.as_secs();
                if window != count.window {
                    (count.window, count.used) = (window, 0);
                }
                count.used as f64
            }
            Kind::Sliding => {
                while count.log.front().is_some_and(|(at, _)| *at + MINUTE <= now) {
                    count.log.pop_front();
                }
                count.log.iter().map(|(_, units)| *units as f64).sum()
            }
        };
        let is_admitted = used + units as f64 <= self.amount as f64 + 0.01;
        let mut after = used;
        if is_admitted {
            count.level += units as f64;
            count.used += units;
            count.log.push_back((now, units));
            count.admitted.push((now, units));
            after += units as f64;
        } else {
            count.refused.push(now);
        }
        let reset = match self.kind {
            Kind::Bucket => Duration::from_secs_f64(after / self.per_second()),
            Kind::Fixed => {
                let into = (now - self.started).as_secs_f64() % MINUTE.as_secs_f64();
                MINUTE - Duration::from_secs_f64(into)
            }
            Kind::Sliding => {
                let latest = count.log.back().map_or(now, |(at, _)| *at);
                latest + MINUTE - now
            }
        };
        Counted {
            is_admitted,
            used: after.ceil() as u64,
            reset,
        }
    }

    /// Requests that were refused from `since` on.
    pub(crate) fn refused_since(&self, since: Instant) -> usize {
        let count = self.count.lock();
        count.refused.iter().filter(|at| **at >= since).count()
    }

    /// The part of the quota that was used between two times.
    pub(crate) fn use_between(&self, from: Instant, to: Instant) -> f64 {
        let count = self.count.lock();
        let of_span = count
            .admitted
            .iter()
            .filter(|(at, _)| (from..to).contains(at));
        let units: u64 = of_span.map(|(_, units)| units).sum();
        units as f64 / (self.per_second() * (to - from).as_secs_f64())
    }
}
