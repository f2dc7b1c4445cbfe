use std::sync::Arc;

use paceline_limiter::{
    Charge, Domain, DomainSettings, Metric, Observation, Outcome, Request, Settlement, Submission,
    TenantId, Tier,
};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn key(model: &str) -> PoolKey {
    PoolKey::Learned {
        rule: Arc::from("default"),
        credential: 1,
        model: Arc::from(model),
    }
}

/// Samples once a second two pools with these rates per minute: own use, and what others take.
fn joined_after([one, other]: [(u64, u64); 2], amounts: [u64; 2], seconds: u64) -> Option<u64> {
    let mut together = Together::default();
    (0..seconds).find(|second| {
        let reading = |model, amount, (own, foreign): (u64, u64)| Reading {
            key: key(model),
            amount,
            window: MINUTE,
            own: own * second / 60,
            foreign_per_minute: foreign,
        };
        let readings = [
            reading("a", amounts[0], one),
            reading("b", amounts[1], other),
        ];
        let now = Timestamp::ZERO + Duration::from_secs(*second);
        !together.sample(&readings, now).is_empty()
    })
}

const SAME: [u64; 2] = [60_000, 60_000];

#[test]
fn use_that_matches_both_ways_for_long_enough_joins() {
    let after = joined_after([(30_000, 11_000), (10_000, 27_000)], SAME, 120);
    // As long as own use is measured, and then as long as readings have to agree.
    assert_eq!(after, Some(62));
}

#[test]
fn anything_less_does_not_join() {
    let cases = [
        (
            [(30_000, 10_000), (10_000, 30_000)],
            [60_000, 60_001],
            "amounts differ",
        ),
        ([(30_000, 10_000), (10_000, 20_000)], SAME, "one way only"),
        ([(30_000, 0), (10_000, 0)], SAME, "nobody else is seen"),
        (
            [(30_000, 13_000), (10_000, 30_000)],
            SAME,
            "30 % more than it",
        ),
        (
            [(30_000, 2_000), (2_000, 30_000)],
            SAME,
            "hardly any traffic",
        ),
        ([(0, 0), (0, 0)], SAME, "no traffic"),
    ];
    for (pools, amounts, why) in cases {
        assert_eq!(joined_after(pools, amounts, 300), None, "{why}");
    }
}

/// A provider's bucket, which two pools know of from answers alone.
struct Bucket {
    used: f64,
    at: Timestamp,
}

const LIMIT: u64 = 60_000;

/// What each model asks for ten times a second: 70 % and 45 % of the limit, so that a bucket that both
/// use fills slowly. One that is empty between two requests shows nothing.
const CHARGES: [u64; 2] = [70, 45];

impl Bucket {
    fn charge(&mut self, charge: u64, now: Timestamp) -> Observation {
        let drained = now.saturating_since(self.at).as_secs_f64() * LIMIT as f64 / 60.0;
        self.used = (self.used - drained).max(0.0) + charge as f64;
        self.at = now;
        Observation {
            metric: Metric::Tokens,
            limit: LIMIT,
            remaining: LIMIT as i64 - self.used.ceil() as i64,
            reset: Some(Duration::from_secs_f64(self.used * 60.0 / LIMIT as f64)),
            as_of: now,
            reservation: None,
            window: None,
            processing: None,
        }
    }
}

fn request(charge: u64, now: Timestamp) -> Request {
    Request {
        tenant: TenantId(1),
        weight: 1,
        tier: Tier::Standard,
        charge: Charge::ZERO.with(Metric::Tokens, charge),
        parts: None,
        deadline: Some(now + Duration::from_secs(1)),
        retry: false,
    }
}

/// Two models with steady traffic, each with a pool of its own, against one bucket or two.
fn run(buckets: usize) -> Option<Duration> {
    let mut providers: Vec<_> = (0..buckets)
        .map(|_| Bucket {
            used: 0.0,
            at: Timestamp::ZERO,
        })
        .collect();
    let settings = DomainSettings {
        probe_concurrency: Some(4),
        ..DomainSettings::default()
    };
    let mut domains: Vec<_> = (0..2)
        .map(|_| Domain::new(settings.clone(), Timestamp::ZERO).unwrap())
        .collect();
    let mut together = Together::default();
    for tick in 1..1_500_u64 {
        let now = Timestamp::ZERO + Duration::from_millis(100 * tick);
        for (index, domain) in domains.iter_mut().enumerate() {
            let charge = CHARGES[index];
            // A pool that sees others catch up on the limit may hold a request back.
            let Submission::Admitted(reservation) = domain.submit(request(charge, now), now) else {
                continue;
            };
            let provider = index.min(buckets - 1);
            let mut told = providers[provider].charge(charge, now);
            told.reservation = Some(reservation.id);
            let answered = now + Duration::from_millis(30);
            domain.observe(told, answered);
            let settlement = Settlement {
                charged: None,
                actual: None,
                outcome: Outcome::Success,
            };
            domain.settle(reservation.id, settlement, answered);
        }
        if tick % 10 == 7 {
            let readings: Vec<_> = domains
                .iter()
                .zip(["a", "b"])
                .filter_map(|(domain, model)| {
                    let snapshot = domain.snapshot(now);
                    crate::pace::registry::token_reading(&key(model), &snapshot)
                })
                .collect();
            if !together.sample(&readings, now).is_empty() {
                return Some(now.saturating_since(Timestamp::ZERO));
            }
        }
    }
    None
}

#[test]
fn models_behind_one_bucket_are_found_out() {
    let after = run(1);
    assert!(
        after.is_some_and(|after| after >= AGREEMENT + SPAN && after < Duration::from_secs(120)),
        "{after:?}"
    );
}

#[test]
fn models_with_buckets_of_their_own_stay_apart() {
    assert_eq!(run(2), None);
}
