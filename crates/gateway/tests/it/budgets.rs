//! Budgets hold, however many calls run at once, on one gateway and on several.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use paceline_admin_api::{Alerts, BudgetAlert, BudgetStanding, BudgetStandings};
use paceline_coordinator::InProcess;
use paceline_coordinator::budgets::InProcessBudgets;
use paceline_simulator::Simulator;
use paceline_testkit::{Answer, TestGateway, chat};
use parking_lot::Mutex;

use crate::provider::provider;

/// How the budgets stand once nothing is held: an answer can be with its caller a moment before what
/// it cost is in the books.
async fn budgets(gateway: &TestGateway) -> Result<Vec<BudgetStanding>> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let answer = gateway.admin("/monitoring/budgets").await?;
        let standings: BudgetStandings = serde_json::from_slice(&answer.body)?;
        let is_held = |standing: &BudgetStanding| standing.held > 0;
        if !standings.budgets.iter().any(is_held) || Instant::now() > end {
            return Ok(standings.budgets);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Calls at once from all of these gateways; how many were answered, and what the others were told.
async fn calls(gateways: &[TestGateway], count: usize) -> Result<(usize, Vec<Answer>)> {
    let calls = (0..count).map(|number| {
        let caller = gateways[number % gateways.len()].caller();
        async move {
            caller
                .chat(&[("x-paceline-tenant", "acme")], chat(5, false))
                .await
        }
    });
    let (mut served, mut refused) = (0, Vec::new());
    for answer in join_all(calls).await {
        let answer = answer?;
        match answer.status.as_u16() {
            200 => served += 1,
            _ => refused.push(answer),
        }
    }
    Ok((served, refused))
}

fn assert_refused(refused: &[Answer]) {
    for answer in refused {
        assert_eq!(answer.status, 429);
        assert_eq!(answer.error_code(), "budget_exceeded");
        let text = String::from_utf8_lossy(&answer.body);
        assert!(
            text.contains("the budget calls of tenant:acme (day)"),
            "{text}"
        );
        assert!(
            text.contains("50 requests of 50 requests are spent"),
            "{text}"
        );
        assert!(text.contains("it starts anew at 20"), "{text}");
        assert_eq!(answer.header("x-should-retry"), "false");
        let wait = answer.header("retry-after").parse::<u64>();
        assert!(wait.as_ref().is_ok_and(|wait| *wait <= 86_400), "{wait:?}");
    }
}

const CALLS: &str = "[budgets.calls]\namount = \"50 requests\"\nperiod = \"day\"\n";

#[tokio::test]
async fn of_many_calls_at_once_as_many_go_as_fit() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateways = [TestGateway::start(simulator.address(), CALLS)?];
    let (served, refused) = calls(&gateways, 200).await?;
    assert_eq!((served, refused.len()), (50, 150));
    assert_refused(&refused);
    let standing = budgets(&gateways[0]).await?.pop().context("one budget")?;
    assert_eq!((standing.spent, standing.held), (50, 0));
    assert_eq!(
        (&*standing.scope, standing.used_ratio),
        ("tenant:acme", 1.0)
    );
    Ok(())
}

async fn sharing(simulator: &Simulator, count: usize) -> Result<Vec<TestGateway>> {
    let (limits, budgets) = (InProcess::new(), Arc::new(InProcessBudgets::new()));
    let start = |_| {
        let (limits, budgets) = (Arc::new(limits.clone()), Arc::clone(&budgets));
        TestGateway::start_with_stores(simulator.address(), CALLS, limits, budgets)
    };
    (0..count).map(start).collect()
}

#[tokio::test]
async fn of_many_calls_at_once_on_three_gateways_as_many_go_as_fit() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateways = sharing(&simulator, 3).await?;
    let (served, refused) = calls(&gateways, 200).await?;
    assert_eq!((served, refused.len()), (50, 150));
    assert_refused(&refused);
    Ok(())
}

