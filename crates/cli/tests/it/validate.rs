//! `paceline validate`, with and without a store.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use paceline_testkit::redis::{RedisOptions, RedisServer};
use rustix::process::Signal;
use serde_json::Value;

use crate::command::{Ended, Running, ended, paceline, run, word_after};

/// The rights that docs/redis.md lists, and no more.
const RIGHTS: &str = "~ratelimit:* resetchannels &ratelimit:wake:* -@all +evalsha +eval +hmget +hget +hset +hdel \
    +hkeys +pexpire +publish +time +info +ping +subscribe +unsubscribe";

/// Checks that a machine can fail that is busy with something else.
const OF_THE_MACHINE: [&str; 3] = [
    "added_latency",
    "added_latency_with_store",
    "store_round_trip",
];

fn validate(home: &Path, options: &[&str]) -> Ended {
    let args: Vec<_> = ["validate"].iter().chain(options).copied().collect();
    run(home, &args)
}

fn object(ended: &Ended) -> Value {
    let parsed = serde_json::from_str(&ended.out);
    parsed.unwrap_or_else(|error| panic!("{error}: {}{}", ended.out, ended.err))
}

fn check<'a>(object: &'a Value, name: &str) -> &'a Value {
    let checks = object["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {object:#}"))
}

/// The names of the checks with this verdict.
fn with_verdict<'a>(object: &'a Value, verdict: &str) -> Vec<&'a str> {
    let checks = object["checks"].as_array().unwrap().iter();
    let found = checks.filter(|check| check["verdict"] == verdict);
    found.map(|check| check["name"].as_str().unwrap()).collect()
}

/// Nothing has failed but what only tells of a busy machine, and the exit code agrees.
fn holds(ended: &Ended, object: &Value) {
    let failed = with_verdict(object, "fail");
    assert!(
        failed.iter().all(|name| OF_THE_MACHINE.contains(name)),
        "{object:#}"
    );
    assert_eq!(
        ended.code,
        Some(i32::from(!failed.is_empty())),
        "{object:#}"
    );
    let verdict = if failed.is_empty() { "pass" } else { "fail" };
    assert_eq!(object["verdict"], verdict);
}

fn keys(server: &RedisServer) -> Vec<String> {
    let keys = server.command(&["KEYS", "*"]).unwrap();
    let mut keys: Vec<_> = keys.items().iter().map(|key| key.text()).collect();
    keys.sort();
    keys
}

#[test]
fn without_a_store_everything_else_is_judged() {
    let home = tempfile::tempdir().unwrap();
    let ended = validate(home.path(), &["--simulator", "--json"]);
    let object = object(&ended);
    holds(&ended, &object);
    assert_eq!(object["provider"], "simulator");
    assert_eq!(object["store"], Value::Null);
    let skipped = with_verdict(&object, "skipped");
    assert_eq!(skipped.len(), 8, "{skipped:?}");
    assert_eq!(
        check(&object, "token_tracking")["figure"],
        "no store is configured"
    );
    let limits = &check(&object, "dual_limits")["values"];
    assert_eq!(limits["refused"], 0);
    for used in ["requests_used", "tokens_used"] {
        let used = limits[used].as_f64().unwrap();
        assert!((0.95..=1.0).contains(&used), "{limits}");
    }
    let estimates = &check(&object, "estimation_accuracy")["values"];
    assert!(estimates["requests"].as_u64().unwrap() > 80, "{estimates}");
    assert!(check(&object, "added_latency")["values"]["p99_ms"].is_number());
    let left = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 0, "nothing is written beside the output");
}

#[test]
fn with_a_store_and_the_documented_rights_all_hold_and_nothing_is_left() {
    let home = tempfile::tempdir().unwrap();
    let user = format!("app on >canary {RIGHTS}");
    let server = RedisServer::start_with(RedisOptions::new().user(&user)).unwrap();
    let foreign = [
        "ratelimit:theirs",
        "ratelimit:{validate-theirs}:v1",
        "theirs",
    ];
    for key in foreign {
        server.command(&["SET", key, "1"]).unwrap();
    }
    let url = server.url_of_user("app", "canary");
    let mut command = paceline(home.path(), &["validate", "--json"]);
    let ended = ended(command.env("PACELINE_STORE_URL", &url));
    let object = object(&ended);
    holds(&ended, &object);
    assert_eq!(with_verdict(&object, "skipped"), [""; 0], "{object:#}");
    let tracking = &check(&object, "token_tracking")["values"];
    assert_eq!(tracking["difference_tokens"], 0, "{tracking}");
    assert_eq!(tracking["refused"], 0, "{tracking}");
    assert_eq!(check(&object, "store_rights")["values"]["commands"], 14);
    assert!(check(&object, "store_away")["values"]["first_answer_ms"].is_number());
    assert!(!format!("{}{}", ended.out, ended.err).contains("canary"));
    assert_eq!(ended.err, "", "all could be removed");
    let mut expected = foreign.map(str::to_owned);
    expected.sort();
    assert_eq!(keys(&server), expected);
    for key in foreign {
        assert_eq!(server.command(&["GET", key]).unwrap().text(), "1", "{key}");
    }
}

