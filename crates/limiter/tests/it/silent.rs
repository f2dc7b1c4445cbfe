//! Providers whose successes tell nothing, and whose refusals name no limit.

use std::cell::{Cell, RefCell};
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

use paceline_limiter::{
    Charge, DomainSettings, LimitView, Metric, Observation, ProviderRefusal, RefusalKind, Request,
};

use crate::provider::{Provider, Rule, at};
use crate::world::{
    Action, Launch, MINUTE, MS, Random, SECOND, World, refusal, request, settings, spent,
};

const DAY: u64 = 1_440 * MINUTE;

/// A request to the provider takes this long, and its refusal as long to come back.
const WAY: u64 = 50 * MS;

fn learning() -> DomainSettings {
    DomainSettings {
        probe_concurrency: Some(2),
        ..settings(&[])
    }
}

/// What came of a backlog against a provider.
struct Course {
    world: World,
    /// When requests were refused.
    refused: Vec<u64>,
    /// What was let in, and when.
    let_in: Vec<(u64, u64)>,
}

impl Course {
    fn refused_after(&self, from: u64) -> usize {
        self.refused.iter().filter(|at| **at >= from).count()
    }

    /// The part of a quota that was used from one time to another.
    fn used(&self, amount: u64, window: u64, (from, to): (u64, u64)) -> f64 {
        let within = self.let_in.iter().filter(|(at, _)| (from..to).contains(at));
        let units: u64 = within.map(|(_, units)| units).sum();
        units as f64 / (amount as f64 * (to - from) as f64 / window as f64)
    }
}

fn asks(size: u64) -> Request {
    let charge = Charge::ZERO
        .with(Metric::Requests, 1)
        .with(Metric::Tokens, size);
    request(1, charge)
}

/// What a provider says when it lets nobody in, without a word on the limit.
fn unnamed(launch: &Launch, metric: Option<Metric>) -> ProviderRefusal {
    ProviderRefusal {
        metric,
        retry_after: Some(Duration::from_secs(1)),
        wait_named: false,
        ..refusal(launch.at, None)
    }
}

/// Keeps a backlog of requests of `sizes` before a provider that counts `counted`.
fn against(provider: Provider, counted: Metric, told: Option<Metric>, time: u64) -> Course {
    let provider = Rc::new(RefCell::new(provider));
    let refused = Rc::new(RefCell::new(Vec::new()));
    let let_in = Rc::new(RefCell::new(Vec::new()));
    let (refusals, admissions) = (Rc::clone(&refused), Rc::clone(&let_in));
    let mut world = World::new(learning()).following(move |launch| {
        let units = launch.request.charge.get(counted);
        let arrives = launch.at + WAY;
        if provider.borrow_mut().arrive(arrives, units) {
            admissions.borrow_mut().push((arrives, units));
            let (id, settlement) = (launch.reservation.id, spent(None));
            return vec![(700 * MS, Action::Settle { id, settlement })];
        }
        refusals.borrow_mut().push(arrives);
        let told = unnamed(launch, told);
        vec![(2 * WAY, Action::Refuse(Box::new((*launch, told))))]
    });
    let mut random = Random(7);
    for tag in 0..4_000 {
        world.submit_at(0, tag, asks(random.within(100, 300)));
    }
    world.run_until(time);
    let (refused, let_in) = (refused.take(), let_in.take());
    Course {
        world,
        refused,
        let_in,
    }
}

#[test]
fn a_limit_that_nobody_names_is_found_out_from_its_refusals() {
    let rules = [
        ("bucket", Rule::Bucket { capacity: 0 }),
        ("fixed", Rule::Fixed { phase: 0 }),
        ("first use", Rule::FirstUse),
        ("sliding", Rule::Sliding),
    ];
    for (name, rule) in rules {
        for (counted, amount) in [(Metric::Requests, 60), (Metric::Tokens, 12_000)] {
            for told in [Some(counted), None] {
                let rule = match rule {
                    Rule::Bucket { .. } => Rule::Bucket {
                        capacity: u128::from(amount) * u128::from(MINUTE),
                    },
                    other => other,
                };
                let provider = Provider::new(amount, MINUTE, rule);
                let course = against(provider, counted, told, 30 * MINUTE);
                let (first, later) = (
                    course.refused.len() - course.refused_after(3 * MINUTE),
                    course.refused_after(3 * MINUTE),
                );
                let used = course.used(amount, MINUTE, (5 * MINUTE, 30 * MINUTE));
                println!("{name} {counted:?} told {told:?}: {first} then {later}, used {used:.3}");
                assert!(first <= 64, "{name} {counted:?} {told:?}: {first} at first");
                assert!(later <= 24, "{name} {counted:?} {told:?}: {later} later");
                assert!(used >= 0.84, "{name} {counted:?} {told:?}: {used} used");
            }
        }
    }
}

#[test]
fn a_guess_grows_where_the_window_is_much_shorter_than_a_minute() {
    let provider = Provider::new(10, SECOND, Rule::Fixed { phase: 0 });
    let course = against(
        provider,
        Metric::Requests,
        Some(Metric::Requests),
        40 * MINUTE,
    );
    let per_minute = |minute: u64| {
        let span = (minute * MINUTE, (minute + 1) * MINUTE);
        course.used(1, MINUTE, span)
    };
    let (early, late) = (per_minute(2), course.let_in.len());
    println!(
        "{early} a minute at first, {late} in all, {} refused",
        course.refused.len()
    );
    assert!(late >= 3_900, "{late} of 4,000 were let in");
}

