//! Requests that people wait for, beside a batch that takes all that they leave.

use std::time::Duration;

use paceline_limiter::{DomainSettings, Limit, Request, Tier, WindowModel};

use crate::provider::at;
use crate::world::{
    Launch, MINUTE, MS, Random, SECOND, World, bucket, limit, request, settings, tokens,
};

const AMOUNT: u64 = 120_000;
const CHAT: u64 = 300;

/// Chat is there for a while before the batch comes, at no particular time of a window.
const BATCH_AT: u64 = 100 * SECOND;
const FROM: u64 = 2 * MINUTE;
const END: u64 = 12 * MINUTE;

fn fixed() -> Limit {
    limit(AMOUNT, MINUTE, WindowModel::Fixed { phase: at(0) })
}

fn sliding() -> Limit {
    limit(AMOUNT, MINUTE, WindowModel::Sliding)
}

fn unknown() -> Limit {
    let burst = AMOUNT / 40;
    limit(AMOUNT, MINUTE, WindowModel::Unknown { burst })
}

fn tiered(tier: Tier, units: u64) -> Request {
    Request {
        tier,
        ..request(tier as u64, tokens(units))
    }
}

/// Calls at random times, with so many percent of the quota together.
fn chat(world: &mut World, percent: u64, seed: u64) {
    let mut random = Random(seed);
    let mean = MINUTE * CHAT * 100 / (AMOUNT * percent);
    let mut time = 0;
    for tag in 0.. {
        let uniform = random.within(1, 1 << 32) as f64 / (1u64 << 32) as f64;
        time +=
            Duration::from_secs_f64(-uniform.ln() * mean as f64 / SECOND as f64).as_nanos() as u64;
        if time > END {
            break;
        }
        world.submit_at(time, tag, tiered(Tier::Interactive, CHAT));
    }
}

/// More than the quota holds.
fn batch(world: &mut World, units: u64) {
    for tag in 0..AMOUNT * 14 / units {
        world.submit_at(BATCH_AT, 1_000_000 + tag, tiered(Tier::Batch, units));
    }
}

struct Outcome {
    /// The 95th percentile of the waits of chat, in milliseconds.
    p95_ms: u64,
    /// Of the quota, in percent.
    used: f64,
    batch: f64,
}

fn outcome(world: &World) -> Outcome {
    let later = |launch: &&Launch| (FROM..END).contains(&launch.at);
    let share = |launches: &mut dyn Iterator<Item = &Launch>| {
        let units: u64 = launches.map(Launch::units).sum();
        units as f64 * 100.0 / (AMOUNT * (END - FROM) / MINUTE) as f64
    };
    let launches = || world.launches.iter();
    let of = |tier| launches().filter(move |launch| launch.request.tier == tier);
    let mut waits: Vec<_> = of(Tier::Interactive)
        .filter(|launch| launch.submitted >= BATCH_AT)
        .map(Launch::waited)
        .collect();
    waits.sort_unstable();
    Outcome {
        p95_ms: waits[waits.len() * 95 / 100] / MS,
        used: share(&mut launches().filter(later)),
        batch: share(&mut of(Tier::Batch).filter(later)),
    }
}

fn play(settings: &DomainSettings, percent: u64, seed: u64, batch_units: Option<u64>) -> Outcome {
    let mut world = World::new(settings.clone());
    chat(&mut world, percent, seed);
    if let Some(units) = batch_units {
        batch(&mut world, units);
    }
    world.run_until(END);
    outcome(&world)
}

/// Chat hardly waits longer than alone, and no less than `used` percent of the quota are used.
fn hardly_waits(limit: Limit, percents: &[u64], sizes: &[u64], used: f64) {
    for percent in percents {
        for seed in 1..=3 {
            let settings = settings(&[limit]);
            let alone = play(&settings, *percent, seed, None);
            for units in sizes {
                let beside = play(&settings, *percent, seed, Some(*units));
                println!(
                    "{percent} % chat, {units} a request: {} ms alone, {} ms beside, {:.1} % used",
                    alone.p95_ms, beside.p95_ms, beside.used
                );
                assert!(
                    beside.p95_ms <= alone.p95_ms + 100,
                    "{percent} % {units} {seed}"
                );
                assert!(
                    beside.used >= used,
                    "{percent} % {units} {seed}: {}",
                    beside.used
                );
            }
        }
    }
}

#[test]
fn chat_hardly_waits_beside_a_batch_that_empties_the_bucket() {
    let limit = bucket(AMOUNT, MINUTE);
    hardly_waits(limit, &[10, 50, 90], &[300, 4_000], 99.0);
}

#[test]
fn chat_hardly_waits_beside_a_batch_in_fixed_windows() {
    hardly_waits(fixed(), &[10, 50, 90], &[300, 1_400], 99.0);
}

#[test]
fn chat_hardly_waits_beside_a_batch_in_a_sliding_window() {
    hardly_waits(sliding(), &[10, 50, 70], &[300, 1_400], 97.0);
}

#[test]
fn chat_hardly_waits_beside_a_batch_where_the_window_is_not_known() {
    hardly_waits(unknown(), &[10, 50], &[300, 1_400], 97.0);
}

#[test]
fn a_batch_has_its_guaranteed_share_beside_more_chat_than_there_is_quota() {
    for limit in [bucket(AMOUNT, MINUTE), fixed(), sliding(), unknown()] {
        for units in [300, 1_400, 4_000] {
            let outcome = play(&settings(&[limit]), 110, 1, Some(units));
            let (batch, used) = (outcome.batch, outcome.used);
            println!("{units}: {batch:.1} % of {used:.1} %");
            assert!((4.7..6.5).contains(&batch), "{limit:?} {units}: {batch}");
            assert!(used >= 99.0, "{limit:?} {units}: {used}");
        }
    }
}