#[test]
fn a_user_without_rights_fails_with_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    let user = "app on >canary ~ratelimit:* &* -@all +ping +info +hset";
    let server = RedisServer::start_with(RedisOptions::new().user(user)).unwrap();
    let url = server.url_of_user("app", "canary");
    let ended = validate(home.path(), &["--redis", &url]);
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    let row = ended
        .out
        .lines()
        .find(|line| line.contains("store: rights "));
    let row = row.unwrap();
    assert!(row.contains("11 of 14 commands refused"), "{row}");
    assert!(row.ends_with("fail"), "{row}");
    let remedy = ended
        .out
        .lines()
        .find(|line| line.starts_with("store: rights: "));
    let remedy = remedy.unwrap();
    for part in ["NOPERM", "evalsha", "~ratelimit:*", "docs/redis.md"] {
        assert!(remedy.contains(part), "{part}: {remedy}");
    }
    assert!(ended.out.contains("the store cannot be used"));
    let verdict = ended.out.lines().last().unwrap();
    assert!(verdict.contains("failed ("), "{verdict}");
    assert!(!ended.out.contains('\x1b'), "no colours without a terminal");
    // What it may write and not remove is told of.
    assert!(ended.err.contains("validate-"), "{}", ended.err);
}

#[test]
fn a_store_that_cannot_be_reached_fails_with_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://app:canary@{}", free.local_addr().unwrap());
    drop(free);
    let ended = validate(home.path(), &["--redis", &url, "--json"]);
    assert_eq!(ended.code, Some(1));
    let object = object(&ended);
    assert_eq!(object["verdict"], "fail");
    let reachable = check(&object, "store_reachable");
    assert_eq!(reachable["verdict"], "fail", "{object:#}");
    let remedy = reachable["remedy"].as_str().unwrap();
    assert!(remedy.contains("store.url"), "{remedy}");
    assert!(remedy.contains("is away: "), "it says why: {remedy}");
    for skipped in ["store_rights", "store_clock", "token_tracking"] {
        assert_eq!(check(&object, skipped)["verdict"], "skipped", "{skipped}");
    }
    assert_eq!(check(&object, "dual_limits")["values"]["refused"], 0);
    assert!(!format!("{}{}", ended.out, ended.err).contains("canary"));
    assert_eq!(ended.err, "", "there is nothing to remove");
}

#[test]
fn an_interrupt_ends_it_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let server = RedisServer::start().unwrap();
    let mut command = paceline(home.path(), &["validate", "--redis", &server.url()]);
    let mut running = Running::start(command.env("TMPDIR", temporary.path()));
    let end = Instant::now() + Duration::from_secs(60);
    while !keys(&server)
        .iter()
        .any(|key| key.contains("validate-tracking"))
    {
        assert!(Instant::now() < end, "{:?}", keys(&server));
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal(Signal::INT);
    assert_eq!(running.wait().code(), Some(130));
    assert_eq!(keys(&server), [""; 0]);
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "the temporary folder is removed");
}

#[test]
fn a_provider_is_asked_no_more_than_is_said_before() {
    let home = tempfile::tempdir().unwrap();
    let listen = ["provider", "--listen", "127.0.0.1:0"];
    let mut provider = Running::start(&mut paceline(home.path(), &listen));
    let line = provider.line_with("simulated provider on ");
    let upstream = word_after(&line, "provider on ")
        .trim_end_matches(';')
        .to_owned();
    let args = ["validate", "--json", "--live", "--upstream", &upstream];
    let live = ended(paceline(home.path(), &args).env("OPENAI_API_KEY", "sk-canary"));
    let asked = word_after(&live.err, "is asked at most ").to_owned();
    assert!(live.err.contains(&upstream), "{}", live.err);
    let found = object(&live);
    assert_eq!(found["provider"], upstream.as_str());
    let estimates = &check(&found, "estimation_accuracy")["values"];
    assert_eq!(estimates["counted_by"], "provider", "{found:#}");
    assert_eq!(estimates["requests"], 12);
    provider.signal(Signal::TERM);
    let served = provider.line_with(" served");
    assert_eq!(word_after(&served, ""), "12", "{served}");
    assert!(asked.parse::<u64>().unwrap() >= 12, "{asked}");
    assert!(!format!("{}{}", live.out, live.err).contains("canary"));
}
