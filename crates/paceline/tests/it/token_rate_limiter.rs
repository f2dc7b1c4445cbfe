//! Tokens as an object counts them.

use std::time::Duration;

use paceline::{AcquireError, Estimator, Metric, Pacer, Refused, TokenRateLimiter};
use tokio::time::Instant;

use super::{MINUTE, assert_passed, exact};

fn limiter() -> TokenRateLimiter {
    let builder = Pacer::builder().tokens_per_minute(1_000);
    TokenRateLimiter::new(exact(builder).build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn tokens_are_granted_until_there_are_none_and_then_in_their_time() {
    let limiter = limiter();
    let start = Instant::now();
    limiter.acquire_tokens(600).await.unwrap();
    limiter.try_acquire_tokens(400).await.unwrap();
    assert_eq!(limiter.get_remaining_tokens(), Some(0));
    let refused = limiter.try_acquire_tokens(1).await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(MINUTE));
    assert_passed(start, Duration::ZERO);
    limiter.acquire_tokens(1_000).await.unwrap();
    assert_passed(start, MINUTE);
}

#[tokio::test(start_paused = true)]
async fn zero_negative_and_impossible_counts_have_defined_results() {
    let limiter = limiter();
    limiter.acquire_tokens(1_000).await.unwrap();
    // Nothing is left, and nothing is always granted.
    limiter.acquire_tokens(0).await.unwrap();
    limiter.try_acquire_tokens(0).await.unwrap();
    limiter.blocking_acquire_tokens(0).unwrap();
    limiter.blocking_try_acquire_tokens(0).unwrap();

    for tokens in [-1, i64::MIN] {
        let negative = AcquireError::Negative { tokens };
        assert_eq!(limiter.acquire_tokens(tokens).await, Err(negative));
        assert_eq!(limiter.try_acquire_tokens(tokens).await, Err(negative));
        assert_eq!(limiter.blocking_acquire_tokens(tokens), Err(negative));
        assert_eq!(limiter.blocking_try_acquire_tokens(tokens), Err(negative));
        assert_eq!(negative.retry_after(), None);
    }

    let start = Instant::now();
    for tokens in [1_001, i64::MAX] {
        let results = [
            limiter.acquire_tokens(tokens).await,
            limiter.try_acquire_tokens(tokens).await,
            limiter.blocking_acquire_tokens(tokens),
            limiter.blocking_try_acquire_tokens(tokens),
        ];
        for result in results {
            let error = result.unwrap_err();
            assert!(
                matches!(
                    error,
                    AcquireError::Refused(Refused::TooLarge { amount: 1_000, .. })
                ),
                "{error:?}"
            );
            assert_eq!(error.retry_after(), None);
        }
    }
    assert_passed(start, Duration::ZERO);
    assert_eq!(limiter.get_remaining_tokens(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn it_works_where_only_requests_are_limited() {
    let builder = Pacer::builder().requests_per_minute(2);
    let limiter = TokenRateLimiter::new(exact(builder).build().unwrap());
    assert_eq!(limiter.get_remaining_tokens(), None);
    limiter.acquire_tokens(1_000_000).await.unwrap();
    limiter.try_acquire_tokens(1).await.unwrap();
    let error = limiter.try_acquire_tokens(1).await.unwrap_err();
    let AcquireError::Refused(refused) = error else {
        panic!("{error}")
    };
    let limited_by = refused.limited_by().unwrap();
    assert_eq!(limited_by.to_string(), "requests per minute");
    // Nothing is no request either.
    limiter.try_acquire_tokens(0).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn both_limits_hold_and_the_answer_names_the_one_that_binds() {
    let builder = Pacer::builder()
        .requests_per_minute(3)
        .tokens_per_minute(100);
    let limiter = TokenRateLimiter::new(exact(builder).build().unwrap());
    let binding = |error: AcquireError| match error {
        AcquireError::Refused(refused) => refused.limited_by().unwrap().to_string(),
        other => panic!("{other}"),
    };
    limiter.acquire_tokens(95).await.unwrap();
    let error = limiter.try_acquire_tokens(10).await.unwrap_err();
    assert_eq!(binding(error), "tokens per minute");
    limiter.acquire_tokens(1).await.unwrap();
    limiter.acquire_tokens(1).await.unwrap();
    let error = limiter.try_acquire_tokens(1).await.unwrap_err();
    assert_eq!(binding(error), "requests per minute");
    assert_eq!(limiter.pacer().remaining(Metric::Requests), Some(0));
}

#[test]
fn an_estimate_is_four_characters_a_token_and_a_fifth_and_never_fails() {
    let limiter = TokenRateLimiter::per_minute(10).unwrap();
    assert_eq!(limiter.estimate_tokens("x".repeat(1_000)), 300);
    assert_eq!(limiter.estimate_tokens("é".repeat(1_000)), 300);
    assert_eq!(limiter.estimate_tokens("x"), 1);
    assert_eq!(limiter.estimate_tokens(""), 0);
    // Bytes that are no text: more than any vocabulary could make of them.
    assert_eq!(limiter.estimate_tokens([0xff; 70]), 70);
    let calibrated = limiter.with_estimator(Estimator::Calibrated);
    let tokens = calibrated.estimate_tokens("The quick brown fox jumps over the lazy dog.");
    assert!((9..=12).contains(&tokens), "{tokens}");
}
