//! Counts under plain names, and the keys of others.

use std::time::{Duration, Instant};

use paceline_coordinator::{LimitId, Terms};
use paceline_coordinator_redis::RedisCoordinator;
use paceline_limiter::{Charge, Metric};
use paceline_testkit::redis::RedisServer;

use crate::talk::{PATIENCE, Talker, connect, settings};

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The fields of a plain key, and what they hold.
pub(crate) fn fields(server: &RedisServer, key: &str) -> [String; 3] {
    let values = server.command(&["HMGET", key, "used", "limit", "window_ms"]);
    let values = values.unwrap();
    [0, 1, 2].map(|index| values.items()[index].text())
}

fn shows(server: &RedisServer, key: &str, expected: [&str; 3]) -> bool {
    fields(server, key) == expected
}

fn expiry_ms(server: &RedisServer, key: &str) -> i64 {
    server.command(&["PTTL", key]).unwrap().integer().unwrap()
}

/// A talker with limits of these metrics and windows; each amount is its window in seconds times ten.
fn talker(limits: &[(Metric, u64)]) -> Talker {
    let mut talker = Talker::new(1);
    let one = talker.ask.terms[0];
    let terms = limits.iter().map(|&(metric, window_ms)| Terms {
        id: LimitId { metric, window_ms },
        amount: window_ms / 100,
        ..one
    });
    talker.ask.terms = terms.collect();
    talker
}

async fn take(talker: &mut Talker, store: &RedisCoordinator, tokens: u64) {
    talker.request(tokens);
    talker.ask.heads[0].charge = Charge::ZERO
        .with(Metric::Requests, 1)
        .with(Metric::Tokens, tokens)
        .with(Metric::InputTokens, tokens / 2);
    let answer = talker.say(store, "one").await.unwrap();
    assert_eq!(answer.grants.len(), 1);
}

#[tokio::test]
async fn the_shortest_windows_are_shown_and_expire() {
    let server = RedisServer::start().unwrap();
    let store = connect(&server.url()).await;
    let mut talker = talker(&[
        (Metric::Requests, 3_600_000),
        (Metric::Requests, 60_000),
        (Metric::Tokens, 3_600_000),
        (Metric::InputTokens, 60_000),
    ]);
    take(&mut talker, &store, 100).await;
    let (requests, tokens) = ("ratelimit:one", "ratelimit:one:tokens");
    until("the requests", || {
        shows(&server, requests, ["1", "600", "60000"])
    })
    .await;
    until("the tokens", || {
        shows(&server, tokens, ["100", "36000", "3600000"])
    })
    .await;
    until("their expiry", || expiry_ms(&server, tokens) > 0).await;
    assert!((1..=60_000).contains(&expiry_ms(&server, requests)));
    assert!((1..=3_600_000).contains(&expiry_ms(&server, tokens)));
    // What comes within a second is shown when it is over.
    take(&mut talker, &store, 200).await;
    take(&mut talker, &store, 300).await;
    until("what came later", || {
        shows(&server, requests, ["3", "600", "60000"])
            && shows(&server, tokens, ["600", "36000", "3600000"])
    })
    .await;
}

#[tokio::test]
async fn input_tokens_are_shown_where_there_is_no_limit_of_all_tokens() {
    let server = RedisServer::start().unwrap();
    let store = connect(&server.url()).await;
    let mut talker = talker(&[(Metric::InputTokens, 60_000)]);
    take(&mut talker, &store, 100).await;
    until("the tokens", || {
        shows(&server, "ratelimit:one:tokens", ["50", "600", "60000"])
    })
    .await;
    let exists = server.command(&["EXISTS", "ratelimit:one"]).unwrap();
    assert_eq!(exists.integer(), Some(0), "requests have no limit");
}

#[tokio::test]
async fn a_short_window_is_shown_for_five_seconds() {
    let server = RedisServer::start().unwrap();
    let store = connect(&server.url()).await;
    let mut talker = talker(&[(Metric::Requests, 1_000)]);
    let end = Instant::now() + PATIENCE;
    // Said again and again: a slow machine may look when the key is gone already.
    let left = loop {
        talker.request(0);
        talker.say(&store, "one").await.unwrap();
        match expiry_ms(&server, "ratelimit:one") {
            left @ 1_001.. => break left,
            left => assert!(Instant::now() < end, "{left} ms are left of a window's key"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(left <= 5_000);
}

#[tokio::test]
async fn keys_of_others_are_never_touched() {
    let server = RedisServer::start().unwrap();
    let theirs: [&[&str]; 6] = [
        &["SET", "ratelimit:one", "7"],
        &["HSET", "ratelimit:one:tokens", "used", "1", "theirs", "2"],
        &["HSET", "ratelimit:two", "used", "1"],
        &["SET", "session:1", "somebody"],
        &["RPUSH", "queue", "a", "b"],
        &["ZADD", "ratelimit:scores", "1", "a"],
    ];
    for command in theirs {
        server.command(command).unwrap();
    }
    let dumps = || theirs.map(|command| server.command(&["DUMP", command[1]]).unwrap());
    let expiries = || theirs.map(|command| expiry_ms(&server, command[1]));
    let before = (dumps(), expiries());
    let store = connect(&server.url()).await;
    let limits = [(Metric::Requests, 60_000), (Metric::Tokens, 60_000)];
    take(&mut talker(&limits), &store, 100).await;
    let mut other = talker(&limits);
    other.request(1);
    other.say(&store, "two").await.unwrap();
    // Two keys of each domain have been looked at.
    until("all keys to be looked at", || {
        let calls = server.info("cmdstat_hkeys").unwrap();
        let calls = calls.strip_prefix("calls=").unwrap_or_default();
        let calls = calls.split(',').next().unwrap_or_default();
        calls.parse().unwrap_or(0) >= 4
    })
    .await;
    assert_eq!((dumps(), expiries()), before);
    until("the one that was free", || {
        shows(&server, "ratelimit:two:tokens", ["1", "600", "60000"])
    })
    .await;
}

#[tokio::test]
async fn nothing_is_shown_where_that_is_not_wanted() {
    let server = RedisServer::start().unwrap();
    let settings = settings(&server.url()).plain_keys(false);
    let quiet = RedisCoordinator::connect(&settings).await.unwrap();
    let mut first = Talker::new(1);
    first.request(100);
    first.say(&quiet, "quiet").await.unwrap();
    let store = connect(&server.url()).await;
    let mut second = Talker::new(2);
    second.request(100);
    second.say(&store, "loud").await.unwrap();
    until("the other domain", || {
        shows(&server, "ratelimit:loud:tokens", ["100", "1000", "3600000"])
    })
    .await;
    let key = "ratelimit:quiet:tokens";
    let exists = server.command(&["EXISTS", key]).unwrap();
    assert_eq!(exists.integer(), Some(0));
}
