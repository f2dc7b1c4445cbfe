//! What the admin plane tells of calls that were made.

use anyhow::{Context, Result, bail, ensure};
use paceline_admin_api::{
    AdminError, CallRecord, CostBreakdown, Forecasts, LedgerState, Performance, PromptSizes,
    RequestsPage, SessionUsage, SuggestionKind, Suggestions, TokenUsage,
};
use paceline_ledger::{CallId, Filter};
use paceline_simulator::Simulator;
use paceline_testkit::{TestGateway, chat};
use serde::de::DeserializeOwned;

use crate::provider::provider;

const PRICED: &str = "[prices]\nprovider = \"openai\"\n";

/// A gateway with these calls behind it: three of acme's (two of the session s-1, one of them streamed)
/// and one of zeta's.
async fn after_calls() -> Result<(TestGateway, Simulator)> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), PRICED)?;
    let calls = [
        ("acme", Some("s-1"), false),
        ("acme", Some("s-1"), true),
        ("acme", None, false),
        ("zeta", None, false),
    ];
    for (tenant, session, stream) in calls {
        let mut headers = vec![
            ("x-paceline-tenant", tenant),
            ("x-paceline-tags", "nightly"),
        ];
        headers.extend(session.map(|session| ("x-paceline-session", session)));
        let answer = gateway.caller().chat(&headers, chat(100, stream)).await?;
        assert_eq!(answer.status, 200);
    }
    gateway.assert_settled_everywhere().await?;
    gateway.ledger().await?;
    Ok((gateway, simulator))
}

async fn ask<T: DeserializeOwned>(gateway: &TestGateway, path: &str) -> Result<T> {
    let answer = gateway.admin(path).await?;
    ensure!(answer.status == 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).with_context(|| path.to_owned())
}

pub(crate) async fn refused(gateway: &TestGateway, path: &str, status: u16) -> Result<AdminError> {
    let answer = gateway.admin(path).await?;
    ensure!(
        answer.status == status,
        "{path}: {} {}",
        answer.status,
        answer.text()
    );
    serde_json::from_slice(&answer.body).with_context(|| path.to_owned())
}

#[tokio::test]
async fn tokens_are_told_in_all_over_time_and_by_what_calls_have_in_common() -> Result<()> {
    let (gateway, _simulator) = after_calls().await?;
    let usage: TokenUsage = ask(&gateway, "/monitoring/token-usage?group_by=tenant").await?;
    assert_eq!((usage.total.calls, usage.total.output_tokens), (4, 20));
    assert_eq!(usage.bucket, "hour");
    let in_series: u64 = usage.series.iter().map(|point| point.usage.calls).sum();
    assert_eq!(in_series, 4);
    let tenants: Vec<_> = usage
        .groups
        .iter()
        .map(|it| (&*it.by["tenant"], it.usage.calls))
        .collect();
    assert_eq!(tenants, [("acme", 3), ("zeta", 1)]);
    let estimates = usage.total.estimates;
    assert_eq!(estimates.calls, 4);
    assert!(estimates.relative_error.is_some() && usage.characters_per_token.is_some());
    let path = "/monitoring/token-usage?group_by=tag,outcome&tenant=acme&bucket=day&utc_offset=-05:30&from=-7d&limit=1";
    let usage: TokenUsage = ask(&gateway, path).await?;
    assert_eq!((usage.total.calls, usage.utc_offset_minutes), (3, -330));
    assert_eq!(usage.groups[0].by["tag"], "nightly");
    assert_eq!(usage.groups[0].by["outcome"], "ok");
    // Local midnight is half past five in UTC.
    assert_eq!(usage.series[0].start_ms.rem_euclid(86_400_000), 19_800_000);
    Ok(())
}