#[tokio::test]
async fn a_budget_in_dollars_is_used_to_the_end_and_never_passed() -> Result<()> {
    let simulator = provider(vec![]).await?;
    // A call costs about five micro-dollars and may cost ten times as much by what it allows.
    let limits = "[prices]\nprovider = \"openai\"\n[budgets.money]\namount = \"0.0005 usd\"\nscope = \"all\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let asked = (0..150).map(|_| {
        let caller = gateway.caller();
        async move { caller.chat(&[], chat(50, false)).await }
    });
    let mut served = 0;
    for answer in join_all(asked).await {
        let answer = answer?;
        assert!(
            matches!(answer.status.as_u16(), 200 | 429),
            "{}",
            answer.status
        );
        served += usize::from(answer.status == 200);
    }
    let standing = budgets(&gateway).await?.pop().context("one budget")?;
    assert_eq!(standing.amount, 500_000);
    assert!(standing.spent <= standing.amount, "{standing:?}");
    // What is left is less than the most that one call may cost.
    assert!(standing.spent > 440_000, "{standing:?}, {served} served");
    let ledger = gateway.ledger().await?;
    let total = ledger.query(&paceline_ledger::Query::default()).await?;
    assert_eq!(total.groups[0].usage.cost_nanousd, standing.spent);
    let alerts: Alerts = serde_json::from_slice(&gateway.admin("/monitoring/alerts").await?.body)?;
    let percents: Vec<_> = alerts.alerts.iter().map(|alert| alert.percent).collect();
    assert_eq!(percents, [80], "told once, and all of it was not spent");
    Ok(())
}

#[tokio::test]
async fn what_was_spent_is_known_after_a_restart() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = Arc::new(tempfile::tempdir()?);
    let limits = "[budgets.calls]\namount = \"3 requests\"\nperiod = \"month\"\n";
    for served in [2, 1, 0] {
        let at = simulator.address();
        let gateway = TestGateway::start_in(Arc::clone(&state), at, limits, &[])?;
        let mut answered = 0;
        for _ in 0..2 {
            let headers = [("x-paceline-tenant", "acme")];
            let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
            answered += usize::from(answer.status == 200);
        }
        assert_eq!(answered, served);
        gateway.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_price_is_refused_or_taken_for_the_dearest() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[budgets.money]\namount = \"1 usd\"\nscope = \"all\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let answer = gateway.caller().chat(&[], chat(5, false)).await?;
    assert_eq!(
        (answer.status.as_u16(), &*answer.error_code()),
        (403, "price_unknown")
    );
    let dearest = format!("{limits}[prices]\nunknown = \"dearest\"\n");
    let gateway = TestGateway::start(simulator.address(), &dearest)?;
    let answer = gateway.caller().chat(&[], chat(5, false)).await?;
    assert_eq!(answer.status, 200);
    let standing = budgets(&gateway).await?.pop().context("one budget")?;
    assert!(standing.spent > 0, "{standing:?}");
    Ok(())
}

#[tokio::test]
async fn tokens_count_as_the_answer_tells_them_where_the_price_is_not_known() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[budgets.tokens]\namount = \"1_000_000 tokens\"\nscope = \"all\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let answer = gateway.caller().chat(&[], chat(5_000, false)).await?;
    let told: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let standing = budgets(&gateway).await?.pop().context("one budget")?;
    assert_eq!(told["usage"]["total_tokens"], standing.spent);
    assert!((1..1_000).contains(&standing.spent), "{standing:?}");
    Ok(())
}

#[tokio::test]
async fn what_counts_as_the_dearest_and_has_no_price_is_settled_with_its_tokens_and_the_worst()
-> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[prices]\nunknown = \"dearest\"\n\
                  [budgets.money]\namount = \"1000 usd\"\nscope = \"all\"\n\
                  [budgets.tokens]\namount = \"1_000_000 tokens\"\nscope = \"all\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    gateway.caller().chat(&[], chat(50_000, false)).await?;
    let standings = budgets(&gateway).await?;
    let [money, tokens] = &*standings else {
        anyhow::bail!("two budgets: {standings:?}");
    };
    assert!((1..1_000).contains(&tokens.spent), "{tokens:?}");
    // No model sells fifty thousand tokens of output for less than a cent and is the dearest.
    assert!(money.spent > 10_000_000, "{money:?}");
    Ok(())
}

#[tokio::test]
async fn what_was_refused_before_a_restart_takes_nothing_of_a_budget_for_all() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = Arc::new(tempfile::tempdir()?);
    let at = simulator.address();
    let limits = "[limits]\ntokens_per_hour = 50\nwindow = \"bucket\"\n";
    let gateway = TestGateway::start_in(Arc::clone(&state), at, limits, &[])?;
    for _ in 0..3 {
        let answer = gateway.caller().chat(&[], chat(100, false)).await?;
        assert_eq!(answer.error_code(), "request_larger_than_limit");
    }
    gateway.stop().await?;
    let limits = "[budgets.calls]\namount = \"2 requests\"\nscope = \"all\"\n";
    let gateway = TestGateway::start_in(state, at, limits, &[])?;
    for status in [200, 200, 429] {
        let answer = gateway.caller().chat(&[], chat(5, false)).await?;
        assert_eq!(answer.status, status);
    }
    Ok(())
}

