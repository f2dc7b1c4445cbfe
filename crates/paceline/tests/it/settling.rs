//! However a call ends, its reservation ends once.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use paceline::{Call, Metric, Pacer, RefusalKind, RetryAdvice, Settling, Usage};
use tokio::time::Instant;

use super::{assert_passed, exact};

fn pacer(settling: Settling) -> Pacer {
    let builder = Pacer::builder().tokens_per_minute(1_000).settling(settling);
    exact(builder).build().unwrap()
}

fn left(pacer: &Pacer) -> u64 {
    assert_eq!(pacer.in_flight(), 0);
    pacer.remaining(Metric::Tokens).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_or_failed_counts_as_spent_and_what_was_never_sent_does_not() {
    let pacer = pacer(Settling::AsUsed);
    let call = Call::of_tokens(100);
    drop(pacer.reserve(&call).await.unwrap());
    assert_eq!(left(&pacer), 900);
    pacer.reserve(&call).await.unwrap().failed();
    assert_eq!(left(&pacer), 800);
    pacer.reserve(&call).await.unwrap().served();
    assert_eq!(left(&pacer), 700);
    pacer.reserve(&call).await.unwrap().release();
    assert_eq!(left(&pacer), 700);
}

#[tokio::test(start_paused = true)]
async fn usage_settles_both_ways_where_what_is_used_counts() {
    let pacer = pacer(Settling::AsUsed);
    let reserve = || pacer.reserve(&Call::of_parts(40, 60));
    reserve().await.unwrap().settle(Usage::of_parts(30, 20));
    assert_eq!(left(&pacer), 950);
    reserve().await.unwrap().settle(Usage::of_tokens(150));
    assert_eq!(left(&pacer), 800);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_given_back_that_the_provider_keeps() {
    let pacer = pacer(Settling::AsCharged);
    let whole = || pacer.reserve(&Call::of_tokens(100));
    whole().await.unwrap().settle(Usage::of_tokens(10));
    assert_eq!(left(&pacer), 900);
    whole().await.unwrap().settle(Usage::of_tokens(130));
    assert_eq!(left(&pacer), 770);
    // The larger of input and allowed output, as OpenAI documents it.
    let parts = pacer.reserve(&Call::of_parts(40, 60)).await.unwrap();
    assert_eq!(parts.charge().get(Metric::Tokens), 60);
    parts.settle(Usage::of_parts(40, 20));
    assert_eq!(left(&pacer), 710);
}

#[tokio::test(start_paused = true)]
async fn a_wrapper_can_read_the_usage_from_what_comes_out() {
    let pacer = pacer(Settling::AsUsed);
    let wrapped = pacer
        .with_rate_limiting_and_usage(&Call::of_tokens(500), async { Ok::<_, ()>(20) }, |output| {
            output.ok().map(Usage::of_tokens)
        })
        .await;
    assert_eq!(wrapped, Ok(Ok(20)));
    assert_eq!(left(&pacer), 980);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_pauses_everybody_for_as_long_as_it_says() {
    let builder = Pacer::builder().tokens_per_minute(1_000);
    let pacer = exact(builder).build().unwrap();
    let turn = pacer.reserve(&Call::of_tokens(100)).await.unwrap();
    let body = br#"{"error":{"message":"Rate limit reached for gpt-4o in organization org-1 on tokens per min (TPM): Limit 1000, Used 950, Requested 100. Please try again in 3s.","type":"tokens","code":"rate_limit_exceeded"}}"#;
    let refusal = turn
        .refused(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), body)
        .unwrap();
    assert_eq!(refusal.kind, RefusalKind::RateLimited);
    assert_eq!((refusal.limit, refusal.used), (Some(1_000), Some(950)));
    let advice = RetryAdvice::After(Some(Duration::from_secs(3)));
    assert_eq!(refusal.retry(), advice);
    assert_eq!(pacer.in_flight(), 0);
    let waits = pacer.try_reserve(&Call::of_tokens(1)).await.unwrap_err();
    let wait = waits.retry_after().unwrap();
    assert!(wait >= Duration::from_secs(3), "{wait:?}");
    let start = Instant::now();
    pacer
        .reserve(&Call::of_tokens(1).again())
        .await
        .unwrap()
        .served();
    assert!(start.elapsed() >= wait);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_call_itself_pauses_nobody() {
    let pacer = pacer(Settling::AsUsed);
    let turn = pacer.reserve(&Call::of_tokens(100)).await.unwrap();
    let refusal = turn.refused(StatusCode::BAD_REQUEST, &HeaderMap::new(), b"");
    assert_eq!(refusal.unwrap().retry(), RetryAdvice::Never);
    assert_eq!(left(&pacer), 900);
    let start = Instant::now();
    let turn = pacer.reserve(&Call::of_tokens(100)).await.unwrap();
    assert_passed(start, Duration::ZERO);
    assert!(
        turn.refused(StatusCode::OK, &HeaderMap::new(), b"")
            .is_none()
    );
    assert_eq!(left(&pacer), 800);
}

#[test]
fn usage_is_read_from_the_answers_of_both_dialects() {
    let chat = br#"{"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}}"#;
    let told = Usage::of_openai("/v1/chat/completions", chat).unwrap();
    assert_eq!(told, Usage::of_parts(12, 5));
    let message = br#"{"usage":{"input_tokens":12,"output_tokens":5}}"#;
    let told = Usage::of_openai("/v1/messages", message).unwrap();
    assert_eq!(told.total_tokens(), 17);
    assert_eq!(Usage::of_openai("/v1/chat/completions", b"not json"), None);
}

#[test]
fn a_body_that_cannot_be_read_is_estimated_high() {
    let tokens = |body: &[u8]| {
        let call = Call::of_openai("/v1/chat/completions", body);
        call.charge().get(Metric::Tokens)
    };
    assert_eq!(tokens(b"{"), 1_000);
    assert_eq!(tokens(&[b'{'; 4_000]), 2_000);
    assert_eq!(tokens(br#"{"model":"m","messages":[],"max_tokens":7}"#), 7);
}
