//! A second attempt beside a first one that is late.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use paceline_ledger::{Entry, Filter, Outcome};
use paceline_simulator::Simulator;
use paceline_testkit::{Answer, TestGateway, chat};

use crate::lanes::always;
use crate::provider::provider;

/// Longer than any test waits.
const FOREVER: &str = "delay;ms=60000";

/// The lanes in order, and a second attempt after a moment for every call.
const HEDGED: &str = "hedge = true\nhedge_after = \"100ms\"\nhedge_share_max = 1.0\n";

/// Two lanes of two accounts, the second of which is used when the first fails, or is late.
struct Pair {
    gateway: TestGateway,
    first: Simulator,
    second: Simulator,
}

impl Pair {
    async fn start(hedge: &str, more: &str) -> Result<Self> {
        Self::start_with("", hedge, more).await
    }

    /// The first provider is reached by these settings.
    async fn start_with(upstream: &str, hedge: &str, more: &str) -> Result<Self> {
        let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
        let text = format!(
            "[upstream]\napi_key = \"sk-0\"\n{upstream}[prices]\nprovider = \"openai\"\n\
             [retry]\nretries_max = 3\nbase_delay = \"10ms\"\njitter = \"0s\"\n\
             [providers.p1]\nprofile = \"openai\"\nbase_url = \"http://{}/v1\"\napi_key = \"sk-1\"\n\
             [models.fast]\nlanes = [{{ model = \"gpt-4o\" }}, {{ provider = \"p1\", model = \"gpt-4o-mini\" }}]\n\
             choose = \"in_order\"\n{hedge}{more}",
            second.address()
        );
        Ok(Self {
            gateway: TestGateway::start(first.address(), &text)?,
            first,
            second,
        })
    }

    /// A call that somebody waits for.
    async fn ask(&self, stream: bool) -> Result<Answer> {
        self.ask_as("interactive", stream).await
    }

    async fn ask_as(&self, priority: &str, stream: bool) -> Result<Answer> {
        let body = chat(5, stream).replace("gpt-4o-mini", "fast");
        let headers = [("x-paceline-priority", priority)];
        self.gateway.caller().chat(&headers, body).await
    }

    async fn entry(&self) -> Result<Entry> {
        self.gateway.assert_settled_everywhere().await?;
        let ledger = self.gateway.ledger().await?;
        let mut all = ledger.entries(&Filter::default(), None, 100).await?.entries;
        assert_eq!(all.len(), 1, "{all:?}");
        all.pop().context("a record")
    }

    async fn hedges(&self, outcome: &str) -> Result<f64> {
        let labels = format!("lane=\"p1/gpt-4o-mini\",outcome=\"{outcome}\"");
        self.gateway.metric("paceline_hedges_total", &labels).await
    }
}

/// What the input of a call costs with gpt-4o: 2.50 dollars for a million tokens.
fn input_cost_of_gpt_4o(entry: &Entry) -> u64 {
    entry.estimate_tokens * 2_500
}

/// What a call costs with gpt-4o-mini: 0.15 and 0.60 dollars for a million tokens.
fn cost_of_mini(entry: &Entry) -> u64 {
    entry.input_tokens * 150 + entry.output_tokens * 600
}

