//! What an operator does to queues and limits.

use std::time::Duration;

use anyhow::{Context, Result};
use paceline_admin_api::{Cancelled, QueueStatus, ResetAnswer};
use paceline_testkit::{Answer, TestGateway, chat};
use tokio::task::JoinHandle;

use crate::provider::provider;

/// The first call takes all of it, and whoever comes next waits for an hour.
const FULL: &str =
    "[limits]\ntokens_per_hour = 100\nwindow = \"bucket\"\n[queue]\nmax_wait = \"12h\"\n";

fn ask(gateway: &TestGateway, session: &'static str) -> JoinHandle<Result<Answer>> {
    let caller = gateway.caller();
    tokio::spawn(async move {
        caller
            .chat(&[("x-paceline-session", session)], chat(90, false))
            .await
    })
}

async fn queue(gateway: &TestGateway) -> Result<QueueStatus> {
    let answer = gateway.admin("/monitoring/queue-status").await?;
    Ok(serde_json::from_slice(&answer.body)?)
}

async fn until_waiting(gateway: &TestGateway, count: u64) -> Result<QueueStatus> {
    for _ in 0..3_000 {
        let status = queue(gateway).await?;
        if status.waiting == count {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("never {count} waiting")
}

#[tokio::test]
async fn a_session_is_cancelled_and_others_wait_on() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), FULL)?;
    assert_eq!(ask(&gateway, "first").await??.status, 200);
    let (a, b) = (ask(&gateway, "a"), ask(&gateway, "a"));
    let other = ask(&gateway, "other");
    let status = until_waiting(&gateway, 3).await?;
    let answer = gateway
        .admin_order(http::Method::DELETE, "/monitoring/sessions/a", "")
        .await?;
    let cancelled: Cancelled = serde_json::from_slice(&answer.body)?;
    assert_eq!(cancelled.cancelled, 2);
    for call in [a, b] {
        let answer = call.await??;
        assert_eq!(answer.status, 409);
        assert!(String::from_utf8_lossy(&answer.body).contains("request_cancelled"));
        assert_eq!(answer.header("x-should-retry"), "false");
    }
    let left = until_waiting(&gateway, 1).await?;
    assert_eq!(left.calls[0].session.as_deref(), Some("other"));
    let id = status
        .calls
        .iter()
        .find(|call| call.session.as_deref() == Some("other"))
        .context("it waits")?;
    let path = format!("/monitoring/queue/{}", id.request_id);
    assert_eq!(gateway.admin(&path).await?.status, 200);
    assert_eq!(
        gateway
            .admin_order(http::Method::DELETE, &path, "")
            .await?
            .status,
        200
    );
    assert_eq!(other.await??.status, 409);
    assert_eq!(
        gateway
            .admin_order(http::Method::DELETE, &path, "")
            .await?
            .status,
        404
    );
    assert_eq!(gateway.admin(&path).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn a_pool_that_is_reset_starts_over_with_one_request() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[limits]\ntokens_per_minute = 6000\nwindow = \"bucket\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    for _ in 0..3 {
        assert_eq!(ask(&gateway, "s").await??.status, 200);
    }
    let before = gateway.assert_settled().await?;
    let used = before.limits.iter().map(|limit| limit.used).max();
    assert!(used > Some(100), "{used:?}");
    let answer = gateway
        .admin_order(
            http::Method::POST,
            "/monitoring/reset-rate-limits",
            "{\"pool\":\"nobody\"}",
        )
        .await?;
    assert_eq!(answer.status, 404);
    let answer = gateway
        .admin_order(
            http::Method::POST,
            "/monitoring/reset-rate-limits",
            "{\"pol\":1}",
        )
        .await?;
    assert_eq!(answer.status, 400);
    let answer = gateway
        .admin_order(http::Method::POST, "/monitoring/reset-rate-limits", "")
        .await?;
    let reset: ResetAnswer = serde_json::from_slice(&answer.body)?;
    assert_eq!(reset.pools, [before.name]);
    let pool = gateway.pool().await?;
    assert!(pool.limits.iter().all(|limit| limit.used == 0), "{pool:?}");
    assert_eq!(pool.probe_concurrency, Some(1));
    assert!(!pool.throttles.is_empty());
    assert_eq!(ask(&gateway, "s").await??.status, 200);
    Ok(())
}

#[tokio::test]
async fn nobody_orders_without_the_token() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    for (method, path) in [
        (http::Method::POST, "/monitoring/reset-rate-limits"),
        (http::Method::DELETE, "/monitoring/queue/x"),
        (http::Method::DELETE, "/monitoring/sessions/x"),
        (http::Method::GET, "/monitoring/budgets"),
        (http::Method::GET, "/monitoring/alerts"),
    ] {
        let request = caller.request(method, path, &[], "")?;
        assert_eq!(caller.send(request).await?.status, 401, "{path}");
    }
    Ok(())
}