#[tokio::test]
async fn filters_let_through_what_they_say_and_times_bound_it() -> Result<()> {
    let (gateway, _simulator) = after_calls().await?;
    for (query, calls) in [
        ("tenant=zeta", 1),
        ("session=s-1", 2),
        ("model=gpt-4o-mini", 4),
        ("model=gpt-4o", 0),
        ("provider=openai&route=chat_completions", 4),
        ("tag=nightly", 4),
        ("tag=daily", 0),
        ("outcome=ok", 4),
        ("outcome=refused", 0),
        ("key=", 4),
        ("key=nobody", 0),
        ("lane=nowhere/gpt-4o", 0),
        ("from=-1h&to=now", 4),
        ("to=-1h", 0),
        ("from=0&to=1000000000&bucket=day&utc_offset=Z", 0),
        ("from=2020-01-01T00:00:00%2B02:00&bucket=day", 4),
    ] {
        let path = format!("/monitoring/token-usage?{query}");
        let usage = ask::<TokenUsage>(&gateway, &path).await;
        // `now` is the end of a time that does not hold its last millisecond.
        let counted = usage.with_context(|| path.clone())?.total.calls;
        assert!(
            counted == calls || query.ends_with("to=now"),
            "{path}: {counted}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn lanes_are_told_filtered_by_and_told_apart() -> Result<()> {
    let (gateway, _simulator) = after_calls().await?;
    let ledger = gateway.ledger().await?;
    let mut kept = ledger.entries(&Filter::default(), None, 1).await?.entries;
    let mut entry = kept.pop().context("calls were made")?;
    entry.call_id = CallId(7);
    entry.lane = Some("claude/claude-haiku-4-5".to_owned());
    entry.passed = Some("upstream/gpt-4o-mini;overload".to_owned());
    entry.hedged = Some("second/gpt-4o-mini".to_owned());
    entry.hedge_cost_nanousd = Some(4_321);
    ledger.writer().record_durably(entry.clone()).await?;
    let lane = "lane=claude/claude-haiku-4-5";
    let page: RequestsPage = ask(&gateway, &format!("/monitoring/requests?{lane}")).await?;
    let [told] = page.requests.as_slice() else {
        bail!("not one record: {page:?}");
    };
    assert_eq!(told.lane, entry.lane);
    assert_eq!(told.passed, entry.passed);
    assert_eq!(told.hedged, entry.hedged);
    assert_eq!(told.hedge_cost_nanousd, entry.hedge_cost_nanousd);
    let path = format!("/monitoring/token-usage?group_by=lane&{lane}");
    let usage: TokenUsage = ask(&gateway, &path).await?;
    assert_eq!(usage.total.calls, 1);
    assert_eq!(usage.groups[0].by["lane"], "claude/claude-haiku-4-5");
    let cost = entry.cost_nanousd.context("the price is known")?;
    assert_eq!(usage.total.cost_nanousd, cost + 4_321);
    Ok(())
}

#[tokio::test]
async fn a_session_is_told_with_its_times_models_and_outcomes() -> Result<()> {
    let (gateway, _simulator) = after_calls().await?;
    let path = "/monitoring/session-usage/s-1?tenant=acme&bucket=minute";
    let session: SessionUsage = ask(&gateway, path).await?;
    assert_eq!((session.total.calls, session.total.output_tokens), (2, 10));
    assert_eq!(session.by_model[0].by["model"], "gpt-4o-mini");
    assert_eq!(session.by_outcome[0].by["outcome"], "ok");
    assert!(session.first_ms <= session.last_ms && session.first_ms.is_some());
    assert_eq!((session.duration.count, session.first_byte.count), (2, 2));
    assert!(session.total.cost_nanousd > 0);
    let other: SessionUsage = ask(&gateway, "/monitoring/session-usage/s-1?tenant=zeta").await?;
    assert_eq!((other.total.calls, other.first_ms), (0, None));
    let odd: SessionUsage = ask(&gateway, "/monitoring/session-usage/a%2Fb%20%C3%A4").await?;
    assert_eq!(odd.session, "a/b ä");
    Ok(())
}

#[tokio::test]
async fn costs_add_up_to_what_calls_cost_by_their_prices() -> Result<()> {
    let (gateway, _simulator) = after_calls().await?;
    let page: RequestsPage = ask(&gateway, "/monitoring/requests").await?;
    let whole: u64 = page.requests.iter().filter_map(|it| it.cost_nanousd).sum();
    assert!(whole > 0);
    let costs: CostBreakdown =
        ask(&gateway, "/monitoring/cost-breakdown?group_by=tenant,model").await?;
    assert_eq!((costs.total.cost_nanousd, costs.total.unpriced), (whole, 0));
    assert_eq!(costs.groups[0].by["tenant"], "acme");
    let shares: f64 = costs.groups.iter().map(|group| group.share).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    assert_eq!(costs.total.average_nanousd, Some(whole / 4));
    let in_series: u64 = costs
        .series
        .iter()
        .map(|point| point.cost.cost_nanousd)
        .sum();
    assert_eq!(in_series, whole);
    Ok(())
}

#[tokio::test]
async fn a_cost_that_is_not_known_is_counted_as_such() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    gateway.caller().chat(&[], chat(100, false)).await?;
    gateway.ledger().await?;
    let costs: CostBreakdown = ask(&gateway, "/monitoring/cost-breakdown").await?;
    assert_eq!((costs.total.cost_nanousd, costs.total.unpriced), (0, 1));
    assert_eq!(costs.total.average_nanousd, None);
    Ok(())
}

#[tokio::test]
async fn performance_is_told_with_a_score_that_says_what_it_is_made_of() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = format!("{PRICED}[limits]\ntokens_per_hour = 50\nwindow = \"bucket\"\n");
    let gateway = TestGateway::start(simulator.address(), &limits)?;
    let none: Performance = ask(&gateway, "/monitoring/performance").await?;
    assert!(none.score.is_none() && none.total.error_rate.is_none());
    assert_eq!(none.total.wait.p50_ms, None);
    // The first fits, the second never will.
    assert_eq!(
        gateway.caller().chat(&[], chat(40, false)).await?.status,
        200
    );
    assert_eq!(
        gateway.caller().chat(&[], chat(100, false)).await?.status,
        429
    );
    gateway.ledger().await?;
    let told: Performance = ask(&gateway, "/monitoring/performance?group_by=outcome").await?;
    assert_eq!((told.total.calls, told.total.sent), (2, 1));
    assert_eq!(told.total.error_rate, Some(0.5));
    assert_eq!(told.total.outcomes["refused"], 1);
    assert_eq!(told.total.outcomes["upstream_failed"], 0);
    assert_eq!(told.groups.len(), 2);
    let times = told.total.duration;
    assert!(
        times.p50_ms <= times.p95_ms && times.p95_ms <= times.p99_ms,
        "{times:?}"
    );
    assert!(times.p99_ms <= times.max_ms);
    assert_eq!(told.added_latency.context("a call was sent")?.count, 1);
    let score = told.score.context("there were calls")?;
    let success = score
        .parts
        .iter()
        .find(|part| part.name == "success")
        .context("a part")?;
    assert_eq!((success.points, success.figure), (20.0, Some(0.5)));
    assert!(score.value <= 80, "{score:?}");
    Ok(())
}