#[test]
fn a_batch_with_no_guaranteed_share_has_what_chat_leaves() {
    for limit in [bucket(AMOUNT, MINUTE), fixed(), sliding(), unknown()] {
        let mut settings = settings(&[limit]);
        settings.queue.tiers[Tier::Batch as usize].guaranteed_share_ppm = 0;
        let outcome = play(&settings, 80, 1, Some(1_400));
        println!("{:.1} % of {:.1} %", outcome.batch, outcome.used);
        assert!(outcome.batch >= 15.0, "{limit:?}: {}", outcome.batch);
    }
}

#[test]
fn what_was_kept_is_let_go_when_nobody_else_comes() {
    for limit in [bucket(AMOUNT, MINUTE), fixed(), sliding(), unknown()] {
        let mut world = World::new(settings(&[limit]));
        for tag in 0..300 {
            world.submit_at(tag * 100 * MS, tag, tiered(Tier::Interactive, CHAT));
        }
        batch(&mut world, 300);
        world.run_until(END);
        // The last call is 70 s gone when the batch comes: it has the whole quota at once.
        let batch = world.launches.iter().filter(|launch| launch.tag >= 300);
        let first: u64 = (batch.clone().take_while(|launch| launch.at == BATCH_AT))
            .map(Launch::units)
            .sum();
        let ready = match limit.model {
            WindowModel::Unknown { burst } => burst,
            _ => AMOUNT,
        };
        assert!(first >= ready, "{limit:?}: {first}");
    }
}

#[test]
fn what_is_kept_gets_less_in_the_half_minute_after_the_last_call() {
    // A slow limit: what is kept of it does not come back while anybody looks.
    let day = limit(1_000, 24 * 60 * MINUTE, WindowModel::Sliding);
    let mut world = World::new(settings(&[day]));
    world.submit_at(0, 0, tiered(Tier::Interactive, 20));
    for tag in 1..=98 {
        world.submit_at(SECOND, tag, tiered(Tier::Batch, 10));
    }
    world.run_until(MINUTE);
    let last = world.launches.iter().map(|launch| launch.at).max();
    assert_eq!(world.launches.len(), 99, "everything is gone in the end");
    assert!(
        (10 * SECOND..=25 * SECOND).contains(&last.unwrap()),
        "{last:?}"
    );
}

#[test]
fn a_batch_request_as_large_as_the_limit_goes_when_nothing_is_used() {
    for limit in [bucket(AMOUNT, MINUTE), fixed(), sliding()] {
        let mut world = World::new(settings(&[limit]));
        world.submit_at(0, 0, tiered(Tier::Interactive, CHAT));
        world.submit_at(SECOND, 1, tiered(Tier::Batch, AMOUNT));
        // So that there are always recent calls, but hardly any use.
        for tag in 2..20 {
            world.submit_at(
                MINUTE + tag * 5 * SECOND,
                tag,
                tiered(Tier::Interactive, CHAT),
            );
        }
        world.run_until(3 * MINUTE);
        assert!(world.launch_of(1).waited() <= 61 * SECOND, "{limit:?}");
    }
}

#[test]
fn who_is_told_a_time_beside_chat_goes_by_then_if_no_more_chat_comes() {
    for limit in [bucket(AMOUNT, MINUTE), fixed(), sliding(), unknown()] {
        let mut world = World::new(settings(&[limit]));
        for tag in 0..300 {
            world.submit_at(tag * 100 * MS, tag, tiered(Tier::Interactive, CHAT));
        }
        for tag in 300..900 {
            world.submit_at(25 * SECOND, tag, tiered(Tier::Batch, 300));
        }
        world.run_until(30 * SECOND);
        let views = world.domain.waiting(world.time(), 1);
        let view = views.first().unwrap();
        let (tag, ..) = world.waiting[&view.waiter];
        let told = world.now + u64::try_from(view.eta.unwrap().as_nanos()).unwrap();
        assert!(told > world.now);
        world.run_until(2 * MINUTE);
        assert_eq!(world.launch_of(tag).at, told, "{limit:?}");
    }
}

#[test]
fn whoever_waits_behind_others_is_not_told_that_chat_which_stopped_goes_on() {
    const DAY: u64 = 1440 * MINUTE;
    let days = [
        limit(AMOUNT, DAY, WindowModel::Fixed { phase: at(0) }),
        limit(AMOUNT, DAY, WindowModel::Sliding),
    ];
    for limit in days {
        let mut world = World::new(settings(&[limit]));
        for tag in 0..300 {
            world.submit_at(tag * 100 * MS, tag, tiered(Tier::Interactive, CHAT));
        }
        for tag in 300..303 {
            world.submit_at(29 * SECOND, tag, tiered(Tier::Batch, 300));
        }
        world.run_until(31 * SECOND);
        let views = world.domain.waiting(world.time(), 3);
        assert!(views.len() > 1, "{limit:?}");
        for view in views {
            let told = view.eta.unwrap();
            assert!(told < Duration::from_secs(60), "{limit:?}: {view:?}");
        }
    }
}

#[test]
fn nobody_wakes_more_often_than_something_changes() {
    for limit in [bucket(AMOUNT, MINUTE), fixed(), sliding(), unknown()] {
        let mut world = World::new(settings(&[limit]));
        chat(&mut world, 50, 1);
        batch(&mut world, 300);
        world.run_until(END);
        let polls = world.polls;
        let launches = world.launches.len() as u64;
        println!("{polls} polls for {launches} launches");
        assert!(polls <= 2 * launches, "{limit:?}: {polls} for {launches}");
    }
}
