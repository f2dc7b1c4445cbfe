//! What those who wait are told, against what then happens.

use std::time::Duration;

use paceline_limiter::{
    Binding, Charge, Domain, Limit, Metric, Request, Submission, Ticket, Tier, WindowModel,
};

use crate::provider::at;
use crate::world::{
    Action, MINUTE, MS, Random, SECOND, World, bucket, limit, request, settings, tokens,
};

fn queue(domain: &mut Domain, request: Request, now: u64) -> Ticket {
    match domain.submit(request, at(now)) {
        Submission::Queued(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn eta_ns(eta: Option<Duration>) -> u64 {
    u64::try_from(eta.unwrap().as_nanos()).unwrap()
}

#[test]
fn on_a_bucket_with_one_tenant_the_eta_is_exact_and_the_position_too() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let amount = random.within(100, 5_000);
        let calls = Limit {
            metric: Metric::Requests,
            ..bucket(random.within(5, 60), MINUTE)
        };
        let both = seed % 2 == 0;
        let tight = if both {
            vec![bucket(amount, MINUTE), calls]
        } else {
            vec![bucket(amount, MINUTE)]
        };
        let mut world = World::new(settings(&tight));
        let mut promised = Vec::new();
        for tag in 0..100 {
            let then = world.now + random.within(0, 300 * MS);
            world.run_until(then);
            world.now = then;
            let charge = tokens(random.within(1, amount / 3)).with(Metric::Requests, 1);
            let request = request(1, charge);
            world.act(Action::Submit { tag, request });
            let waiter = world.waiting.iter().find(|(_, (other, ..))| *other == tag);
            if let Some((waiter, _)) = waiter {
                let outlook = world.domain.outlook(*waiter, world.time()).unwrap();
                assert_eq!(outlook.position, world.waiting.len());
                promised.push((tag, world.now + eta_ns(outlook.eta), charge));
            }
        }
        world.run();
        for (tag, at, charge) in promised {
            let started = world.launch_of(tag).at;
            // Two buckets hold each other up, so one can be full in between.
            let refill = charge.get(Metric::Tokens) * MINUTE / amount;
            let call = MINUTE / calls.amount;
            let tolerance = if both { 2 * refill.max(call) } else { 100 };
            assert!(
                started.abs_diff(at) <= tolerance,
                "seed {seed}: {started} {at}"
            );
        }
    }
}

#[test]
fn the_eta_counts_down_with_the_clock() {
    let mut world = World::new(settings(&[bucket(600, MINUTE)]));
    for tag in 0..20 {
        world.submit_at(0, tag, request(1, tokens(100)));
    }
    world.run_until(0);
    let (&last, _) = world
        .waiting
        .iter()
        .find(|(_, (tag, ..))| *tag == 19)
        .unwrap();
    for second in 1..139 {
        world.run_until(second * SECOND);
        let outlook = world.domain.outlook(last, at(second * SECOND)).unwrap();
        assert_eq!(outlook.eta, Some(Duration::from_secs(140 - second)));
    }
}

#[test]
fn with_many_tenants_the_eta_is_near_what_happens() {
    for tenants in [2, 10, 40, 400] {
        let mut random = Random(tenants);
        let mut world = World::new(settings(&[bucket(60_000, MINUTE)]));
        world.submit_at(0, 0, request(9_999, tokens(60_000)));
        for tag in 1..4_000 {
            let tenant = random.within(1, tenants);
            let weight = u32::try_from(tenant % 3 + 1).unwrap();
            let request = Request {
                weight,
                ..request(tenant, tokens(random.within(20, 180)))
            };
            world.submit_at(0, tag, request);
        }
        world.run_until(0);
        let mut promised: Vec<_> = world
            .waiting
            .iter()
            .map(|(waiter, (tag, ..))| (*tag, world.domain.outlook(*waiter, at(0)).unwrap()))
            .collect();
        promised.sort_by_key(|(tag, _)| *tag);
        world.run();
        for (tag, outlook) in promised {
            let (eta, real) = (eta_ns(outlook.eta), world.launch_of(tag).at);
            let tolerance = real / 5 + 45 * SECOND * u64::from(tenants > 48) + 5 * SECOND;
            assert!(
                eta.abs_diff(real) <= tolerance,
                "{tenants} {tag}: {eta} {real}"
            );
        }
    }
}

#[test]
fn the_list_of_those_who_wait_is_the_order_in_which_they_go() {
    let mut settings = settings(&[bucket(60_000, MINUTE)]);
    settings
        .queue
        .tiers
        .iter_mut()
        .for_each(|tier| tier.aging = Duration::ZERO);
    let mut world = World::new(settings);
    let mut random = Random(5);
    world.submit_at(0, 0, request(1, tokens(60_000)));
    for tag in 1..1_000 {
        let tier = Tier::ALL[usize::try_from(random.within(0, 2)).unwrap()];
        let weight = u32::try_from(random.within(1, 4)).unwrap();
        let tenant = u64::from(weight) * 10 + random.within(0, 2);
        let request = Request {
            tier,
            weight,
            ..request(tenant, tokens(random.within(1, 200)))
        };
        world.submit_at(0, tag, request);
    }
    world.run_until(0);
    let views = world.domain.waiting(at(0), 10_000);
    assert_eq!(views.len(), 999);
    let expected: Vec<_> = views
        .iter()
        .map(|view| world.waiting[&view.waiter].0)
        .collect();
    world.run();
    let order: Vec<_> = world.launches[1..]
        .iter()
        .map(|launch| launch.tag)
        .collect();
    assert_eq!(order, expected);
    for (view, launch) in views.iter().zip(&world.launches[1..]) {
        assert!(
            eta_ns(view.eta).abs_diff(launch.at) <= 100,
            "{view:?} {}",
            launch.at
        );
    }
}

#[test]
fn the_first_of_many_new_tenants_is_not_told_that_it_is_the_last() {
    let mut domain = Domain::new(settings(&[bucket(60_000, MINUTE)]), at(0)).unwrap();
    domain.submit(request(0, tokens(60_000)), at(0));
    for tenant in 1..=1_000 {
        let ticket = queue(&mut domain, request(tenant, tokens(100)), 0);
        let expected = usize::try_from(tenant).unwrap();
        assert!(
            ticket.outlook.position.abs_diff(expected) <= 2,
            "{:?}",
            ticket.outlook
        );
    }
    // Whoever has much waiting is behind those who have little.
    let ticket = queue(&mut domain, request(1, tokens(100)), 0);
    assert_eq!(ticket.outlook.position, 1_001);
}

#[test]
fn whoever_waits_is_told_what_binds() {
    let mut settings = settings(&[bucket(600, MINUTE)]);
    settings.concurrency_max = Some(2);
    settings.spacing = Duration::from_millis(10);
    let mut domain = Domain::new(settings, at(0)).unwrap();
    let Submission::Admitted(first) = domain.submit(request(1, tokens(300)), at(0)) else {
        panic!("it fits")
    };
    let spaced = queue(&mut domain, request(1, tokens(1)), 0).outlook;
    assert_eq!(
        (spaced.binding, spaced.eta),
        (Binding::Spacing, Some(Duration::from_millis(10)))
    );
    domain.poll(at(10 * MS), &mut Vec::new());
    let slot = queue(&mut domain, request(1, tokens(1)), 10 * MS).outlook;
    assert_eq!(
        (slot.binding, slot.eta),
        (Binding::Concurrency { max: 2 }, None)
    );
    assert_eq!(slot.binding.to_string(), "concurrency");
    domain.abandon(first.id, at(10 * MS));
    domain.poll(at(SECOND), &mut Vec::new());

    let mut domain = Domain::new(super::world::settings(&[bucket(600, MINUTE)]), at(0)).unwrap();
    domain.submit(request(1, tokens(600)), at(0));
    let limited = queue(&mut domain, request(1, tokens(100)), 0).outlook;
    let binding = Binding::Limit {
        metric: Metric::Tokens,
        amount: 600,
        window: Duration::from_secs(60),
    };
    assert_eq!(
        (limited.binding, limited.eta),
        (binding, Some(Duration::from_secs(10)))
    );
    assert_eq!(limited.binding.to_string(), "tokens per minute");
}

#[test]
fn the_tightest_of_several_limits_binds() {
    let day = Limit {
        metric: Metric::Requests,
        ..limit(3, 86_400 * SECOND, WindowModel::Sliding)
    };
    let charge = |units| tokens(units).with(Metric::Requests, 1);
    let mut world = World::new(settings(&[bucket(600, MINUTE), day]));
    for tag in 0..4 {
        world.submit_at(0, tag, request(1, charge(250)));
    }
    world.run();
    assert_eq!(
        world.launch_of(2).binding.unwrap().to_string(),
        "tokens per minute"
    );
    assert_eq!(
        world.launch_of(3).binding.unwrap().to_string(),
        "requests per day"
    );
    // The last of a day's granules is a thousandth of a day wide.
    assert!(world.launch_of(3).at.abs_diff(86_400 * SECOND) <= 86_400 * SECOND / 1_000);
}

#[test]
fn a_request_that_fits_but_is_not_first_waits_for_its_turn() {
    let images = Limit {
        metric: Metric::Images,
        ..bucket(10, MINUTE)
    };
    let mut domain = Domain::new(settings(&[bucket(600, MINUTE), images]), at(0)).unwrap();
    domain.submit(request(1, tokens(600)), at(0));
    queue(
        &mut domain,
        request(1, tokens(100).with(Metric::Images, 10)),
        0,
    );
    let small = request(2, Charge::ZERO.with(Metric::Images, 5));
    let outlook = queue(&mut domain, small, 0).outlook;
    assert_eq!(outlook.position, 2);
    assert!(matches!(
        outlook.binding,
        Binding::Limit {
            metric: Metric::Images,
            ..
        }
    ));
}

#[test]
fn a_prospect_is_what_the_ticket_says_to_who_comes_then_and_asking_changes_nothing() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let amount = random.within(500, 5_000);
        let mut domain = Domain::new(settings(&[bucket(amount, MINUTE)]), at(0)).unwrap();
        let mut now = 0;
        let (mut at_once, mut waited) = (0, 0);
        for _ in 0..60 {
            now += random.within(0, 200 * MS);
            let request = request(1, tokens(random.within(1, amount / 4)));
            let prospect = domain.prospect(&request, at(now));
            assert_eq!(prospect, domain.prospect(&request, at(now)));
            assert!(!prospect.is_hopeless);
            match domain.submit(request, at(now)) {
                Submission::Admitted(_) => {
                    assert_eq!(prospect.wait, Some(Duration::ZERO), "seed {seed}");
                    at_once += 1;
                }
                Submission::Queued(ticket) => {
                    let (told, came) = (eta_ns(prospect.wait), eta_ns(ticket.outlook.eta));
                    assert!(told.abs_diff(came) <= 100, "seed {seed}: {told} {came}");
                    assert_eq!(prospect.waiting + 1, ticket.outlook.position);
                    waited += 1;
                }
                Submission::Refused(refusal) => panic!("{refusal:?}"),
            }
        }
        assert!(at_once > 0 && waited > 0, "seed {seed}");
    }
}

#[test]
fn a_prospect_tells_what_is_left_and_what_can_never_go() {
    let mut domain = Domain::new(settings(&[bucket(1_000, MINUTE)]), at(0)).unwrap();
    assert_eq!(
        domain.prospect(&request(1, tokens(1)), at(0)).room_ppm,
        1_000_000
    );
    assert!(matches!(
        domain.submit(request(1, tokens(750)), at(0)),
        Submission::Admitted(_)
    ));
    let prospect = domain.prospect(&request(1, tokens(1)), at(0));
    assert_eq!((prospect.room_ppm, prospect.in_flight), (250_000, 1));
    assert_eq!(prospect.takes_ppm, 1_000);
    assert!(
        domain
            .prospect(&request(1, tokens(1_001)), at(0))
            .is_hopeless
    );
}
