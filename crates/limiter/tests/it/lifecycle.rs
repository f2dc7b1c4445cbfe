//! Queueing, cancelling, draining, reconfiguring, slots and spacing.

use std::time::Duration;

use paceline_limiter::{
    Charge, Domain, DomainSettings, Event, Limit, Metric, QueueSettings, Refusal, Request,
    SettingsError, Submission, TierSettings, WindowModel,
};

use crate::provider::at;
use crate::world::{MINUTE, MS, SECOND, World, bucket, limit, request, settings, tokens};

fn domain(limits: &[Limit]) -> Domain {
    Domain::new(settings(limits), at(0)).unwrap()
}

#[test]
fn a_request_larger_than_a_limit_is_refused_at_once_and_for_good() {
    let hour = limit(5_000, 60 * MINUTE, WindowModel::Sliding);
    let mut domain = domain(&[hour, bucket(1_000, MINUTE)]);
    let refused = domain.submit(request(1, tokens(1_001)), at(0));
    let expected = Refusal::TooLarge {
        metric: Metric::Tokens,
        amount: 1_000,
        window: Duration::from_secs(60),
        requested: 1_001,
    };
    assert_eq!(refused, Submission::Refused(expected));
    assert_eq!(domain.totals().refused, 1);
}

#[test]
fn a_forbidden_metric_is_never_admitted_and_others_are() {
    for model in [
        WindowModel::Bucket { burst: 0 },
        WindowModel::Fixed { phase: at(0) },
        WindowModel::FixedFromFirstUse,
        WindowModel::Sliding,
        WindowModel::Unknown { burst: 0 },
    ] {
        let images = Limit {
            metric: Metric::Images,
            ..limit(0, MINUTE, model)
        };
        let mut domain = domain(&[images]);
        let image = request(1, Charge::ZERO.with(Metric::Images, 1));
        assert!(matches!(
            domain.submit(image, at(0)),
            Submission::Refused(Refusal::TooLarge { amount: 0, .. })
        ));
        assert!(matches!(
            domain.submit(request(1, tokens(9)), at(0)),
            Submission::Admitted(_)
        ));
    }
}

#[test]
fn a_request_larger_than_the_burst_goes_when_the_bucket_is_empty_and_leaves_debt() {
    let small_burst = limit(1_000, MINUTE, WindowModel::Bucket { burst: 100 });
    let mut world = World::new(settings(&[small_burst]));
    world.submit_at(0, 0, request(1, tokens(50)));
    world.submit_at(0, 1, request(1, tokens(600)));
    world.submit_at(0, 2, request(1, tokens(100)));
    world.run();
    assert_eq!(world.launch_of(1).at, 3 * SECOND);
    assert_eq!(world.launch_of(2).at, 39 * SECOND);
}

#[test]
fn everything_is_decided_at_once_or_not_at_all() {
    let calls = Limit {
        metric: Metric::Requests,
        ..bucket(1, MINUTE)
    };
    let mut domain = domain(&[bucket(1_000, MINUTE), calls]);
    let charge = tokens(100).with(Metric::Requests, 1);
    domain.submit(request(1, charge), at(0));
    let Submission::Queued(_) = domain.submit(request(1, charge), at(0)) else {
        panic!("waits")
    };
    assert_eq!(
        domain.snapshot(at(0)).limits[0].used,
        100,
        "nothing was taken for the waiter"
    );
}

#[test]
fn a_cancelled_waiter_frees_its_place_and_those_behind_it_move_up() {
    let mut world = World::new(settings(&[bucket(600, MINUTE)]));
    world.submit_at(0, 0, request(1, tokens(600)));
    world.submit_at(0, 1, request(1, tokens(500)));
    world.submit_at(0, 2, request(1, tokens(100)));
    world.run_until(SECOND);
    let (&waiter, _) = world
        .waiting
        .iter()
        .find(|(_, (tag, ..))| *tag == 1)
        .unwrap();
    assert!(world.domain.cancel(waiter, at(SECOND)));
    assert!(!world.domain.cancel(waiter, at(SECOND)));
    assert_eq!(world.domain.outlook(waiter, at(SECOND)), None);
    world.waiting.remove(&waiter);
    world.run();
    assert_eq!(world.launch_of(2).at, 10 * SECOND);
    assert_eq!(world.launches.len(), 2);
}

