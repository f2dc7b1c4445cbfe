//! Providers that refuse the growth of traffic, within its limits.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use paceline_limiter::{
    Binding, CalmSettings, DomainSettings, Metric, ProviderRefusal, RefusalKind, ThrottleKind,
};

use crate::provider::{RampProvider, at};
use crate::world::{
    Action, Launch, MINUTE, MS, SECOND, World, bucket, refusal, request, settings, spent, tokens,
};

const UNITS: u64 = 1_000;

/// What a job with always enough to do goes through, in front of a provider that refuses growth.
struct Job {
    world: World,
    refused: Rc<RefCell<Vec<u64>>>,
}

/// `arrivals` lists times and the requests a second from then on.
fn job(limit: u64, provider: RampProvider, arrivals: &[(u64, u64)], end: u64) -> Job {
    let refused = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&refused);
    let provider = RefCell::new(provider);
    let follow = move |launch: &Launch| {
        let id = launch.reservation.id;
        let arrival = launch.at + 20 * MS;
        match provider.borrow_mut().arrive(arrival, launch.units()) {
            Ok(()) => {
                let settlement = spent(None);
                vec![(20 * SECOND, Action::Settle { id, settlement })]
            }
            Err(wait) => {
                log.borrow_mut().push(launch.at);
                let refusal = ProviderRefusal {
                    kind: RefusalKind::Acceleration,
                    metric: None,
                    ..refusal(launch.at, Some(wait / MS))
                };
                vec![(40 * MS, Action::Refuse(Box::new((*launch, refusal))))]
            }
        }
    };
    let settings = DomainSettings {
        calm: CalmSettings::default(),
        ..settings(&[bucket(limit, MINUTE)])
    };
    let mut world = World::new(settings).following(follow);
    let (mut now, mut tag) = (0, 0);
    while now < end {
        let per_second = arrivals
            .iter()
            .rev()
            .find(|(from, _)| *from <= now)
            .unwrap()
            .1;
        for index in 0..per_second {
            let when = now + index * SECOND / per_second;
            world.submit_at(when, tag, request(1, tokens(UNITS)));
            tag += 1;
        }
        now += SECOND;
    }
    world.run_until(end);
    Job { world, refused }
}

impl Job {
    fn per_minute(&self, from: u64, to: u64) -> u64 {
        let within = |launch: &&Launch| (from..to).contains(&launch.at);
        let units: u64 = self
            .world
            .launches
            .iter()
            .filter(within)
            .map(Launch::units)
            .sum();
        units * MINUTE / (to - from)
    }

    fn refused_from(&self, from: u64) -> usize {
        self.refused
            .borrow()
            .iter()
            .filter(|at| **at >= from)
            .count()
    }
}

#[test]
fn a_refused_rise_goes_back_to_the_rate_before_it_and_then_grows_within_the_rule() {
    // 60,000 units a minute for half an hour, then more than the provider's half on top.
    let provider = RampProvider::new(60_000, 50, MINUTE, 15 * MINUTE);
    let arrivals = [(0, 1), (35 * MINUTE, 10)];
    let job = job(1_000_000, provider, &arrivals, 120 * MINUTE);
    let refused = job.refused_from(0);
    let minutes = |from: u64, to: u64| job.per_minute(from * MINUTE, to * MINUTE);
    assert_eq!(minutes(10, 30), 60_000);
    assert!(refused <= 2, "{refused}");
    assert_eq!(job.refused_from(36 * MINUTE), 0, "and never again");
    let held = minutes(38, 50);
    assert!((50_000..=60_000).contains(&held), "{held}");
    let grown = minutes(64, 66);
    assert!((75_000..=92_000).contains(&grown), "{grown}");
    let grown = minutes(108, 112);
    assert!(grown >= 200_000, "{grown}");
}

