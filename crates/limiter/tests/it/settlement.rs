//! Settlement both ways: what comes back, what is owed, and only once.

use std::time::Duration;

use paceline_limiter::{
    Charge, Domain, Limit, Metric, Outcome, Reservation, Settled, Settlement, Submission,
    WindowModel,
};

use crate::provider::at;
use crate::world::{
    Action, MINUTE, SECOND, World, bucket, limit, request, settings, spent, tokens,
};

fn admitted(domain: &mut Domain, charge: Charge, now: u64) -> Reservation {
    match domain.submit(request(1, charge), at(now)) {
        Submission::Admitted(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

fn waits(domain: &mut Domain, charge: Charge, now: u64) -> bool {
    match domain.submit(request(1, charge), at(now)) {
        Submission::Queued(ticket) => domain.cancel(ticket.id, at(now)),
        Submission::Admitted(reservation) => {
            domain.abandon(reservation.id, at(now));
            false
        }
        Submission::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn used(domain: &Domain, now: u64) -> u64 {
    domain.snapshot(at(now)).limits[0].used
}

fn all_models() -> [Limit; 6] {
    [
        bucket(1_000, MINUTE),
        limit(1_000, MINUTE, WindowModel::Fixed { phase: at(0) }),
        limit(1_000, MINUTE, WindowModel::FixedFromFirstUse),
        limit(1_000, MINUTE, WindowModel::Sliding),
        limit(
            1_000,
            MINUTE,
            WindowModel::Quantised {
                quantum: Duration::from_secs(60),
            },
        ),
        limit(1_000, MINUTE, WindowModel::Unknown { burst: 1_000 }),
    ]
}

#[test]
fn what_was_not_charged_can_be_used_again_at_once() {
    for limit in all_models() {
        let mut domain = Domain::new(settings(&[limit]), at(0)).unwrap();
        let reservation = admitted(&mut domain, tokens(1_000), SECOND);
        assert!(waits(&mut domain, tokens(600), SECOND));
        let settled = domain.settle(reservation.id, spent(Some(tokens(400))), at(SECOND));
        assert_eq!(
            settled,
            Settled::Applied {
                refunded: tokens(600),
                debt: Charge::ZERO
            }
        );
        assert_eq!(used(&domain, SECOND), 400, "{limit:?}");
        assert!(!waits(&mut domain, tokens(600), SECOND), "{limit:?}");
    }
}

#[test]
fn a_refund_wakes_those_who_wait() {
    for limit in all_models() {
        let mut world = World::new(settings(&[limit])).following(|launch| {
            let settlement = spent(Some(tokens(100)));
            vec![(
                2 * SECOND,
                Action::Settle {
                    id: launch.reservation.id,
                    settlement,
                },
            )]
        });
        world.submit_at(SECOND, 0, request(1, tokens(1_000)));
        world.submit_at(SECOND, 1, request(1, tokens(900)));
        world.run();
        assert_eq!(world.launch_of(1).at, 3 * SECOND, "{limit:?}");
    }
}

#[test]
fn what_was_charged_on_top_is_owed() {
    for limit in all_models() {
        let mut domain = Domain::new(settings(&[limit]), at(0)).unwrap();
        let reservation = admitted(&mut domain, tokens(100), SECOND);
        let settled = domain.settle(reservation.id, spent(Some(tokens(1_000))), at(SECOND));
        assert_eq!(
            settled,
            Settled::Applied {
                refunded: Charge::ZERO,
                debt: tokens(900)
            }
        );
        assert_eq!(used(&domain, SECOND), 1_000, "{limit:?}");
        assert!(waits(&mut domain, tokens(1), SECOND), "{limit:?}");
        let totals = domain.totals();
        assert_eq!(totals.settled.get(Metric::Tokens), 100);
        assert_eq!(totals.debt.get(Metric::Tokens), 900);
    }
}

#[test]
fn debt_beyond_the_limit_is_carried_until_it_is_made_good() {
    let start_after_debt = |limit: Limit| {
        let mut world = World::new(settings(&[limit])).following(|launch| {
            let charged = if launch.tag == 0 {
                tokens(3_500)
            } else {
                launch.request.charge
            };
            let settlement = spent(Some(charged));
            vec![(
                SECOND,
                Action::Settle {
                    id: launch.reservation.id,
                    settlement,
                },
            )]
        });
        world.submit_at(0, 0, request(1, tokens(1_000)));
        world.submit_at(2 * SECOND, 1, request(1, tokens(500)));
        world.run();
        world.launch_of(1).at
    };
    let [bucket, fixed, first_use, sliding, ..] = all_models();
    // 3,500 and 500 take four minutes of refill, of which the bucket gives one in advance.
    assert_eq!(start_after_debt(bucket), 3 * MINUTE);
    // 1,000 in each of three windows, 500 in the fourth.
    assert_eq!(start_after_debt(fixed), 3 * MINUTE);
    assert_eq!(start_after_debt(first_use), 3 * MINUTE);
    // The debt counts for a window from when it was known.
    assert_eq!(start_after_debt(sliding), MINUTE + SECOND);
}

#[test]
fn a_refund_from_a_window_that_is_over_changes_nothing() {
    let [_, fixed, first_use, sliding, ..] = all_models();
    for limit in [fixed, first_use, sliding] {
        let mut domain = Domain::new(settings(&[limit]), at(0)).unwrap();
        let old = admitted(&mut domain, tokens(1_000), SECOND);
        let late = 2 * MINUTE + SECOND;
        admitted(&mut domain, tokens(700), late);
        domain.settle(old.id, spent(Some(Charge::ZERO)), at(late));
        assert_eq!(used(&domain, late), 700, "{limit:?}");
        assert_eq!(domain.totals().refunded.get(Metric::Tokens), 1_000);
    }
}

#[test]
fn a_refund_of_what_has_leaked_away_gives_no_room() {
    let mut domain = Domain::new(settings(&[bucket(1_000, MINUTE)]), at(0)).unwrap();
    let old = admitted(&mut domain, tokens(1_000), 0);
    admitted(&mut domain, tokens(700), 2 * MINUTE);
    domain.settle(old.id, spent(Some(Charge::ZERO)), at(2 * MINUTE));
    assert_eq!(used(&domain, 2 * MINUTE), 700);

    // Half of it has leaked: the other half comes back.
    let mut domain = Domain::new(settings(&[bucket(1_000, MINUTE)]), at(0)).unwrap();
    let old = admitted(&mut domain, tokens(1_000), 0);
    admitted(&mut domain, tokens(300), MINUTE / 2);
    domain.settle(old.id, spent(Some(Charge::ZERO)), at(MINUTE / 2));
    assert_eq!(used(&domain, MINUTE / 2), 300);
}

#[test]
fn settling_twice_or_by_an_unknown_id_does_nothing() {
    let mut domain = Domain::new(settings(&[bucket(1_000, MINUTE)]), at(0)).unwrap();
    let first = admitted(&mut domain, tokens(500), 0);
    assert_ne!(
        domain.settle(first.id, spent(Some(tokens(200))), at(0)),
        Settled::Already
    );
    let second = admitted(&mut domain, tokens(500), 0);
    let before = (*domain.totals(), used(&domain, 0));
    for settlement in [
        spent(None),
        spent(Some(tokens(1))),
        spent(Some(tokens(9_999))),
    ] {
        assert_eq!(domain.settle(first.id, settlement, at(0)), Settled::Already);
    }
    assert_eq!(domain.abandon(first.id, at(0)), Settled::Already);
    assert_eq!((*domain.totals(), used(&domain, 0)), before);
    assert_ne!(first.id, second.id);
    let mut other = Domain::new(settings(&[]), at(0)).unwrap();
    assert_eq!(
        other.settle(second.id, spent(None), at(0)),
        Settled::Already
    );
}

#[test]
fn an_expired_lease_counts_as_spent_and_gives_its_slot_back() {
    let mut settings = settings(&[bucket(1_000, MINUTE)]);
    settings.reservation_lifetime = Duration::from_secs(5);
    settings.concurrency_max = Some(1);
    let mut world = World::new(settings);
    world.submit_at(0, 0, request(1, tokens(400)));
    world.submit_at(SECOND, 1, request(1, tokens(100)));
    world.run();
    assert_eq!(world.launch_of(1).at, 5 * SECOND);
    let totals = *world.domain.totals();
    assert_eq!(totals.expired_reservations, 2);
    assert_eq!(totals.settled.get(Metric::Tokens), 500);
    let late = world.launch_of(0).reservation.id;
    assert_eq!(
        world
            .domain
            .settle(late, spent(Some(Charge::ZERO)), world.time()),
        Settled::Already
    );
    assert_eq!(*world.domain.totals(), totals);
}

#[test]
fn what_was_never_sent_is_as_if_it_had_never_been_admitted() {
    for limit in all_models() {
        let mut domain = Domain::new(settings(&[limit]), at(0)).unwrap();
        let reservation = admitted(&mut domain, tokens(1_000), SECOND);
        let settled = domain.abandon(reservation.id, at(2 * SECOND));
        assert_eq!(
            settled,
            Settled::Applied {
                refunded: tokens(1_000),
                debt: Charge::ZERO
            }
        );
        assert_eq!(used(&domain, 2 * SECOND), 0, "{limit:?}");
        assert!(!waits(&mut domain, tokens(1_000), 2 * SECOND), "{limit:?}");
        assert_eq!(domain.snapshot(at(2 * SECOND)).in_flight, 0);
    }
}

#[test]
fn a_window_that_an_abandoned_request_opened_ends_no_earlier_than_the_providers() {
    let mut domain = Domain::new(
        settings(&[limit(1_000, MINUTE, WindowModel::FixedFromFirstUse)]),
        at(0),
    )
    .unwrap();
    let first = admitted(&mut domain, tokens(500), 0);
    // The provider's window opens here.
    admitted(&mut domain, tokens(1), 20 * SECOND);
    domain.abandon(first.id, at(21 * SECOND));
    admitted(&mut domain, tokens(999), 30 * SECOND);
    assert!(
        waits(&mut domain, tokens(1), MINUTE),
        "the provider's minute ends at 80 s"
    );
    assert!(waits(&mut domain, tokens(1), 79 * SECOND));
    assert!(!waits(&mut domain, tokens(1), 80 * SECOND));
}

#[test]
fn a_failure_settles_at_what_was_charged_like_a_success() {
    let mut domain = Domain::new(settings(&[bucket(1_000, MINUTE)]), at(0)).unwrap();
    let reservation = admitted(&mut domain, tokens(800), 0);
    let settlement = Settlement {
        actual: None,
        charged: None,
        outcome: Outcome::Failed,
    };
    let settled = domain.settle(reservation.id, settlement, at(0));
    assert_eq!(
        settled,
        Settled::Applied {
            refunded: Charge::ZERO,
            debt: Charge::ZERO
        }
    );
    assert_eq!(used(&domain, 0), 800);
}
