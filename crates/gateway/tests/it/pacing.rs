//! Never over, never idle: the whole path against each kind of limiter.
//!
//! Windows of six seconds stand for the minute; the figures for real minutes come from the example
//! `pacing` of the testkit, which runs the same thing. That a kind is never idle is proven to the
//! nanosecond in virtual time by the tests of `paceline-limiter`; here the clock is a real one and
//! the machine may be busy, so that the bound only tells a pace from a standstill.

use std::time::Duration;

use anyhow::Result;
use paceline_simulator::{Metric, Quota, QuotaKind};
use paceline_testkit::{PacingRun, TestGateway, chat};

use crate::provider::provider;

const WINDOW: Duration = Duration::from_secs(6);

/// More than a busy machine delays a request in a debug build.
const GUARD: Duration = Duration::from_millis(1_000);

async fn paces(provider: QuotaKind, window: &str, burst: Option<f64>) -> Result<()> {
    let run = PacingRun {
        provider,
        gateway_window: format!("window = \"{window}\""),
        window: WINDOW,
        // Answers tell a state that is past: reading them as the present would cost quota.
        latency: Duration::from_millis(30),
        guard: GUARD,
        smooth_burst: burst,
    };
    let report = run.run().await?;
    assert_eq!(report.refused, 0, "{report:?}");
    assert_eq!(report.answered, 300, "{report:?}");
    // The guard, twice, and what a busy machine adds: well before the next window, which is when a
    // limiter that counts too much would go on.
    let allowed = report.best + WINDOW.mul_f64(0.5);
    assert!(report.last_admission <= allowed, "{report:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_used_to_the_last_token() -> Result<()> {
    paces(QuotaKind::Bucket, "bucket", None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fixed_window_is_used_to_the_last_token() -> Result<()> {
    paces(QuotaKind::Fixed, "fixed", None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_from_first_use_is_used_to_the_last_token() -> Result<()> {
    paces(QuotaKind::FixedFromFirstUse, "fixed_from_first_use", None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sliding_window_is_never_exceeded() -> Result<()> {
    paces(QuotaKind::Sliding, "sliding", None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_limiter_is_paced_safely_under_every_kind() -> Result<()> {
    let burst = Some(0.5 / WINDOW.as_secs_f64());
    let quantised = QuotaKind::Quantised { quantum_ms: 1_000 };
    for kind in [QuotaKind::Sliding, quantised] {
        paces(kind, "unknown", burst).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_request_larger_than_the_limit_is_refused_at_once_with_the_figures() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[limits]\ntokens_per_minute = 1000\nwindow = \"bucket\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let answer = gateway.caller().chat(&[], chat(1_001, false)).await?;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.error_code(), "request_larger_than_limit");
    assert_eq!(answer.header("x-should-retry"), "false");
    let text = answer.text();
    assert!(
        text.contains("1001 tokens") && text.contains("1000 tokens"),
        "{text}"
    );
    assert_eq!(simulator.state().counters.received, 0);
    Ok(())
}

#[tokio::test]
async fn a_wait_beyond_the_callers_patience_is_refused_with_an_exact_retry_after() -> Result<()> {
    let simulator = provider(vec![]).await?;
    // A thousand tokens at once, then a hundred each six seconds.
    let limits = "[limits]\ntokens_per_minute = 1000\nwindow = \"bucket\"\nguard = \"0ms\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let caller = gateway.caller();
    assert_eq!(caller.chat(&[], chat(1_000, false)).await?.status, 200);
    let patience = [("x-paceline-max-wait", "1s")];
    let refused = caller.chat(&patience, chat(50, false)).await?;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.error_code(), "wait_too_long");
    // Fifty tokens come back in three seconds; one of them the caller is willing to wait.
    let wait_ms: u64 = refused.header("retry-after-ms").parse()?;
    assert!((1_500..=2_100).contains(&wait_ms), "{wait_ms}");
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    let answered = caller.chat(&patience, chat(50, false)).await?;
    assert_eq!(answered.status, 200, "{}", answered.text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_on_requests_alone_are_kept() -> Result<()> {
    let quota = Quota::bucket(Metric::Requests, 60, 60_000);
    let simulator = provider(vec![quota]).await?;
    // A guard that a busy machine does not use up.
    let limits = "[limits]\nrequests_per_minute = 60\nwindow = \"bucket\"\nguard = \"1s\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let calls = (0..64).map(|_| {
        let caller = gateway.caller();
        tokio::spawn(async move { caller.chat(&[], chat(5, false)).await })
    });
    for call in futures_util::future::join_all(calls).await {
        assert_eq!(call??.status, 200);
    }
    assert_eq!(simulator.state().counters.refused_in_total(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_that_nobody_configured_are_taken_from_the_headers() -> Result<()> {
    let quotas = vec![
        Quota::tokens_per_minute(60_000),
        Quota::requests_per_minute(600),
    ];
    let simulator = provider(quotas).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    // Twice what the bucket holds for the burst, at once: 40 calls of 200 tokens.
    let calls = (0..40).map(|_| {
        let caller = gateway.caller();
        tokio::spawn(async move { caller.chat(&[], chat(200, false)).await })
    });
    for call in futures_util::future::join_all(calls).await {
        assert_eq!(call??.status, 200);
    }
    assert_eq!(simulator.state().counters.refused_in_total(), 0);
    let pool = gateway.assert_settled().await?;
    let learned: Vec<_> = pool
        .limits
        .iter()
        .map(|limit| (limit.metric.as_str(), limit.amount))
        .collect();
    assert!(learned.contains(&("tokens", 60_000)), "{pool:?}");
    assert!(learned.contains(&("requests", 600)), "{pool:?}");
    assert!(pool.limits.iter().all(|limit| limit.source == "learned"));
    Ok(())
}

#[tokio::test]
async fn launches_are_spaced_and_concurrency_is_capped() -> Result<()> {
    let mut settings = crate::provider::settings(vec![]);
    settings.latency.first_token = Duration::from_millis(60);
    let simulator = paceline_simulator::Simulator::start(settings).await?;
    let limits = "[limits]\nconcurrency = 2\nspacing = \"20ms\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let calls = (0..8).map(|_| {
        let caller = gateway.caller();
        tokio::spawn(async move { caller.chat(&[], chat(5, false)).await })
    });
    let calls = futures_util::future::join_all(calls);
    let watch = async {
        let mut most = 0;
        for _ in 0..40 {
            most = simulator
                .state()
                .pools
                .iter()
                .map(|pool| pool.in_flight)
                .max()
                .max(Some(most))
                .unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        most
    };
    let (calls, most) = tokio::join!(calls, watch);
    for call in calls {
        assert_eq!(call??.status, 200);
    }
    assert!((1..=2).contains(&most), "{most} under way at once");
    let journal = simulator.journal(0);
    let times: Vec<_> = journal
        .iter()
        .filter(|entry| {
            matches!(
                entry.decision,
                paceline_simulator::Decision::Admitted { .. }
            )
        })
        .map(|entry| entry.time_ns)
        .collect();
    // Two are under way at a time, so that without spacing every other would come with the one before
    // it. The provider sees them closer together than they were launched where the machine is busy.
    let is_close = |pair: &&[u64]| pair[1] - pair[0] < 10_000_000;
    let close = times.windows(2).filter(is_close).count();
    assert!(close <= 2, "{times:?}");
    Ok(())
}
