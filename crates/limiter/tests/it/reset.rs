//! Starting over.

use std::time::Duration;

use paceline_limiter::{Domain, Metric, Observation, Submission, Timestamp};

use crate::provider::at;
use crate::world::{SECOND, bucket, request, settings, tokens};

fn told(remaining: i64, sent: u64, id: paceline_limiter::ReservationId) -> Observation {
    Observation {
        metric: Metric::Tokens,
        limit: 6_000,
        remaining,
        reset: Some(Duration::from_secs(60)),
        as_of: at(sent),
        reservation: Some(id),
        window: None,
        processing: None,
    }
}

#[test]
fn one_request_goes_first_and_nothing_bursts() {
    let mut domain = Domain::new(settings(&[bucket(6_000, 60 * SECOND)]), at(0)).unwrap();
    for _ in 0..29 {
        let Submission::Admitted(reservation) = domain.submit(request(1, tokens(200)), at(0))
        else {
            panic!("there is room")
        };
        settle(&mut domain, reservation.id, 0);
    }
    domain.reset(at(SECOND));
    assert_eq!(domain.snapshot(at(SECOND)).limits[0].used, 0);
    let Submission::Admitted(first) = domain.submit(request(1, tokens(200)), at(SECOND)) else {
        panic!("one goes first")
    };
    let second = domain.submit(request(1, tokens(200)), at(SECOND));
    assert!(matches!(second, Submission::Queued(_)), "{second:?}");
    // The answer tells that nearly everything is used, whatever is counted here.
    let observation = told(100, SECOND, first.id);
    domain.observe(observation, at(SECOND + 1));
    let mut events = Vec::new();
    domain.poll(at(SECOND + 2), &mut events);
    assert!(events.is_empty(), "{events:?}");
    let wake: Option<Timestamp> = domain.next_wake();
    assert!(wake > Some(at(SECOND + SECOND / 2)), "{wake:?}");
}

#[test]
fn after_it_no_more_goes_than_at_the_pace_of_the_limits() {
    let mut domain = Domain::new(settings(&[bucket(6_000, 60 * SECOND)]), at(0)).unwrap();
    domain.reset(at(0));
    let mut admitted = 0;
    let mut now = 0;
    let mut waiting = 0;
    let mut events = Vec::new();
    // Answers come at once and tell nothing of limits.
    while now < 30 * SECOND {
        while waiting < 50 {
            match domain.submit(request(1, tokens(100)), at(now)) {
                Submission::Admitted(reservation) => {
                    admitted += 1;
                    settle(&mut domain, reservation.id, now);
                }
                Submission::Queued(_) => waiting += 1,
                Submission::Refused(refusal) => panic!("{refusal:?}"),
            }
        }
        domain.poll(at(now), &mut events);
        for event in events.drain(..) {
            if let paceline_limiter::Event::Admitted { reservation, .. } = event {
                waiting -= 1;
                admitted += 1;
                settle(&mut domain, reservation.id, now);
            }
        }
        now += SECOND / 20;
    }
    // 100 tokens a second are one request a second.
    assert!((25..=32).contains(&admitted), "{admitted}");
}

fn settle(domain: &mut Domain, id: paceline_limiter::ReservationId, now: u64) {
    let settlement = paceline_limiter::Settlement {
        charged: None,
        actual: None,
        outcome: paceline_limiter::Outcome::Success,
    };
    domain.settle(id, settlement, at(now));
}
