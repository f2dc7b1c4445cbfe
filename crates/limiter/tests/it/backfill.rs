//! Small requests use what a waiting large one cannot, and never delay it.

use paceline_limiter::{Charge, DomainSettings, Limit, Metric, Request, WindowModel};

use crate::provider::at;
use crate::world::{MINUTE, MS, Random, SECOND, World, bucket, limit, request, settings, tokens};

fn models(amount: u64) -> [Limit; 6] {
    [
        bucket(amount, MINUTE),
        limit(amount, MINUTE, WindowModel::Bucket { burst: amount / 4 }),
        limit(amount, MINUTE, WindowModel::Fixed { phase: at(0) }),
        limit(amount, MINUTE, WindowModel::FixedFromFirstUse),
        limit(amount, MINUTE, WindowModel::Sliding),
        limit(
            amount,
            MINUTE,
            WindowModel::Unknown {
                burst: amount / 100,
            },
        ),
    ]
}

/// Half the quota is used when a request for nearly all of it comes, and then small ones.
fn crowded(settings: &DomainSettings, small: u64) -> World {
    let mut world = World::new(settings.clone());
    for tag in 0..50 {
        world.submit_at(SECOND, tag, request(1, tokens(10)));
    }
    world.submit_at(30 * SECOND, 1_000, request(2, tokens(900)));
    for tag in 0..small {
        let at = 30 * SECOND + (tag + 1) * 50 * MS;
        world.submit_at(at, 2_000 + tag, request(3 + tag % 5, tokens(10)));
    }
    world
}

#[test]
fn a_large_request_starts_no_later_for_all_the_small_ones_behind_it() {
    for limit in models(1_000) {
        let settings = settings(&[limit]);
        let start = |small| {
            let mut world = crowded(&settings, small);
            world.run_until(20 * MINUTE);
            world.launch_of(1_000).at
        };
        assert_eq!(start(0), start(5_000), "{limit:?}");
    }
}

#[test]
fn a_large_request_of_a_busy_tenant_starts_no_later_either() {
    for limit in models(1_000) {
        let start = |small: u64| {
            let mut world = crowded(&settings(&[limit]), 0);
            for tag in 0..small {
                world.submit_at(31 * SECOND + tag * MS, 3_000 + tag, request(2, tokens(10)));
            }
            world.run_until(20 * MINUTE);
            world.launch_of(1_000).at
        };
        assert_eq!(start(0), start(1_000), "{limit:?}");
    }
}

#[test]
fn small_requests_use_the_rest_of_a_window_that_is_too_small_for_the_large_one() {
    for model in [
        WindowModel::Fixed { phase: at(0) },
        WindowModel::FixedFromFirstUse,
        WindowModel::Sliding,
    ] {
        let settings = settings(&[limit(1_000, MINUTE, model)]);
        let mut world = crowded(&settings, 1_000);
        world.run_until(20 * MINUTE);
        let large = world.launch_of(1_000).at;
        let before: Vec<_> = world
            .launches
            .iter()
            .filter(|l| l.tag >= 2_000 && l.at < large)
            .collect();
        // Under a sliding window, what goes before it still counts when the large one starts.
        let least = if model == WindowModel::Sliding {
            10
        } else {
            50
        };
        assert!(before.len() >= least, "{model:?}: {}", before.len());
        assert!(
            before.iter().all(|launch| launch.waited() == 0),
            "they go as they come"
        );
        assert_eq!(world.domain.totals().backfilled as usize, before.len());
    }
}

#[test]
fn a_bucket_has_nothing_that_the_large_one_could_not_use() {
    let mut world = crowded(&settings(&[bucket(1_000, MINUTE)]), 1_000);
    world.run_until(20 * MINUTE);
    let large = world.launch_of(1_000).at;
    assert!(
        world
            .launches
            .iter()
            .filter(|launch| launch.tag >= 2_000)
            .all(|l| l.at >= large)
    );
}