#[test]
fn places_are_freed_anywhere_in_the_queue() {
    // Everyone but each seventh leaves, in no particular order.
    let mut world = World::new(settings(&[bucket(6_000, MINUTE)]));
    world.submit_at(0, 9_999, request(1, tokens(6_000)));
    for tag in 0..700 {
        world.submit_at(0, tag, request(1, tokens(10)));
    }
    world.run_until(0);
    let mut waiters: Vec<_> = world
        .waiting
        .iter()
        .map(|(id, (tag, ..))| (*tag, *id))
        .collect();
    waiters.sort_by_key(|(tag, _)| (tag * 7_919) % 701);
    for (tag, waiter) in waiters {
        if tag % 7 != 0 {
            assert!(world.domain.cancel(waiter, at(0)));
            world.waiting.remove(&waiter);
        }
    }
    for (waiter, (tag, ..)) in &world.waiting {
        let outlook = world.domain.outlook(*waiter, at(0)).unwrap();
        assert_eq!(outlook.position as u64, tag / 7 + 1);
        assert_eq!(
            outlook.eta,
            Some(Duration::from_millis(100 * (tag / 7 + 1)))
        );
    }
    world.run();
    let order: Vec<_> = world.launches[1..]
        .iter()
        .map(|launch| launch.tag)
        .collect();
    assert_eq!(order, (0..100).map(|index| index * 7).collect::<Vec<_>>());
}

#[test]
fn a_full_queue_refuses_with_the_time_at_which_a_place_comes_free() {
    let mut settings = settings(&[bucket(600, MINUTE)]);
    settings.queue.waiting_max = 3;
    settings.queue.waiting_per_tenant_max = 2;
    let mut domain = Domain::new(settings, at(0)).unwrap();
    domain.submit(request(1, tokens(600)), at(0));
    for _ in 0..2 {
        domain.submit(request(1, tokens(100)), at(0));
    }
    let retry_after = Duration::from_secs(10);
    let refused = domain.submit(request(1, tokens(100)), at(0));
    let expected = Refusal::TenantQueueFull {
        waiting: 2,
        retry_after,
    };
    assert_eq!(refused, Submission::Refused(expected));
    assert!(matches!(
        domain.submit(request(2, tokens(100)), at(0)),
        Submission::Queued(_)
    ));
    let refused = domain.submit(request(3, tokens(100)), at(0));
    assert_eq!(
        refused,
        Submission::Refused(Refusal::QueueFull {
            waiting: 3,
            retry_after
        })
    );
    domain.poll(at(10 * SECOND), &mut Vec::new());
    assert!(matches!(
        domain.submit(request(3, tokens(100)), at(10 * SECOND)),
        Submission::Queued(_)
    ));
}

#[test]
fn draining_ends_every_wait_and_refuses_whatever_comes() {
    let mut world = World::new(settings(&[bucket(600, MINUTE)]));
    for tag in 0..20 {
        world.submit_at(0, tag, request(tag % 3, tokens(100)));
    }
    world.run_until(SECOND);
    let mut events = Vec::new();
    world.domain.drain(at(SECOND), &mut events);
    assert_eq!(events.len(), 14);
    assert!(events.iter().all(|event| matches!(
        event,
        Event::Expired {
            refusal: Refusal::Draining { .. },
            ..
        }
    )));
    let refused = world.domain.submit(request(1, tokens(1)), at(MINUTE));
    assert!(matches!(
        refused,
        Submission::Refused(Refusal::Draining { .. })
    ));
    assert!(world.domain.snapshot(at(MINUTE)).draining);
    let open = world.launch_of(0).reservation.id;
    world
        .domain
        .settle(open, crate::world::spent(None), at(MINUTE));
    assert_eq!(world.domain.totals().settlements, 1);
}

#[test]
fn no_more_than_the_bound_are_in_flight_at_any_time() {
    let mut settings = settings(&[bucket(100_000, MINUTE)]);
    settings.concurrency_max = Some(4);
    let mut world = World::new(settings).settling_after(SECOND);
    for tag in 0..100 {
        world.submit_at(0, tag, request(tag % 5, tokens(1)));
    }
    world.run();
    for round in world.launches.chunks(4).enumerate() {
        assert!(
            round
                .1
                .iter()
                .all(|launch| launch.at == round.0 as u64 * SECOND)
        );
    }
}

#[test]
fn launches_are_spaced() {
    let mut settings = settings(&[bucket(100_000, MINUTE)]);
    settings.spacing = Duration::from_millis(20);
    let mut world = World::new(settings);
    for tag in 0..50 {
        world.submit_at(0, tag, request(tag % 5, tokens(1)));
    }
    world.run();
    let times: Vec<_> = world.launches.iter().map(|launch| launch.at).collect();
    assert_eq!(
        times,
        (0..50).map(|index| index * 20 * MS).collect::<Vec<_>>()
    );
}

