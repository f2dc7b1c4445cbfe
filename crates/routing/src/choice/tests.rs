//! The rules of choosing, lane by lane.

use super::*;
use crate::breaker::Health;
use crate::fault::FaultKind;
use crate::lane::{Fit, LaneKey};

const CALL: Call = Call {
    session: None,
    may_probe: true,
    draw: 0.5,
};

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn lane(id: u32) -> Lane {
    Lane::new(LaneId(id), LaneKey::of("provider", &id.to_string()))
}

fn below(id: u32) -> Lane {
    Lane {
        priority: 1,
        ..lane(id)
    }
}

fn ill(kind: FaultKind) -> Health {
    let until = Timestamp::from_nanos(7);
    Health::Ill { kind, until }
}

fn router(policy: Policy) -> Router {
    Router::new(RouterSettings {
        policy,
        ..RouterSettings::default()
    })
}

fn order(choice: &Choice) -> Vec<(u32, &'static str)> {
    let placed = choice.order.iter();
    placed.map(|p| (p.lane.0, p.reason.as_str())).collect()
}

/// Which places are of a lower priority than the first.
fn lower(choice: &Choice) -> Vec<bool> {
    choice.order.iter().map(|placed| placed.lower).collect()
}

fn first(choice: &Choice) -> u32 {
    choice.order[0].lane.0
}

#[test]
fn the_lane_that_lets_the_call_go_soonest_is_first() {
    let mut lanes = [lane(0), lane(1), lane(2)];
    lanes[0].wait = seconds(3);
    lanes[1].wait = seconds(1);
    lanes[2].wait = None;
    let choice = router(Policy::Soonest).choose(&CALL, &lanes);
    assert_eq!(order(&choice), [(1, "soonest"), (0, "alternative")]);
    assert_eq!(choice.out, [(LaneId(2), Out::NeverFits)]);
}

#[test]
fn among_lanes_that_go_at_once_the_least_used_for_its_weight_is_first() {
    let mut lanes = [lane(0), lane(1)];
    (lanes[0].room, lanes[1].room) = (0.5, 0.8);
    assert_eq!(first(&router(Policy::Soonest).choose(&CALL, &lanes)), 1);
    lanes[0].weight = 3;
    assert_eq!(first(&router(Policy::Soonest).choose(&CALL, &lanes)), 0);
}

#[test]
fn lanes_without_a_difference_take_turns_by_weight() {
    for policy in [Policy::Soonest, Policy::Weighted, Policy::Cheapest] {
        let mut router = router(policy);
        let mut lanes = [lane(0), lane(1)];
        lanes[0].weight = 3;
        let turns: Vec<u32> = (0..8)
            .map(|_| first(&router.choose(&CALL, &lanes)))
            .collect();
        assert_eq!(turns, [0, 0, 1, 0, 0, 0, 1, 0], "{policy:?}");
    }
}

#[test]
fn weights_skip_a_lane_that_has_to_wait_while_another_need_not() {
    let mut router = router(Policy::Weighted);
    let mut lanes = [lane(0), lane(1)];
    lanes[0].weight = 100;
    lanes[0].wait = seconds(1);
    assert_eq!(first(&router.choose(&CALL, &lanes)), 1);
    lanes[1].wait = seconds(2);
    assert_eq!(first(&router.choose(&CALL, &lanes)), 0);
}

#[test]
fn the_list_is_gone_through_in_its_order() {
    let mut lanes = [lane(0), lane(1), lane(2)];
    lanes[0].wait = seconds(5);
    let choice = router(Policy::InOrder).choose(&CALL, &lanes);
    assert_eq!(first(&choice), 0, "it waits less than is borne");
    assert!(choice.order[1].lower);
    lanes[0].wait = seconds(11);
    let choice = router(Policy::InOrder).choose(&CALL, &lanes);
    let expected = [
        (1, "fallback_quota"),
        (2, "alternative"),
        (0, "alternative"),
    ];
    assert_eq!(order(&choice), expected);
}

#[test]
fn the_cheapest_lane_is_first_unless_it_makes_the_call_wait_too_long() {
    let mut lanes = [lane(0), lane(1), lane(2)];
    lanes[0].price_nanousd = Some(10);
    lanes[1].price_nanousd = Some(5);
    lanes[1].wait = seconds(9);
    let choice = router(Policy::Cheapest).choose(&CALL, &lanes);
    let expected = [(1, "cheapest"), (0, "alternative"), (2, "alternative")];
    assert_eq!(order(&choice), expected, "what has no price is last");
    lanes[1].wait = seconds(11);
    assert_eq!(first(&router(Policy::Cheapest).choose(&CALL, &lanes)), 0);
}

