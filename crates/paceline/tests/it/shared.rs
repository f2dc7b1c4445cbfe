//! Pacers that share one quota by a store in memory.

use std::time::Duration;

use paceline::{
    BuildError, Call, Metric, Pacer, Refused, SharingMode, Store, TokenRateLimiter, Usage,
    WhenStoreIsAway,
};
use tokio::time::{Instant, sleep};

use super::{MINUTE, exact, queued};

fn pacer(store: &Store, tokens: u64) -> Pacer {
    let builder = Pacer::builder().tokens_per_minute(tokens);
    exact(builder).shared(store, "one").build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn pacers_of_one_name_keep_to_one_quota_and_others_to_theirs() {
    let store = Store::in_process();
    let (first, second) = (pacer(&store, 100), pacer(&store, 100));
    let builder = exact(Pacer::builder().tokens_per_minute(100));
    let other = builder.shared(&store, "two").build().unwrap();
    first.reserve(&Call::of_tokens(60)).await.unwrap().served();
    second.reserve(&Call::of_tokens(40)).await.unwrap().served();
    assert_eq!(second.remaining(Metric::Tokens), Some(0));
    let start = Instant::now();
    let refused = first.try_reserve(&Call::of_tokens(1)).await.unwrap_err();
    let after = refused.retry_after().unwrap();
    assert!(after > MINUTE - Duration::from_secs(1) && after <= MINUTE + Duration::from_secs(1));
    other
        .try_reserve(&Call::of_tokens(100))
        .await
        .unwrap()
        .served();
    assert!(start.elapsed() < Duration::from_millis(50));
    // Who waits gets what comes free, whoever took it.
    first.reserve(&Call::of_tokens(100)).await.unwrap().served();
    let waited = start.elapsed();
    assert!(waited >= after - Duration::from_millis(10), "{waited:?}");
    assert!(waited < MINUTE + Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_is_there_for_all() {
    let store = Store::in_process();
    let shared = || {
        let builder = Pacer::builder().tokens_per_minute(100);
        let builder = exact(builder).settling(paceline::Settling::AsUsed);
        builder.shared(&store, "one").build().unwrap()
    };
    let (first, second) = (shared(), shared());
    let turn = first.reserve(&Call::of_tokens(100)).await.unwrap();
    let waiting = queued(second.reserve(&Call::of_tokens(70))).await;
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    turn.settle(Usage::of_tokens(30));
    waiting.await.unwrap().served();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(second.remaining(Metric::Tokens), Some(0));
}

#[tokio::test(start_paused = true)]
async fn where_a_pacer_stands_can_be_seen() {
    let store = Store::in_process();
    let builder = Pacer::builder().concurrency(1);
    assert_eq!(builder.build().unwrap().sharing(), None);
    let (first, second) = (pacer(&store, 100), pacer(&store, 100));
    assert_eq!(first.sharing().unwrap().mode, SharingMode::Joining);
    sleep(Duration::from_secs(2)).await;
    let sharing = first.sharing().unwrap();
    assert_eq!((sharing.mode, sharing.members), (SharingMode::Exact, 2));
    assert_eq!(sharing.reason, None);
    assert!(
        sharing
            .share
            .is_some_and(|share| (0.0..=1.0).contains(&share))
    );
    // One that is dropped is not counted any more.
    drop(second);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(first.sharing().unwrap().members, 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_lets_nobody_go_any_more() {
    let store = Store::in_process();
    let (first, second) = (pacer(&store, 100), pacer(&store, 100));
    let turn = first.reserve(&Call::of_tokens(100)).await.unwrap();
    let waiting = queued(second.reserve(&Call::of_tokens(1))).await;
    store.leave().await;
    assert_eq!(waiting.await.unwrap_err(), Refused::Closed);
    for pacer in [&first, &second] {
        let refused = pacer.reserve(&Call::new()).await.unwrap_err();
        assert_eq!(refused, Refused::Closed);
    }
    turn.served();
    let late = Pacer::builder().shared(&store, "one").build();
    assert!(matches!(late, Err(BuildError::StoreLeft)));
    store.leave().await;
}

#[test]
fn what_cannot_be_shared_is_said_when_it_is_built() {
    let store = Store::in_process();
    let window = Duration::from_micros(1_500);
    let builder = || Pacer::builder().limit(Metric::Requests, 1, window);
    builder().build().unwrap();
    let error = builder().shared(&store, "one").build().unwrap_err();
    assert!(matches!(
        error,
        BuildError::SharedWindow { metric: Metric::Requests, window: w } if w == window
    ));
    assert!(error.to_string().contains("1.5ms"), "{error}");
    let error = Pacer::builder().shared(&store, "").build().unwrap_err();
    assert!(matches!(error, BuildError::Unnamed));
}

#[test]
fn neither_async_nor_a_runtime_is_needed() {
    let store = Store::in_process();
    let limiter = || {
        let builder = exact(Pacer::builder().limit(Metric::Tokens, 100, Duration::from_secs(1)));
        TokenRateLimiter::new(builder.shared(&store, "one").build().unwrap())
    };
    let (first, second) = (limiter(), limiter());
    for _ in 0..2 {
        first.blocking_acquire_tokens(60).unwrap();
        second.blocking_acquire_tokens(40).unwrap();
    }
    // At whatever moment this comes, no more than the limit goes in a second.
    let refused = first.blocking_try_acquire_tokens(101).unwrap_err();
    assert_eq!(refused.retry_after(), None);
    store.blocking_leave();
    assert!(second.blocking_try_acquire_tokens(1).is_err());
}

#[test]
fn sharing_goes_on_when_the_runtime_has_ended() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let store = Store::in_process();
    let window = Duration::from_millis(50);
    let build = || {
        let builder = exact(Pacer::builder().limit(Metric::Requests, 1, window));
        let builder = builder.when_store_is_away(WhenStoreIsAway::Closed);
        builder.shared(&store, "one").build().unwrap()
    };
    let (first, second) = runtime.block_on(async {
        let pacers = (build(), build());
        pacers.0.reserve(&Call::new()).await.unwrap().served();
        pacers
    });
    drop(runtime);
    for _ in 0..3 {
        first.blocking_reserve(&Call::new()).unwrap().served();
        second.blocking_reserve(&Call::new()).unwrap().served();
    }
}
