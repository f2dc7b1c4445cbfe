//! What follows from refusals: one cut for all that belong together, and a way back.

use std::time::Duration;

use paceline_limiter::{
    Binding, CalmSettings, Charge, Domain, DomainSettings, Limit, Metric, ProviderRefusal,
    RefusalKind, Submission, ThrottleKind, ThrottleView, WindowModel,
};

use crate::provider::at;
use crate::world::{
    Action, Launch, MINUTE, MS, SECOND, World, bucket, limit, refusal, request, settings, tokens,
};

const LIMIT: u64 = 60_000;

/// Each request takes a tenth of a second of the limit.
const UNITS: u64 = 100;

fn stabilising(minutes: u64, limits: &[Limit]) -> DomainSettings {
    DomainSettings {
        calm: CalmSettings {
            stabilisation: Duration::from_secs(minutes * 60),
            ..CalmSettings::default()
        },
        ..settings(limits)
    }
}

/// A limit that is enforced in seconds, so that its own window adds next to no burst.
fn smooth() -> Limit {
    let quantum = Duration::from_secs(1);
    limit(LIMIT, MINUTE, WindowModel::Quantised { quantum })
}

/// A world with more work than it can do, each answer taking `latency`, in which at `refused_at`
/// the provider refuses.
fn busy(settings: DomainSettings, latency: u64, refusals: &[(u64, ProviderRefusal)]) -> World {
    let mut world = World::new(settings).settling_after(latency);
    for tag in 0..20_000 {
        world.submit_at(0, tag, request(1, tokens(UNITS)));
    }
    for (refused_at, refusal) in refusals {
        world.run_until(*refused_at);
        world.now = *refused_at;
        world.domain.refused(*refusal, at(*refused_at));
        world.poll();
    }
    world
}

fn launched(world: &World, from: u64, to: u64) -> u64 {
    let within = |launch: &&Launch| (from..to).contains(&launch.at);
    world
        .launches
        .iter()
        .filter(within)
        .map(Launch::units)
        .sum()
}

fn throttle(domain: &Domain, kind: ThrottleKind, now: u64) -> Option<ThrottleView> {
    let throttles = domain.snapshot(at(now)).throttles;
    throttles.into_iter().find(|view| view.kind == kind)
}

#[test]
fn all_refusals_of_what_was_sent_before_the_pause_was_over_are_one_episode() {
    let mut domain = Domain::new(settings(&[bucket(LIMIT, MINUTE)]), at(0)).unwrap();
    let told = ProviderRefusal {
        limit: Some(LIMIT),
        used: Some(50_000),
        requested: Some(12_000),
        penalty: tokens(1_000),
        jitter: Duration::from_millis(5),
        ..refusal(0, Some(2_000))
    };
    domain.refused(told, at(0));
    for late in [10, 500, 1_500, 3_000] {
        let again = ProviderRefusal {
            used: None,
            retry_after: None,
            jitter: Duration::from_millis(900),
            ..told
        };
        domain.refused(again, at(late * MS));
    }
    let episode = domain.episode().unwrap();
    assert_eq!((episode.number, episode.refusals), (1, 5));
    assert_eq!(episode.metric, Some(Metric::Tokens));
    assert_eq!(
        (episode.limit, episode.used, episode.requested),
        (Some(LIMIT), Some(50_000), Some(12_000))
    );
    assert_eq!(episode.cool_down_until, at(2_005 * MS), "one jitter");
    assert_eq!(episode.penalty, tokens(1_000));
    let used = domain.snapshot(at(3 * SECOND)).limits[0].used;
    assert_eq!(used, 51_000 - 3_000, "one penalty, one rise of the level");
    let after = refusal(2_005 * MS, None);
    domain.refused(after, at(3 * SECOND));
    assert_eq!(domain.episode().unwrap().number, 2);
}

#[test]
fn the_longest_wait_that_the_provider_names_counts_even_when_it_comes_late() {
    let mut domain = Domain::new(settings(&[bucket(LIMIT, MINUTE)]), at(0)).unwrap();
    domain.refused(refusal(0, Some(1_000)), at(0));
    let made_up = ProviderRefusal {
        wait_named: false,
        ..refusal(0, Some(30_000))
    };
    domain.refused(made_up, at(100 * MS));
    assert_eq!(domain.episode().unwrap().cool_down_until, at(SECOND));
    domain.refused(refusal(0, Some(4_000)), at(2 * SECOND));
    let episode = domain.episode().unwrap();
    assert_eq!((episode.number, episode.refusals), (1, 3));
    assert_eq!(
        episode.cool_down_until,
        at(6 * SECOND),
        "the pause begins again"
    );
    let start = throttle(&domain, ThrottleKind::SlowStart, 6 * SECOND).unwrap();
    assert_eq!(
        start.share_ppm, 250_000,
        "and so does the slow start after it"
    );
}

