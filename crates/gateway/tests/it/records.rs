//! The usage record of each call.

use std::time::Duration;

use anyhow::{Context, Result};
use paceline_ledger::{Entry, Filter, Outcome, Query};
use paceline_simulator::{Simulator, SimulatorSettings};
use paceline_testkit::{TestGateway, chat};

use crate::provider::{provider, settings};

/// What a call with gpt-4o-mini costs by the prices that come with paceline: 0.15 and 0.60 dollars for a
/// million tokens.
fn cost_nanousd(entry: &Entry) -> u64 {
    (entry.input_tokens * 150 * 1_000 + entry.output_tokens * 600 * 1_000).div_ceil(1_000)
}

async fn entries(gateway: &TestGateway) -> Result<Vec<Entry>> {
    let ledger = gateway.ledger().await?;
    Ok(ledger.entries(&Filter::default(), None, 100).await?.entries)
}

async fn only_entry(gateway: &TestGateway) -> Result<Entry> {
    let mut all = entries(gateway).await?;
    let entry = all.pop().context("a record was kept")?;
    assert!(all.is_empty(), "{all:?}");
    Ok(entry)
}

const PRICED: &str = "[prices]\nprovider = \"openai\"\n";

#[tokio::test]
async fn a_call_leaves_who_what_how_much_and_how_long() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), PRICED)?;
    for stream in [false, true] {
        let headers = [
            ("x-paceline-tenant", "acme"),
            ("x-paceline-session", "s-1"),
            ("x-paceline-tags", "nightly, eval,,nightly"),
            ("x-paceline-priority", "batch"),
        ];
        let answer = gateway.caller().chat(&headers, chat(100, stream)).await?;
        assert_eq!(answer.status, 200);
    }
    gateway.assert_settled_everywhere().await?;
    let all = entries(&gateway).await?;
    assert_eq!(all.len(), 2);
    for entry in &all {
        assert_eq!(entry.tenant, "acme");
        assert_eq!(entry.session.as_deref(), Some("s-1"));
        assert_eq!(entry.tags, ["eval", "nightly"]);
        assert_eq!(entry.priority.as_deref(), Some("batch"));
        assert_eq!(
            (&*entry.route, &*entry.provider),
            ("chat_completions", "openai")
        );
        assert_eq!(entry.model, "gpt-4o-mini");
        assert!(entry.model_answered.is_some());
        assert_eq!((entry.output_tokens, entry.outcome), (5, Outcome::Ok));
        assert!(entry.input_tokens > 0 && entry.estimate_tokens > 0);
        assert_eq!((entry.attempts, entry.status), (1, 200));
        assert_eq!(entry.cost_nanousd, Some(cost_nanousd(entry)));
        assert!(entry.price_version.is_some() && entry.first_byte_ms.is_some());
    }
    let total = gateway.ledger().await?.query(&Query::default()).await?;
    assert_eq!(total.groups[0].usage.output_tokens, 10);
    Ok(())
}

#[tokio::test]
async fn a_name_in_front_of_another_model_does_not_lend_it_its_price() -> Result<()> {
    let simulator = Simulator::start(SimulatorSettings {
        models: vec!["my-own-model".to_owned()],
        ..settings(vec![])
    })
    .await?;
    let alias = format!("{PRICED}[models.\"gpt-4o\"]\nlanes = [{{ model = \"my-own-model\" }}]\n");
    let gateway = TestGateway::start(simulator.address(), &alias)?;
    let body = chat(5, false).replace("gpt-4o-mini", "gpt-4o");
    let answer = gateway.caller().chat(&[], body).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let entry = only_entry(&gateway).await?;
    assert_eq!((&*entry.model, entry.output_tokens), ("gpt-4o", 5));
    assert_eq!((entry.cost_nanousd, entry.price_version), (None, None));
    Ok(())
}

#[tokio::test]
async fn a_record_is_found_by_the_id_that_the_answer_told() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let mut told = std::collections::BTreeSet::new();
    for (tenant, stream) in [("one", false), ("two", true), ("three", false)] {
        let headers = [("x-paceline-tenant", tenant)];
        let answer = gateway.caller().chat(&headers, chat(5, stream)).await?;
        let id = answer.header("x-paceline-request-id").to_owned();
        gateway.ledger().await?.writer().flush().await;
        for path in [&*id, id.trim_start_matches("pl-")] {
            let path = format!("/monitoring/requests/{path}");
            let record = gateway.admin(&path).await?.json();
            assert_eq!(record["tenant"], tenant, "{path}: {record}");
            assert_eq!(format!("pl-{}", record["id"].as_str().unwrap_or("")), id);
        }
        assert!(told.insert(id), "each has its own");
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_price_is_unknown_and_not_nothing() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    gateway.caller().chat(&[], chat(100, false)).await?;
    gateway.assert_settled_everywhere().await?;
    let entry = only_entry(&gateway).await?;
    assert_eq!((&*entry.provider, entry.cost_nanousd), ("custom", None));
    assert!(entry.input_tokens > 0);
    Ok(())
}

