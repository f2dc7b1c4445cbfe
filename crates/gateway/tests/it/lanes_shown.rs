//! What people see of lanes: the admin plane, metrics, the log, and names in the list of models.

use anyhow::{Context, Result};
use http::Method;
use paceline_admin_api::{LaneState, Lanes};
use paceline_simulator::{Quota, Simulator};
use paceline_testkit::{TestGateway, chat};
use serde_json::Value;

use crate::lanes::{always, gateway_to};
use crate::log::Log;
use crate::monitoring_events::Listener;
use crate::provider::provider;

const LANES: &str = "{ model = \"gpt-4o\" }, { provider = \"p1\", priority = 2 }";

const LIMIT: &str = "[limits]\ntokens_per_day = 90000\nwindow = \"bucket\"\n";

/// A gateway that stays away from a lane that failed until it is told otherwise.
async fn gateway(more: &str) -> Result<(TestGateway, Simulator, Simulator)> {
    let (first, second) = (
        provider(vec![Quota::tokens_per_minute(90_000)]).await?,
        provider(vec![]).await?,
    );
    let more = format!("[breaker]\nopen = \"1h\"\nopen_max = \"1h\"\n{LIMIT}{more}");
    let gateway = gateway_to(&[&first, &second], LANES, &more)?;
    Ok((gateway, first, second))
}

async fn ask(gateway: &TestGateway) -> Result<String> {
    let body = chat(5, false).replace("gpt-4o-mini", "fast");
    let answer = gateway.caller().chat(&[], body).await?;
    anyhow::ensure!(answer.status == 200, "{}", answer.text());
    Ok(answer.header("x-paceline-lane").to_owned())
}

async fn shown(gateway: &TestGateway) -> Result<Lanes> {
    let answer = gateway.admin("/monitoring/lanes").await?;
    anyhow::ensure!(answer.status == 200, "{}", answer.text());
    Ok(serde_json::from_slice(&answer.body)?)
}

fn lane<'a>(lanes: &'a Lanes, name: &str) -> Result<&'a LaneState> {
    let mut all = lanes.lanes.iter();
    all.find(|lane| lane.name == name)
        .with_context(|| format!("{name} is not in {lanes:?}"))
}

#[tokio::test]
async fn lanes_and_providers_are_shown_before_the_first_call_and_keys_never() -> Result<()> {
    let (gateway, first, _second) = gateway("").await?;
    let answer = gateway.admin("/monitoring/lanes").await?;
    assert!(!answer.text().contains("sk-"), "{}", answer.text());
    let lanes = shown(&gateway).await?;
    let names: Vec<_> = lanes.lanes.iter().map(|lane| lane.name.as_str()).collect();
    assert_eq!(names, ["p1/fast", "upstream/gpt-4o"]);
    for lane in &lanes.lanes {
        assert_eq!(lane.models, ["fast"]);
        assert_eq!((lane.state.as_str(), lane.trips), ("closed", 0));
        assert_eq!((&lane.cause, lane.since_unix_ms), (&None, None));
    }
    let providers = &lanes.providers;
    assert_eq!(providers.len(), 2);
    assert_eq!(providers[0].name, "upstream");
    assert_eq!(
        providers[0].address,
        format!("http://{}/v1", first.address())
    );
    assert!(providers.iter().all(|provider| provider.has_own_key));
    Ok(())
}

