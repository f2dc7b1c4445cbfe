//! What is limited, and what is refused at the start.

use std::time::Duration;

use paceline::{Binding, BuildError, Call, Metric, Pacer, Profile, Refused, Settling, Usage};
use tokio::time::Instant;

use super::{MINUTE, assert_passed, exact};

#[tokio::test(start_paused = true)]
async fn a_call_waits_until_it_fits_every_limit() {
    let builder = Pacer::builder()
        .requests_per_minute(10)
        .tokens_per_hour(100);
    let pacer = exact(builder).build().unwrap();
    let start = Instant::now();
    for _ in 0..10 {
        let turn = pacer.reserve(&Call::of_tokens(9)).await.unwrap();
        assert_eq!((turn.waited(), turn.limited_by()), (Duration::ZERO, None));
        turn.served();
    }
    assert_passed(start, Duration::ZERO);

    // The requests of the first minute stand in the way, and then the tokens of the first hour.
    let turn = pacer.reserve(&Call::of_tokens(10)).await.unwrap();
    assert_passed(start, MINUTE);
    let limited_by = turn.limited_by().unwrap();
    assert_eq!(limited_by.to_string(), "requests per minute");
    turn.served();
    let turn = pacer.reserve(&Call::of_tokens(1)).await.unwrap();
    assert_passed(start, 60 * MINUTE);
    assert_eq!(turn.limited_by().unwrap().to_string(), "tokens per hour");
    assert_eq!(pacer.in_flight(), 1);
}