#[tokio::test]
async fn records_come_page_by_page_each_once_and_one_by_its_id() -> Result<()> {
    let (gateway, _simulator) = after_calls().await?;
    let mut seen: Vec<CallRecord> = Vec::new();
    let mut path = "/monitoring/requests?limit=3".to_owned();
    loop {
        let page: RequestsPage = ask(&gateway, &path).await?;
        seen.extend(page.requests);
        let Some(next) = page.next else { break };
        path = format!("/monitoring/requests?limit=3&cursor={next}");
    }
    assert_eq!(seen.len(), 4);
    assert!(seen.is_sorted_by(|one, other| one.ended_at_ms >= other.ended_at_ms));
    let ids: std::collections::BTreeSet<_> = seen.iter().map(|record| &record.id).collect();
    assert_eq!(ids.len(), 4);
    let id = &seen[1].id;
    let one: CallRecord = ask(&gateway, &format!("/monitoring/requests/{id}")).await?;
    assert_eq!(one, seen[1]);
    let unknown = format!("/monitoring/requests/{:032x}", 7);
    assert_eq!(
        refused(&gateway, &unknown, 404).await?.error.code,
        "not_found"
    );
    let wrong = refused(&gateway, "/monitoring/requests/7", 400).await?;
    assert_eq!(wrong.error.parameter.as_deref(), Some("id"));
    Ok(())
}