#[test]
fn the_pace_returns_in_steps_that_leave_time_to_hear_of_refusals() {
    // Refusals come back after half a second: steps of one second.
    let sent = 10 * SECOND;
    let refused = sent + SECOND / 2;
    let world = &mut busy(
        settings(&[smooth()]),
        SECOND,
        &[(refused, refusal(sent, Some(500)))],
    );
    world.run_until(20 * SECOND);
    let per_second = |second: u64| launched(world, second * SECOND, (second + 1) * SECOND);
    assert_eq!(launched(world, refused + 1, 11 * SECOND), 0);
    assert!((200..=400).contains(&per_second(11)), "{}", per_second(11));
    assert!((450..=600).contains(&per_second(12)), "{}", per_second(12));
    // The window's own burst, which was not used meanwhile, and then the whole rate.
    assert!((1_000..=2_000).contains(&per_second(13)));
    assert_eq!([14, 15, 16].map(per_second), [1_000; 3]);
    assert_eq!(
        throttle(&world.domain, ThrottleKind::SlowStart, 13 * SECOND),
        None
    );
}

#[test]
fn answers_that_take_a_minute_do_not_hold_up_the_return() {
    let minute = |latency: u64| {
        let refusals = [(90 * SECOND, refusal(90 * SECOND - 200 * MS, Some(1_000)))];
        let mut world = busy(settings(&[smooth()]), latency, &refusals);
        world.run_until(152 * SECOND);
        launched(&world, 91 * SECOND, 151 * SECOND)
    };
    // Of a minute's quota, what two steps of 400 ms cost and no more.
    for latency in [100 * MS, 10 * SECOND, MINUTE] {
        assert!(
            minute(latency) >= LIMIT * 98 / 100,
            "{latency} {}",
            minute(latency)
        );
    }
}

#[test]
fn a_relapse_starts_at_half_the_share_and_calm_forgets_it() {
    let mut domain = Domain::new(settings(&[bucket(LIMIT, MINUTE)]), at(0)).unwrap();
    let mut share = |now: u64| {
        domain.refused(refusal(now, Some(1_000)), at(now));
        domain.poll(at(now), &mut Vec::new());
        throttle(&domain, ThrottleKind::SlowStart, now)
            .unwrap()
            .share_ppm
    };
    let shares = [0, 2, 4, 6, 8, 10].map(|second| share(second * SECOND));
    assert_eq!(shares, [250_000, 125_000, 62_500, 31_250, 15_625, 15_625]);
    assert_eq!(share(MINUTE), 250_000);
}

#[test]
fn without_limits_the_pace_returns_to_what_it_was() {
    for kind in [RefusalKind::Quota, RefusalKind::Overload] {
        let mut domain = Domain::new(stabilising(15, &[]), at(0)).unwrap();
        let one = Charge::ZERO.with(Metric::Requests, 1);
        // Ten a second.
        for index in 0..200 {
            domain.submit(request(1, one), at(index * 100 * MS));
        }
        let overload = ProviderRefusal {
            kind,
            metric: None,
            ..refusal(19_900 * MS, None)
        };
        domain.refused(overload, at(20 * SECOND));
        let view = throttle(&domain, ThrottleKind::SlowStart, 21 * SECOND).unwrap();
        assert_eq!(view.metric, Some(Metric::Requests));
        let stabilisation = throttle(&domain, ThrottleKind::Stabilisation, 21 * SECOND);
        assert_eq!(stabilisation, None, "what is not known cannot be reduced");
        assert_eq!(
            view.units_per_minute,
            Some(150),
            "{kind:?}: a quarter of 600"
        );
        let mut next = |now| match domain.submit(request(1, one), at(now)) {
            Submission::Admitted(_) => None,
            Submission::Queued(ticket) => {
                domain.cancel(ticket.id, at(now));
                Some((ticket.outlook.binding, ticket.outlook.eta.unwrap()))
            }
            Submission::Refused(refusal) => panic!("{refusal:?}"),
        };
        let resumed = 21 * SECOND;
        assert_eq!(next(resumed), None);
        let (binding, eta) = next(resumed).unwrap();
        assert_eq!(binding, Binding::SlowStart);
        assert!(eta <= Duration::from_millis(500), "{eta:?}");
        assert_eq!(
            next(resumed + SECOND / 2),
            None,
            "after two steps of 250 ms it is over"
        );
        assert_eq!(next(resumed + SECOND / 2), None);
    }
}

