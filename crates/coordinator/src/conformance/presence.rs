//! Instances come, go, fall silent, and are told of room.

use std::time::Duration;

use tokio::time::timeout;

use super::actor::{Actor, fresh_domain, granted, hourly, used};
use crate::message::CountKind;
use crate::store::Coordinator;

/// Longer than anything takes that is not broken.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn a_silent_instance_has_spent_what_it_held(store: &dyn Coordinator) {
    let domain = fresh_domain();
    let terms = [hourly(CountKind::Fixed)];
    let mut silent = Actor::new(store, &domain, &terms);
    silent.ask.lease_us = 30_000;
    let mut other = Actor::new(store, &domain, &terms);
    silent.try_one(80).await.unwrap();
    let until = silent.ask.lease_us * 2;
    let first = other.say().await;
    let last = loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let answer = other.say().await;
        if answer.now_us > first.now_us + until {
            break answer;
        }
    };
    assert_eq!((last.in_flight, last.instances), (0, 1));
    assert!(used(&last) >= 80, "what it held is spent: {last:?}");
    assert_eq!(last.levels[0].taken, 80);
}

pub async fn who_leaves_leaves_nothing_but_what_it_spent(store: &dyn Coordinator) {
    let domain = fresh_domain();
    let terms = [hourly(CountKind::Sliding)];
    let mut leaver = Actor::new(store, &domain, &terms);
    let mut other = Actor::new(store, &domain, &terms);
    leaver.try_one(80).await.unwrap();
    leaver.request(2_000);
    leaver.say().await;
    leaver.ask.leaves = true;
    leaver.ask.heads.clear();
    let answer = leaver.say().await;
    assert_eq!((answer.instances, answer.share_ppm), (0, 0));
    let answer = other.say().await;
    assert_eq!((answer.instances, answer.in_flight), (1, 0));
    assert_eq!((used(&answer), answer.share_ppm), (80, 1_000_000));
}

pub async fn instances_are_told_of_room_that_comes_sooner(store: &dyn Coordinator) {
    let domain = fresh_domain();
    let terms = [hourly(CountKind::Sliding)];
    let mut holder = Actor::new(store, &domain, &terms);
    let mut waiter = Actor::new(store, &domain, &terms);
    let mut told = store.wakes(waiter.id).await.unwrap();
    let id = holder.try_one(1_000).await.unwrap();
    assert_eq!(waiter.try_one(10).await, None);
    holder.charged(id, 10);
    let answer = holder.say().await;
    assert_eq!(answer.wakes, [waiter.id]);
    let name = loop {
        let name = timeout(PATIENCE, told.next()).await.unwrap().unwrap();
        // Nothing may have been missed, and a store may say so anyway.
        if !name.is_empty() {
            break name;
        }
    };
    assert_eq!(name, domain);
    assert_eq!(granted(&waiter.say().await).len(), 1);
    // Told once is told.
    assert_eq!(holder.say().await.wakes, []);
}
