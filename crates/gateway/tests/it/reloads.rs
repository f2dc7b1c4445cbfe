//! Reloads while lanes, rules and sessions are in use: what a change does not concern stays as it is.

use std::time::Duration;

use anyhow::{Context, Result};
use http::Method;
use paceline_simulator::Simulator;
use paceline_testkit::{Answer, TestGateway, chat};

use crate::lanes::always;
use crate::provider::provider;

/// Two providers, of which the second has this key, and these further lines.
fn text(second: &Simulator, key: &str, more: &str) -> String {
    format!(
        "[retry]\nretries_max = 3\nbase_delay = \"10ms\"\njitter = \"0s\"\n[upstream]\napi_key = \"sk-0\"\n\
         [providers.p1]\nbase_url = \"http://{}/v1\"\napi_key = \"{key}\"\n{more}\n",
        second.address()
    )
}

async fn ask(gateway: &TestGateway, session: &str) -> Result<Answer> {
    let body = chat(5, false).replace("gpt-4o-mini", "fast");
    let headers = [("x-paceline-session", session)];
    let headers = if session.is_empty() {
        &[]
    } else {
        &headers[..]
    };
    gateway.caller().chat(headers, body).await
}

async fn lane_of(gateway: &TestGateway, session: &str) -> Result<String> {
    let answer = ask(gateway, session).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(answer.header("x-paceline-lane").to_owned())
}

/// The second provider first, and the first one when it fails.
const SECOND_FIRST: &str = "[models.fast]\nlanes = [{ provider = \"p1\" }, { priority = 2 }]\n";

#[tokio::test]
async fn a_lane_stays_ill_through_a_reload_until_its_own_settings_change() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    second.set_faults(always("insufficient_quota"))?;
    let gateway = TestGateway::start(first.address(), &text(&second, "sk-1", SECOND_FIRST))?;
    assert_eq!(lane_of(&gateway, "").await?, "upstream/fast");
    assert_eq!(second.state().counters.received, 1);
    let others = format!("{SECOND_FIRST}choose = \"weighted\"\n[tenants.acme]\nweight = 2\n");
    for more in [SECOND_FIRST, &others] {
        gateway.reload(&text(&second, "sk-1", more))?;
        assert_eq!(lane_of(&gateway, "").await?, "upstream/fast");
        assert_eq!(second.state().counters.received, 1, "its key is refused");
    }
    second.set_faults(Vec::new())?;
    gateway.reload(&text(&second, "sk-other", SECOND_FIRST))?;
    assert_eq!(lane_of(&gateway, "").await?, "p1/fast");
    Ok(())
}

#[tokio::test]
async fn other_rules_of_illness_hold_for_lanes_that_were_ill_by_former_ones() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    second.set_faults(always("insufficient_quota"))?;
    let gateway = TestGateway::start(first.address(), &text(&second, "sk-1", SECOND_FIRST))?;
    assert_eq!(lane_of(&gateway, "").await?, "upstream/fast");
    second.set_faults(Vec::new())?;
    let off = format!("{SECOND_FIRST}[breaker]\nenabled = false\n");
    gateway.reload(&text(&second, "sk-1", &off))?;
    assert_eq!(lane_of(&gateway, "").await?, "p1/fast");
    Ok(())
}

#[tokio::test]
async fn a_call_of_the_former_settings_does_not_bring_its_rule_back() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    first.set_faults(always("delay;ms=400"))?;
    let in_order = "[models.fast]\nlanes = [{}, { provider = \"p1\" }]\nchoose = \"in_order\"\n";
    let by_weight = "[models.fast]\nlanes = [{}, { provider = \"p1\" }]\nchoose = \"weighted\"\n";
    let gateway = TestGateway::start(first.address(), &text(&second, "sk-1", in_order))?;
    let change = async {
        while first.state().counters.received == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gateway.reload(&text(&second, "sk-1", by_weight))
    };
    let (former, changed) = tokio::join!(lane_of(&gateway, "s"), change);
    changed?;
    assert_eq!(former?, "upstream/fast");
    first.set_faults(Vec::new())?;
    for _ in 0..4 {
        lane_of(&gateway, "").await?;
    }
    assert_eq!(second.state().counters.received, 2, "they take turns now");
    Ok(())
}

#[tokio::test]
async fn sessions_stay_on_their_lanes_when_their_rule_changes() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    let before = "[models.fast]\nlanes = [{ weight = 1000000 }, { provider = \"p1\" }]\n";
    let after = "[models.fast]\nlanes = [{ provider = \"p1\", weight = 1000000 }, {}]\n";
    let gateway = TestGateway::start(first.address(), &text(&second, "sk-1", before))?;
    let sessions = ["a", "b", "c", "d"];
    for session in sessions {
        assert_eq!(lane_of(&gateway, session).await?, "upstream/fast");
    }
    for rule in [before, after] {
        gateway.reload(&text(&second, "sk-1", rule))?;
        for session in sessions {
            assert_eq!(lane_of(&gateway, session).await?, "upstream/fast", "{rule}");
        }
    }
    assert_eq!(lane_of(&gateway, "new").await?, "p1/fast");
    Ok(())
}

#[tokio::test]
async fn an_operator_wakes_calls_that_have_waited_for_a_lane_since_before_a_reload() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    second.set_faults(always("insufficient_quota"))?;
    // The lane comes back in about a minute.
    let alone = "[breaker]\npatience = \"5m\"\n[models.fast]\nlanes = [{ provider = \"p1\" }]\n";
    let gateway = TestGateway::start(first.address(), &text(&second, "sk-1", alone))?;
    assert_eq!(ask(&gateway, "").await?.status, 429);
    second.set_faults(Vec::new())?;
    let orders = async {
        // Until the call waits; one that comes later is answered at once all the same.
        tokio::time::sleep(Duration::from_millis(100)).await;
        gateway.reload(&text(&second, "sk-1", &format!("{alone}[tenants.a]\n")))?;
        let path = "/monitoring/lanes/p1%2Ffast/reset";
        gateway.admin_order(Method::POST, path, "").await
    };
    let waits = tokio::time::timeout(Duration::from_secs(10), ask(&gateway, ""));
    let (waited, reset) = tokio::join!(waits, orders);
    assert_eq!(reset?.status, 200);
    assert_eq!(waited.context("it is not woken")??.status, 200);
    Ok(())
}