#[tokio::test]
async fn what_is_refused_costs_nothing_and_says_why() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = format!("{PRICED}[limits]\ntokens_per_hour = 50\nwindow = \"bucket\"\n");
    let gateway = TestGateway::start(simulator.address(), &limits)?;
    let answer = gateway.caller().chat(&[], chat(100, false)).await?;
    assert_eq!(answer.status, 429);
    let entry = only_entry(&gateway).await?;
    assert_eq!((entry.outcome, entry.attempts), (Outcome::Refused, 0));
    assert_eq!(
        entry.error_code.as_deref(),
        Some("request_larger_than_limit")
    );
    assert_eq!((entry.cost_nanousd, entry.input_tokens), (Some(0), 0));
    Ok(())
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_kept_as_what_was_seen_of_it() -> Result<()> {
    let simulator = paceline_simulator::Simulator::start(paceline_simulator::SimulatorSettings {
        output_length: paceline_simulator::OutputLength::Exactly(50),
        ..settings(vec![])
    })
    .await?;
    let gateway = TestGateway::start(simulator.address(), PRICED)?;
    let fault = [("x-simulator-fault", "cut_stream;after=10")];
    let broken = gateway.caller().chat(&fault, chat(100, true)).await;
    drop(broken);
    let ledger = gateway.ledger().await?;
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let entry = loop {
        ledger.writer().flush().await;
        let page = ledger.entries(&Filter::default(), None, 10).await?;
        if let Some(entry) = page.entries.into_iter().next() {
            break entry;
        }
        anyhow::ensure!(std::time::Instant::now() < deadline, "no record came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(entry.outcome, Outcome::UpstreamFailed, "{entry:?}");
    assert_eq!(entry.input_tokens, entry.estimate_tokens);
    assert!((1..50).contains(&entry.output_tokens), "{entry:?}");
    assert_eq!(entry.cost_nanousd, Some(cost_nanousd(&entry)));
    Ok(())
}

#[tokio::test]
async fn records_outlive_the_gateway_and_none_are_kept_where_that_is_wanted() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = std::sync::Arc::new(tempfile::tempdir()?);
    for calls in 1..3 {
        let at = simulator.address();
        let gateway = TestGateway::start_in(std::sync::Arc::clone(&state), at, PRICED, &[])?;
        gateway.caller().chat(&[], chat(100, false)).await?;
        gateway.assert_settled_everywhere().await?;
        assert_eq!(entries(&gateway).await?.len(), calls);
        gateway.stop().await?;
    }
    let none = TestGateway::start(simulator.address(), "[ledger]\nenabled = false\n")?;
    assert_eq!(none.caller().chat(&[], chat(100, false)).await?.status, 200);
    assert!(none.ledger().await.is_err());
    Ok(())
}

#[tokio::test]
async fn without_its_ledger_a_gateway_with_budgets_does_not_start() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = std::sync::Arc::new(tempfile::tempdir()?);
    std::fs::create_dir(state.path().join("ledger.db"))?;
    let limits = "[budgets.calls]\namount = \"9 requests\"\n";
    let started = TestGateway::start_in(state, simulator.address(), limits, &[]);
    let error = started.err().context("it started")?.to_string();
    assert!(error.contains("the ledger cannot be used"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_ledger_that_cannot_be_opened_is_tried_again_and_gets_what_waited() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = std::sync::Arc::new(tempfile::tempdir()?);
    // Something that cannot be opened as a file is in its place.
    let file = state.path().join("ledger.db");
    std::fs::create_dir(&file)?;
    let gateway = TestGateway::start_in(state, simulator.address(), "", &[])?;
    assert_eq!(
        gateway.caller().chat(&[], chat(5, false)).await?.status,
        200
    );
    let ledger = gateway.admin("/monitoring/ledger").await?.json();
    assert_eq!(
        (&ledger["enabled"], &ledger["queued"]),
        (&true.into(), &1.into())
    );
    assert_eq!(
        (&ledger["writable"], &ledger["readable"]),
        (&false.into(), &false.into())
    );
    let answer = gateway.admin("/monitoring/requests").await?;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.error_code(), "store_away");
    std::fs::remove_dir(&file)?;
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while gateway.ledger().await.is_err() {
        anyhow::ensure!(
            std::time::Instant::now() < deadline,
            "it was not tried again"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gateway.caller().chat(&[], chat(5, false)).await?;
    gateway.assert_settled_everywhere().await?;
    assert_eq!(entries(&gateway).await?.len(), 2);
    let ledger = gateway.admin("/monitoring/ledger").await?.json();
    assert_eq!(
        (&ledger["writable"], &ledger["lost"]),
        (&true.into(), &0.into())
    );
    Ok(())
}