#[test]
fn the_fastest_lane_is_first_and_one_call_finds_out_about_an_unknown_one() {
    let mut lanes = [lane(0), lane(1), lane(2)];
    lanes[0].latency = Some(Duration::from_millis(900));
    lanes[1].latency = Some(Duration::from_millis(400));
    let mut router = router(Policy::Fastest);
    assert_eq!(first(&router.choose(&CALL, &lanes)), 2);
    lanes[2].in_flight = 1;
    assert_eq!(first(&router.choose(&CALL, &lanes)), 1);
    lanes[1].wait = seconds(1);
    assert_eq!(first(&router.choose(&CALL, &lanes)), 0, "waits count");
    lanes[1].wait = Some(Duration::from_millis(550));
    lanes[0].in_flight = 5;
    assert_eq!(first(&router.choose(&CALL, &lanes)), 1, "these are alike");
}

#[test]
fn a_lower_priority_is_used_when_all_above_are_out_and_the_reason_is_told() {
    let cases = [
        (ill(FaultKind::Overload), Fit::Fits, "fallback_overload"),
        (ill(FaultKind::Connect), Fit::Fits, "fallback_error"),
        (Health::Well, Fit::ContextTooLong, "fallback_context_length"),
        (Health::Well, Fit::Unsupported, "fallback_unsupported"),
    ];
    for (health, fit, reason) in cases {
        let mut lanes = [lane(0), lane(1), below(2)];
        (lanes[0].health, lanes[0].fit) = (health, fit);
        let choice = router(Policy::Soonest).choose(&CALL, &lanes);
        assert_eq!(order(&choice), [(1, "soonest"), (2, "alternative")]);
        assert_eq!(lower(&choice), [false, true]);
        (lanes[1].health, lanes[1].fit) = (health, fit);
        let choice = router(Policy::Soonest).choose(&CALL, &lanes);
        assert_eq!(order(&choice), [(2, reason)]);
        assert_eq!(choice.out.len(), 2);
    }
}

#[test]
fn a_lower_priority_is_not_used_for_what_is_not_asked_for() {
    let only = |fall_back_on| {
        Router::new(RouterSettings {
            fall_back_on,
            ..RouterSettings::default()
        })
    };
    let quota = FallBackOn {
        quota: true,
        ..FallBackOn::NONE
    };
    let mut lanes = [lane(0), below(1)];
    lanes[0].health = ill(FaultKind::Connect);
    let choice = only(quota).choose(&CALL, &lanes);
    assert_eq!(order(&choice), []);
    assert_eq!(choice.out[1], (LaneId(1), Out::FallBackOff));
    assert_eq!(choice.returns_at(), Some(Timestamp::from_nanos(7)));
    lanes[0] = Lane {
        wait: seconds(100),
        ..lane(0)
    };
    assert_eq!(first(&only(quota).choose(&CALL, &lanes)), 1);
    let choice = only(FallBackOn::NONE).choose(&CALL, &lanes);
    assert_eq!(order(&choice), [(0, "soonest")]);
}

#[test]
fn quota_makes_a_call_fall_back_only_where_it_goes_sooner() {
    let mut lanes = [lane(0), below(1)];
    lanes[0].wait = seconds(20);
    lanes[1].wait = seconds(30);
    let choice = router(Policy::Soonest).choose(&CALL, &lanes);
    assert_eq!(order(&choice), [(0, "soonest"), (1, "alternative")]);
    lanes[1].wait = seconds(19);
    let choice = router(Policy::Soonest).choose(&CALL, &lanes);
    assert_eq!(order(&choice), [(1, "fallback_quota"), (0, "alternative")]);
    assert_eq!(lower(&choice), [false, false]);
}

#[test]
fn a_returning_lane_takes_its_share_and_the_rest_only_when_nothing_else_is_left() {
    let returning = Health::Returning {
        share: 0.3,
        kind: FaultKind::Status,
    };
    let mut lanes = [lane(0), below(1)];
    lanes[0].health = returning;
    let mut router = router(Policy::Soonest);
    let mut taken = 0;
    for call in 0..1000 {
        let draw = f64::from(call) / 1000.0;
        let choice = router.choose(&Call { draw, ..CALL }, &lanes);
        if first(&choice) == 0 {
            taken += 1;
        } else {
            assert_eq!(order(&choice), [(1, "fallback_error"), (0, "last_resort")]);
        }
        let alone = router.choose(&Call { draw, ..CALL }, &lanes[..1]);
        assert_eq!(alone.order.len(), 1);
    }
    assert!((299..=301).contains(&taken), "{taken}");
}

