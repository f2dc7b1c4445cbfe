//! Limits that nobody told.

use http::{HeaderMap, HeaderName};
use paceline::{Binding, Call, Metric, Pacer};

use super::{now, queued};

fn headers(limit: u64, remaining: u64) -> HeaderMap {
    let reset_ms = (limit - remaining) * 60_000 / limit;
    let values = [
        ("limit", limit.to_string()),
        ("remaining", remaining.to_string()),
        ("reset", format!("{reset_ms}ms")),
    ];
    let named = values.into_iter().map(|(name, value)| {
        let name = HeaderName::try_from(format!("x-ratelimit-{name}-tokens")).unwrap();
        (name, value.parse().unwrap())
    });
    named.collect()
}

#[tokio::test(start_paused = true)]
async fn two_calls_go_until_an_answer_has_told_the_limits() {
    let pacer = Pacer::builder().build().unwrap();
    let call = Call::of_parts(10, 90);
    let first = pacer.reserve(&call).await.unwrap();
    let _second = pacer.reserve(&call).await.unwrap();
    let mut third = queued(pacer.reserve(&call)).await;
    assert_eq!(third.outlook().unwrap().limited_by, Binding::Probe);
    first.observe_headers(&headers(60_000, 59_800));
    let turn = now(&mut third).await.unwrap().unwrap();
    assert_eq!(turn.limited_by(), Some(Binding::Probe));
    let limits = pacer.limits();
    assert_eq!(
        (limits[0].amount, limits[0].metric),
        (60_000, Metric::Tokens)
    );
    assert!(limits[0].is_learned && limits[0].used >= 200);
}

#[tokio::test(start_paused = true)]
async fn what_others_use_of_the_quota_is_noticed() {
    let pacer = Pacer::builder().tokens_per_minute(10_000).build().unwrap();
    let turn = pacer.reserve(&Call::of_tokens(100)).await.unwrap();
    turn.observe_headers(&headers(10_000, 2_000));
    turn.served();
    let left = pacer.remaining(Metric::Tokens).unwrap();
    assert!(left <= 2_000, "{left}");
}

#[tokio::test(start_paused = true)]
async fn headers_without_their_call_are_of_use_too() {
    let pacer = Pacer::builder().build().unwrap();
    pacer.observe_headers(&HeaderMap::new());
    assert_eq!(pacer.limits(), []);
    pacer.observe_headers(&headers(30_000, 20_000));
    assert_eq!(pacer.limits()[0].amount, 30_000);
    assert!(pacer.limits()[0].used >= 10_000);
}

#[tokio::test(start_paused = true)]
async fn limits_are_not_learned_where_a_program_bounds_its_calls_itself() {
    let pacer = Pacer::builder().concurrency(50).build().unwrap();
    let mut turns = Vec::new();
    for _ in 0..50 {
        turns.push(pacer.try_reserve(&Call::new()).await.unwrap());
    }
    let pacer = Pacer::builder()
        .concurrency(50)
        .learn(true)
        .build()
        .unwrap();
    let _two = [
        pacer.try_reserve(&Call::new()).await.unwrap(),
        pacer.try_reserve(&Call::new()).await.unwrap(),
    ];
    assert!(pacer.try_reserve(&Call::new()).await.is_err());
}
