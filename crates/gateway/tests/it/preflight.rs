//! What a batch is told before it starts.

use std::time::Duration;

use anyhow::Result;
use http::Method;
use paceline_simulator::Quota;
use paceline_testkit::{Answer, TestGateway, chat};
use serde_json::{Value, json};

use crate::lanes::gateway_to;
use crate::provider::provider;

async fn ask(gateway: &TestGateway, headers: &[(&str, &str)], body: &Value) -> Result<Answer> {
    let caller = gateway.caller();
    let path = "/v1/batches/preflight";
    let request = caller.request(Method::POST, path, headers, body.to_string())?;
    caller.send(request).await
}

const LIMITS: &str = "[limits]\ntokens_per_minute = 60000\nrequests_per_minute = 600\nheadroom = 0.5\nwindow = \"bucket\"\n\
    charge = \"sum\"\nsettle = \"at_admission\"\n";

fn batch(requests: u64, within: &str) -> Value {
    json!({
        "model": "gpt-4o-mini", "requests": requests, "input_tokens": requests * 100,
        "max_output_tokens": 200, "within": within,
    })
}

#[tokio::test]
async fn a_batch_that_fits_is_told_when_it_is_through() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), LIMITS)?;
    // 300 tokens each against 30,000 a minute, of which 30,000 can go at once.
    let answer = ask(&gateway, &[], &batch(200, "2m")).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    assert_eq!(told["admitted"], true);
    assert_eq!(told["projected_tokens"], 60_000);
    assert_eq!(told["expected_seconds"], 60.0);
    assert_eq!(told["limits"], "known");
    assert_eq!(told["pool"], "default");
    assert_eq!(told["binds"]["metric"], "tokens");
    assert_eq!(told["binds"]["amount"], 30_000);
    let metrics = gateway.admin("/metrics").await?.text();
    let line = "paceline_batch_preflights_total{result=\"admitted\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    // Nothing went to the provider, and nothing is held.
    gateway.assert_settled_everywhere().await?;
    Ok(())
}

#[tokio::test]
async fn a_batch_that_would_take_longer_is_told_how_much() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), LIMITS)?;
    let answer = ask(&gateway, &[], &batch(1_000, "5m")).await?;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error_code(), "BATCH_RATE_LIMITED");
    assert_eq!(answer.header("retry-after"), "240");
    assert_eq!(answer.header("retry-after-ms"), "240000");
    assert_eq!(answer.header("x-should-retry"), "false");
    let error = &answer.json()["error"];
    assert_eq!(error["suggested_wait_seconds"], 240.0);
    assert_eq!(error["expected_seconds"], 540.0);
    assert_eq!(error["projected_tokens"], 300_000);
    let message = error["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("30000 tokens in 60 s is in the way"),
        "{message}"
    );
    assert!(
        message.contains("even alone it would take 540 s"),
        "{message}"
    );
    // With more time it may go.
    let answer = ask(&gateway, &[], &batch(1_000, "9m")).await?;
    assert_eq!(answer.status, 200);
    Ok(())
}

#[tokio::test]
async fn what_was_learned_is_counted_and_what_is_not_known_holds_nobody() -> Result<()> {
    let simulator = provider(vec![Quota::tokens_per_minute(60_000)]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let key = [("authorization", "Bearer sk-one")];
    let asked = json!({
        "model": "gpt-4o", "requests": 100, "input_tokens": 1_000_000, "max_output_tokens": 10,
    });
    let answer = ask(&gateway, &key, &asked).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["limits"], "unknown");
    assert_eq!(answer.json()["expected_seconds"], Value::Null);
    let served = gateway.caller().chat(&key, chat(5, false)).await?;
    assert_eq!(served.status, 200);
    let mut asked = asked;
    asked["model"] = json!("gpt-4o-mini");
    asked["within"] = json!("1m");
    let answer = ask(&gateway, &key, &asked).await?;
    assert_eq!(
        answer.error_code(),
        "BATCH_RATE_LIMITED",
        "{}",
        answer.text()
    );
    let expected = answer.json()["error"]["expected_seconds"].as_f64();
    assert!(
        expected.is_some_and(|seconds| (900.0..1_100.0).contains(&seconds)),
        "{expected:?}"
    );
    Ok(())
}

#[tokio::test]
async fn requests_larger_than_a_limit_never_fit() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), LIMITS)?;
    let asked = json!({ "model": "m", "requests": 2, "input_tokens": 80_000 });
    let answer = ask(&gateway, &[], &asked).await?;
    assert_eq!(answer.error_code(), "request_larger_than_limit");
    Ok(())
}