#[test]
fn a_call_that_is_not_to_probe_goes_elsewhere() {
    let mut lanes = [lane(0), lane(1)];
    let kind = FaultKind::Status;
    lanes[0].health = Health::Probe { kind };
    lanes[1].room = 0.9;
    let choice = router(Policy::Soonest).choose(&CALL, &lanes);
    assert_eq!(order(&choice), [(0, "probe"), (1, "alternative")]);
    let call = Call {
        may_probe: false,
        ..CALL
    };
    let choice = router(Policy::Soonest).choose(&call, &lanes);
    assert_eq!(order(&choice), [(1, "soonest"), (0, "last_resort")]);
}

fn in_session(name: &str, last: Option<u32>) -> Call {
    Call {
        session: Some(Session {
            key: SessionKey::of(["tenant", name]),
            last: last.map(|id| lane(id).key),
        }),
        ..CALL
    }
}

#[test]
fn a_session_stays_until_that_costs_more_than_its_bound() {
    let mut lanes = [lane(0), lane(1)];
    lanes[0].room = 0.1;
    let call = in_session("s", Some(0));
    let mut router = router(Policy::Soonest);
    let stays = router.choose(&call, &lanes);
    assert_eq!(order(&stays), [(0, "affinity"), (1, "alternative")]);
    lanes[0].wait = seconds(2);
    assert_eq!(first(&router.choose(&call, &lanes)), 0);
    lanes[0].wait = Some(Duration::from_millis(2001));
    assert_eq!(first(&router.choose(&call, &lanes)), 1);
    lanes[1].wait = seconds(1);
    assert_eq!(first(&router.choose(&call, &lanes)), 0);
    lanes[0].health = ill(FaultKind::Cut);
    assert_eq!(first(&router.choose(&call, &lanes)), 1);
    lanes[0].health = Health::Probe {
        kind: FaultKind::Cut,
    };
    let elsewhere = router.choose(&call, &lanes);
    assert_ne!(elsewhere.order[0].reason, Reason::Affinity);
}

#[test]
fn new_sessions_go_where_every_instance_would_send_them() {
    let lanes: Vec<Lane> = (0..4).map(lane).collect();
    let mut busy = lanes.clone();
    for (number, lane) in busy.iter_mut().enumerate() {
        lane.in_flight = 7 * u32::try_from(number).unwrap();
        lane.room = 0.9 / f64::from(lane.in_flight + 1);
    }
    let mut used = [0; 4];
    for number in 0..200 {
        let call = in_session(&number.to_string(), None);
        let here = router(Policy::Soonest).choose(&call, &lanes);
        let there = router(Policy::Weighted).choose(&call, &busy);
        assert_eq!(here.order[0].reason, Reason::SessionHash);
        assert_eq!(first(&here), first(&there));
        used[first(&here) as usize] += 1;
    }
    assert!(used.iter().all(|calls| *calls > 25), "{used:?}");
    // Where order, price or speed decide, a new session goes by them.
    for policy in [Policy::InOrder, Policy::Cheapest, Policy::Fastest] {
        let choice = router(policy).choose(&in_session("s", None), &lanes);
        assert_eq!(choice.order[0].reason, Reason::Policy(policy));
    }
}

#[test]
fn a_session_does_not_stay_where_it_is_dearer() {
    let mut lanes = [lane(0), lane(1)];
    (lanes[0].price_nanousd, lanes[1].price_nanousd) = (Some(9), Some(8));
    let mut router = router(Policy::Cheapest);
    assert_eq!(first(&router.choose(&in_session("s", Some(0)), &lanes)), 1);
    lanes[0].price_nanousd = Some(8);
    assert_eq!(first(&router.choose(&in_session("s", Some(0)), &lanes)), 0);
}

#[test]
fn no_lanes_and_nonsense_are_borne() {
    let empty = router(Policy::Soonest).choose(&CALL, &[]);
    assert_eq!((empty.order.len(), empty.returns_at()), (0, None));
    let mut lanes = [lane(0), lane(1)];
    (lanes[0].room, lanes[1].room) = (f64::NAN, -3.0);
    lanes[0].weight = 0;
    lanes[1].health = Health::Returning {
        share: f64::NAN,
        kind: FaultKind::Cut,
    };
    for policy in [Policy::Soonest, Policy::Weighted, Policy::Fastest] {
        let call = Call {
            draw: f64::NAN,
            ..CALL
        };
        assert_eq!(router(policy).choose(&call, &lanes).order.len(), 2);
    }
}
