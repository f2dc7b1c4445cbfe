//! Calls that may not wait for ever.

use std::time::Duration;

use paceline::{Call, Pacer, Refused, Tenant};
use tokio::time::{Instant, advance};

use super::{MINUTE, assert_passed, exact};

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_be_too_long_is_refused_at_once_with_the_exact_time() {
    let pacer = exact(Pacer::builder().tokens_per_minute(100))
        .build()
        .unwrap();
    pacer.reserve(&Call::of_tokens(100)).await.unwrap().served();
    let start = Instant::now();
    let call = Call::of_tokens(10).max_wait(Duration::from_secs(10));
    let refused = pacer.reserve(&call).await.unwrap_err();
    assert_passed(start, Duration::ZERO);
    assert!(
        matches!(refused, Refused::WaitTooLong { eta, .. } if eta == MINUTE),
        "{refused:?}"
    );
    let retry_after = refused.retry_after().unwrap();
    assert_eq!(retry_after, Duration::from_secs(50));

    // A moment too early is too early, and that time is right.
    advance(retry_after - Duration::from_millis(5)).await;
    assert!(pacer.reserve(&call).await.is_err());
    advance(Duration::from_millis(5)).await;
    let turn = pacer.reserve(&call).await.unwrap();
    assert_passed(start, MINUTE);
    assert_eq!(turn.waited(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_it_has_been_long_enough() {
    let pacer = Pacer::builder().concurrency(1).build().unwrap();
    let turn = pacer.reserve(&Call::new()).await.unwrap();
    // Nobody knows when the call in flight will end, so this one waits for it.
    let start = Instant::now();
    let call = Call::new().max_wait(Duration::from_secs(5));
    let refused = pacer.reserve(&call).await.unwrap_err();
    assert_passed(start, Duration::from_secs(5));
    assert!(
        matches!(refused, Refused::WaitTooLong { .. }),
        "{refused:?}"
    );
    assert_eq!(pacer.waiting(), 0);
    turn.served();
    assert!(pacer.reserve(&call).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_longest_wait_is_the_calls_or_else_the_tenants_or_else_the_pacers() {
    let patient = Tenant::new().max_wait(Duration::from_secs(20));
    let builder = Pacer::builder().concurrency(1).tenant("patient", patient);
    let pacer = builder.max_wait(Duration::from_secs(10)).build().unwrap();
    let _turn = pacer.reserve(&Call::new()).await.unwrap();
    let hasty = Call::new()
        .tenant("patient")
        .max_wait(Duration::from_secs(1));
    let calls = [
        (hasty, 1),
        (Call::new().tenant("patient"), 20),
        (Call::new().tenant("other"), 10),
    ];
    for (call, seconds) in calls {
        let start = Instant::now();
        assert!(pacer.reserve(&call).await.is_err());
        assert_passed(start, Duration::from_secs(seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_said_to_be_full() {
    let builder = Pacer::builder().concurrency(1).waiting_max(2, 1);
    let pacer = builder.build().unwrap();
    let _turn = pacer.reserve(&Call::new()).await.unwrap();
    let _first = super::queued(pacer.reserve(&Call::new().tenant("a"))).await;
    let refused = pacer.reserve(&Call::new().tenant("a")).await.unwrap_err();
    assert!(matches!(
        refused,
        Refused::TenantQueueFull { waiting: 1, .. }
    ));
    let _second = super::queued(pacer.reserve(&Call::new().tenant("b"))).await;
    let refused = pacer.reserve(&Call::new().tenant("c")).await.unwrap_err();
    assert!(matches!(refused, Refused::QueueFull { waiting: 2, .. }));
}