#[test]
fn a_refused_limit_is_stabilised_at_a_share_that_returns_in_a_straight_line() {
    let refusals = [(10 * SECOND, refusal(10 * SECOND - 100 * MS, Some(1_000)))];
    let mut world = busy(stabilising(5, &[smooth()]), SECOND, &refusals);
    world.run_until(7 * MINUTE);
    let resumed = 11 * SECOND;
    for minute in 0..5 {
        let from = resumed + minute * MINUTE;
        let passed = launched(&world, from, from + MINUTE);
        // Half a minute into the minute: 82, 86, 90, 94 and 98 percent.
        let expected = LIMIT * (82 + 4 * minute) / 100;
        assert!(
            passed.abs_diff(expected) <= LIMIT / 100,
            "{minute}: {passed} of {expected}"
        );
    }
    assert_eq!(launched(&world, 6 * MINUTE, 7 * MINUTE), LIMIT);
    let held = |launch: &&Launch| launch.binding == Some(Binding::Stabilisation);
    assert!(world.launches.iter().any(|launch| held(&launch)));
}

#[test]
fn stabilisation_and_the_end_of_an_episode_can_be_seen() {
    let mut domain = Domain::new(stabilising(10, &[bucket(LIMIT, MINUTE)]), at(0)).unwrap();
    domain.refused(refusal(0, Some(1_000)), at(0));
    let view = |domain: &Domain, now| throttle(domain, ThrottleKind::Stabilisation, now);
    let half = view(&domain, SECOND + 5 * MINUTE).unwrap();
    assert_eq!(
        (half.metric, half.share_ppm),
        (Some(Metric::Tokens), 900_000)
    );
    assert_eq!(half.units_per_minute, Some(LIMIT * 9 / 10));
    assert_eq!(half.remaining, Duration::from_secs(300));
    // The domain asks to be looked at when there is something to see, though nobody waits.
    let mut changes = Vec::new();
    while let Some(wake) = domain.next_wake() {
        domain.poll(wake, &mut Vec::new());
        changes.push(wake);
    }
    assert_eq!(changes, [at(SECOND + SECOND / 2), at(SECOND + 10 * MINUTE)]);
    assert_eq!(view(&domain, SECOND + 10 * MINUTE), None);
    let episode = domain.episode().unwrap();
    assert_eq!(episode.ended, Some(at(SECOND + 10 * MINUTE)));
}

#[test]
fn only_the_refused_metric_is_stabilised_and_only_for_quota() {
    let calls = Limit {
        metric: Metric::Requests,
        amount: 600,
        ..smooth()
    };
    let both = tokens(1).with(Metric::Requests, 1);
    let refused = refusal(0, Some(1_000));
    let mut domain = Domain::new(stabilising(15, &[calls, smooth()]), at(0)).unwrap();
    domain.refused(refused, at(0));
    let of_tokens = throttle(&domain, ThrottleKind::Stabilisation, SECOND).unwrap();
    assert_eq!(of_tokens.metric, Some(Metric::Tokens));
    // Ten calls with next to no tokens go at once, as their own limit allows.
    let mut go = || {
        matches!(
            domain.submit(request(1, both), at(40 * SECOND)),
            Submission::Admitted(_)
        )
    };
    assert_eq!((0..20).filter(|_| go()).count(), 10);
    for kind in [RefusalKind::Overload, RefusalKind::Acceleration] {
        let mut domain = Domain::new(stabilising(15, &[smooth()]), at(0)).unwrap();
        domain.refused(ProviderRefusal { kind, ..refused }, at(0));
        assert_eq!(
            throttle(&domain, ThrottleKind::Stabilisation, SECOND),
            None,
            "{kind:?}"
        );
    }
}

#[test]
fn an_idle_pool_keeps_its_burst_while_it_is_stabilised() {
    let mut domain = Domain::new(stabilising(15, &[bucket(LIMIT, MINUTE)]), at(0)).unwrap();
    domain.refused(refusal(0, Some(1_000)), at(0));
    let mut events = Vec::new();
    domain.poll(at(2 * SECOND), &mut events);
    let now = 5 * MINUTE;
    let half = tokens(LIMIT / 4);
    for _ in 0..2 {
        let submission = domain.submit(request(1, half), at(now));
        assert!(
            matches!(submission, Submission::Admitted(_)),
            "{submission:?}"
        );
    }
}

#[test]
fn what_does_not_use_a_throttled_metric_is_not_held_up_by_it() {
    let mut domain = Domain::new(stabilising(15, &[smooth()]), at(0)).unwrap();
    domain.refused(refusal(0, Some(1_000)), at(0));
    let now = at(3 * SECOND);
    domain.poll(now, &mut Vec::new());
    // More than a second's worth: the next must wait for it.
    let large = domain.submit(request(1, tokens(5_000)), now);
    let one_more = domain.submit(request(1, tokens(1)), now);
    let image = Charge::ZERO.with(Metric::Images, 1);
    let other = domain.submit(request(2, image), now);
    assert!(matches!(large, Submission::Admitted(_)), "{large:?}");
    assert!(matches!(one_more, Submission::Queued(_)), "{one_more:?}");
    assert!(matches!(other, Submission::Admitted(_)), "{other:?}");
}

