//! A deadline that cannot be met is refused at once, with the exact time to come back.

use std::time::Duration;

use paceline_limiter::{
    Binding, Domain, Event, Limit, Metric, Refusal, Request, Submission, Tier, WindowModel,
};

use crate::provider::at;
use crate::world::{MINUTE, MS, Random, SECOND, World, bucket, limit, request, settings, tokens};

fn patient(units: u64, now: u64, patience: u64) -> Request {
    Request {
        deadline: Some(at(now + patience)),
        ..request(1, tokens(units))
    }
}

#[test]
fn an_unmeetable_deadline_is_refused_with_the_exact_time_to_come_back() {
    for seed in 0..500 {
        let mut random = Random(seed);
        let amount = random.within(100, 10_000);
        let models = [
            WindowModel::Bucket { burst: amount },
            WindowModel::Fixed { phase: at(7) },
            WindowModel::FixedFromFirstUse,
            WindowModel::Sliding,
            WindowModel::Unknown {
                burst: amount.div_ceil(50),
            },
        ];
        let limit = limit(amount, MINUTE, models[usize::try_from(seed % 5).unwrap()]);
        let mut world = World::new(settings(&[limit]));
        for tag in 0..random.within(10, 60) {
            world.submit_at(0, tag, request(1, tokens(random.within(1, amount / 2))));
        }
        world.run_until(SECOND);
        let (units, patience) = (random.within(1, amount / 2), random.within(0, 20 * SECOND));
        world.now = SECOND;
        let refusal = world
            .domain
            .submit(patient(units, SECOND, patience), at(SECOND));
        let Submission::Refused(Refusal::DeadlineUnmeetable {
            retry_after,
            eta,
            binding,
        }) = refusal
        else {
            continue;
        };
        assert!(matches!(
            binding,
            Binding::Limit {
                metric: Metric::Tokens,
                ..
            }
        ));
        assert_eq!(
            retry_after,
            eta.saturating_sub(Duration::from_nanos(patience))
        );
        let later = SECOND + u64::try_from(retry_after.as_nanos()).unwrap();
        world.run_until(later);
        world.now = later;
        let again = world
            .domain
            .submit(patient(units, later, patience), at(later));
        let met = matches!(again, Submission::Queued(_) | Submission::Admitted(_));
        let exact = matches!(
            limit.model,
            WindowModel::Bucket { .. } | WindowModel::FixedFromFirstUse
        );
        // Where sizes leave gaps in windows, the estimate cannot be exact.
        assert!(
            met || !exact || limit.model == WindowModel::FixedFromFirstUse,
            "seed {seed}: {again:?}"
        );
    }
}

#[test]
fn on_a_bucket_the_retry_is_admitted_in_time_and_an_earlier_one_is_not() {
    let mut world = World::new(settings(&[bucket(1_000, MINUTE)]));
    for tag in 0..30 {
        world.submit_at(0, tag, request(1, tokens(100)));
    }
    world.run_until(SECOND);
    let refused = world
        .domain
        .submit(patient(100, SECOND, 5 * SECOND), at(SECOND));
    let Submission::Refused(Refusal::DeadlineUnmeetable {
        retry_after, eta, ..
    }) = refused
    else {
        panic!("{refused:?}")
    };
    // Twenty are ahead, six seconds each, and a second has passed.
    assert_eq!(eta, Duration::from_secs(21 * 6 - 1));
    assert_eq!(retry_after, Duration::from_secs(21 * 6 - 1 - 5));
    let later = SECOND + u64::try_from(retry_after.as_nanos()).unwrap();
    world.run_until(later - 1);
    let early = world
        .domain
        .submit(patient(100, later - 1, 5 * SECOND), at(later - 1));
    assert!(matches!(early, Submission::Refused(_)), "{early:?}");
    world.submit_at(later, 99, patient(100, later, 5 * SECOND));
    world.run();
    assert!(world.expired.is_empty());
    assert_eq!(world.launch_of(99).at, later + 5 * SECOND);
}

