//! Futures that are dropped.

use std::time::Duration;

use paceline::{Call, Metric, Pacer};
use tokio::time::{Instant, timeout};

use super::{MINUTE, assert_passed, exact, now, queued};

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_gives_its_place_back() {
    let pacer = exact(Pacer::builder().tokens_per_minute(100))
        .build()
        .unwrap();
    pacer.reserve(&Call::of_tokens(60)).await.unwrap().served();
    let large = queued(pacer.reserve(&Call::of_tokens(90))).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    let mut small = queued(pacer.reserve(&Call::of_tokens(40))).await;
    drop(large);
    assert!(now(&mut small).await.unwrap().is_ok());
    let wait = pacer.reserve(&Call::of_tokens(50));
    assert!(timeout(Duration::from_secs(1), wait).await.is_err());
    assert_eq!((pacer.waiting(), pacer.in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_took_goes_to_the_next() {
    let pacer = Pacer::builder().concurrency(1).build().unwrap();
    let turn = pacer.reserve(&Call::new()).await.unwrap();
    let first = queued(pacer.reserve(&Call::new())).await;
    let mut second = queued(pacer.reserve(&Call::new())).await;
    // The first one has its turn, and is dropped before it looks.
    turn.served();
    assert!(now(&mut second).await.is_none());
    drop(first);
    let turn = now(&mut second).await.unwrap().unwrap();
    assert_eq!(pacer.in_flight(), 1);
    drop(turn);
    assert_eq!(pacer.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_took_costs_nothing() {
    let pacer = exact(Pacer::builder().tokens_per_minute(100).concurrency(1))
        .build()
        .unwrap();
    let turn = pacer.reserve(&Call::of_tokens(10)).await.unwrap();
    let waiting = queued(pacer.reserve(&Call::of_tokens(90))).await;
    turn.served();
    assert_eq!(pacer.remaining(Metric::Tokens), Some(0));
    drop(waiting);
    assert_eq!(pacer.remaining(Metric::Tokens), Some(90));
}

#[tokio::test(start_paused = true)]
async fn a_future_that_never_was_polled_takes_nothing() {
    let pacer = exact(Pacer::builder().tokens_per_minute(100))
        .build()
        .unwrap();
    drop(pacer.reserve(&Call::of_tokens(100)));
    drop(pacer.with_rate_limiting(&Call::of_tokens(100), async {}));
    assert_eq!(pacer.remaining(Metric::Tokens), Some(100));
}

#[tokio::test(start_paused = true)]
async fn a_wrapped_future_that_is_dropped_while_it_runs_counts_as_spent() {
    let pacer = exact(Pacer::builder().tokens_per_minute(100).concurrency(1))
        .build()
        .unwrap();
    let call = Call::of_tokens(60);
    let never = pacer.with_rate_limiting(&call, std::future::pending::<()>());
    assert!(timeout(Duration::from_secs(1), never).await.is_err());
    assert_eq!(pacer.remaining(Metric::Tokens), Some(40));
    // The place in flight is free, and the tokens come back in their time.
    let start = Instant::now();
    let turn = pacer.reserve(&call).await.unwrap();
    assert_passed(start, MINUTE - Duration::from_secs(1));
    turn.served();
}

#[tokio::test(start_paused = true)]
async fn the_timer_ends_with_the_pacer() {
    let before = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    let pacer = Pacer::builder().tokens_per_minute(10).build().unwrap();
    let clone = pacer.clone();
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    tokio::task::yield_now().await;
    assert_eq!(alive(), before + 1);
    drop(pacer);
    drop(clone.reserve(&Call::new()).await);
    drop(clone);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(alive(), before);
}
