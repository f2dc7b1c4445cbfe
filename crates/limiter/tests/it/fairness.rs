//! Who gets how much: tenants by weight, tiers by guarantee, and nobody nothing.

use std::collections::HashMap;
use std::time::Duration;

use paceline_limiter::{DomainSettings, Limit, Request, Tier, TierSettings, WindowModel};

use crate::world::{
    Action, Launch, MINUTE, MS, Random, SECOND, World, bucket, limit, request, settings, spent,
    tokens,
};

fn weighted(tenant: u64, weight: u32, units: u64) -> Request {
    Request {
        weight,
        ..request(tenant, tokens(units))
    }
}

fn tiered(tier: Tier, tenant: u64, units: u64) -> Request {
    Request {
        tier,
        ..request(tenant, tokens(units))
    }
}

fn models(amount: u64) -> [Limit; 4] {
    [
        bucket(amount, MINUTE),
        limit(
            amount,
            MINUTE,
            WindowModel::Unknown {
                burst: amount / 100,
            },
        ),
        limit(amount, MINUTE, WindowModel::Sliding),
        limit(
            amount,
            MINUTE,
            WindowModel::Quantised {
                quantum: Duration::from_secs(1),
            },
        ),
    ]
}

/// Units per key of the launches after `from`.
fn service<K: std::hash::Hash + Eq>(
    world: &World,
    from: u64,
    key: impl Fn(&Launch) -> K,
) -> HashMap<K, u64> {
    let mut service = HashMap::new();
    for launch in world.launches.iter().filter(|launch| launch.at >= from) {
        *service.entry(key(launch)).or_default() += launch.units();
    }
    service
}

fn assert_ratio(served: u64, to: u64, expected: f64, tolerance: f64) {
    let ratio = served as f64 / to as f64;
    let off = (ratio / expected - 1.0).abs();
    assert!(
        off <= tolerance,
        "{served} to {to} is {ratio}, not {expected}"
    );
}

#[test]
fn tenants_share_by_weight() {
    for limit in models(60_000) {
        let mut world = World::new(settings(&[limit])).settling_after(SECOND);
        for tag in 0..4_000 {
            world.submit_at(0, tag, weighted(1, 1, 100));
            world.submit_at(0, 10_000 + tag, weighted(2, 3, 100));
        }
        world.run_until(5 * MINUTE);
        let service = service(&world, 30 * SECOND, |launch| launch.request.tenant.0);
        assert_ratio(service[&2], service[&1], 3.0, 0.05);
    }
}

#[test]
fn tenants_share_by_weight_whatever_the_sizes_of_their_requests() {
    for limit in models(600_000) {
        let mut world = World::new(settings(&[limit])).settling_after(SECOND);
        let mut random = Random(3);
        for tag in 0..10_000 {
            world.submit_at(0, tag, weighted(1, 1, random.within(50, 150)));
            world.submit_at(0, 20_000 + tag, weighted(2, 3, random.within(500, 4_000)));
        }
        world.run_until(5 * MINUTE);
        let service = service(&world, MINUTE, |launch| launch.request.tenant.0);
        assert_ratio(service[&2], service[&1], 3.0, 0.05);
    }
}

#[test]
fn a_weight_counts_from_the_request_that_brings_it() {
    let mut world = World::new(settings(&[bucket(60_000, MINUTE)]));
    for tag in 0..3_000 {
        world.submit_at(0, tag, weighted(1, 1, 100));
        world.submit_at(0, 10_000 + tag, weighted(2, 1, 100));
    }
    world.submit_at(MINUTE, 99_999, weighted(2, 4, 100));
    world.run_until(3 * MINUTE);
    let service = service(&world, MINUTE, |launch| launch.request.tenant.0);
    assert_ratio(service[&2], service[&1], 4.0, 0.05);
}

#[test]
fn what_was_really_charged_decides_the_shares() {
    // Tenant 1 reserves 100 and is charged 300; tenant 2 reserves and is charged 300.
    let charge = |launch: &Launch| {
        let settlement = spent(Some(tokens(300)));
        vec![(
            SECOND / 10,
            Action::Settle {
                id: launch.reservation.id,
                settlement,
            },
        )]
    };
    let mut world = World::new(settings(&[bucket(60_000, MINUTE)])).following(charge);
    for tag in 0..3_000 {
        world.submit_at(0, tag, request(1, tokens(100)));
        world.submit_at(0, 10_000 + tag, request(2, tokens(300)));
    }
    world.run_until(6 * MINUTE);
    let requests = |tenant| {
        let late = world.launches.iter().filter(|launch| launch.at > MINUTE);
        late.filter(|launch| launch.request.tenant.0 == tenant)
            .count() as u64
    };
    assert_ratio(requests(1), requests(2), 1.0, 0.05);
}

