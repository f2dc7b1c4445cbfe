//! What holds for every choice, whatever the lanes are like.

use std::time::Duration;

use paceline_routing::{
    Call, FaultKind, Fit, Health, Lane, LaneId, LaneKey, Policy, Reason, Router, RouterSettings,
    Session, SessionKey, Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;

const POLICIES: [Policy; 5] = [
    Policy::Soonest,
    Policy::Weighted,
    Policy::InOrder,
    Policy::Cheapest,
    Policy::Fastest,
];

fn health() -> impl Strategy<Value = Health> {
    let kind = FaultKind::Status;
    let until = Timestamp::ZERO;
    prop_oneof![
        3 => Just(Health::Well),
        1 => Just(Health::Probe { kind }),
        1 => Just(Health::Ill { kind, until }),
        1 => (0.0..1.0).prop_map(move |share| Health::Returning { share, kind }),
    ]
}

fn fit() -> impl Strategy<Value = Fit> {
    prop_oneof![
        5 => Just(Fit::Fits),
        1 => Just(Fit::ContextTooLong),
        1 => Just(Fit::Unsupported),
    ]
}

fn lane() -> impl Strategy<Value = Lane> {
    let wait = prop_oneof![Just(Some(0)), (0_u64..40_000).prop_map(Some), Just(None)];
    let known = (
        proptest::option::of(0_u64..5000),
        proptest::option::of(0_u64..9),
        0_u32..4,
    );
    let place = (0_u32..3, 0_u32..5);
    (health(), fit(), wait, 0.0..=1.0, known, place).prop_map(
        |(health, fit, wait, room, (latency, price, in_flight), (priority, weight))| Lane {
            priority,
            weight,
            health,
            fit,
            wait: wait.map(Duration::from_millis),
            room,
            latency: latency.map(Duration::from_millis),
            price_nanousd: price,
            in_flight,
            ..Lane::new(LaneId(0), LaneKey::of("", ""))
        },
    )
}

/// Up to six lanes with their ids.
fn lanes() -> impl Strategy<Value = Vec<Lane>> {
    vec(lane(), 0..6).prop_map(|mut lanes| {
        for (lane, id) in lanes.iter_mut().zip(0..) {
            lane.id = LaneId(id);
            lane.key = LaneKey::of("p", &id.to_string());
        }
        lanes
    })
}

fn router(policy: usize) -> Router {
    Router::new(RouterSettings {
        policy: POLICIES[policy],
        ..RouterSettings::default()
    })
}

fn can_take(lane: &Lane) -> bool {
    lane.fit == Fit::Fits && lane.wait.is_some() && !matches!(lane.health, Health::Ill { .. })
}

proptest! {
    #[test]
    fn every_lane_that_can_take_a_call_has_one_place_and_no_other_lane_has(
        lanes in lanes(), policy in 0_usize..5, draw in 0.0..1.0, may_probe: bool,
        last in proptest::option::of(0_u32..6), in_session: bool,
    ) {
        let key = SessionKey::of(["session"]);
        let session = in_session.then_some(Session { key, last: last.map(|id| LaneKey::of("p", &id.to_string())) });
        let choice = router(policy).choose(&Call { session, may_probe, draw }, &lanes);
        let mut placed: Vec<LaneId> = choice.order.iter().map(|placed| placed.lane).collect();
        placed.sort();
        let able: Vec<LaneId> = lanes.iter().filter(|lane| can_take(lane)).map(|lane| lane.id).collect();
        prop_assert_eq!(placed, able);
        prop_assert_eq!(choice.order.len() + choice.out.len(), lanes.len());
        // Whoever may not go to a lane that has just come back does so only for want of another.
        let usable = |lane: &&Lane| can_take(lane) && lane.health == Health::Well;
        if lanes.iter().any(|lane| usable(&lane)) {
            prop_assert_ne!(choice.order[0].reason, Reason::LastResort);
        }
        let last_resort = |placed: &&paceline_routing::Placed| placed.reason == Reason::LastResort;
        let first = choice.order.iter().position(|placed| last_resort(&placed));
        if let Some(first) = first {
            prop_assert!(choice.order[first..].iter().all(|placed| last_resort(&placed)));
        }
    }

    #[test]
    fn a_session_stays_where_it_was_unless_that_costs_more_than_its_bound(
        waits in vec(0_u64..8000, 2..5), last in 0_usize..5, policy in 0_usize..2,
    ) {
        let lanes: Vec<Lane> = waits.iter().zip(0..).map(|(wait, id)| Lane {
            wait: Some(Duration::from_millis(*wait)),
            ..Lane::new(LaneId(id), LaneKey::of("p", &id.to_string()))
        }).collect();
        let last = last % lanes.len();
        let session = Session { key: SessionKey::of(["s"]), last: Some(lanes[last].key) };
        let call = Call { session: Some(session), may_probe: true, draw: 0.0 };
        let first = router(policy).choose(&call, &lanes).order[0];
        let others = waits.iter().enumerate().filter(|(lane, _)| *lane != last);
        let least = others.map(|(_, wait)| *wait).min().unwrap();
        prop_assert_eq!(first.reason == Reason::Affinity, waits[last] <= least + 2000);
        prop_assert!(first.reason != Reason::Affinity || first.lane == lanes[last].id);
        prop_assert!(waits[first.lane.0 as usize] <= waits.iter().min().unwrap() + 2000);
    }

    #[test]
    fn a_lower_priority_leads_only_if_that_is_sooner_or_nothing_above_can(
        lanes in lanes(), draw in 0.0..1.0,
    ) {
        let call = Call { session: None, may_probe: true, draw };
        let choice = router(0).choose(&call, &lanes);
        let Some(first) = choice.order.first() else { return Ok(()) };
        let first = &lanes[first.lane.0 as usize];
        let above = |lane: &&Lane| lane.priority < first.priority && lane.health == Health::Well;
        for lane in lanes.iter().filter(above).filter(|lane| can_take(lane)) {
            prop_assert!(lane.wait > Some(Duration::from_secs(10)));
            prop_assert!(first.wait < lane.wait);
        }
    }
}
