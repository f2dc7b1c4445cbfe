//! The store is slow, frozen, gone, or comes back empty.

use std::time::{Duration, Instant};

use paceline_coordinator::{Coordinator as _, StoreError};
use paceline_coordinator_redis::{RedisCoordinator, Settings};
use paceline_testkit::fault::{Behaviour, FaultProxy};
use paceline_testkit::redis::RedisServer;
use tokio::time::timeout;

use crate::talk::{PATIENCE, Talker, connect};

const TIME_BOX: Duration = Duration::from_millis(300);

async fn boxed(url: &str) -> RedisCoordinator {
    let settings = Settings::from_url(url).unwrap().time_box(TIME_BOX);
    RedisCoordinator::connect(&settings).await.unwrap()
}

/// Fails, and tells how long that took.
async fn failure(talker: &mut Talker, store: &RedisCoordinator) -> Duration {
    let began = Instant::now();
    let answer = talker.say(store, "one").await;
    assert!(matches!(answer, Err(StoreError::Away { .. })), "{answer:?}");
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_costs_one_time_box() {
    let server = RedisServer::start().unwrap();
    let store = boxed(&server.url()).await;
    let mut talker = Talker::new(1);
    assert_eq!(talker.take(&store, 100).await, 100);
    server.freeze().unwrap();
    talker.request(50);
    assert!(failure(&mut talker, &store).await >= TIME_BOX);
    let began = Instant::now();
    for _ in 0..100 {
        failure(&mut talker, &store).await;
    }
    assert!(began.elapsed() < TIME_BOX, "all others fail at once");
    server.thaw().unwrap();
    // It may have heard the message, which changes nothing.
    let answer = talker.until_answered(&store).await;
    assert_eq!((answer.levels[0].used, answer.grants.len()), (150, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_answers_reach_nobody() {
    let server = RedisServer::start().unwrap();
    let proxy = FaultProxy::start(server.plain_address()).unwrap();
    let store = boxed(&server.url_through(proxy.address())).await;
    let mut talkers = [Talker::new(1), Talker::new(2)];
    for talker in &mut talkers {
        talker.take(&store, 10).await;
    }
    let delay = Duration::from_secs(3);
    proxy.set(Behaviour::delay(Duration::ZERO, delay)).unwrap();
    talkers[0].request(100);
    assert!(failure(&mut talkers[0], &store).await < delay);
    proxy.set(Behaviour::pass()).unwrap();
    for round in 0..20 {
        for talker in &mut talkers {
            let answer = talker.until_answered(&store).await;
            let sequence = talker.ask.sequence;
            talker.request(1);
            let answer = if round == 0 {
                talker.until_answered(&store).await
            } else {
                answer
            };
            let expected = |grant: &paceline_coordinator::Grant| grant.id.0 >= sequence;
            assert!(answer.grants.iter().all(expected), "{answer:?}");
        }
    }
    let own: Vec<u64> = talkers.iter().map(|talker| talker.ask.instance.0).collect();
    assert_eq!(own, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_empty_is_no_full_quota() {
    let server = RedisServer::start().unwrap();
    let store = boxed(&server.url()).await;
    let mut talker = Talker::new(1);
    let mut told = store.wakes(talker.ask.instance).await.unwrap();
    talker.take(&store, 800).await;
    server.stop().unwrap();
    talker.request(300);
    let began = Instant::now();
    for _ in 0..50 {
        failure(&mut talker, &store).await;
    }
    assert!(began.elapsed() < PATIENCE);
    server.restart_empty().unwrap();
    talker.ask.terms[0].used = 800;
    let answer = talker.until_answered(&store).await;
    assert_eq!((answer.levels[0].used, answer.grants.len()), (800, 0));
    assert!(answer.learning_us > 0);
    let name = timeout(PATIENCE, told.next()).await.unwrap();
    assert_eq!(name.as_deref(), Some(""), "something may have been missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_with_its_data_goes_on_after_everybody_has_restated() {
    let server = RedisServer::start().unwrap();
    let store = boxed(&server.url()).await;
    let mut talker = Talker::new(1);
    talker.take(&store, 100).await;
    let before = talker.ask.epoch;
    server.restart_with_data().unwrap();
    talker.ask.terms[0].used = 60;
    talker.ask.sequence += 1;
    let answer = talker.until_answered(&store).await;
    assert_eq!(answer.levels[0].used, 100);
    assert_ne!(Some(answer.epoch), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_yet_is_found_later() {
    let server = RedisServer::start().unwrap();
    server.stop().unwrap();
    let store = boxed(&server.url()).await;
    let mut talker = Talker::new(1);
    talker.request(10);
    failure(&mut talker, &store).await;
    assert!(store.wakes(talker.ask.instance).await.is_err());
    server.restart_empty().unwrap();
    assert_eq!(talker.until_answered(&store).await.grants.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_are_made_again() {
    let server = RedisServer::start().unwrap();
    let proxy = FaultProxy::start(server.plain_address()).unwrap();
    let store = connect(&server.url_through(proxy.address())).await;
    let mut talker = Talker::new(1);
    for round in 1..=5 {
        talker.request(10);
        let answer = talker.until_answered(&store).await;
        assert_eq!(answer.levels[0].used, 10 * round);
        proxy.cut().unwrap();
    }
}