#[tokio::test]
async fn a_soft_budget_only_tells_and_each_session_has_its_own() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[budgets.soft]\namount = \"1 requests\"\nhard = false\n\
                  [budgets.each]\namount = \"2 requests\"\nscope = \"session\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    for (session, status) in [("a", 200), ("a", 200), ("a", 429), ("b", 200)] {
        let headers = [("x-paceline-tenant", "t"), ("x-paceline-session", session)];
        let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
        assert_eq!(answer.status, status, "{session}");
        if status == 429 {
            let text = String::from_utf8_lossy(&answer.body);
            assert!(text.contains("each of session:t/a (month)"), "{text}");
        }
    }
    let standings = budgets(&gateway).await?;
    let scopes: Vec<_> = standings.iter().map(|budget| &*budget.scope).collect();
    assert_eq!(scopes, ["session:t/a", "session:t/b", "tenant:t"]);
    assert_eq!(standings[2].spent, 3);
    Ok(())
}

#[tokio::test]
async fn what_never_went_out_takes_nothing() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = format!("{CALLS}[limits]\ntokens_per_hour = 50\nwindow = \"bucket\"\n");
    let gateway = TestGateway::start(simulator.address(), &limits)?;
    let headers = [("x-paceline-tenant", "acme")];
    let answer = gateway.caller().chat(&headers, chat(100, false)).await?;
    assert_eq!(answer.error_code(), "request_larger_than_limit");
    let standing = budgets(&gateway).await?.pop().context("one budget")?;
    assert_eq!((standing.spent, standing.held), (0, 0));
    Ok(())
}

/// Takes posts: the first is told to come again, the others are kept with their headers.
async fn hook() -> Result<(std::net::SocketAddr, Arc<Mutex<Vec<(String, String)>>>)> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let (address, posts) = (listener.local_addr()?, Arc::default());
    let taken: Arc<Mutex<Vec<(String, String)>>> = Arc::clone(&posts);
    let attempts = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (taken, attempts) = (Arc::clone(&taken), Arc::clone(&attempts));
            let answer = service_fn(move |request: Request<Incoming>| {
                let (taken, attempts) = (Arc::clone(&taken), Arc::clone(&attempts));
                async move {
                    let header = |name: &str| {
                        let value = request.headers().get(name);
                        let text = value.and_then(|value| value.to_str().ok());
                        text.unwrap_or_default().to_owned()
                    };
                    let signed = header("x-paceline-signature");
                    let path = request.uri().to_string();
                    let body = request.into_body().collect().await?.to_bytes();
                    let status = if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                        503
                    } else {
                        let body = String::from_utf8_lossy(&body).into_owned();
                        taken.lock().push((format!("{path} {signed}"), body));
                        204
                    };
                    let mut response = Response::new(Empty::<Bytes>::new());
                    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
                    Ok::<_, hyper::Error>(response)
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    Ok((address, posts))
}

#[tokio::test]
async fn thresholds_are_posted_signed_and_again_where_they_were_not_taken() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let (address, posts) = hook().await?;
    let limits = format!(
        "[budgets.calls]\namount = \"2 requests\"\nalerts_percent = [50, 100]\n\
         [alerts]\nwebhook = \"http://{address}/told?key=canary\"\nwebhook_secret = \"0123456789abcdef\"\n"
    );
    let gateway = TestGateway::start(simulator.address(), &limits)?;
    for _ in 0..2 {
        gateway.caller().chat(&[], chat(5, false)).await?;
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while posts.lock().len() < 2 {
        anyhow::ensure!(Instant::now() < deadline, "alerts never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let posts = posts.lock().clone();
    let percents: Vec<_> = posts
        .iter()
        .filter_map(|(_, body)| serde_json::from_str::<BudgetAlert>(body).ok())
        .map(|alert| alert.percent)
        .collect();
    assert_eq!(percents, [50, 100], "in order, each once");
    assert!(
        posts
            .iter()
            .all(|(head, _)| head.starts_with("/told?key=canary sha256=")),
        "{posts:?}"
    );
    let taken = gateway
        .metric("paceline_alert_webhooks_total", "result=\"taken\"")
        .await?;
    assert_eq!(taken, 2.0);
    let metrics = gateway.admin("/metrics").await?;
    assert!(!metrics.text().contains("canary"));
    Ok(())
}
