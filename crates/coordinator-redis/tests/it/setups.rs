//! The rules hold in every set-up: a cluster with TLS, servers that sentinels watch, users with the
//! documented rights alone; and a node of a cluster that freezes.

use std::time::{Duration, Instant};

use paceline_coordinator::StoreError;
use paceline_coordinator::conformance as must;
use paceline_coordinator_redis::RedisCoordinator;
use paceline_testkit::redis::{Certificates, RedisCluster, RedisOptions, RedisServer, SentinelSet};

use crate::servers::RIGHTS;
use crate::talk::{PATIENCE, Talker, connect, settings};

/// Everything that a store has to do, all at once.
async fn does_all(store: &RedisCoordinator) {
    tokio::join!(
        must::no_kind_of_limit_is_passed(store),
        must::a_request_beyond_every_window_waits_for_nothing(store),
        must::what_was_not_used_is_given_back(store),
        must::what_was_used_beyond_is_owed(store),
        must::a_request_that_was_never_sent_takes_nothing(store),
        must::a_repeated_message_changes_nothing_and_grants_the_same(store),
        must::an_older_message_lets_nobody_in(store),
        must::a_head_that_was_let_in_and_asks_again_is_let_in_again(store),
        must::closing_twice_is_closing_once(store),
        must::closing_what_was_never_let_in_changes_nothing(store),
        must::a_silent_instance_has_spent_what_it_held(store),
        must::who_leaves_leaves_nothing_but_what_it_spent(store),
        must::instances_are_told_of_room_that_comes_sooner(store),
        must::a_correction_that_two_find_is_made_once(store),
        must::younger_beliefs_replace_older_ones(store),
        must::what_is_used_survives_a_change_of_kind(store),
        must::a_lost_state_is_no_full_quota(store),
        must::what_one_learns_the_others_know(store),
        must::a_pause_holds_for_all(store),
        must::launches_are_spaced_over_all(store),
        must::requests_in_flight_are_bounded_over_all(store),
        must::what_is_urgent_elsewhere_goes_first(store),
        must::tenants_share_by_weight_over_instances(store),
        must::shares_follow_demand(store),
    );
}

fn hosts(servers: &[RedisServer]) -> String {
    let hosts = servers.iter().map(|server| server.address().to_string());
    hosts.collect::<Vec<_>>().join(",")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_tls_and_a_user_of_few_rights_does_all() {
    let certificates = Certificates::make().unwrap();
    let user = format!("app on >secret {RIGHTS} +exists +cluster|slots +cluster|shards");
    let options = RedisOptions::new()
        .tls(&certificates)
        .user(&user)
        .setting("tls-cluster", "yes");
    let cluster = RedisCluster::start_with(&options).unwrap();
    let url = format!("rediss+cluster://app:secret@{}", hosts(cluster.nodes()));
    let settings = settings(&url).certificate_authority(certificates.authority());
    let store = RedisCoordinator::connect(&settings).await.unwrap();
    Box::pin(does_all(&store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_behind_sentinels_with_a_user_of_few_rights_do_all() {
    let user = format!("app on >secret {RIGHTS} +role");
    let set = SentinelSet::start_with(3, &RedisOptions::new().user(&user)).unwrap();
    let (hosts, master) = (hosts(set.sentinels()), set.master_name());
    let url = format!("redis+sentinel://app:secret@{hosts}?master={master}");
    let store = connect(&url).await;
    Box::pin(does_all(&store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_of_a_cluster_takes_only_its_own_domains_away() {
    let options = RedisOptions::new().setting("cluster-require-full-coverage", "no");
    let cluster = RedisCluster::start_with(&options).unwrap();
    let url = format!("redis+cluster://{}", hosts(cluster.nodes()));
    let store = connect(&url).await;
    let node_of = |domain: &str| cluster.node_of(&store.key(domain)).unwrap();
    let frozen = node_of("0");
    let elsewhere = (1..100).map(|number| number.to_string());
    let is_elsewhere = |domain: &String| node_of(domain).plain_address() != frozen.plain_address();
    let elsewhere = elsewhere.into_iter().find(is_elsewhere).unwrap();
    let mut talkers = [Talker::new(1), Talker::new(2)];
    for (talker, domain) in talkers.iter_mut().zip(["0", &elsewhere]) {
        talker.request(10);
        talker.say(&store, domain).await.unwrap();
    }
    frozen.freeze().unwrap();
    for round in 0..20 {
        talkers[0].request(10);
        let answer = talkers[0].say(&store, "0").await;
        assert!(matches!(answer, Err(StoreError::Away { .. })), "{answer:?}");
        talkers[1].request(10);
        let answer = talkers[1].say(&store, &elsewhere).await;
        assert!(answer.is_ok(), "round {round}: {answer:?}");
    }
    frozen.thaw().unwrap();
    let end = Instant::now() + PATIENCE;
    while let Err(error) = talkers[0].say(&store, "0").await {
        assert!(Instant::now() < end, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