#[tokio::test]
async fn an_export_is_the_same_records_as_a_file() -> Result<()> {
    let (gateway, _simulator) = after_calls().await?;
    let csv = gateway.admin("/monitoring/export?tenant=acme").await?;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(csv.header("content-disposition").contains("calls.csv"));
    assert_eq!(csv.text().lines().count(), 1 + 3);
    let lines = gateway.admin("/monitoring/export?format=jsonl").await?;
    assert_eq!(lines.header("content-type"), "application/jsonl");
    let mut tenants = Vec::new();
    for line in lines.text().lines() {
        let record: serde_json::Value = serde_json::from_str(line)?;
        tenants.push(record["tenant"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(tenants, ["acme", "acme", "acme", "zeta"]);
    Ok(())
}

#[tokio::test]
async fn prompt_sizes_and_the_ledgers_state_are_told() -> Result<()> {
    let (gateway, _simulator) = after_calls().await?;
    let sizes: PromptSizes = ask(&gateway, "/monitoring/prompt-sizes").await?;
    let [size] = sizes.prompts.as_slice() else {
        anyhow::bail!("{sizes:?}");
    };
    assert_eq!(
        (&*size.route, &*size.model, size.calls),
        ("chat_completions", "gpt-4o-mini", 4)
    );
    assert_eq!(size.input_tokens, 4 * size.average_input_tokens);
    let state: LedgerState = ask(&gateway, "/monitoring/ledger").await?;
    assert!(
        state.enabled && state.readable && state.writable,
        "{state:?}"
    );
    assert_eq!((state.committed, state.queued, state.lost), (4, 0, 0));
    Ok(())
}

#[tokio::test]
async fn forecasts_name_each_limit_and_what_will_be_spent() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = format!("{PRICED}[limits]\nrequests_per_hour = 3\nwindow = \"bucket\"\n");
    let gateway = TestGateway::start(simulator.address(), &limits)?;
    for _ in 0..3 {
        gateway.caller().chat(&[], chat(5, false)).await?;
    }
    gateway.ledger().await?;
    let told: Forecasts = ask(&gateway, "/monitoring/forecasts").await?;
    let limit = told.limits.first().context("a limit")?;
    assert_eq!(
        (&*limit.metric, limit.amount, limit.used),
        ("requests", 3, 3)
    );
    assert_eq!(
        (limit.hit_in_ms, limit.hit_at_ms),
        (Some(0), Some(told.at_ms))
    );
    assert_eq!(told.pools.len(), 1);
    let spend = told.spend.context("a ledger is kept")?;
    assert!(spend.last_day_nanousd > 0);
    assert_eq!(spend.last_week_nanousd, spend.last_day_nanousd);
    assert_eq!((spend.day_before_nanousd, spend.trend_ratio), (0, None));
    // From no more than a day that was seen, a month is thirty of them.
    assert_eq!(spend.next_30_days_nanousd, 30 * spend.last_day_nanousd);
    Ok(())
}

#[tokio::test]
async fn a_cheaper_model_and_a_limit_that_binds_are_suggested_with_evidence() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = format!("{PRICED}[limits]\nrequests_per_hour = 20\nwindow = \"bucket\"\n");
    let gateway = TestGateway::start(simulator.address(), &limits)?;
    let words = "several words that are of no use ".repeat(300);
    let body = format!(
        r#"{{"model":"gpt-4o","max_tokens":5,"messages":[{{"role":"user","content":"{words}"}}]}}"#
    );
    for _ in 0..20 {
        assert_eq!(gateway.caller().chat(&[], body.clone()).await?.status, 200);
    }
    gateway.ledger().await?;
    let caller = gateway.caller();
    let request = caller.post_request("/v1/chat/completions", &[], body)?;
    let waiting = tokio::spawn(async move { caller.start(request).await });
    gateway.until_pool(|pool| pool.waiting == 1).await?;
    let told: Suggestions = ask(&gateway, "/monitoring/suggestions").await?;
    let of = |kind| told.suggestions.iter().find(|it| it.kind == kind);
    let model = of(SuggestionKind::CheaperModel).context("a cheaper model")?;
    assert_eq!((&*model.subject, model.evidence["calls"]), ("gpt-4o", 20.0));
    assert!(model.text.contains("gpt-4o-mini"), "{}", model.text);
    let saving = model.saving_nanousd.context("it saves")?;
    let cost = model.evidence["cost_nanousd"];
    // Each part of it costs six hundredths as much.
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let ratio = saving as f64 / cost;
    assert!((ratio - 0.94).abs() < 0.001, "{saving} of {cost}");
    let prompts = of(SuggestionKind::TrimPrompts).context("long prompts")?;
    assert_eq!(prompts.subject, "chat_completions gpt-4o");
    let limit = of(SuggestionKind::RaiseLimit).context("a limit that binds")?;
    assert_eq!(
        (limit.evidence["amount"], limit.evidence["waiting"]),
        (20.0, 1.0)
    );
    assert_eq!(limit.saving_nanousd, None);
    waiting.abort();
    Ok(())
}

#[tokio::test]
async fn without_a_ledger_questions_to_it_say_how_to_turn_it_on() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "[ledger]\nenabled = false\n")?;
    for path in [
        "/monitoring/token-usage",
        "/monitoring/session-usage/s",
        "/monitoring/cost-breakdown",
        "/monitoring/performance",
        "/monitoring/requests",
        "/monitoring/requests/00000000000000000000000000000007",
        "/monitoring/prompt-sizes",
        "/monitoring/suggestions",
        "/monitoring/export",
    ] {
        let error = refused(&gateway, path, 409).await?.error;
        assert_eq!(error.code, "ledger_off", "{path}");
        assert!(error.message.contains("ledger.enabled = true"), "{path}");
    }
    let state: LedgerState = ask(&gateway, "/monitoring/ledger").await?;
    assert_eq!(state, LedgerState::default());
    assert!(
        ask::<Forecasts>(&gateway, "/monitoring/forecasts")
            .await?
            .spend
            .is_none()
    );
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_away_is_said_to_be_and_all_else_goes_on() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let ledger = format!(
        "[ledger]\ndatabase = \"postgres://someone:pass-word@{nowhere}/calls?sslmode=disable\"\n"
    );
    let gateway = TestGateway::start(simulator.address(), &ledger)?;
    assert_eq!(
        gateway.caller().chat(&[], chat(100, false)).await?.status,
        200
    );
    for path in [
        "/monitoring/token-usage",
        "/monitoring/requests",
        "/monitoring/export",
    ] {
        let answer = gateway.admin(path).await?;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text());
        assert_eq!(answer.error_code(), "store_away", "{path}");
        assert!(!answer.header("retry-after").is_empty(), "{path}");
        assert!(
            !answer.text().contains("pass-word"),
            "{path}: {}",
            answer.text()
        );
    }
    let state: LedgerState = ask(&gateway, "/monitoring/ledger").await?;
    assert!(state.enabled && !state.readable, "{state:?}");
    assert!(
        ask::<Forecasts>(&gateway, "/monitoring/forecasts")
            .await?
            .spend
            .is_none()
    );
    Ok(())
}