#[test]
fn idleness_earns_nothing_and_a_newcomer_does_not_wait_for_a_backlog() {
    let mut world = World::new(settings(&[bucket(60_000, MINUTE)]));
    for tag in 0..3_000 {
        world.submit_at(0, tag, request(1, tokens(100)));
    }
    for tag in 0..1_000 {
        world.submit_at(2 * MINUTE, 10_000 + tag, request(2, tokens(100)));
    }
    world.run_until(3 * MINUTE);
    assert!(
        world.launch_of(10_000).waited() <= 200 * MS,
        "one request's turn and one refill"
    );
    let service = service(&world, 2 * MINUTE, |launch| launch.request.tenant.0);
    assert_ratio(service[&2], service[&1], 1.0, 0.05);
}

#[test]
fn one_tenant_is_served_first_in_first_out_but_for_retries() {
    let mut world = World::new(settings(&[bucket(600, MINUTE)]));
    for tag in 0..20 {
        world.submit_at(0, tag, request(1, tokens(100)));
    }
    world.submit_at(
        SECOND,
        99,
        Request {
            retry: true,
            ..request(1, tokens(100))
        },
    );
    world.run();
    let order: Vec<_> = world.launches.iter().map(|launch| launch.tag).collect();
    let expected: Vec<_> = (0..6).chain([99]).chain(6..20).collect();
    assert_eq!(order, expected);
}

#[test]
fn lower_tiers_get_their_guaranteed_shares_and_no_more_under_pressure() {
    for limit in models(60_000) {
        let mut settings = settings(&[limit]);
        settings
            .queue
            .tiers
            .iter_mut()
            .for_each(|tier| tier.aging = Duration::ZERO);
        let mut world = World::new(settings).settling_after(SECOND);
        for tag in 0..8_000 {
            for (offset, tier) in (0..).zip(Tier::ALL) {
                world.submit_at(0, offset * 10_000 + tag, tiered(tier, 1, 100));
            }
        }
        world.run_until(8 * MINUTE);
        let service = service(&world, MINUTE, |launch| launch.request.tier);
        let total = service.values().sum();
        assert_ratio(service[&Tier::Standard], total, 0.25, 0.05);
        assert_ratio(service[&Tier::Batch], total, 0.05, 0.1);
        assert_ratio(service[&Tier::Interactive], total, 0.70, 0.05);
    }
}

fn with_aging(shares: [u32; 3], aging_s: [u64; 3]) -> DomainSettings {
    let mut settings = settings(&[bucket(60_000, MINUTE)]);
    for ((tier, guaranteed_share_ppm), aging_s) in
        settings.queue.tiers.iter_mut().zip(shares).zip(aging_s)
    {
        *tier = TierSettings {
            guaranteed_share_ppm,
            aging: Duration::from_secs(aging_s),
        };
    }
    settings
}

#[test]
fn the_share_of_a_tier_doubles_with_the_age_of_its_oldest_waiter_up_to_four_times() {
    let mut world = World::new(with_aging([500_000, 0, 50_000], [0, 0, 60]));
    for tag in 0..8_000 {
        world.submit_at(0, tag, tiered(Tier::Interactive, 1, 100));
        world.submit_at(0, 10_000 + tag, tiered(Tier::Batch, 1, 100));
    }
    world.run_until(8 * MINUTE);
    let share = |from: u64, until: u64| {
        let launches = || {
            world
                .launches
                .iter()
                .filter(|l| (from..until).contains(&l.at))
        };
        let batch = launches()
            .filter(|launch| launch.request.tier == Tier::Batch)
            .count();
        batch as f64 / launches().count() as f64
    };
    assert!((share(SECOND, MINUTE) - 0.05).abs() < 0.01);
    assert!((share(MINUTE, 2 * MINUTE) - 0.10).abs() < 0.01);
    assert!((share(2 * MINUTE, 8 * MINUTE) - 0.20).abs() < 0.01);
}