#[tokio::test]
async fn a_budget_that_cannot_hold_the_batch_refuses_it() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let configuration = "[budgets.calls]\namount = \"50 requests\"\nperiod = \"day\"\n\
        [prices]\nprovider = \"openai\"\n[budgets.money]\namount = \"1 usd\"\nperiod = \"month\"\n";
    let gateway = TestGateway::start(simulator.address(), configuration)?;
    let answer = ask(&gateway, &[], &batch(50, "1h")).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = ask(&gateway, &[], &batch(51, "1h")).await?;
    assert_eq!(answer.error_code(), "budget_exceeded");
    assert!(
        answer.text().contains("the budget calls of"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("retry-after"), "", "it never fits");
    let asked = json!({
        "model": "gpt-4o", "requests": 10, "input_tokens": 1_000_000, "max_output_tokens": 1,
    });
    let answer = ask(&gateway, &[], &asked).await?;
    assert!(
        answer.text().contains("the budget money of"),
        "{}",
        answer.text()
    );
    Ok(())
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_key_that_is_wrong() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), LIMITS)?;
    let good = batch(10, "10m");
    for (key, value) in [
        ("model", json!("")),
        ("requests", json!(0)),
        ("requests", json!(u64::MAX)),
        ("input_tokens", json!(u64::MAX)),
        ("max_output_tokens", json!(u64::MAX)),
        ("within", json!("soon")),
        ("within", json!("0s")),
    ] {
        let mut asked = good.clone();
        asked[key] = value.clone();
        let answer = ask(&gateway, &[], &asked).await?;
        assert_eq!(answer.error_code(), "invalid_request", "{key} {value}");
        assert_eq!(answer.json()["error"]["param"], key);
    }
    for text in ["", "[]", "{\"model\": 1}", "{\"model\": \"m\"}", "\u{0}"] {
        let caller = gateway.caller();
        let path = "/v1/batches/preflight";
        let request = caller.request(Method::POST, path, &[], text.to_owned())?;
        let answer = caller.send(request).await?;
        assert_eq!(answer.error_code(), "invalid_request", "{text:?}");
    }
    let long = json!({ "model": "m".repeat(20_000), "requests": 1, "input_tokens": 1 });
    let answer = ask(&gateway, &[], &long).await?;
    assert_eq!(answer.error_code(), "body_too_large");
    tokio::time::timeout(Duration::from_secs(10), gateway.assert_settled_everywhere()).await??;
    Ok(())
}

/// Two lanes with 30,000 tokens a minute each, of which 30,000 can go at once.
async fn ask_of_two(lanes: &str, more: &str, requests: u64) -> Result<Value> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    let of_second = LIMITS.replace("[limits]\n", "");
    let more = format!(
        "{more}\n{LIMITS}[[domains]]\nname = \"second\"\nprovider = \"p1\"\nmodels = [\"*\"]\n{of_second}"
    );
    let gateway = gateway_to(&[&first, &second], lanes, &more)?;
    let mut batch = batch(requests, "1h");
    batch["model"] = json!("fast");
    let answer = ask(&gateway, &[], &batch).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(answer.json())
}

fn seconds(told: &Value) -> i64 {
    told["expected_seconds"].as_f64().unwrap_or(-1.0).round() as i64
}

#[tokio::test]
async fn a_batch_is_shared_by_the_pools_of_its_lanes() -> Result<()> {
    let equal = "{}, { provider = \"p1\" }";
    let told = ask_of_two(equal, "", 400).await?;
    assert_eq!(seconds(&told), 60, "{told}");
    assert_eq!(told["projected_tokens"], 120_000);
    let pools = told["pools"].as_array().map_or(0, Vec::len);
    let requests = |place: usize| told["pools"][place]["requests"].as_u64().unwrap_or(0);
    assert_eq!((pools, requests(0) + requests(1)), (2, 400), "{told}");
    assert!(requests(0).abs_diff(200) <= 1, "{told}");
    // The second is there for when the quota of the first is spent, or it is not.
    let later = "{}, { provider = \"p1\", priority = 2 }";
    let told = ask_of_two(later, "", 400).await?;
    assert_eq!(seconds(&told), 60, "{told}");
    let told = ask_of_two(later, "fall_back_on = [\"error\"]", 400).await?;
    assert_eq!(seconds(&told), 180, "{told}");
    assert_eq!(
        (&told["pools"], &told["pool"]),
        (&Value::Null, &json!("default"))
    );
    Ok(())
}

#[tokio::test]
async fn what_a_batch_may_cost_is_that_of_its_dearest_lane() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let text = "[upstream]\napi_key = \"sk-0\"\n[prices]\nprovider = \"openai\"\n[models.fast]\n\
                lanes = [{ model = \"gpt-4o-mini\" }, { model = \"gpt-4o\" }]\n\
                [budgets.all]\namount = \"1 usd\"\nscope = \"all\"\nperiod = \"day\"\n";
    let gateway = TestGateway::start(simulator.address(), text)?;
    // 100 in and 200 out are 0.00225 dollars with gpt-4o, and 0.000135 with gpt-4o-mini.
    for (requests, status) in [(440, 200), (450, 429)] {
        let mut batch = batch(requests, "1h");
        batch["model"] = json!("fast");
        let answer = ask(&gateway, &[], &batch).await?;
        assert_eq!(answer.status, status, "{requests}: {}", answer.text());
    }
    Ok(())
}