#[test]
fn on_a_window_the_retry_is_admitted_in_time() {
    for model in [WindowModel::Fixed { phase: at(0) }, WindowModel::Sliding] {
        let mut world = World::new(settings(&[limit(1_000, MINUTE, model)]));
        for tag in 0..25 {
            world.submit_at(0, tag, request(1, tokens(100)));
        }
        world.run_until(SECOND);
        let refused = world
            .domain
            .submit(patient(100, SECOND, 5 * SECOND), at(SECOND));
        let Submission::Refused(Refusal::DeadlineUnmeetable { retry_after, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(retry_after, Duration::from_secs(120 - 1 - 5), "{model:?}");
        let later = SECOND + u64::try_from(retry_after.as_nanos()).unwrap();
        world.submit_at(later, 99, patient(100, later, 5 * SECOND));
        world.run();
        assert!(world.expired.is_empty());
        assert_eq!(world.launch_of(99).at, 2 * MINUTE);
    }
}

#[test]
fn a_waiter_that_is_overtaken_expires_at_its_deadline() {
    let mut world = World::new(settings(&[bucket(600, MINUTE)]));
    world.submit_at(0, 0, request(1, tokens(600)));
    world.submit_at(0, 1, patient(100, 0, 12 * SECOND));
    for tag in 2..6 {
        let urgent = Request {
            tier: Tier::Interactive,
            ..request(2, tokens(100))
        };
        world.submit_at(MS, tag, urgent);
    }
    world.run();
    let (tag, when, refusal) = world.expired[0];
    assert_eq!((tag, when), (1, 12 * SECOND));
    assert!(matches!(refusal, Refusal::DeadlineUnmeetable { eta, .. } if !eta.is_zero()));
    assert_eq!(world.launches.len(), 5);
}

#[test]
fn a_waiter_whose_turn_comes_at_its_deadline_goes() {
    let mut world = World::new(settings(&[bucket(600, MINUTE)]));
    world.submit_at(0, 0, request(1, tokens(600)));
    world.submit_at(0, 1, patient(100, 0, 10 * SECOND));
    world.run();
    assert_eq!(world.launch_of(1).at, 10 * SECOND);
}

#[test]
fn a_late_poll_does_not_admit_what_is_past_its_deadline() {
    let mut domain = Domain::new(settings(&[bucket(600, MINUTE)]), at(0)).unwrap();
    domain.submit(request(1, tokens(600)), at(0));
    let ticket = domain.submit(patient(100, 0, 11 * SECOND), at(0));
    assert!(matches!(ticket, Submission::Queued(_)));
    let mut events = Vec::new();
    domain.poll(at(20 * SECOND), &mut events);
    assert!(matches!(events[..], [Event::Expired { .. }]));
}

#[test]
fn a_deadline_wakes_the_caller_even_if_nothing_else_would() {
    let mut settings = settings(&[]);
    settings.concurrency_max = Some(1);
    let mut domain = Domain::new(settings, at(0)).unwrap();
    domain.submit(request(1, tokens(1)), at(0));
    domain.submit(patient(1, 0, 3 * SECOND), at(0));
    assert_eq!(domain.next_wake(), Some(at(3 * SECOND)));
}

#[test]
fn many_cancelled_deadlines_leave_nothing_behind() {
    let limit: Limit = bucket(600, MINUTE);
    let mut domain = Domain::new(settings(&[limit]), at(0)).unwrap();
    domain.submit(request(1, tokens(600)), at(0));
    for round in 0..5_000u64 {
        let Submission::Queued(ticket) = domain.submit(patient(100, round, MINUTE), at(round))
        else {
            panic!("it waits")
        };
        assert!(domain.cancel(ticket.id, at(round)));
    }
    let mut events = Vec::new();
    domain.poll(at(10 * SECOND), &mut events);
    assert!(events.is_empty());
    assert_eq!(domain.totals().cancelled, 5_000);
}
