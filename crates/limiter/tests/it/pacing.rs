//! A job of twice the minute's quota in mixed sizes, with 64 requests outstanding at a time.

use std::time::Duration;

use paceline_limiter::{Limit, Metric, WindowModel};

use crate::provider::{Provider, Rule, at, refusals};
use crate::world::{
    Action, Launch, MINUTE, MS, Random, SECOND, World, request, settings, spent, tokens,
};

const UNIT: u64 = 1_000;
const QUOTA: u64 = 255 * UNIT;
const START: u64 = 3 * MINUTE;

fn size(index: u64) -> u64 {
    if index % 10 == 9 { 8 * UNIT } else { UNIT }
}

/// When the last of 300 requests goes, and the launches.
fn run(model: WindowModel) -> (u64, Vec<(u64, u64)>) {
    let limit = Limit {
        metric: Metric::Tokens,
        amount: QUOTA,
        window: Duration::from_secs(60),
        model,
        guard: Duration::from_millis(50),
    };
    let mut next = 64;
    let mut random = Random(1);
    let follow = move |launch: &Launch| {
        let (id, latency) = (launch.reservation.id, random.within(100, 300) * MS);
        let mut actions = vec![(
            latency,
            Action::Settle {
                id,
                settlement: spent(None),
            },
        )];
        if next < 300 {
            let request = request(1, tokens(size(next)));
            actions.push((latency, Action::Submit { tag: next, request }));
            next += 1;
        }
        actions
    };
    let mut world = World::starting_at(settings(&[limit]), START).following(follow);
    for index in 0..64 {
        world.submit_at(START, index, request(1, tokens(size(index))));
    }
    world.run();
    assert_eq!(world.launches.len(), 300);
    let total: u64 = world.sizes().iter().map(|(_, units)| units).sum();
    assert_eq!(total, 2 * QUOTA);
    let last = world.launches.iter().map(|launch| launch.at).max().unwrap();
    (last - START, world.sizes())
}

fn check(model: WindowModel, rule: Rule, best: u64, percent: u64) {
    let (finish, launches) = run(model);
    for seed in 0..20 {
        let mut random = Random(seed);
        let mut provider = Provider::new(QUOTA, MINUTE, rule);
        let refused = refusals(&mut provider, &launches, || {
            5 * MS + random.within(0, 20 * MS)
        });
        assert_eq!(refused, 0, "{model:?}");
    }
    let bound = best + best * percent / 100;
    println!(
        "{model:?}: last admission at {} ms, best {} ms",
        finish / MS,
        best / MS
    );
    assert!(
        finish <= bound,
        "{model:?}: {} ms, not {} ms",
        finish / MS,
        bound / MS
    );
}

fn scaled(units: u64, nanos: u64) -> Rule {
    Rule::Bucket {
        capacity: u128::from(units) * u128::from(nanos),
    }
}

#[test]
fn a_job_on_a_bucket_takes_one_refill() {
    check(
        WindowModel::Bucket { burst: QUOTA },
        scaled(QUOTA, MINUTE),
        MINUTE,
        3,
    );
}

#[test]
fn a_job_on_fixed_minutes_takes_one_boundary() {
    let phase = START - 7 * MINUTE / 10;
    let model = WindowModel::Fixed { phase: at(phase) };
    // Two windows hold it exactly, so the second must open.
    check(model, Rule::Fixed { phase }, 3 * MINUTE / 10, 5);
    check(
        WindowModel::Fixed { phase: at(0) },
        Rule::Fixed { phase: 0 },
        MINUTE,
        3,
    );
}

#[test]
fn a_job_on_minutes_from_first_use_takes_one_window() {
    check(WindowModel::FixedFromFirstUse, Rule::FirstUse, MINUTE, 3);
}

#[test]
fn a_job_on_a_sliding_minute_takes_one_minute() {
    check(WindowModel::Sliding, Rule::Sliding, MINUTE, 6);
}

#[test]
fn a_job_on_a_quantised_quota_takes_as_long_as_the_refill_of_all() {
    let quantum = Duration::from_secs(1);
    let model = WindowModel::Quantised { quantum };
    let mut provider = Provider::new(QUOTA, MINUTE, scaled(QUOTA, SECOND));
    let sizes: Vec<_> = (0..300).map(size).collect();
    let best = provider.best_finish(START, &sizes) - START;
    check(model, scaled(QUOTA, SECOND), best, 3);
}

#[test]
fn a_job_on_an_unknown_quota_takes_its_smooth_pace_under_every_provider() {
    let burst = QUOTA * 500 * MS / MINUTE;
    let model = WindowModel::Unknown { burst };
    let smooth = 2 * MINUTE;
    for rule in [
        scaled(QUOTA, MINUTE),
        scaled(QUOTA, SECOND),
        Rule::Fixed { phase: 17 * SECOND },
        Rule::FirstUse,
        Rule::Sliding,
    ] {
        check(model, rule, smooth, 6);
    }
}
