//! Looking at a store as somebody does who is about to use it.

use paceline_coordinator::StoreError;
use paceline_coordinator_redis::{Examination, Right};
use paceline_testkit::redis::{RedisCluster, RedisOptions, RedisServer};

use crate::servers::RIGHTS;
use crate::talk::{Talker, connect, settings};

fn refused(rights: &[Right]) -> Vec<&str> {
    let refused = rights.iter().filter(|right| right.refusal.is_some());
    refused.map(|right| right.command).collect()
}

fn keys(server: &RedisServer) -> Vec<String> {
    let keys = server.command(&["KEYS", "*"]).unwrap();
    keys.items().iter().map(|key| key.text()).collect()
}

#[tokio::test]
async fn the_documented_rights_are_all_that_is_tried() {
    let user = format!("app on >secret {RIGHTS}");
    let server = RedisServer::start_with(RedisOptions::new().user(&user)).unwrap();
    let url = server.url_of_user("app", "secret");
    let opened = Examination::open(&settings(&url), "one").await;
    let mut examination = opened.unwrap();
    let rights = examination.rights().await.unwrap();
    assert_eq!(refused(&rights), [""; 0]);
    let documented = RIGHTS.split(' ').filter_map(|word| word.strip_prefix('+'));
    let mut documented: Vec<_> = documented.collect();
    let mut tried: Vec<_> = rights.iter().map(|right| right.command).collect();
    documented.sort_unstable();
    tried.sort_unstable();
    assert_eq!(tried, documented);
    assert_eq!(keys(&server), [""; 0], "nothing is left of it");
    let identity = examination.identity().await.unwrap();
    let version = format!("{}_version", identity.product);
    assert_eq!(identity.version, server.info(&version).unwrap());
    assert_eq!(identity.eviction, "noeviction");
    let reading = examination.clock().await.unwrap();
    // On one machine there is one clock, and whoever is held up between two looks is late.
    assert!(reading.ahead_us.abs() < 60_000_000, "{reading:?}");
}

#[tokio::test]
async fn each_right_that_is_missing_is_named() {
    let user = "app on >secret ~other:* &other:* -@all +ping +hset +hget +publish +subscribe";
    let server = RedisServer::start_with(RedisOptions::new().user(user)).unwrap();
    let url = server.url_of_user("app", "secret");
    let opened = Examination::open(&settings(&url), "one").await;
    let rights = opened.unwrap().rights().await.unwrap();
    let granted = rights.iter().filter(|right| right.refusal.is_none());
    let granted: Vec<_> = granted.map(|right| right.command).collect();
    assert_eq!(granted, ["ping"], "keys and channels are other ones");
    let wrong = server.url_of_user("app", "wrong-one");
    let error = Examination::open(&settings(&wrong), "one").await;
    let error = error.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("password"), "{error}");
    assert!(!error.to_string().contains("wrong-one"), "{error}");
}

#[tokio::test]
async fn what_a_domain_has_left_is_removed_and_nothing_else() {
    let server = RedisServer::start().unwrap();
    let store = connect(&server.url()).await;
    for domain in ["one", "two"] {
        Talker::new(1).take(&store, 100).await;
        let ask = &Talker::new(2);
        paceline_coordinator::Coordinator::exchange(&store, domain, &ask.ask)
            .await
            .unwrap();
    }
    drop(store);
    server
        .command(&["HSET", "ratelimit:one:tokens", "used", "1"])
        .unwrap();
    server.command(&["SET", "ratelimit:one:more", "1"]).unwrap();
    let opened = Examination::open(&settings(&server.url()), "look").await;
    opened.unwrap().remove("one").await.unwrap();
    let left = keys(&server);
    assert!(left.contains(&"ratelimit:{two}:v1".to_owned()), "{left:?}");
    assert!(left.contains(&"ratelimit:one:more".to_owned()), "{left:?}");
    let of_one = ["ratelimit:{one}:v1", "ratelimit:one:tokens"];
    assert!(
        !left.iter().any(|key| of_one.contains(&key.as_str())),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_away() {
    let server = RedisServer::start().unwrap();
    let url = server.url();
    server.stop().unwrap();
    let error = Examination::open(&settings(&url), "one").await.unwrap_err();
    assert!(matches!(error, StoreError::Away { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_looked_at_too() {
    let user = format!("app on >secret {RIGHTS} +exists +cluster|slots +cluster|shards");
    let cluster = RedisCluster::start_with(&RedisOptions::new().user(&user)).unwrap();
    let nodes = cluster.nodes().iter();
    let nodes: Vec<String> = nodes.map(|node| node.address().to_string()).collect();
    let url = format!("redis+cluster://app:secret@{}", nodes.join(","));
    let opened = Examination::open(&settings(&url), "one").await;
    let mut examination = opened.unwrap();
    let rights = examination.rights().await.unwrap();
    assert_eq!(refused(&rights), [""; 0]);
    assert!(rights.iter().any(|right| right.command == "exists"));
    let identity = examination.identity().await.unwrap();
    assert_eq!(identity.eviction, "noeviction");
    assert!(!identity.version.is_empty());
    examination.clock().await.unwrap();
    examination.remove("one").await.unwrap();
}