#[test]
fn aging_never_raises_a_share_above_one_half() {
    let mut world = World::new(with_aging([200_000, 300_000, 0], [0, 10, 0]));
    for tag in 0..8_000 {
        world.submit_at(0, tag, tiered(Tier::Interactive, 1, 100));
        world.submit_at(0, 10_000 + tag, tiered(Tier::Standard, 1, 100));
    }
    world.run_until(6 * MINUTE);
    let service = service(&world, MINUTE, |launch| launch.request.tier);
    assert_ratio(
        service[&Tier::Standard],
        service[&Tier::Interactive],
        1.0,
        0.05,
    );
}

#[test]
fn an_idle_tier_neither_banks_nor_owes() {
    // Batch alone for a while, then interactive too: batch is not made to pay it back.
    let mut world = World::new(with_aging([500_000, 250_000, 50_000], [0, 0, 0]));
    for tag in 0..9_000 {
        world.submit_at(0, tag, tiered(Tier::Batch, 1, 100));
    }
    for tag in 0..2_000 {
        world.submit_at(5 * MINUTE, 10_000 + tag, tiered(Tier::Interactive, 1, 100));
    }
    world.run_until(7 * MINUTE);
    let service = service(&world, 5 * MINUTE, |launch| launch.request.tier);
    assert_ratio(
        service[&Tier::Batch],
        service[&Tier::Interactive],
        1.0 / 19.0,
        0.10,
    );
}

#[test]
fn an_interactive_request_hardly_waits_for_a_deep_batch_backlog() {
    let amount = 600_000;
    for limit in [
        bucket(amount, MINUTE),
        limit(
            amount,
            MINUTE,
            WindowModel::Unknown {
                burst: amount / 120,
            },
        ),
    ] {
        let mut world = World::new(settings(&[limit])).settling_after(SECOND);
        for tag in 0..10_000 {
            world.submit_at(0, tag, tiered(Tier::Batch, 1, 1_400));
        }
        for second in 1..600 {
            let request = tiered(Tier::Interactive, 2, 1_400);
            world.submit_at(second * SECOND + second * MS, 100_000 + second, request);
        }
        world.run_until(10 * MINUTE);
        let interactive = world
            .launches
            .iter()
            .filter(|launch| launch.request.tier == Tier::Interactive);
        let mut waits: Vec<_> = interactive.map(Launch::waited).collect();
        assert_eq!(waits.len(), 599);
        waits.sort_unstable();
        let refill = 1_400 * MINUTE / amount;
        let p95 = waits[waits.len() * 95 / 100];
        println!("p95 wait {} ms, refill {} ms", p95 / MS, refill / MS);
        assert!(p95 <= refill + 100 * MS, "{} ms", p95 / MS);
        // The batch uses what is left: nothing idles.
        let total: u64 = world.launches.iter().map(Launch::units).sum();
        assert!(total >= amount * 10 * 97 / 100, "{total}");
    }
}

#[test]
fn nobody_starves() {
    // Every tier overloaded by many tenants of all weights, with sizes from tiny to a quarter
    // of the quota; each first request of each tenant goes within a bounded time.
    for limit in models(60_000) {
        let mut world = World::new(settings(&[limit])).settling_after(100 * MS);
        let mut random = Random(11);
        for tag in 0..9_000u64 {
            let tier = Tier::ALL[usize::try_from(tag % 3).unwrap()];
            let tenant = tag % 3 * 100 + random.within(0, 9);
            let units = if random.within(0, 99) == 0 {
                15_000
            } else {
                random.within(1, 100)
            };
            let weight = u32::try_from(tenant % 10 + 1).unwrap();
            let request = Request {
                weight,
                ..tiered(tier, tenant, units)
            };
            world.submit_at(tag * 10 * MS, tag, request);
        }
        world.run_until(30 * MINUTE);
        let mut first: HashMap<u64, u64> = HashMap::new();
        for launch in &world.launches {
            first.entry(launch.request.tenant.0).or_insert(launch.at);
        }
        assert_eq!(first.len(), 30);
        assert!(
            first.values().all(|at| *at < 10 * MINUTE),
            "{limit:?}: {first:?}"
        );
    }
}