#[test]
fn requests_that_need_another_metric_do_not_wait_behind_tokens() {
    let images = Limit {
        metric: Metric::Images,
        ..bucket(100, MINUTE)
    };
    let mut world = World::new(settings(&[bucket(1_000, MINUTE), images]));
    world.submit_at(0, 1, request(1, tokens(1_000)));
    world.submit_at(0, 2, request(1, tokens(1_000)));
    for tag in 10..60 {
        world.submit_at(
            SECOND,
            tag,
            request(1, Charge::ZERO.with(Metric::Images, 1)),
        );
    }
    world.run();
    assert_eq!(world.launch_of(2).at, MINUTE);
    assert!((10..60).all(|tag| world.launch_of(tag).waited() == 0));
}

#[test]
fn a_chance_that_arises_while_the_head_waits_is_taken_when_it_arises() {
    // The head waits for the hour, a small one for the minute only.
    let hour = limit(10_000, 60 * MINUTE, WindowModel::Fixed { phase: at(0) });
    let minute = limit(1_000, MINUTE, WindowModel::Fixed { phase: at(0) });
    let mut world = World::new(settings(&[hour, minute]));
    for (index, at) in (0..9).map(|index| (index, index * MINUTE)) {
        world.submit_at(at, index, request(1, tokens(1_000)));
    }
    world.submit_at(9 * MINUTE, 100, request(1, tokens(900)));
    world.submit_at(9 * MINUTE, 101, request(1, tokens(600)));
    world.submit_at(9 * MINUTE, 102, request(1, tokens(150)));
    // 100 went; 101 waits for the next hour; 102 would need the rest of the hour's 100.
    world.submit_at(9 * MINUTE, 103, request(1, tokens(100)));
    world.submit_at(9 * MINUTE + SECOND, 104, request(1, tokens(60)));
    world.run();
    assert_eq!(world.launch_of(100).at, 9 * MINUTE);
    assert_eq!(world.launch_of(101).at, 60 * MINUTE);
    assert_eq!(world.launch_of(102).at, 60 * MINUTE);
    assert_eq!(
        world.launch_of(103).at,
        9 * MINUTE,
        "fits in the minute and in the hour"
    );
    assert_eq!(world.launch_of(104).at, 60 * MINUTE);

    let mut world = World::new(settings(&[hour, minute]));
    for (index, at) in (0..9).map(|index| (index, index * MINUTE)) {
        world.submit_at(at, index, request(1, tokens(1_000)));
    }
    world.submit_at(8 * MINUTE + SECOND, 101, request(1, tokens(1_000)));
    world.submit_at(9 * MINUTE + SECOND, 102, request(1, tokens(100)));
    world.submit_at(9 * MINUTE + 2 * SECOND, 103, request(1, tokens(1_000)));
    world.submit_at(9 * MINUTE + 3 * SECOND, 104, request(2, tokens(50)));
    world.run();
    assert_eq!(world.launch_of(101).at, 9 * MINUTE);
    assert_eq!(world.launch_of(102).at, 60 * MINUTE);
    assert!(world.launch_of(103).at >= 60 * MINUTE);
}

#[test]
fn waiting_small_requests_are_woken_before_the_head_when_their_own_window_opens() {
    let hour = limit(2_000, 60 * MINUTE, WindowModel::Fixed { phase: at(0) });
    let minute = limit(1_000, MINUTE, WindowModel::Fixed { phase: at(0) });
    let mut world = World::new(settings(&[hour, minute]));
    world.submit_at(0, 1, request(1, tokens(1_000)));
    // The head needs more than is left of the hour; the small one only the next minute.
    world.submit_at(SECOND, 2, request(1, tokens(900)));
    world.submit_at(MINUTE + SECOND, 3, request(1, tokens(950)));
    world.submit_at(MINUTE + 2 * SECOND, 4, request(1, tokens(100)));
    world.submit_at(MINUTE + 3 * SECOND, 5, request(1, tokens(50)));
    world.run();
    assert_eq!(world.launch_of(2).at, MINUTE);
    assert_eq!(world.launch_of(3).at, 60 * MINUTE);
    assert_eq!(world.launch_of(4).at, MINUTE + 2 * SECOND);
    assert_eq!(
        world.launch_of(5).at,
        60 * MINUTE,
        "no hour left until the next"
    );
}