#[test]
fn new_settings_keep_what_is_used_who_waits_and_what_is_in_flight() {
    for model in [
        WindowModel::Bucket { burst: 1_000 },
        WindowModel::Fixed { phase: at(0) },
        WindowModel::FixedFromFirstUse,
        WindowModel::Sliding,
        WindowModel::Unknown { burst: 1_000 },
    ] {
        let mut domain = domain(&[limit(1_000, MINUTE, model)]);
        let Submission::Admitted(open) = domain.submit(request(1, tokens(900)), at(0)) else {
            panic!("it fits")
        };
        let Submission::Queued(ticket) = domain.submit(request(1, tokens(300)), at(0)) else {
            panic!("it does not fit")
        };
        domain
            .reconfigure(settings(&[limit(1_500, MINUTE, model)]), at(0))
            .unwrap();
        let snapshot = domain.snapshot(at(0));
        assert_eq!(
            (snapshot.limits[0].used, snapshot.in_flight),
            (900, 1),
            "{model:?}"
        );
        assert!(domain.next_wake() <= Some(at(0)), "there may be room now");
        let mut events = Vec::new();
        domain.poll(at(0), &mut events);
        // An unknown window's small burst stays; the others have room for the waiter now.
        if !matches!(
            model,
            WindowModel::Bucket { .. } | WindowModel::Unknown { .. }
        ) {
            assert!(matches!(events[..], [Event::Admitted { waiter, .. }] if waiter == ticket.id));
        }
        domain.settle(open.id, crate::world::spent(Some(tokens(400))), at(0));
        let used = domain.snapshot(at(0)).limits[0].used;
        assert_eq!(
            used,
            400 + 300 * events.len() as u64,
            "{model:?}: the refund finds its window"
        );
    }
}

#[test]
fn another_model_starts_from_what_was_used() {
    let models = [
        WindowModel::Bucket { burst: 1_000 },
        WindowModel::Fixed { phase: at(0) },
        WindowModel::FixedFromFirstUse,
        WindowModel::Sliding,
    ];
    for before in models {
        for after in models {
            let mut domain = domain(&[limit(1_000, MINUTE, before)]);
            domain.submit(request(1, tokens(900)), at(SECOND));
            let used = domain.snapshot(at(SECOND)).limits[0].used;
            domain
                .reconfigure(settings(&[limit(1_000, MINUTE, after)]), at(SECOND))
                .unwrap();
            assert_eq!(domain.snapshot(at(SECOND)).limits[0].used, used);
        }
    }
}

#[test]
fn a_new_limit_counts_what_is_in_flight() {
    let mut domain = domain(&[bucket(1_000, MINUTE)]);
    domain.submit(request(1, tokens(700)), at(0));
    let hour = limit(2_000, 60 * MINUTE, WindowModel::Sliding);
    domain
        .reconfigure(settings(&[bucket(1_000, MINUTE), hour]), at(SECOND))
        .unwrap();
    assert_eq!(domain.snapshot(at(SECOND)).limits[1].used, 700);
}

#[test]
fn waiters_that_have_become_too_large_are_refused() {
    let mut domain = domain(&[bucket(1_000, MINUTE)]);
    domain.submit(request(1, tokens(1_000)), at(0));
    domain.submit(request(1, tokens(100)), at(0));
    domain.submit(request(1, tokens(800)), at(0));
    domain
        .reconfigure(settings(&[bucket(500, MINUTE)]), at(0))
        .unwrap();
    let mut events = Vec::new();
    domain.poll(at(0), &mut events);
    let [
        Event::Expired {
            refusal: Refusal::TooLarge { requested: 800, .. },
            ..
        },
    ] = events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(domain.snapshot(at(0)).waiting, [0, 1, 0]);
}

#[test]
fn a_clock_that_goes_backwards_stands_still() {
    let mut domain = domain(&[bucket(600, MINUTE)]);
    domain.submit(request(1, tokens(600)), at(MINUTE));
    let Submission::Queued(ticket) = domain.submit(request(1, tokens(100)), at(5)) else {
        panic!("it waits")
    };
    assert_eq!(ticket.outlook.eta, Some(Duration::from_secs(10)));
    domain.poll(at(0), &mut Vec::new());
    assert_eq!(domain.next_wake(), Some(at(MINUTE + 10 * SECOND)));
}

