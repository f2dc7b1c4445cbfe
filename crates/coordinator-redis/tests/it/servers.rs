//! Every kind of set-up: users, TLS, Sentinel, Cluster; and what is left in the store.

use paceline_coordinator::{Coordinator as _, StoreError};
use paceline_coordinator_redis::{RedisCoordinator, Settings};
use paceline_testkit::redis::{
    Certificates, RedisCluster, RedisOptions, RedisServer, Reply, SentinelSet,
};

use crate::plain::{fields, until};
use crate::talk::{PATIENCE, Talker, connect, settings};

/// The rights that the documentation lists.
pub(crate) const RIGHTS: &str = "~ratelimit:* resetchannels &ratelimit:wake:* -@all +evalsha +eval +hmget +hget +hset +hdel \
    +hkeys +pexpire +publish +time +info +ping +subscribe +unsubscribe";

fn keys(server: &RedisServer) -> Vec<String> {
    let keys = server.command(&["KEYS", "*"]).unwrap();
    keys.items().iter().map(|key| key.text()).collect()
}

/// The fields of a hash and what they hold, in an order that does not change by itself.
fn contents(server: &RedisServer, key: &str) -> Vec<Vec<Reply>> {
    let all = server.command(&["HGETALL", key]).unwrap();
    let mut pairs: Vec<_> = all.items().chunks(2).map(<[Reply]>::to_vec).collect();
    pairs.sort_by_key(|pair| pair[0].text());
    pairs
}

#[tokio::test]
async fn the_keys_are_those_that_are_documented_and_expire() {
    let server = RedisServer::start().unwrap();
    server.command(&["SET", "theirs", "1"]).unwrap();
    server.command(&["SET", "ratelimit:theirs", "2"]).unwrap();
    let store = connect(&server.url()).await;
    let mut talker = Talker::new(1);
    talker.ask.teaches = Some("something".to_owned());
    assert_eq!(talker.take(&store, 100).await, 100);
    until("the plain key", || keys(&server).len() > 3).await;
    let mut keys = keys(&server);
    keys.sort();
    assert_eq!(
        keys,
        [
            "ratelimit:one:tokens",
            "ratelimit:theirs",
            "ratelimit:{one}:v1",
            "theirs"
        ]
    );
    assert_eq!(store.key("one"), "ratelimit:{one}:v1");
    let fields = server.command(&["HKEYS", "ratelimit:{one}:v1"]).unwrap();
    let mut fields: Vec<String> = fields.items().iter().map(|field| field.text()).collect();
    fields.sort();
    let id = "0000000000000001";
    assert_eq!(
        fields,
        [&format!("i{id}"), "k", "m", &format!("o{id}1"), "s", "t21"]
    );
    let left = server.command(&["PTTL", "ratelimit:{one}:v1"]).unwrap();
    let hours = left.integer().unwrap() / 3_600_000;
    assert_eq!(hours, 2, "twice the longest window");
    assert_eq!(server.command(&["GET", "theirs"]).unwrap().text(), "1");
}

#[tokio::test]
async fn a_prefix_of_ones_own_is_kept_to() {
    let server = RedisServer::start().unwrap();
    let settings = settings(&server.url()).prefix("team:a:").unwrap();
    let store = RedisCoordinator::connect(&settings).await.unwrap();
    Talker::new(1).take(&store, 100).await;
    until("the plain key", || keys(&server).len() > 1).await;
    let mut keys = keys(&server);
    keys.sort();
    assert_eq!(keys, ["team:a:one:tokens", "team:a:{one}:v1"]);
}

#[tokio::test]
async fn a_user_with_the_documented_rights_can_do_everything() {
    let user = format!("app on >secret {RIGHTS}");
    let server = RedisServer::start_with(RedisOptions::new().user(&user)).unwrap();
    let store = connect(&server.url_of_user("app", "secret")).await;
    let mut talkers = [Talker::new(1), Talker::new(2)];
    let mut told = store.wakes(talkers[1].ask.instance).await.unwrap();
    assert_eq!(talkers[0].take(&store, 1_000).await, 1_000);
    talkers[1].take(&store, 10).await;
    talkers[0].ask.sequence += 1;
    talkers[0].ask.closed = vec![paceline_coordinator::Closed {
        id: paceline_coordinator::TicketId(1),
        end: paceline_coordinator::End::NotSent,
    }];
    talkers[0].say(&store, "one").await.unwrap();
    let name = tokio::time::timeout(PATIENCE, told.next()).await.unwrap();
    assert_eq!(name.as_deref(), Some("one"));
    talkers[0].ask.leaves = true;
    talkers[0].ask.sequence += 1;
    assert_eq!(talkers[0].say(&store, "one").await.unwrap().instances, 1);
    until("the plain key", || {
        fields(&server, "ratelimit:one:tokens")[1] == "1000"
    })
    .await;
}

#[tokio::test]
async fn a_user_without_rights_is_refused_with_the_remedy() {
    let user = "app on >secret ~* &* -@all +ping +info";
    let server = RedisServer::start_with(RedisOptions::new().user(user)).unwrap();
    let store = connect(&server.url_of_user("app", "secret")).await;
    let error = Talker::new(1).say(&store, "one").await.unwrap_err();
    let StoreError::Refused { reason, .. } = &error else {
        panic!("{error}");
    };
    assert!(reason.contains("docs/redis.md"), "{error}");
    let store = connect(&server.url_of_user("app", "wrong-one")).await;
    let error = Talker::new(1).say(&store, "one").await.unwrap_err();
    assert!(!format!("{error} {store:?}").contains("wrong-one"));
}

