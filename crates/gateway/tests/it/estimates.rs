//! What is learned about tokens, and what is foretold of limits, as the admin plane tells it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use paceline_admin_api::{Estimates, LimitState, PoolState};
use paceline_testkit::{TestGateway, chat};

use crate::provider::provider;

async fn estimates(gateway: &TestGateway) -> Result<Estimates> {
    let answer = gateway.admin("/monitoring/estimates").await?;
    Ok(serde_json::from_slice(&answer.body)?)
}

#[tokio::test]
async fn what_was_learned_about_tokens_is_told_by_model_route_and_bound() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    assert!(estimates(&gateway).await?.outputs.is_empty());
    for _ in 0..25 {
        let answer = gateway.caller().chat(&[], chat(100, false)).await?;
        assert_eq!(answer.status, 200);
    }
    gateway.assert_settled_everywhere().await?;
    let learned = estimates(&gateway).await?;
    let mut of_route = learned.outputs.iter().filter(|entry| entry.route.is_some());
    let entry = of_route.next().context("a route was learned")?;
    assert!(of_route.next().is_none(), "{learned:?}");
    assert_eq!(entry.route.as_deref(), Some("chat_completions"));
    assert_eq!((entry.bound.as_str(), entry.answers), ("up_to_256", 25));
    assert_eq!((entry.p50_tokens, entry.p95_tokens), (Some(5), Some(5)));
    assert_eq!((entry.predicted, entry.coverage), (5, Some(1.0)));
    assert_eq!((entry.mean_error, entry.cost_ratio), (Some(0.0), Some(1.0)));
    let input = learned.inputs.first().context("a model was learned")?;
    assert_eq!(input.answers, 25);
    let names: Vec<_> = input
        .errors
        .iter()
        .map(|error| error.estimator.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "corrected",
            "calibrated",
            "simple",
            "generous",
            "four_characters"
        ]
    );
    let metric = |labels| gateway.metric("paceline_output_predictions_total", labels);
    assert_eq!(metric("result=\"covered\"").await?, 5.0);
    assert_eq!(metric("result=\"none\"").await?, 20.0);
    assert_eq!(
        gateway
            .metric("paceline_output_coverage_ratio", "model")
            .await?,
        1.0
    );
    assert_eq!(
        gateway
            .metric("paceline_output_error_ratio_count", "")
            .await?,
        5.0
    );
    Ok(())
}

fn of_tokens(pool: &PoolState) -> Result<&LimitState> {
    let mut limits = pool.limits.iter();
    limits
        .find(|limit| limit.metric == "tokens")
        .context("there is a limit on tokens")
}

#[tokio::test]
async fn a_limit_that_demand_outruns_is_foretold_and_then_counted_as_hit() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[limits]\ntokens_per_hour = 1000\nwindow = \"bucket\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let caller = gateway.caller();
    let ask = || caller.chat(&[], chat(120, false));
    for _ in 0..3 {
        ask().await?;
    }
    let before = gateway.assert_settled().await?;
    let limit = of_tokens(&before)?;
    assert!(limit.hit_in_ms.is_some_and(|left| left > 0), "{limit:?}");
    assert!(limit.demand_ratio > 1.0, "{limit:?}");
    assert!(before.queue_growth_per_minute > 0.0, "{before:?}");
    assert!(
        gateway
            .metric("paceline_limit_hit_in_seconds", "tokens")
            .await?
            > 0.0
    );
    assert_eq!(gateway.metric("paceline_limit_hits_total", "").await?, 0.0);
    for _ in 0..5 {
        ask().await?;
    }
    let waiting = tokio::time::timeout(Duration::from_secs(5), ask());
    let looking = gateway.until_pool(|pool| pool.waiting == 1);
    let hit = tokio::select! {
        answer = waiting => anyhow::bail!("there was no room for it: {answer:?}"),
        pool = looking => pool?,
    };
    assert_eq!(of_tokens(&hit)?.hit_in_ms, Some(0), "{hit:?}");
    let labels = "metric=\"tokens\",window=\"3600s\"";
    // It is counted right after the queue has it, by another thread.
    let end = Instant::now() + Duration::from_secs(5);
    while gateway.metric("paceline_limit_hits_total", labels).await? != 1.0 {
        assert!(Instant::now() < end, "the hit was not counted");
    }
    assert!(
        gateway
            .metric("paceline_limit_demand_ratio", "tokens")
            .await?
            > 1.0
    );
    Ok(())
}

#[tokio::test]
async fn a_request_too_large_for_a_limit_is_a_hit_on_it() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[limits]\ntokens_per_minute = 1000\nwindow = \"bucket\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let answer = gateway.caller().chat(&[], chat(2_000, false)).await?;
    assert_eq!(answer.status, 429);
    assert_eq!(
        gateway
            .metric("paceline_limit_hits_total", "tokens")
            .await?,
        1.0
    );
    let pool = gateway.pool().await?;
    assert_eq!(of_tokens(&pool)?.used, 0);
    Ok(())
}

#[tokio::test]
async fn calls_that_use_tools_get_the_margin_that_is_set_for_them() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let tools = r#"{"model":"gpt-4o-mini","max_tokens":1000,"messages":[],
        "tools":[{"type":"function","function":{"name":"look_up"}}]}"#;
    let mut estimated = Vec::new();
    for percent in [0, 15, 100] {
        let settings =
            format!("[estimator]\nkind = \"generous\"\ngrounded_margin_percent = {percent}\n");
        let gateway = TestGateway::start(simulator.address(), &settings)?;
        let answer = gateway.caller().chat(&[], tools).await?;
        let tokens = answer.header("x-paceline-estimated-tokens");
        estimated.push(tokens.parse::<f64>()?);
    }
    let [none, usual, double] = estimated[..] else {
        anyhow::bail!("three were asked for")
    };
    assert!(none > 1_200.0);
    // Input and output are rounded up, each on its own.
    assert!((usual - none * 1.15).abs() <= 2.0, "{estimated:?}");
    assert!((double - none * 2.0).abs() <= 2.0, "{estimated:?}");
    Ok(())
}
