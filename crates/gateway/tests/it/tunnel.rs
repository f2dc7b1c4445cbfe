//! WebSocket sessions through the gateway.

use std::time::Duration;

use anyhow::Result;
use paceline_testkit::{TestGateway, raw_exchange};

use crate::provider::provider;

const UPGRADE: &[u8] = b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nhost: x\r\n\
    authorization: Bearer sk-test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn a_session_is_opened_and_its_first_event_comes_through() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let answer = raw_exchange(gateway.address(), UPGRADE, Duration::from_millis(500)).await?;
    let text = String::from_utf8_lossy(&answer.bytes).into_owned();
    assert_eq!(answer.status(), 101, "{text}");
    assert!(
        text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "the provider's own accept key: {text}"
    );
    assert!(text.contains("session.created"), "{text}");
    let pool = gateway.assert_settled().await?;
    assert_eq!(pool.name.split('@').next(), Some("gpt-realtime"));
    Ok(())
}

#[tokio::test]
async fn a_session_that_the_provider_refuses_is_refused_in_its_words() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let request = String::from_utf8_lossy(UPGRADE).replace("sk-test", "sk-invalid");
    let straight = raw_exchange(
        simulator.address(),
        request.as_bytes(),
        Duration::from_millis(500),
    );
    let through = raw_exchange(
        gateway.address(),
        request.as_bytes(),
        Duration::from_millis(500),
    );
    let (straight, through) = (straight.await?, through.await?);
    assert_eq!(through.status(), straight.status());
    let text = String::from_utf8_lossy(&through.bytes).into_owned();
    assert!(text.contains("invalid_api_key"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_session_is_held_to_budgets_and_its_cost_is_unknown_rather_than_nothing() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[budgets.calls]\namount = \"1 requests\"\nscope = \"all\"\n[prices]\nprovider = \"openai\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let open = || raw_exchange(gateway.address(), UPGRADE, Duration::from_millis(500));
    assert_eq!(open().await?.status(), 101);
    gateway.assert_settled().await?;
    let answer = open().await?;
    let text = String::from_utf8_lossy(&answer.bytes).into_owned();
    assert_eq!(answer.status(), 429, "{text}");
    assert!(text.contains("budget_exceeded"), "{text}");
    let ledger = gateway.ledger().await?;
    let page = ledger
        .entries(&paceline_ledger::Filter::default(), None, 10)
        .await?;
    let costs: Vec<_> = page
        .entries
        .iter()
        .map(|entry| entry.cost_nanousd)
        .collect();
    assert_eq!(costs, [Some(0), None], "the refused one cost nothing");
    Ok(())
}
