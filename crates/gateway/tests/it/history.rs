//! What the admin plane tells of the time behind it.

use std::sync::Arc;

use anyhow::{Context, Result};
use http::Method;
use paceline_admin_api::{ChangeKind, Changes, History};
use paceline_simulator::Quota;
use paceline_testkit::{TestGateway, chat};
use serde::de::DeserializeOwned;

use crate::monitoring::refused;
use crate::provider::provider;

const LIMITED: &str = "[limits]\ntokens_per_minute = 100000\nwindow = \"bucket\"\n\
                       [retry]\nretries_max = 0\n";

/// Lets the provider refuse one attempt.
const REFUSED: (&str, &str) = ("x-simulator-fault", "429;times=1;key=history");

async fn ask<T: DeserializeOwned>(gateway: &TestGateway, path: &str) -> Result<T> {
    let answer = gateway.admin(path).await?;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).with_context(|| path.to_owned())
}

#[tokio::test]
async fn limits_and_refusals_are_remembered_step_by_step() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), LIMITED)?;
    let answer = gateway.caller().chat(&[], chat(150, false)).await?;
    assert_eq!(answer.status, 200);
    let answer = gateway.caller().chat(&[REFUSED], chat(150, false)).await?;
    assert_eq!(answer.status, 429, "{}", answer.text());
    let history: History = ask(&gateway, "/monitoring/history").await?;
    assert_eq!(history.step_ms, 10_000);
    assert!(!history.at_ms.is_empty() && history.at_ms.is_sorted());
    let pool = history.pools.first().context("a pool")?;
    let limit = pool.limits.first().context("a limit")?;
    for series in [&pool.waiting, &pool.in_flight, &pool.refusals, &limit.used] {
        assert_eq!(series.len(), history.at_ms.len());
    }
    assert_eq!((&*limit.metric, limit.window_ms), ("tokens", 60_000));
    assert!(limit.used.iter().flatten().any(|used| *used >= 150));
    assert_eq!(pool.refusals.iter().flatten().sum::<u64>(), 1);
    // The same in steps of a day, and asked for by name.
    let path = format!("/monitoring/history?from=-24h&pool={}", pool.name);
    let day: History = ask(&gateway, &path).await?;
    assert_eq!((day.step_ms, day.pools.len()), (300_000, 1));
    assert_eq!(day.pools[0].refusals.iter().flatten().sum::<u64>(), 1);
    let nobody: History = ask(&gateway, "/monitoring/history?pool=nobody").await?;
    assert!(nobody.pools.is_empty());
    refused(&gateway, "/monitoring/history?from=4000000000", 400).await?;
    Ok(())
}

#[tokio::test]
async fn changes_are_told_with_reasons_the_latest_first() -> Result<()> {
    let simulator = provider(vec![Quota::tokens_per_minute(90_000)]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    gateway.caller().chat(&[], chat(100, false)).await?;
    let told: Changes = ask(&gateway, "/monitoring/changes").await?;
    let learned = told.changes.iter().find(|change| {
        (change.kind, change.metric.as_deref()) == (ChangeKind::LimitLearned, Some("tokens"))
    });
    let learned = learned.with_context(|| format!("{told:?}"))?;
    assert_eq!(learned.reason, "an answer named 90000 tokens per minute");
    assert_eq!(learned.window_ms, Some(60_000));
    let reset = "/monitoring/reset-rate-limits";
    let answer = gateway.admin_order(Method::POST, reset, "").await?;
    assert_eq!(answer.status, 200);
    let path = format!("/monitoring/changes?limit=1&pool={}", learned.pool);
    let told: Changes = ask(&gateway, &path).await?;
    assert_eq!(told.changes.len(), 1);
    assert_eq!(told.changes[0].kind, ChangeKind::Reset);
    // What is forgotten is learned again, and told again.
    gateway.caller().chat(&[], chat(100, false)).await?;
    let told: Changes = ask(&gateway, "/monitoring/changes").await?;
    let times = told.changes.iter().map(|change| change.at_ms);
    assert!(times.clone().rev().is_sorted(), "{told:?}");
    let learned = told.changes.iter().filter(|change| {
        (change.kind, change.metric.as_deref()) == (ChangeKind::LimitLearned, Some("tokens"))
    });
    assert_eq!(learned.count(), 2);
    Ok(())
}

#[tokio::test]
async fn refusals_and_what_an_earlier_run_learned_are_told_as_they_happen() -> Result<()> {
    let simulator = provider(vec![Quota::tokens_per_minute(90_000)]).await?;
    let folder = Arc::new(tempfile::tempdir()?);
    let gateway = TestGateway::start_in(Arc::clone(&folder), simulator.address(), LIMITED, &[])?;
    for headers in [&[][..], &[REFUSED]] {
        gateway.caller().chat(headers, chat(150, false)).await?;
    }
    let told: Changes = ask(&gateway, "/monitoring/changes").await?;
    let began = told.changes.iter();
    let began = began.filter(|change| change.kind == ChangeKind::EpisodeBegan);
    let began: Vec<_> = began.collect();
    assert_eq!(began.len(), 1, "{told:?}");
    assert!(began[0].reason.starts_with("the provider refused"));
    let amount = told.changes.iter();
    let mut amount = amount.filter(|change| change.kind == ChangeKind::Amount);
    let amount = amount.next().with_context(|| format!("{told:?}"))?;
    assert_eq!(amount.before.as_deref(), Some("100000 tokens per minute"));
    assert_eq!(amount.after.as_deref(), Some("90000 tokens per minute"));
    gateway.stop().await?;
    let other = provider(vec![Quota::tokens_per_minute(90_000)]).await?;
    let gateway = TestGateway::start_in(Arc::clone(&folder), other.address(), "", &[])?;
    gateway.caller().chat(&[], chat(100, false)).await?;
    gateway.stop().await?;
    let gateway = TestGateway::start_in(Arc::clone(&folder), other.address(), "", &[])?;
    gateway.caller().chat(&[], chat(100, false)).await?;
    let told: Changes = ask(&gateway, "/monitoring/changes").await?;
    let recalled = told.changes.iter();
    let mut recalled = recalled.filter(|change| change.kind == ChangeKind::Recalled);
    let recalled = recalled.next_back().with_context(|| format!("{told:?}"))?;
    assert!(
        recalled
            .after
            .as_deref()
            .is_some_and(|it| it.contains("90000 tokens per minute"))
    );
    Ok(())
}
