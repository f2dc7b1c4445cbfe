//! The admin plane from outside.

use anyhow::{Context, Result};
use paceline_admin_api::RateLimits;
use paceline_testkit::{TestGateway, chat};

use crate::provider::provider;

#[tokio::test]
async fn everything_but_health_asks_for_the_token() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(caller.get(path, &[]).await?.status, 200, "{path}");
    }
    for path in [
        "/metrics",
        "/monitoring/rate-limits",
        "/monitoring/queue-status",
        "/monitoring/estimates",
        "/monitoring/x",
    ] {
        assert_eq!(caller.get(path, &[]).await?.status, 401, "{path}");
        let wrong = [("authorization", "Bearer nonsense")];
        assert_eq!(caller.get(path, &wrong).await?.status, 401, "{path}");
    }
    assert_eq!(gateway.admin("/monitoring/nothing").await?.status, 404);
    let text = gateway.admin("/metrics").await?.text();
    assert!(text.contains("paceline_build_info"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_even_with_the_token() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let headers = [
        ("authorization", "Bearer 0123456789abcdef-test"),
        ("origin", "http://evil.test"),
    ];
    let answer = gateway
        .caller()
        .get("/monitoring/rate-limits", &headers)
        .await?;
    assert_eq!(answer.status, 403);
    Ok(())
}

#[tokio::test]
async fn no_key_and_no_prompt_appears_in_metrics_or_views() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let secret = [("authorization", "Bearer sk-very-secret-key")];
    let caller = gateway.caller();
    let body = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"private words"}]}"#;
    let request = caller.request(http::Method::POST, "/v1/chat/completions", &secret, body)?;
    assert_eq!(caller.send(request).await?.status, 200);
    for path in [
        "/metrics",
        "/monitoring/rate-limits",
        "/monitoring/queue-status",
        "/monitoring/estimates",
    ] {
        let text = gateway.admin(path).await?.text();
        assert!(
            !text.contains("very-secret") && !text.contains("private words"),
            "{path}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn metrics_tell_what_happened() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[limits]\ntokens_per_minute = 10000\nwindow = \"bucket\"\nsettle = \"actual\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    for _ in 0..3 {
        gateway.caller().chat(&[], chat(100, false)).await?;
    }
    gateway.assert_settled().await?;
    let metric = |name, labels| gateway.metric(name, labels);
    assert_eq!(
        metric("paceline_requests_total", "outcome=\"ok\"").await?,
        3.0
    );
    assert_eq!(metric("paceline_tokens_total", "reserved").await?, 300.0);
    let settled = metric("paceline_tokens_total", "settled").await?;
    let refunded = metric("paceline_tokens_total", "refunded").await?;
    assert_eq!(settled + refunded, 300.0);
    assert!(
        refunded > 0.0,
        "five tokens of output are far below a hundred"
    );
    assert_eq!(metric("paceline_limit_amount", "tokens").await?, 10_000.0);
    assert_eq!(
        metric("paceline_queue_wait_seconds_count", "standard").await?,
        3.0
    );
    assert_eq!(
        metric("paceline_added_latency_seconds_count", "").await?,
        3.0
    );
    assert_eq!(
        metric("paceline_estimate_error_ratio_count", "simple").await?,
        3.0
    );
    Ok(())
}

#[tokio::test]
async fn how_far_the_providers_clock_is_off_is_told_with_its_bounds() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let clock = async || -> Result<_> {
        let answer = gateway.admin("/monitoring/rate-limits").await?;
        let limits: RateLimits = serde_json::from_slice(&answer.body)?;
        Ok(limits.provider_clock)
    };
    assert_eq!(clock().await?, None);
    for _ in 0..5 {
        gateway.caller().chat(&[], chat(5, false)).await?;
    }
    let told = clock().await?.context("answers have dates")?;
    assert_eq!(told.answers, 5);
    // Both clocks are this machine's; dates are kept for a moment by servers that make many.
    let error_ms = i64::try_from(told.error_ms)?;
    assert!(told.ahead_ms.abs() <= error_ms + 1_000, "{told:?}");
    Ok(())
}