#[test]
fn settings_that_cannot_work_are_named() {
    let metric = Metric::Tokens;
    let check = |settings: DomainSettings| Domain::new(settings, at(0)).err();
    let with = |limit: Limit| check(settings(&[bucket(1, MINUTE), limit]));
    assert_eq!(
        with(bucket(1, 0)),
        Some(SettingsError::ZeroWindow { index: 1, metric })
    );
    let too_long = Limit {
        window: Duration::MAX,
        ..bucket(1, 1)
    };
    assert_eq!(
        with(too_long),
        Some(SettingsError::WindowTooLong { index: 1, metric })
    );
    let guard = Duration::from_secs(60);
    let guarded = Limit {
        guard,
        ..limit(1, MINUTE, WindowModel::FixedFromFirstUse)
    };
    assert_eq!(
        with(guarded),
        Some(SettingsError::GuardTooLong { index: 1, metric })
    );
    let no_burst = limit(1, MINUTE, WindowModel::Bucket { burst: 0 });
    assert_eq!(
        with(no_burst),
        Some(SettingsError::ZeroBurst { index: 1, metric })
    );
    let base = || settings(&[]);
    let no_slots = DomainSettings {
        concurrency_max: Some(0),
        ..base()
    };
    assert_eq!(check(no_slots), Some(SettingsError::ZeroConcurrency));
    let no_probe = DomainSettings {
        probe_concurrency: Some(0),
        ..base()
    };
    assert_eq!(check(no_probe), Some(SettingsError::ZeroProbe));
    let no_life = DomainSettings {
        reservation_lifetime: Duration::ZERO,
        ..base()
    };
    assert_eq!(check(no_life), Some(SettingsError::ZeroReservationLifetime));
    let half = TierSettings {
        guaranteed_share_ppm: 500_000,
        aging: Duration::ZERO,
    };
    let queue = QueueSettings {
        tiers: [half; 3],
        ..QueueSettings::default()
    };
    let shares = check(DomainSettings { queue, ..base() });
    assert_eq!(
        shares,
        Some(SettingsError::SharesTooHigh {
            total_ppm: 1_500_000
        })
    );
    assert_eq!(
        SettingsError::ZeroWindow { index: 1, metric }.to_string(),
        "limit 1 (tokens): the window is zero; give it a length"
    );
    assert_eq!(check(DomainSettings::default()), None);
}

#[test]
fn a_retry_goes_in_front_and_the_rest_keep_their_order() {
    let mut world = World::new(settings(&[bucket(600, MINUTE)]));
    world.submit_at(0, 0, request(1, tokens(600)));
    for tag in 1..4 {
        world.submit_at(0, tag, request(1, tokens(100)));
    }
    for tag in [7, 8] {
        world.submit_at(
            SECOND,
            tag,
            Request {
                retry: true,
                ..request(1, tokens(100))
            },
        );
    }
    world.run();
    let order: Vec<_> = world.launches.iter().map(|launch| launch.tag).collect();
    assert_eq!(order, [0, 8, 7, 1, 2, 3]);
}

#[test]
fn what_is_under_way_can_be_handed_over_to_another_domain() {
    let hour = bucket(1_000, 60 * MINUTE);
    let (mut old, mut heir) = (domain(&[hour]), domain(&[hour]));
    let take = |domain: &mut Domain| domain.adopt(tokens(300), None, at(0));
    let ids: Vec<_> = (0..3).map(|_| take(&mut old).id).collect();
    take(&mut heir);
    let given = old.hand_over(at(0));
    let order: Vec<_> = given.iter().map(|(given, _)| given.id).collect();
    assert_eq!(order, ids);
    assert_eq!(old.snapshot(at(0)).in_flight, 0);
    let adopted: Vec<_> = given.iter().map(|_| take(&mut heir).id).collect();
    // 1200 of 1000 are taken; of the 300 that come back, 100 are room.
    assert_eq!(heir.snapshot(at(0)).in_flight, 4);
    heir.abandon(adopted[0], at(0));
    let too_much = heir.submit(request(1, tokens(101)), at(0));
    let Submission::Queued(ticket) = too_much else {
        panic!("{too_much:?}")
    };
    heir.cancel(ticket.id, at(0));
    let fits = heir.submit(request(1, tokens(100)), at(0));
    assert!(matches!(fits, Submission::Admitted(_)), "{fits:?}");
}
