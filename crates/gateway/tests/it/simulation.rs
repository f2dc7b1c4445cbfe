//! What the admin plane tells of settings that are tried.

use anyhow::{Context, Result};
use http::Method;
use paceline_admin_api::{AdminError, SimulatedKind, Simulation, SimulationProposal};
use paceline_testkit::{Answer, TestGateway, chat};
use serde_json::json;

use crate::provider::provider;

const PATH: &str = "/monitoring/simulation";

async fn simulate(gateway: &TestGateway, body: &str) -> Result<Answer> {
    gateway.admin_order(Method::POST, PATH, body).await
}

async fn proposal(gateway: &TestGateway) -> Result<SimulationProposal> {
    let answer = gateway.admin(PATH).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).context("a proposal")
}

#[tokio::test]
async fn what_is_proposed_can_be_played_and_changes_nothing() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let settings = "[limits]\nrequests_per_minute = 900\nwindow = \"sliding\"\n\
                    [queue]\nmax_wait = \"90s\"\n\
                    [tenants.acme]\nweight = 3\n";
    let gateway = TestGateway::start(simulator.address(), settings)?;
    let sample = proposal(&gateway).await?;
    assert!(sample.sample && sample.pool.is_none());
    assert_eq!(sample.request.gateway.max_wait_s, Some(90));
    let names: Vec<&str> = sample.presets.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["production", "development"]);
    assert!(
        sample
            .presets
            .iter()
            .flat_map(|it| &it.settings)
            .all(|it| !it.about.is_empty())
    );
    let wait = sample.settings.iter().find(|it| it.key == "queue.max_wait");
    assert_eq!(wait.map(|it| &*it.value), Some("\"90s\""));
    let headers = [("x-paceline-tenant", "acme")];
    for _ in 0..3 {
        gateway.caller().chat(&headers, chat(100, false)).await?;
    }
    gateway.ledger().await?;
    let before = gateway.assert_settled().await?;
    let mut found = proposal(&gateway).await?;
    assert!(!found.sample && found.pool.is_some());
    let [quota] = found.request.quota.as_slice() else {
        anyhow::bail!("{found:?}")
    };
    assert_eq!((quota.amount, quota.kind), (900, SimulatedKind::Sliding));
    let acme = &found.request.workload[0];
    assert_eq!(
        (&*acme.tenant, acme.weight, acme.output_tokens),
        ("acme", 3, 5)
    );
    assert_eq!(acme.requests_per_minute, Some(0.05));
    found.request.workload[0].requests_per_minute = Some(30.0);
    let answer = simulate(&gateway, &serde_json::to_string(&found.request)?).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let first: Simulation = serde_json::from_slice(&answer.body)?;
    assert!(first.senders[0].served > 100 && first.senders[0].refused_by_provider == 0);
    assert!(
        first.toml.contains("requests_per_minute = 900"),
        "{}",
        first.toml
    );
    let again = simulate(&gateway, &serde_json::to_string(&found.request)?).await?;
    assert_eq!(
        answer.body, again.body,
        "the same seed tells the same story"
    );
    let after = gateway.assert_settled().await?;
    assert_eq!(before.tokens.reserved, after.tokens.reserved);
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_wrong_is_refused_with_its_path() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let quota = json!([{ "metric": "tokens", "amount": 0 }]);
    let workload = json!([{ "requests_per_minute": 1 }]);
    for (body, path) in [
        (String::new(), "."),
        (
            json!({ "quota": quota, "workload": workload }).to_string(),
            "quota[0].amount",
        ),
    ] {
        let answer = simulate(&gateway, &body).await?;
        assert_eq!(answer.status, 400, "{}", answer.text());
        let error: AdminError = serde_json::from_slice(&answer.body)?;
        assert_eq!(error.error.code, "invalid_body");
        assert_eq!(error.error.parameter.as_deref(), Some(path), "{error:?}");
    }
    let answer = gateway.caller().get(PATH, &[]).await?;
    assert_eq!(answer.status, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_one_at_a_time_and_the_largest_ends() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = std::sync::Arc::new(TestGateway::start(simulator.address(), "")?);
    let body = |requests: u64| {
        json!({
            "duration_s": 3_600,
            "quota": [{ "metric": "tokens", "amount": 9_000_000 }],
            "workload": [{ "job": { "requests": requests }, "max_tokens": 300 }],
        })
        .to_string()
    };
    let (largest, small) = (body(50_000), body(1));
    let large = tokio::spawn({
        let gateway = std::sync::Arc::clone(&gateway);
        async move { simulate(&gateway, &largest).await }
    });
    let mut busy = 0;
    while !large.is_finished() {
        let answer = simulate(&gateway, &small).await?;
        if answer.status == 503 {
            assert_eq!(answer.header("retry-after"), "1");
            busy += 1;
        }
    }
    let large = large.await??;
    let ended = large.text();
    // It may have come while a small one was under way, or be ended where the machine is slow.
    assert!(
        large.status == 200 || ended.contains("simulation_"),
        "{ended}"
    );
    assert!(busy > 0 || large.status == 503);
    Ok(())
}