#[tokio::test]
async fn a_trip_is_shown_and_logged_with_its_cause_and_the_levels_of_the_limits() -> Result<()> {
    let log = Log::capture();
    let (gateway, first, _second) = gateway("").await?;
    first.set_faults(always("500"))?;
    for _ in 0..4 {
        assert_eq!(ask(&gateway).await?, "p1/fast");
    }
    let lanes = shown(&gateway).await?;
    let ill = lane(&lanes, "upstream/gpt-4o")?;
    assert_eq!((ill.state.as_str(), ill.trips), ("open", 1));
    let cause = ill.cause.as_ref().context("a cause")?;
    assert_eq!((cause.kind.as_str(), cause.status), ("status", Some(500)));
    assert!(!cause.message.is_empty());
    assert_eq!(Some(cause.at_unix_ms), ill.since_unix_ms);
    assert_eq!(ill.ill_since_unix_ms, ill.since_unix_ms);
    assert!(ill.next_probe_in_ms.is_some_and(|left| left > 3_000_000));
    assert_eq!(ill.under_way, 0);
    let pool = ill.pools.first().context("a pool")?;
    let limit = pool.limits.first().context("a limit")?;
    assert_eq!(
        (limit.metric.as_str(), limit.source.as_str()),
        ("tokens", "configured")
    );
    let (used, amount) = (limit.used, limit.amount);
    assert!(used > 0 && used < amount, "{ill:?}");
    let well = lane(&lanes, "p1/fast")?;
    assert_eq!((well.state.as_str(), well.trips), ("closed", 0));

    let lines = log.lines("the lane is ill");
    let mine = |line: &&String| line.contains(&format!("of {amount} tokens in 86400s used"));
    let line = lines.iter().find(mine).context("a line of the trip")?;
    for part in [
        "lane=upstream/gpt-4o",
        "cause=\"status\"",
        "status=500",
        "trips=1",
        "faults_in_a_row=3",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    for (name, labels, value) in [
        ("paceline_lane_state", "lane=\"upstream/gpt-4o\"", 3.0),
        ("paceline_lane_state", "lane=\"p1/fast\"", 0.0),
        ("paceline_lane_trips_total", "cause=\"status\"", 1.0),
        (
            "paceline_lane_calls_total",
            "lane=\"upstream/gpt-4o\",outcome=\"fault\"",
            3.0,
        ),
        (
            "paceline_lane_calls_total",
            "lane=\"p1/fast\",outcome=\"whole\"",
            4.0,
        ),
        (
            "paceline_fallbacks_total",
            "from=\"upstream/gpt-4o\",why=\"error\"",
            3.0,
        ),
    ] {
        let told = gateway.metric(name, labels).await?;
        assert!((told - value).abs() < 0.01, "{name} {labels}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn a_lane_is_taken_to_be_well_when_an_operator_says_so() -> Result<()> {
    let (gateway, first, _second) = gateway("").await?;
    first.set_faults(always("500"))?;
    for _ in 0..3 {
        ask(&gateway).await?;
    }
    first.set_faults(Vec::new())?;
    assert_eq!(ask(&gateway).await?, "p1/fast");
    let path = "/monitoring/lanes/upstream%2Fgpt-4o/reset";
    let answer = gateway.admin_order(Method::POST, path, "").await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let lane: LaneState = serde_json::from_slice(&answer.body)?;
    assert_eq!((lane.state.as_str(), lane.cause), ("closed", None));
    assert_eq!(ask(&gateway).await?, "upstream/gpt-4o");
    for (path, status) in [
        ("/monitoring/lanes/upstream%2Fnone/reset", 404),
        ("/monitoring/lanes/upstream%2Fgpt-4o/reset?a=1", 400),
        ("/monitoring/lanes/%ff/reset", 400),
    ] {
        let answer = gateway.admin_order(Method::POST, path, "").await?;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    Ok(())
}

#[tokio::test]
async fn the_feed_tells_in_short_which_lanes_are_not_well() -> Result<()> {
    let (gateway, first, _second) = gateway("").await?;
    let mut feed = Listener::start(&gateway, &[]).await?;
    let told = feed.next().await?.context("a first event")?.lanes;
    assert_eq!((told.total, told.out, told.ill.len()), (2, 0, 0));
    first.set_faults(always("500"))?;
    for _ in 0..3 {
        ask(&gateway).await?;
    }
    let told = loop {
        let now = feed.next().await?.context("an event")?;
        if now.lanes.out > 0 {
            break now.lanes;
        }
    };
    assert_eq!((told.total, told.out, told.returning), (2, 1, 0));
    let ill = told.ill.first().context("a lane")?;
    assert_eq!(
        (ill.name.as_str(), ill.state.as_str()),
        ("upstream/gpt-4o", "open")
    );
    assert_eq!(
        (ill.cause.as_deref(), ill.status),
        (Some("status"), Some(500))
    );
    // Nothing happens any more, and the time is told all the same.
    let later = loop {
        let now = feed.next().await?.context("an event")?;
        let ill = now.lanes.ill.first().context("a lane")?;
        if ill.ill_ms > 1_000 {
            break ill.ill_ms;
        }
    };
    assert_eq!(later % 1_000, 0);
    Ok(())
}

#[tokio::test]
async fn names_of_models_come_first_in_the_providers_list() -> Result<()> {
    let more = "[models.\"gpt-4o-mini\"]\nlanes = [{}]\n[models.\"o*\"]\nlanes = [{}]\n";
    let (gateway, first, _second) = gateway(more).await?;
    let plain = TestGateway::start(first.address(), "")?;
    let headers = [
        ("authorization", "Bearer sk-caller"),
        ("accept-encoding", "gzip"),
    ];
    let own = plain.caller().get("/v1/models", &headers).await?;
    let with = gateway.caller().get("/v1/models", &headers).await?;
    assert_eq!(own.status, 200, "{}", own.text());
    assert_eq!(with.status, 200, "{}", with.text());
    let entry = r#"{"id":"fast","object":"model","created":0,"owned_by":"paceline"},"#;
    let cut = with.text().replacen(entry, "", 1);
    assert_eq!(cut, own.text(), "nothing else is changed");
    let told: Value = serde_json::from_slice(&with.body)?;
    assert_eq!(told["data"][0]["id"], "fast");
    assert_eq!(with.header("content-length"), with.body.len().to_string());
    let one = gateway
        .caller()
        .get("/v1/models/gpt-4o", &headers)
        .await?
        .json();
    assert_eq!(one["id"], "gpt-4o");
    Ok(())
}