#[tokio::test]
async fn a_late_first_attempt_is_overtaken_and_both_are_paid() -> Result<()> {
    for stream in [false, true] {
        let pair = Pair::start(HEDGED, "").await?;
        pair.first.set_faults(always(FOREVER))?;
        let began = Instant::now();
        let answer = pair.ask(stream).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(began.elapsed() < Duration::from_secs(20));
        for (name, value) in [
            ("x-paceline-lane", "p1/gpt-4o-mini"),
            ("x-paceline-hedged", "p1/gpt-4o-mini"),
            ("x-paceline-attempts", "2"),
            ("x-paceline-passed", ""),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
        let entry = pair.entry().await?;
        assert_eq!(entry.outcome, Outcome::Ok);
        assert_eq!(entry.lane.as_deref(), Some("p1/gpt-4o-mini"));
        assert_eq!(entry.hedged.as_deref(), Some("p1/gpt-4o-mini"));
        assert_eq!(entry.cost_nanousd, Some(input_cost_of_gpt_4o(&entry)));
        assert_eq!(entry.hedge_cost_nanousd, Some(cost_of_mini(&entry)));
        assert!((pair.hedges("won").await? - 1.0).abs() < 0.1);
        let labels = "lane=\"upstream/gpt-4o\",outcome=\"overtaken\"";
        let name = "paceline_lane_calls_total";
        assert!((pair.gateway.metric(name, labels).await? - 1.0).abs() < 0.1);
        assert!(pair.gateway.metric("paceline_running", "").await?.abs() < 0.1);
    }
    Ok(())
}

#[tokio::test]
async fn a_first_attempt_that_answers_after_all_wins() -> Result<()> {
    let pair = Pair::start(HEDGED, "").await?;
    pair.first.set_faults(always("delay;ms=1500"))?;
    pair.second.set_faults(always(FOREVER))?;
    let answer = pair.ask(false).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-paceline-lane"), "upstream/gpt-4o");
    assert_eq!(answer.header("x-paceline-hedged"), "p1/gpt-4o-mini");
    assert_eq!(answer.header("x-paceline-attempts"), "2");
    let entry = pair.entry().await?;
    assert_eq!(entry.lane.as_deref(), Some("upstream/gpt-4o"));
    let input_of_mini = entry.estimate_tokens * 150;
    assert_eq!(entry.hedge_cost_nanousd, Some(input_of_mini));
    assert!(entry.cost_nanousd > entry.hedge_cost_nanousd);
    assert!((pair.hedges("lost").await? - 1.0).abs() < 0.1);
    Ok(())
}

#[tokio::test]
async fn a_second_attempt_that_fails_costs_nothing_and_the_first_goes_on() -> Result<()> {
    for fault in ["500", "429", "reset"] {
        let pair = Pair::start(HEDGED, "").await?;
        pair.first.set_faults(always("delay;ms=1500"))?;
        pair.second.set_faults(always(fault))?;
        let answer = pair.ask(false).await?;
        assert_eq!(answer.status, 200, "{fault}: {}", answer.text());
        assert_eq!(answer.header("x-paceline-lane"), "upstream/gpt-4o");
        assert_eq!(answer.header("x-paceline-passed"), "");
        let entry = pair.entry().await?;
        assert_eq!(entry.hedge_cost_nanousd, Some(0), "{fault}");
        assert!((pair.hedges("failed").await? - 1.0).abs() < 0.1, "{fault}");
    }
    Ok(())
}

#[tokio::test]
async fn where_the_first_fails_late_the_second_is_the_call() -> Result<()> {
    let pair = Pair::start_with("first_byte_timeout = \"500ms\"\n", HEDGED, "").await?;
    pair.first.set_faults(always("hang"))?;
    pair.second.set_faults(always("delay;ms=1500"))?;
    let answer = pair.ask(false).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-paceline-lane"), "p1/gpt-4o-mini");
    assert_eq!(answer.header("x-paceline-hedged"), "p1/gpt-4o-mini");
    assert_eq!(answer.header("x-paceline-passed"), "upstream/gpt-4o;error");
    let entry = pair.entry().await?;
    assert_eq!((entry.attempts, entry.cost_nanousd), (2, Some(0)));
    assert_eq!(entry.hedge_cost_nanousd, Some(cost_of_mini(&entry)));
    Ok(())
}

#[tokio::test]
async fn only_calls_that_somebody_waits_for_are_sent_twice() -> Result<()> {
    let pair = Pair::start(HEDGED, "").await?;
    pair.first.set_faults(always("delay;ms=500"))?;
    for priority in ["standard", "batch"] {
        let answer = pair.ask_as(priority, false).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-paceline-hedged"), "");
    }
    assert_eq!(pair.second.state().counters.received, 0);
    Ok(())
}

#[tokio::test]
async fn a_second_attempt_keeps_to_quota_budget_and_share() -> Result<()> {
    let no_quota = "[[domains]]\nname = \"p1\"\nprovider = \"p1\"\nmodels = [\"*\"]\n\
                    requests_per_day = 1\nwindow = \"bucket\"\n";
    // Room for one call, whose worst counts as the dearest of the lanes.
    let one_call = "[budgets.all]\namount = \"0.0003 usd\"\nscope = \"all\"\nperiod = \"day\"\n";
    let rare = "hedge = true\nhedge_after = \"100ms\"\n";
    for (hedge, more, uses_quota) in [
        (HEDGED, no_quota, true),
        (HEDGED, one_call, false),
        (rare, "", false),
    ] {
        let pair = Pair::start(hedge, more).await?;
        if uses_quota {
            let body = chat(5, false).replace("gpt-4o-mini", "p1/gpt-4o-mini");
            let answer = pair.gateway.caller().chat(&[], body).await?;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        let before = pair.second.state().counters.received;
        pair.first.set_faults(always("delay;ms=500"))?;
        let answer = pair.ask(false).await?;
        assert_eq!(answer.status, 200, "{more}: {}", answer.text());
        assert_eq!(answer.header("x-paceline-hedged"), "", "{more}");
        assert_eq!(pair.second.state().counters.received, before, "{more}");
    }
    Ok(())
}

#[tokio::test]
async fn what_a_caller_leaves_behind_is_recorded_of_both() -> Result<()> {
    let pair = Pair::start(HEDGED, "").await?;
    for provider in [&pair.first, &pair.second] {
        provider.set_faults(always(FOREVER))?;
    }
    let asking = pair.ask(false);
    let patience = Duration::from_secs(2);
    assert!(tokio::time::timeout(patience, asking).await.is_err());
    let entry = pair.entry().await?;
    assert_eq!(entry.outcome, Outcome::CallerGone);
    assert_eq!(entry.lane.as_deref(), Some("upstream/gpt-4o"));
    assert_eq!(entry.hedged.as_deref(), Some("p1/gpt-4o-mini"));
    assert_eq!(entry.cost_nanousd, Some(input_cost_of_gpt_4o(&entry)));
    assert_eq!(entry.hedge_cost_nanousd, Some(entry.estimate_tokens * 150));
    Ok(())
}
