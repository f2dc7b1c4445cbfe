//! Lanes with quotas under load: all of every quota is used, and weights hold.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use paceline_routing::{Call, Lane, LaneId, LaneKey, Policy, Router, RouterSettings, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::Random;

/// A bucket of a minute's quota with a queue: what is placed goes as soon as the bucket allows.
struct Bucket {
    per_second: f64,
    /// Below zero by what is queued.
    level: f64,
    filled_at: f64,
    /// What has gone, and the number of calls.
    used: f64,
    calls: u32,
}

impl Bucket {
    fn new(per_minute: f64) -> Self {
        let per_second = per_minute / 60.0;
        Self {
            per_second,
            level: per_minute,
            filled_at: 0.0,
            used: 0.0,
            calls: 0,
        }
    }

    fn fill(&mut self, now: f64) {
        let full = self.per_second * 60.0;
        self.level = (self.level + (now - self.filled_at) * self.per_second).min(full);
        self.filled_at = now;
    }

    fn wait(&self, charge: f64) -> Duration {
        Duration::from_secs_f64(((charge - self.level) / self.per_second).max(0.0))
    }

    fn room(&self) -> f64 {
        (self.level / (self.per_second * 60.0)).max(0.0)
    }
}

struct Load {
    seconds: u32,
    /// Callers that each have one call at a time.
    callers: u32,
    /// How long each caller pauses after its call has gone, on average.
    pause: f64,
    /// Charges are up to so much.
    charge_max: f64,
}

/// Serves a load over buckets, and returns how much of each was used.
fn serve(policy: Policy, buckets: &mut [Bucket], weights: &[u32], load: &Load) {
    let mut router = Router::new(RouterSettings {
        policy,
        ..RouterSettings::default()
    });
    let mut random = Random(7);
    let end = Timestamp::ZERO + Duration::from_secs(load.seconds.into());
    let start = |caller| Reverse(Timestamp::from_nanos(u64::from(caller) * 1_000_003));
    let mut callers: BinaryHeap<_> = (0..load.callers).map(start).collect();
    while let Some(Reverse(at)) = callers.pop() {
        if at >= end {
            continue;
        }
        let now = at.saturating_since(Timestamp::ZERO).as_secs_f64();
        let charge = load.charge_max * (0.05 + 0.95 * random.unit());
        let mut lanes = Vec::new();
        for ((bucket, weight), id) in buckets.iter_mut().zip(weights).zip(0..) {
            bucket.fill(now);
            lanes.push(Lane {
                weight: *weight,
                wait: Some(bucket.wait(charge)),
                room: bucket.room(),
                takes: charge / (bucket.per_second * 60.0),
                ..Lane::new(LaneId(id), LaneKey::of("p", &id.to_string()))
            });
        }
        let draw = random.unit();
        let call = Call {
            session: None,
            may_probe: true,
            draw,
        };
        let lane = router.choose(&call, &lanes).order[0].lane.0 as usize;
        let wait = buckets[lane].wait(charge);
        buckets[lane].level -= charge;
        buckets[lane].calls += 1;
        if at + wait < end {
            buckets[lane].used += charge;
        }
        callers.push(Reverse(
            at + wait + Duration::from_secs_f64(load.pause * 2.0 * random.unit()),
        ));
    }
}

/// The part of each quota that was used, its burst included.
fn shares(buckets: &[Bucket], seconds: u32) -> Vec<f64> {
    let quota = |bucket: &Bucket| bucket.per_second * (60.0 + f64::from(seconds));
    buckets
        .iter()
        .map(|bucket| bucket.used / quota(bucket))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_quota_is_used_to_99_percent_however_unequal_they_are(
        quotas in vec(10_000_u32..200_000, 2..5),
    ) {
        let mut buckets: Vec<_> = quotas.iter().map(|quota| Bucket::new(f64::from(*quota))).collect();
        let load = Load { seconds: 600, callers: 60, pause: 0.0, charge_max: 1000.0 };
        serve(Policy::Soonest, &mut buckets, &[1; 4][..quotas.len()], &load);
        for share in shares(&buckets, load.seconds) {
            prop_assert!((0.99..=1.0001).contains(&share), "{share} of {quotas:?}");
        }
    }

    #[test]
    fn quotas_that_suffice_are_used_in_proportion(
        quotas in vec(60_000_u32..240_000, 2..4),
    ) {
        let mut buckets: Vec<_> = quotas.iter().map(|quota| Bucket::new(f64::from(*quota))).collect();
        // Half of the quota: a call takes about 210 tokens.
        let total: u32 = quotas.iter().sum();
        let callers = 20;
        let pause = f64::from(callers) * 210.0 / (f64::from(total) / 60.0 / 2.0);
        let load = Load { seconds: 600, callers, pause, charge_max: 400.0 };
        serve(Policy::Soonest, &mut buckets, &[1; 4][..quotas.len()], &load);
        let shares = shares(&buckets, load.seconds);
        let mean = shares.iter().sum::<f64>() / f64::from(u32::try_from(shares.len()).unwrap());
        for share in &shares {
            prop_assert!((share / mean - 1.0).abs() < 0.05, "{shares:?} of {quotas:?}");
        }
    }

    #[test]
    fn weights_hold_within_two_percent(weights in vec(1_u32..20, 2..5)) {
        let mut buckets: Vec<_> = weights.iter().map(|_| Bucket::new(1e9)).collect();
        let load = Load { seconds: 400, callers: 10, pause: 0.5, charge_max: 100.0 };
        serve(Policy::Weighted, &mut buckets, &weights, &load);
        let (calls, total) = (buckets.iter().map(|b| b.calls).sum::<u32>(), weights.iter().sum::<u32>());
        for (bucket, weight) in buckets.iter().zip(&weights) {
            let expected = f64::from(calls * weight) / f64::from(total);
            prop_assert!((f64::from(bucket.calls) / expected - 1.0).abs() < 0.02);
        }
    }
}

#[test]
fn two_equal_lanes_are_used_equally_and_give_the_sum_of_both() {
    let mut buckets = [Bucket::new(60_000.0), Bucket::new(60_000.0)];
    let load = Load {
        seconds: 3600,
        callers: 30,
        pause: 0.0,
        charge_max: 1000.0,
    };
    serve(Policy::Soonest, &mut buckets, &[1, 1], &load);
    let shares = shares(&buckets, load.seconds);
    assert!((shares[0] - shares[1]).abs() < 0.005, "{shares:?}");
    assert!(shares.iter().sum::<f64>() >= 1.99, "{shares:?}");
}