#[test]
fn a_slot_is_left_for_the_head() {
    let mut settings = settings(&[limit(1_000, MINUTE, WindowModel::Fixed { phase: at(0) })]);
    settings.concurrency_max = Some(3);
    let start = |small: u64| {
        let mut world = World::new(settings.clone()).settling_after(10 * MINUTE);
        world.submit_at(0, 1, request(1, tokens(500)));
        world.submit_at(SECOND, 2, request(1, tokens(600)));
        for tag in 0..small {
            world.submit_at(2 * SECOND, 10 + tag, request(2, tokens(1)));
        }
        world.run_until(5 * MINUTE);
        world.launch_of(2).at
    };
    assert_eq!(start(0), MINUTE);
    assert_eq!(start(20), MINUTE);
}

#[test]
fn nothing_that_goes_out_of_turn_delays_the_head_in_random_traffic() {
    // The head is watched from the moment it is the only large one waiting.
    for seed in 0..300 {
        let mut random = Random(seed);
        let limits = models(1_000);
        let pick = |random: &mut Random| limits[usize::try_from(random.within(0, 5)).unwrap()];
        let mut first = pick(&mut random);
        let second = Limit {
            metric: Metric::Requests,
            amount: 40,
            ..pick(&mut random)
        };
        first.window = std::time::Duration::from_secs(random.within(5, 300));
        let settings = settings(&[first, second]);
        let charge = |units| tokens(units).with(Metric::Requests, 1);
        let early: Vec<_> = (0..random.within(1, 60))
            .map(|_| (random.within(0, MINUTE), random.within(1, 60)))
            .collect();
        let large = random.within(300, 1_000);
        let late: Vec<_> = (0..random.within(1, 100))
            .map(|_| (MINUTE + random.within(1, 3 * MINUTE), random.within(1, 200)))
            .collect();
        let start = |late: &[(u64, u64)]| {
            let mut world = World::new(settings.clone());
            for (tag, (at, units)) in (0..).zip(&early) {
                world.submit_at(*at, tag, request(1, charge(*units)));
            }
            let retry = Request {
                retry: true,
                ..request(1, charge(large))
            };
            world.submit_at(MINUTE, 1_000, retry);
            for (tag, (at, units)) in (2_000..).zip(late) {
                world.submit_at(*at, tag, request(2, charge(*units)));
            }
            world.run_until(60 * MINUTE);
            world.launch_of(1_000).at
        };
        let (alone, crowded) = (start(&[]), start(&late));
        assert!(
            crowded <= alone,
            "seed {seed}: {crowded} {alone} {settings:?}"
        );
    }
}

#[test]
fn what_goes_out_of_turn_is_spaced_too_and_wakes_when_the_spacing_allows() {
    let mut settings = settings(&[limit(1_000, MINUTE, WindowModel::Fixed { phase: at(0) })]);
    settings.spacing = std::time::Duration::from_millis(20);
    let mut world = World::new(settings);
    world.submit_at(0, 1, request(1, tokens(500)));
    world.submit_at(SECOND, 2, request(1, tokens(600)));
    for tag in 10..20 {
        world.submit_at(SECOND, tag, request(2, tokens(10)));
    }
    world.run();
    let times: Vec<_> = (10..20).map(|tag| world.launch_of(tag).at).collect();
    let spaced: Vec<_> = (0..10).map(|index| SECOND + index * 20 * MS).collect();
    assert_eq!(times, spaced);
    assert_eq!(world.launch_of(2).at, MINUTE);
}