#[test]
fn a_rise_from_nothing_finds_the_pace_in_a_few_episodes() {
    let provider = RampProvider::new(60_000, 50, MINUTE, 15 * MINUTE);
    let job = job(1_000_000, provider, &[(0, 10)], 60 * MINUTE);
    let episodes = job.world.domain.episode().unwrap().number;
    assert!(episodes <= 3, "{episodes}");
    assert_eq!(job.refused_from(15 * MINUTE), 0);
    let pace = job.per_minute(10 * MINUTE, 15 * MINUTE);
    assert!(pace >= 20_000, "{pace}");
}

#[test]
fn growth_is_held_without_touching_levels_and_can_be_seen() {
    let settings = settings(&[bucket(60_000, MINUTE)]);
    let mut world = World::new(settings).settling_after(SECOND);
    for tag in 0..10 {
        world.submit_at(tag * SECOND, tag, request(1, tokens(UNITS)));
    }
    world.run_until(10 * SECOND);
    let used = world.domain.snapshot(at(10 * SECOND)).limits[0].used;
    let refused = ProviderRefusal {
        kind: RefusalKind::Acceleration,
        metric: None,
        ..refusal(10 * SECOND, Some(1_000))
    };
    world.domain.refused(refused, at(10 * SECOND));
    let snapshot = world.domain.snapshot(at(10 * SECOND));
    assert_eq!(snapshot.limits[0].used, used);
    assert_eq!(snapshot.totals.acceleration_refusals, 1);
    let view = snapshot.throttles[0];
    assert_eq!(
        (view.kind, view.metric),
        (ThrottleKind::Growth, Some(Metric::Tokens))
    );
    // Ten thousand units in 15 s, of which an eighth is kept.
    assert_eq!(view.units_per_minute, Some(10_000 * 4 / 8));
    world.now = 11 * SECOND;
    for tag in 10..13 {
        world.act(Action::Submit {
            tag,
            request: request(1, tokens(UNITS)),
        });
    }
    world.run_until(13 * SECOND);
    let waiting = world.domain.waiting(at(13 * SECOND), 1);
    assert_eq!(waiting[0].binding, Binding::Growth);
}

#[test]
fn growth_is_not_let_go_while_a_single_request_waits_for_it_for_long() {
    let mut world = World::new(settings(&[bucket(600_000, MINUTE)])).settling_after(SECOND);
    world.submit_at(0, 0, request(1, tokens(100)));
    world.run_until(SECOND);
    let refused = ProviderRefusal {
        kind: RefusalKind::Acceleration,
        ..refusal(SECOND, Some(1_000))
    };
    world.domain.refused(refused, at(SECOND));
    let rate = world.domain.snapshot(world.time()).throttles[0].units_per_minute;
    assert_eq!(rate, Some(47), "an eighth of 100 in 16 s");
    world.submit_at(3 * SECOND, 1, request(1, tokens(2_000)));
    world.submit_at(3 * SECOND, 2, request(1, tokens(1)));
    world.run();
    // At 47 a minute, growing after a quarter of an hour.
    let waited = world.launch_of(2).waited();
    assert!(
        waited > 35 * MINUTE && waited < 45 * MINUTE,
        "{} s",
        waited / SECOND
    );
}

#[test]
fn growth_that_nobody_needs_any_more_is_let_go() {
    let mut world = World::new(settings(&[bucket(60_000, MINUTE)]));
    let refused = ProviderRefusal {
        kind: RefusalKind::Acceleration,
        ..refusal(0, Some(1_000))
    };
    world.domain.refused(refused, at(0));
    let period = CalmSettings::default().growth_period;
    let end = at(SECOND) + period;
    assert_eq!(world.domain.next_wake(), Some(end));
    world.run();
    let snapshot = world.domain.snapshot(end);
    assert_eq!(snapshot.throttles, []);
    assert_eq!(snapshot.episode.unwrap().ended, Some(end));
    assert_eq!(period, Duration::from_secs(900));
}
