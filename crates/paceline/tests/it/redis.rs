//! Pacers that share one quota by a real Redis. Each store here stands for a process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use paceline::{
    AcquireError, Call, Metric, Pacer, PacerBuilder, Refused, SharingMode, Store, StoreError,
    TokenRateLimiter, WhenStoreIsAway,
};
use paceline_testkit::redis::RedisServer;

use super::exact;

/// Longer than anything takes that is not broken.
const PATIENCE: Duration = Duration::from_secs(30);

const DAY: Duration = Duration::from_hours(24);

/// A store with a time box that a busy machine does not break.
async fn connect(server: &RedisServer) -> Store {
    let store = Store::redis(server.url()).time_box(Duration::from_secs(2));
    store.await.unwrap()
}

fn shared(builder: PacerBuilder, store: &Store) -> Pacer {
    exact(builder).shared(store, "OpenAI").build().unwrap()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// `used` and `limit` of a plain key.
fn shown(server: &RedisServer, key: &str) -> [String; 2] {
    let values = server.command(&["HMGET", key, "used", "limit"]).unwrap();
    [0, 1].map(|index| values.items()[index].text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_one_quota_exactly() {
    let server = RedisServer::start().unwrap();
    let stores = [connect(&server).await, connect(&server).await];
    let builder = || Pacer::builder().limit(Metric::Tokens, 1_000, DAY);
    let pacers = stores.each_ref().map(|store| shared(builder(), store));
    let went = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..160)
        .map(|index| {
            let (pacer, went) = (pacers[index % 2].clone(), Arc::clone(&went));
            tokio::spawn(async move {
                pacer.reserve(&Call::of_tokens(10)).await.unwrap().served();
                went.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    until("the quota to be used", || {
        went.load(Ordering::SeqCst) >= 100
    })
    .await;
    for pacer in &pacers {
        assert!(pacer.try_reserve(&Call::of_tokens(10)).await.is_err());
        until("both to know", || {
            pacer.remaining(Metric::Tokens) == Some(0)
        })
        .await;
        assert_eq!(pacer.sharing().unwrap().mode, SharingMode::Exact);
        assert_eq!(pacer.sharing().unwrap().members, 2);
    }
    assert_eq!(went.load(Ordering::SeqCst), 100);
    callers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn calls_go_on_while_redis_is_gone_and_count_together_when_it_is_back() {
    let server = RedisServer::start().unwrap();
    let store = connect(&server).await;
    let pacer = shared(
        Pacer::builder().limit(Metric::Requests, 100_000, DAY),
        &store,
    );
    until("the store", || {
        pacer.sharing().unwrap().mode == SharingMode::Exact
    })
    .await;
    pacer.reserve(&Call::new()).await.unwrap().served();
    server.stop().unwrap();
    for _ in 0..20 {
        pacer.reserve(&Call::new()).await.unwrap().served();
        pacer.try_reserve(&Call::new()).await.unwrap().served();
    }
    let sharing = pacer.sharing().unwrap();
    assert_eq!(sharing.mode, SharingMode::Share);
    assert!(sharing.reason.is_some());
    server.restart_empty().unwrap();
    until("its return", || {
        pacer.sharing().unwrap().mode == SharingMode::Exact
    })
    .await;
    pacer.reserve(&Call::new()).await.unwrap().served();
    // What went meanwhile was told: 41 before and 1 after.
    let used = || pacer.limits()[0].used;
    until("the count", || (42..=60).contains(&used())).await;
}

#[tokio::test]
async fn a_redis_that_was_never_there_is_no_error() {
    let server = RedisServer::start().unwrap();
    server.stop().unwrap();
    let store = connect(&server).await;
    let builder = || Pacer::builder().limit(Metric::Requests, 1_000, DAY);
    let pacer = shared(builder(), &store);
    pacer.reserve(&Call::new()).await.unwrap().served();
    assert_eq!(pacer.sharing().unwrap().mode, SharingMode::Share);
    let closed = exact(builder()).when_store_is_away(WhenStoreIsAway::Closed);
    let closed = closed.shared(&store, "closed").build().unwrap();
    until("the mode", || {
        closed.sharing().unwrap().mode == SharingMode::Closed
    })
    .await;
    assert!(closed.try_reserve(&Call::new()).await.is_err());
    server.restart_empty().unwrap();
    closed.reserve(&Call::new()).await.unwrap().served();
}

#[tokio::test]
async fn a_wrong_setting_is_an_error_at_once_in_the_stores_own_words() {
    let error = Store::redis("http://:secret@host").await.unwrap_err();
    assert!(matches!(error, StoreError::Settings(_)), "{error}");
    let words = error.to_string();
    assert!(
        words.contains("`http`") && words.contains("redis://"),
        "{words}"
    );
    assert!(!words.contains("secret"), "{words}");
    let tls = Store::redis("rediss://127.0.0.1:1").certificate_authority("/nowhere.pem");
    let words = tls.await.unwrap_err().to_string();
    assert!(words.contains("/nowhere.pem"), "{words}");
    let redis = || Store::redis("redis://127.0.0.1:1");
    let wrong = [
        (redis().prefix("a{b}"), "brace"),
        (redis().time_box(Duration::ZERO), "time box"),
        (redis().lease(Duration::from_secs(1)), "lease"),
        (redis().first_share(0.0), "first share"),
        (redis().first_share(f64::NAN), "first share"),
    ];
    for (store, part) in wrong {
        let error = store.await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_token_limiter_over_redis_needs_no_async_and_shows_its_counts_under_plain_keys() {
    let server = RedisServer::start().unwrap();
    let limiter = || {
        let store = Store::redis(server.url()).time_box(Duration::from_secs(2));
        let store = store.blocking_connect().unwrap();
        let builder = Pacer::builder().limit(Metric::Requests, 50, DAY);
        let pacer = shared(builder.limit(Metric::Tokens, 1_000, DAY), &store);
        (TokenRateLimiter::new(pacer), store)
    };
    let ((first, store), (second, _)) = (limiter(), limiter());
    first.blocking_acquire_tokens(600).unwrap();
    second.blocking_acquire_tokens(100).unwrap();
    assert_eq!(second.get_remaining_tokens(), Some(300));
    let refused = first.blocking_try_acquire_tokens(301).unwrap_err();
    let AcquireError::Refused(Refused::NotNow {
        binding,
        retry_after,
    }) = refused
    else {
        panic!("{refused}");
    };
    assert_eq!(binding.to_string(), "tokens per day");
    assert!(retry_after.is_some_and(|after| after > DAY / 2 && after <= DAY + PATIENCE));
    let end = Instant::now() + PATIENCE;
    // The place that was not kept is given up within moments.
    while second.blocking_try_acquire_tokens(300).is_err() {
        assert!(Instant::now() < end, "300 are left");
    }
    assert_eq!(second.get_remaining_tokens(), Some(0));
    let expected = |key, [used, limit]: [&str; 2]| {
        while shown(&server, key) != [used, limit] {
            assert!(Instant::now() < end, "{:?}", shown(&server, key));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    expected("ratelimit:OpenAI", ["3", "50"]);
    expected("ratelimit:OpenAI:tokens", ["1000", "1000"]);
    store.blocking_leave();
    assert!(first.blocking_try_acquire_tokens(1).is_err());
}

#[tokio::test]
async fn programs_that_limit_requests_alone_work_and_keys_of_others_stay_as_they_are() {
    let server = RedisServer::start().unwrap();
    let theirs: [&[&str]; 4] = [
        &["SET", "ratelimit:OpenAI", "7"],
        &[
            "HSET",
            "ratelimit:OpenAI:tokens",
            "used",
            "1",
            "theirs",
            "2",
        ],
        &["SET", "OpenAI", "somebody"],
        &["RPUSH", "queue", "a", "b"],
    ];
    for command in theirs {
        server.command(command).unwrap();
    }
    let dumps = || theirs.map(|command| server.command(&["DUMP", command[1]]).unwrap());
    let before = dumps();
    let builder = || Pacer::builder().limit(Metric::Requests, 3, DAY);
    let stores = [connect(&server).await, connect(&server).await];
    let limiters = stores.map(|store| TokenRateLimiter::new(shared(builder(), &store)));
    for index in [0, 1, 0] {
        let acquired = limiters[index].acquire_tokens(1_000_000);
        acquired.await.unwrap();
    }
    assert!(limiters[1].try_acquire_tokens(1).await.is_err());
    assert_eq!(limiters[1].get_remaining_tokens(), None);
    // The plain key has been looked at by then.
    until("a look", || {
        !server.info("cmdstat_hkeys").unwrap().is_empty()
    })
    .await;
    assert_eq!(dumps(), before);
    let keys = server.command(&["KEYS", "*"]).unwrap();
    let keys: Vec<_> = keys
        .items()
        .iter()
        .map(paceline_testkit::redis::Reply::text)
        .collect();
    assert_eq!(keys.len(), theirs.len() + 1, "{keys:?}");
    assert!(
        keys.contains(&"ratelimit:{OpenAI}:v1".to_owned()),
        "{keys:?}"
    );
}

#[tokio::test]
async fn another_prefix_keeps_quotas_of_one_name_apart() {
    let server = RedisServer::start().unwrap();
    let time_box = Duration::from_secs(2);
    let redis = |prefix| {
        let store = Store::redis(server.url()).prefix(prefix);
        store.time_box(time_box)
    };
    let (a, b) = (redis("a:").await.unwrap(), redis("b:").await.unwrap());
    let builder = || Pacer::builder().limit(Metric::Requests, 1, DAY);
    for store in [&a, &b] {
        let pacer = shared(builder(), store);
        until("the store", || {
            pacer.sharing().unwrap().mode == SharingMode::Exact
        })
        .await;
        pacer.reserve(&Call::new()).await.unwrap().served();
        assert!(pacer.try_reserve(&Call::new()).await.is_err());
    }
}
