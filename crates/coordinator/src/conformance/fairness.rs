//! Who goes first, and what holds for all instances together.

use std::time::Duration;

use paceline_limiter::Tier;

use super::actor::{Actor, TOKENS_A_SECOND, fresh_domain, granted, hourly, limit};
use crate::message::CountKind;
use crate::store::Coordinator;

fn pair<'a>(store: &'a dyn Coordinator) -> [Actor<'a>; 2] {
    let domain = fresh_domain();
    let terms = [hourly(CountKind::Sliding)];
    [0, 1].map(|_| Actor::new(store, &domain, &terms))
}

pub async fn a_pause_holds_for_all(store: &dyn Coordinator) {
    let [mut refused, mut other] = pair(store);
    refused.ask.pause_us = 400_000;
    let paused = refused.say().await;
    other.request(1);
    loop {
        let answer = other.say().await;
        if granted(&answer).is_empty() {
            assert!(answer.wake_us.unwrap() >= paused.now_us + 400_000);
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        assert!(answer.now_us >= paused.now_us + 400_000);
        return;
    }
}

pub async fn launches_are_spaced_over_all(store: &dyn Coordinator) {
    let mut actors = pair(store);
    let mut launches = Vec::new();
    while launches.len() < 6 {
        for actor in &mut actors {
            actor.ask.spacing_us = 30_000;
            if actor.ask.heads.is_empty() {
                actor.request(1);
                actor.request(1);
            }
            let answer = actor.say().await;
            launches.extend(answer.grants.iter().map(|_| answer.now_us));
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let spaced = launches.windows(2).all(|pair| pair[1] >= pair[0] + 30_000);
    assert!(spaced, "{launches:?}");
}

pub async fn requests_in_flight_are_bounded_over_all(store: &dyn Coordinator) {
    let [mut one, mut two] = pair(store);
    one.ask.in_flight_max = Some(2);
    two.ask.in_flight_max = Some(2);
    let first = one.try_one(1).await.unwrap();
    two.try_one(1).await.unwrap();
    two.request(1);
    let answer = two.say().await;
    assert_eq!((granted(&answer).len(), answer.wake_us), (0, None));
    one.charged(first, 1);
    assert_eq!(one.say().await.wakes, [two.id]);
    assert_eq!(granted(&two.say().await).len(), 1);
}

pub async fn what_is_urgent_elsewhere_goes_first(store: &dyn Coordinator) {
    let [mut one, mut two] = pair(store);
    one.ask.in_flight_max = Some(1);
    two.ask.in_flight_max = Some(1);
    let first = one.try_one(1).await.unwrap();
    let batch = one.queue(1, 1, 1, Tier::Batch);
    one.say().await;
    let urgent = two.queue(1, 2, 1, Tier::Interactive);
    two.say().await;
    one.charged(first, 1);
    let answer = one.say().await;
    assert_eq!(granted(&answer), [], "the batch leaves room");
    assert_eq!(answer.wakes, [two.id]);
    assert_eq!(granted(&two.say().await), [urgent]);
    two.charged(urgent, 1);
    assert_eq!(two.say().await.wakes, [one.id]);
    assert_eq!(granted(&one.say().await), [batch]);
}

pub async fn tenants_share_by_weight_over_instances(store: &dyn Coordinator) {
    let mut actors = pair(store);
    let mut served = [0_u32; 2];
    let mut holder = None;
    // One place, and somebody of both waits whenever it is free.
    for _ in 0..400 {
        for (index, actor) in actors.iter_mut().enumerate() {
            actor.ask.in_flight_max = Some(1);
            while actor.ask.heads.len() < 3 {
                let (tenant, weight) = if index == 0 { (1, 1) } else { (2, 2) };
                actor.queue(1, tenant, weight, Tier::Standard);
            }
            if let Some((_, id)) = holder.take_if(|(at, _)| *at == index) {
                actor.charged(id, 1);
            }
            let answer = actor.say().await;
            if let Some(grant) = answer.grants.first() {
                served[index] += 1;
                holder = Some((index, grant.id));
            }
        }
    }
    let [light, heavy] = served;
    assert!(light + heavy >= 200, "{served:?}");
    let part = f64::from(heavy) / f64::from(light + heavy);
    assert!((part - 2.0 / 3.0).abs() < 0.05, "{served:?}");
}

pub async fn shares_follow_demand(store: &dyn Coordinator) {
    let domain = fresh_domain();
    let terms = [limit(TOKENS_A_SECOND, CountKind::Bucket, 100)];
    let mut actors = [0, 1, 2].map(|_| Actor::new(store, &domain, &terms));
    for (actor, demand) in actors.iter_mut().zip([300, 100, 0]) {
        actor.ask.demand = demand;
        actor.say().await;
    }
    let mut shares = Vec::new();
    for actor in &mut actors {
        let answer = actor.say().await;
        assert_eq!(answer.instances, 3);
        shares.push(answer.share_ppm);
    }
    assert!(
        shares[0] > 2 * shares[1] && shares[1] > shares[2],
        "{shares:?}"
    );
    assert!(shares[2] > 0, "nobody is left out: {shares:?}");
    let sum: u32 = shares.iter().sum();
    assert!((999_990..=1_000_000).contains(&sum), "{shares:?}");
}