#[tokio::test]
async fn it_speaks_tls_to_servers_that_the_authority_vouches_for() {
    let certificates = Certificates::make().unwrap();
    let server = RedisServer::start_with(RedisOptions::new().tls(&certificates)).unwrap();
    let trusting = settings(&server.url()).certificate_authority(certificates.authority());
    let store = RedisCoordinator::connect(&trusting).await.unwrap();
    assert_eq!(Talker::new(1).take(&store, 100).await, 100);
    assert!(
        store
            .wakes(paceline_coordinator::InstanceId(1))
            .await
            .is_ok()
    );
    let strangers = Certificates::make().unwrap();
    let wary = settings(&server.url()).certificate_authority(strangers.authority());
    let store = RedisCoordinator::connect(&wary).await.unwrap();
    let answer = Talker::new(1).say(&store, "one").await;
    assert!(matches!(answer, Err(StoreError::Away { .. })), "{answer:?}");
    let missing = settings(&server.url()).certificate_authority("/no/such/file");
    let error = RedisCoordinator::connect(&missing).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed_and_everybody_restates() {
    let set = SentinelSet::start(3).unwrap();
    let nodes: Vec<String> = set
        .sentinel_addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    let url = format!(
        "redis+sentinel://{}?master={}",
        nodes.join(","),
        set.master_name()
    );
    let store = connect(&url).await;
    let mut talker = Talker::new(1);
    assert_eq!(talker.take(&store, 100).await, 100);
    set.until_copied().unwrap();
    let before = talker.ask.epoch;
    set.kill_master().unwrap();
    // It has let in more than the replica has heard of.
    talker.ask.terms[0].used = 700;
    talker.request(10);
    let answer = talker.until_answered(&store).await;
    assert_ne!(
        Some(answer.epoch),
        before,
        "another server may lack something"
    );
    assert_eq!(answer.levels[0].used, 700);
    assert!(answer.learning_us > 0 && answer.grants.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_each_domain_on_one_node_and_tells_everybody() {
    let cluster = RedisCluster::start().unwrap();
    let nodes = cluster.nodes();
    let nodes: Vec<String> = nodes
        .iter()
        .map(|node| node.address().to_string())
        .collect();
    let store = connect(&format!("redis+cluster://{}", nodes.join(","))).await;
    for domain in [
        "one",
        "two",
        "three",
        "four",
        "five",
        "with } and { in it",
        "",
    ] {
        let mut talkers = [Talker::new(1), Talker::new(2)];
        let mut told = store.wakes(talkers[1].ask.instance).await.unwrap();
        for (talker, tokens) in talkers.iter_mut().zip([1_000, 10]) {
            talker.request(tokens);
            talker.say(&store, domain).await.unwrap();
        }
        talkers[0].ask.leaves = true;
        talkers[0].ask.sequence += 1;
        talkers[0].ask.closed = vec![paceline_coordinator::Closed {
            id: paceline_coordinator::TicketId(1),
            end: paceline_coordinator::End::NotSent,
        }];
        let answer = talkers[0].say(&store, domain).await.unwrap();
        assert_eq!(
            (answer.levels[0].used, answer.wakes.len()),
            (0, 1),
            "{domain}"
        );
        let name = tokio::time::timeout(PATIENCE, told.next()).await.unwrap();
        assert_eq!(name.as_deref(), Some(domain));
        let node = cluster.node_of(&store.key(domain)).unwrap();
        assert!(keys(node).contains(&store.key(domain)), "{domain}");
        let plain = format!("ratelimit:{domain}:tokens");
        if !domain.contains('{') {
            let node = cluster.node_of(&plain).unwrap();
            until(&plain, || keys(node).contains(&plain)).await;
        }
    }
}

#[tokio::test]
async fn a_newer_format_that_has_taken_over_is_left_alone() {
    let server = RedisServer::start().unwrap();
    let store = connect(&server.url()).await;
    let mut talker = Talker::new(1);
    talker.take(&store, 100).await;
    let key = store.key("one");
    server.command(&["HSET", &key, "moved", "v2"]).unwrap();
    let before = contents(&server, &key);
    talker.request(1);
    let error = talker.say(&store, "one").await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused { reason, .. } if reason.contains("update")));
    assert_eq!(contents(&server, &key), before);
}

#[tokio::test]
async fn a_script_that_the_server_has_forgotten_is_told_again() {
    let server = RedisServer::start().unwrap();
    let store = connect(&server.url()).await;
    let mut talker = Talker::new(1);
    assert_eq!(talker.take(&store, 100).await, 100);
    server.command(&["SCRIPT", "FLUSH"]).unwrap();
    assert_eq!(talker.take(&store, 100).await, 200);
}

#[tokio::test]
async fn a_key_that_somebody_else_uses_is_refused_and_left_alone() {
    let server = RedisServer::start().unwrap();
    server
        .command(&["SET", "ratelimit:{one}:v1", "theirs"])
        .unwrap();
    let store = connect(&server.url()).await;
    let mut talker = Talker::new(1);
    talker.request(1);
    let error = talker.say(&store, "one").await.unwrap_err();
    assert!(error.to_string().contains("another prefix"), "{error}");
    let value = server.command(&["GET", "ratelimit:{one}:v1"]).unwrap();
    assert_eq!(value.text(), "theirs");
}

#[tokio::test]
async fn an_address_that_makes_no_sense_is_an_error() {
    assert!(Settings::from_url("localhost").is_err());
}
