//! How a batch is shared by the pools that its requests can draw on.
//!
//! Calls take the lane that lets them go first, so that all pools are through with a batch at about the
//! same time. That time is found by halving: how many requests a pool can do by then follows from its
//! projection in the same way.

use std::sync::Arc;
use std::time::Duration;

use paceline_limiter::{Charge, DomainSnapshot, Metric};

use super::projection::{Projection, project};
use crate::pace::Pool;

/// A time is found to this part of itself.
const PRECISION: f64 = 1e-4;

/// A pool that takes part of a batch.
pub(super) struct Part {
    pub(super) pool: Arc<Pool>,
    pub(super) snapshot: DomainSnapshot,
    pub(super) cool_down: Duration,
    /// What waits there already takes in all.
    pub(super) ahead: Charge,
    /// What each request takes of it.
    pub(super) each: Charge,
}

/// How a batch is shared.
#[derive(Debug)]
pub(super) struct Shares {
    /// When the last request can go; `None` where a pool knows no limit.
    pub(super) projection: Option<Projection>,
    /// Requests of each pool.
    pub(super) requests: Vec<u64>,
    /// The pool with the most of them.
    pub(super) largest: usize,
}

impl Part {
    fn project(&self, requests: u64) -> Option<Projection> {
        let whole = times(self.each, requests);
        project(&self.snapshot, self.cool_down, self.ahead, whole)
    }

    /// Requests that it can do in a time, at most `most`.
    fn requests_in(&self, time: Duration, most: u64, of: fn(&Projection) -> Duration) -> u64 {
        let fits = |requests| {
            let projection = self.project(requests);
            projection.is_none_or(|projection| of(&projection) <= time)
        };
        if fits(most) {
            return most;
        }
        let (mut done, mut too_many) = (0, most);
        while too_many - done > 1 {
            let middle = done + (too_many - done) / 2;
            if fits(middle) {
                done = middle;
            } else {
                too_many = middle;
            }
        }
        done
    }
}

/// Shares a batch among pools, of which there is one at least.
pub(super) fn share(parts: &[Part], requests: u64) -> Shares {
    let alone: Option<Vec<_>> = parts.iter().map(|part| part.project(requests)).collect();
    let (Some(alone), true) = (&alone, parts.len() > 1) else {
        let mut all = vec![0; parts.len()];
        all[0] = requests;
        return Shares {
            projection: alone.and_then(|alone| alone.first().copied()),
            requests: all,
            largest: 0,
        };
    };
    let takes = least_time(parts, alone, requests, |projection| projection.takes);
    let takes_alone = least_time(parts, alone, requests, |projection| projection.takes_alone);
    let mut shares = Vec::with_capacity(parts.len());
    let mut left = requests;
    for part in parts {
        let own = part.requests_in(takes, left, |projection| projection.takes);
        shares.push(own);
        left -= own;
    }
    // What halving left over.
    shares[0] += left;
    let by_size = (0..parts.len()).max_by_key(|place| shares[*place]);
    let largest = by_size.unwrap_or(0);
    let binds = parts[largest].project(shares[largest].max(1));
    Shares {
        projection: Some(Projection {
            takes,
            takes_alone,
            binds: binds.and_then(|projection| projection.binds),
        }),
        requests: shares,
        largest,
    }
}

/// The least time in which all pools together are through.
fn least_time(
    parts: &[Part],
    alone: &[Projection],
    requests: u64,
    of: fn(&Projection) -> Duration,
) -> Duration {
    let are_through = |time| {
        let done = parts
            .iter()
            .map(|part| part.requests_in(time, requests, of));
        done.fold(0, u64::saturating_add) >= requests
    };
    let (mut too_short, mut enough) = (Duration::ZERO, Duration::MAX);
    for projection in alone {
        enough = enough.min(of(projection));
    }
    if are_through(too_short) {
        return too_short;
    }
    while enough - too_short > enough.mul_f64(PRECISION) {
        let middle = too_short + (enough - too_short) / 2;
        if are_through(middle) {
            enough = middle;
        } else {
            too_short = middle;
        }
    }
    enough
}

fn times(each: Charge, count: u64) -> Charge {
    Metric::ALL.into_iter().fold(Charge::ZERO, |whole, metric| {
        whole.with(metric, each.get(metric).saturating_mul(count))
    })
}