/// Two hundred calls of different sizes, judged by the times at which they went.
#[tokio::test(start_paused = true)]
async fn no_window_is_ever_over_and_none_is_left_unused() {
    const LIMIT: u64 = 1_000;
    let builder = Pacer::builder().tokens_per_minute(LIMIT);
    let pacer = exact(builder.settling(Settling::AsUsed)).build().unwrap();
    let start = Instant::now();
    let calls = (0..200_u64).map(|number| {
        // Every tenth is large, and some use less than they reserved.
        let size = if number % 10 == 0 {
            300
        } else {
            10 + number % 7 * 5
        };
        let used = if number % 3 == 0 { size / 2 } else { size };
        let pacer = pacer.clone();
        tokio::spawn(async move {
            let turn = pacer.reserve(&Call::of_tokens(size)).await.unwrap();
            let went = start.elapsed();
            turn.settle(Usage::of_tokens(used));
            (went, used)
        })
    });
    let mut went = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        went.push(call.await.unwrap());
    }
    went.sort_unstable();
    let used = |from: Duration, to: Duration| {
        let inside = went.iter().filter(|(at, _)| (from..to).contains(at));
        inside.map(|(_, used)| used).sum::<u64>()
    };
    for (at, _) in &went {
        let most = used(*at, *at + MINUTE);
        assert!(most <= LIMIT, "{most} from {at:?} on");
    }
    let last = went.last().unwrap().0;
    let mut minute = Duration::ZERO;
    while minute + MINUTE < last {
        let least = used(minute, minute + MINUTE);
        assert!(least >= LIMIT - 300, "{least} from {minute:?} on");
        minute += MINUTE;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_go_now_is_told_when_and_why() {
    let pacer = exact(Pacer::builder().tokens_per_minute(100))
        .build()
        .unwrap();
    pacer
        .try_reserve(&Call::of_tokens(60))
        .await
        .unwrap()
        .served();
    tokio::time::advance(Duration::from_secs(20)).await;
    let refused = pacer.try_reserve(&Call::of_tokens(50)).await.unwrap_err();
    let binding = Binding::Limit {
        metric: Metric::Tokens,
        amount: 100,
        window: MINUTE,
    };
    let told = Refused::NotNow {
        retry_after: Some(Duration::from_secs(40)),
        binding,
    };
    assert_eq!(refused, told);
    assert_eq!((refused.limited_by(), pacer.waiting()), (Some(binding), 0));
    tokio::time::advance(Duration::from_secs(40)).await;
    drop(pacer.try_reserve(&Call::of_tokens(50)).await.unwrap());

    let refused = pacer.try_reserve(&Call::of_tokens(101)).await.unwrap_err();
    assert!(!refused.may_pass_later());
    assert_eq!(refused.retry_after(), None);
    let words = "101 tokens are more than the whole limit of 100 in 60s; make the call smaller";
    assert_eq!(refused.to_string(), words);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_wait_does_not_go_before_those_who_do() {
    let pacer = exact(Pacer::builder().tokens_per_minute(100))
        .build()
        .unwrap();
    pacer.reserve(&Call::of_tokens(50)).await.unwrap().served();
    let large = super::queued(pacer.reserve(&Call::of_tokens(100))).await;
    // Now it would delay the large one by these seconds; before, it would have cost it nothing.
    tokio::time::advance(Duration::from_secs(10)).await;
    let refused = pacer.try_reserve(&Call::of_tokens(10)).await.unwrap_err();
    assert!(refused.retry_after().unwrap() >= Duration::from_secs(50));
    drop(large);
    pacer
        .try_reserve(&Call::of_tokens(10))
        .await
        .unwrap()
        .served();
}

#[tokio::test(start_paused = true)]
async fn launches_are_spaced_and_concurrency_is_bounded() {
    let builder = Pacer::builder().concurrency(2);
    let pacer = builder.spacing(Duration::from_secs(1)).build().unwrap();
    let start = Instant::now();
    let first = pacer.reserve(&Call::new()).await.unwrap();
    let second = pacer.reserve(&Call::new()).await.unwrap();
    assert_passed(start, Duration::from_secs(1));
    let refused = pacer.try_reserve(&Call::new()).await.unwrap_err();
    assert!(matches!(
        refused,
        Refused::NotNow {
            retry_after: None,
            binding: Binding::Concurrency { max: 2 }
        }
    ));
    second.served();
    let third = pacer.reserve(&Call::new()).await.unwrap();
    assert_passed(start, Duration::from_secs(2));
    assert_eq!(pacer.in_flight(), 2);
    drop((first, third));
}

#[test]
fn a_profile_leaves_some_of_the_limits_and_an_explicit_headroom_goes_before_it() {
    let amount = |builder: paceline::PacerBuilder| builder.build().unwrap().limits()[0].amount;
    let builder = || Pacer::builder().tokens_per_minute(1_000);
    assert_eq!(amount(builder()), 1_000);
    assert_eq!(amount(builder().profile(Profile::Conservative)), 800);
    assert_eq!(amount(builder().profile(Profile::Moderate)), 950);
    let both = builder().profile(Profile::Conservative).headroom(0.1);
    assert_eq!(amount(both), 900);
    assert_eq!(amount(builder().headroom(0.999_999)), 1);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let words = |builder: paceline::PacerBuilder| builder.build().unwrap_err().to_string();
    let builder = Pacer::builder;
    assert_eq!(
        words(builder().tokens_per_minute(0)),
        "the limit on tokens in 60s is 0, which lets nothing go; leave it out"
    );
    assert_eq!(
        words(
            builder()
                .tokens_per_minute(1)
                .limit(Metric::Tokens, 2, MINUTE)
        ),
        "tokens in 60s are limited twice; leave one of the limits out"
    );
    for headroom in [-0.1, 1.0, f64::NAN] {
        let error = builder().headroom(headroom).build().unwrap_err();
        assert!(matches!(error, BuildError::Headroom { .. }), "{error}");
    }
    assert!(words(builder().concurrency(0)).contains("concurrency_max is 0"));
    let endless = builder().limit(Metric::Tokens, 1, Duration::ZERO);
    assert!(words(endless).contains("the window is zero"));
}

#[tokio::test(start_paused = true)]
async fn programs_that_limit_requests_alone_need_not_know_of_tokens() {
    let pacer = exact(Pacer::builder().requests_per_minute(2))
        .build()
        .unwrap();
    for _ in 0..2 {
        let done = pacer.with_rate_limiting(&Call::new(), async { 7 }).await;
        assert_eq!(done, Ok(7));
    }
    let start = Instant::now();
    let any_size = Call::of_tokens(u64::MAX);
    let done = pacer.with_rate_limiting(&any_size, async { 7 }).await;
    assert_eq!(done, Ok(7));
    assert_passed(start, MINUTE);
    assert_eq!(pacer.remaining(Metric::Tokens), None);
    assert_eq!(pacer.remaining(Metric::Requests), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_closed_pacer_refuses_who_waits_and_who_comes() {
    let pacer = Pacer::builder().concurrency(1).build().unwrap();
    let turn = pacer.reserve(&Call::new()).await.unwrap();
    let waiting = super::queued(pacer.reserve(&Call::new())).await;
    pacer.close();
    assert_eq!(waiting.await.unwrap_err(), Refused::Closed);
    let late = pacer.reserve(&Call::new()).await.unwrap_err();
    assert_eq!((late, late.retry_after()), (Refused::Closed, None));
    turn.served();
    assert_eq!(pacer.in_flight(), 0);
}