#[test]
fn small_requests_do_not_use_up_the_pace_that_the_head_of_the_queue_needs() {
    let images = Limit {
        metric: Metric::Images,
        amount: 6,
        ..limit(6, MINUTE, WindowModel::Bucket { burst: 1 })
    };
    let image = Charge::ZERO.with(Metric::Images, 1);
    let mut domain = stabilising(15, &[bucket(LIMIT, MINUTE), images]);
    domain.queue.waiting_max = 1_000;
    let mut world = World::new(domain).settling_after(SECOND);
    world.domain.refused(refusal(0, Some(1_000)), at(0));
    world.now = 3 * MINUTE;
    world.poll();
    let now = world.now;
    world.submit_at(now, 0, request(1, image));
    // An image comes free after ten seconds; the tokens for it must be at hand by then.
    world.submit_at(now, 1, request(1, image.with(Metric::Tokens, 20_000)));
    for tag in 2..600 {
        world.submit_at(now, tag, request(2, tokens(UNITS)));
    }
    world.run_until(now + MINUTE);
    assert_eq!(world.launch_of(1).waited(), 10 * SECOND);
    let meanwhile = launched(&world, now, now + 10 * SECOND);
    assert!(meanwhile >= 30_000, "and nothing idles: {meanwhile}");
}

#[test]
fn a_refusal_that_names_nothing_slows_everything_for_a_moment() {
    let mut domain = Domain::new(stabilising(15, &[smooth()]), at(0)).unwrap();
    let unnamed = ProviderRefusal {
        metric: None,
        ..refusal(0, Some(1_000))
    };
    domain.refused(unnamed, at(0));
    let kinds = domain.snapshot(at(SECOND)).throttles;
    assert_eq!(kinds.len(), 2);
    assert!(kinds.iter().all(|view| view.metric.is_none()), "{kinds:?}");
    domain.submit(request(1, tokens(1_000)), at(SECOND));
    let Submission::Queued(ticket) = domain.submit(request(1, tokens(1)), at(SECOND)) else {
        panic!("a quarter of the pace")
    };
    assert_eq!(ticket.outlook.binding, Binding::Stabilisation);
}

#[test]
fn turning_stabilisation_off_ends_it_at_once() {
    let mut domain = Domain::new(stabilising(15, &[smooth()]), at(0)).unwrap();
    domain.refused(refusal(0, Some(1_000)), at(0));
    let off = settings(&[smooth()]);
    domain.reconfigure(off, at(2 * SECOND)).unwrap();
    domain.poll(at(2 * SECOND), &mut Vec::new());
    assert_eq!(domain.snapshot(at(2 * SECOND)).throttles, []);
}

#[test]
fn a_limit_over_a_day_needs_no_throttle() {
    let day = Limit {
        window: Duration::from_secs(86_400),
        ..bucket(1_000_000, MINUTE)
    };
    let mut domain = Domain::new(stabilising(15, &[smooth(), day]), at(0)).unwrap();
    let refused = ProviderRefusal {
        limit: Some(1_000_000),
        used: Some(900_000),
        ..refusal(0, Some(1_000))
    };
    domain.refused(refused, at(0));
    assert_eq!(domain.snapshot(at(0)).throttles, []);
    assert_eq!(domain.next_wake(), Some(at(SECOND)));
    domain.poll(at(SECOND), &mut Vec::new());
    assert_eq!(domain.episode().unwrap().ended, Some(at(SECOND)));
}

#[test]
fn whoever_waits_behind_a_throttle_is_told_when_it_goes() {
    let mut world = World::new(stabilising(15, &[smooth()])).settling_after(SECOND);
    world.domain.refused(refusal(0, Some(1_000)), at(0));
    world.now = MINUTE;
    world.poll();
    let mut promised = Vec::new();
    for tag in 0..600 {
        let request = request(1, tokens(UNITS));
        world.act(Action::Submit { tag, request });
        let last = world.domain.waiting(at(MINUTE), 1_000).last().copied();
        promised.push(last.map_or(0, |view| {
            u64::try_from(view.eta.unwrap().as_nanos()).unwrap()
        }));
    }
    world.run_until(10 * MINUTE);
    for (tag, eta) in promised.into_iter().enumerate().skip(100) {
        let waited = world.launch_of(tag as u64).waited();
        assert!(eta.abs_diff(waited) <= 2 * SECOND, "{tag}: {eta} {waited}");
    }
}