#[test]
fn answers_that_name_a_limit_end_the_guessing() {
    let provider = Provider::new(60, MINUTE, Rule::Sliding);
    let course = against(
        provider,
        Metric::Requests,
        Some(Metric::Requests),
        3 * MINUTE,
    );
    let mut world = course.world;
    let limit = |world: &World| world.domain.snapshot(world.time()).limits[0];
    assert!((50..=72).contains(&limit(&world).amount));
    let told = Observation {
        metric: Metric::Requests,
        limit: 90,
        remaining: 10,
        reset: None,
        as_of: world.time(),
        reservation: None,
        window: Some(Duration::from_secs(60)),
        processing: None,
    };
    world.domain.observe(told, world.time());
    assert_eq!(world.domain.snapshot(world.time()).limits.len(), 1);
    assert_eq!(limit(&world).amount, 90);
}

/// A backlog against a provider that lets `most` be in flight, and names that or not.
fn crowd(most: usize, named: Option<u64>) -> (usize, usize, Option<u32>) {
    let ends: Rc<RefCell<BinaryHeap<std::cmp::Reverse<u64>>>> = Rc::default();
    let (let_in, refused) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (admissions, refusals) = (Rc::clone(&let_in), Rc::clone(&refused));
    let mut random = Random(3);
    let mut world = World::new(learning()).following(move |launch| {
        let arrives = launch.at + WAY;
        let mut ends = ends.borrow_mut();
        while ends.peek().is_some_and(|end| end.0 <= arrives) {
            ends.pop();
        }
        if ends.len() < most {
            let takes = random.within(500 * MS, 1_500 * MS);
            ends.push(std::cmp::Reverse(arrives + takes));
            admissions.set(admissions.get() + 1);
            let (id, settlement) = (launch.reservation.id, spent(None));
            return vec![(takes + 2 * WAY, Action::Settle { id, settlement })];
        }
        refusals.set(refusals.get() + 1);
        let told = ProviderRefusal {
            kind: RefusalKind::Concurrency,
            limit: named,
            ..unnamed(launch, None)
        };
        vec![(2 * WAY, Action::Refuse(Box::new((*launch, told))))]
    });
    for tag in 0..40_000 {
        world.submit_at(0, tag, asks(100));
    }
    world.run_until(20 * MINUTE);
    let learned = world.domain.snapshot(world.time()).concurrency_learned;
    (let_in.get(), refused.get(), learned)
}

#[test]
fn a_limit_on_requests_in_flight_is_kept_to_once_it_is_known() {
    // Each place serves one request in a second and the way there and back.
    let best = |places: usize| places * 1_200 * 10 / 11;
    for (named, refused_max) in [(Some(20), 20), (None, 60)] {
        let (let_in, refused, learned) = crowd(20, named);
        println!("{named:?}: {let_in} let in, {refused} refused, {learned:?}");
        assert!(refused <= refused_max, "{named:?}: {refused} refused");
        assert!(let_in * 100 >= best(20) * 93, "{named:?}: {let_in}");
        assert!(learned.is_some_and(|most| (18..=21).contains(&most)));
    }
}

fn told(limit: u64, remaining: i64, window: u64) -> Observation {
    Observation {
        metric: Metric::Tokens,
        limit,
        remaining,
        reset: None,
        as_of: at(u64::MAX),
        reservation: None,
        window: Some(Duration::from_nanos(window)),
        processing: None,
    }
}

#[test]
fn the_same_amount_over_another_window_that_is_named_is_another_limit() {
    let mut world = World::new(learning());
    for (window, left) in [(60 * MINUTE, 900), (DAY, 950), (SECOND, 999)] {
        world
            .domain
            .observe(told(1_000, left, window), world.time());
    }
    world.domain.observe(told(1_000, 900, DAY), world.time());
    let limits = world.domain.snapshot(world.time()).limits;
    let known = |limit: &LimitView| (limit.window.as_nanos(), limit.amount);
    let known: Vec<_> = limits.iter().map(known).collect();
    let all = [60 * MINUTE, DAY, SECOND].map(|window| (u128::from(window), 1_000));
    assert_eq!(known, all);
}

#[test]
fn a_refusal_that_names_its_window_is_about_the_limit_over_it() {
    let mut world = World::new(learning());
    world.domain.observe(told(1_000, 1_000, DAY), world.time());
    world
        .domain
        .observe(told(1_000, 1_000, MINUTE), world.time());
    let refused = ProviderRefusal {
        limit: Some(500),
        window: Some(Duration::from_secs(1)),
        ..refusal(0, Some(1_000))
    };
    world.domain.refused(refused, at(WAY));
    let limits = world.domain.snapshot(at(WAY)).limits;
    let shortest = limits.iter().min_by_key(|limit| limit.window).unwrap();
    assert_eq!((limits.len(), shortest.amount), (3, 500));
    assert_eq!(shortest.window, Duration::from_secs(1));
}
