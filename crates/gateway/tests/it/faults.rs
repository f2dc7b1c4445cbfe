//! Providers that fail, refuse, hang, break off and lie.

use anyhow::Result;
use paceline_simulator::{FaultRule, Likeness, Simulator, SimulatorSettings};
use paceline_testkit::{Caller, TestGateway, chat};

use crate::lanes::always;
use crate::provider::provider;

/// Retries come at once, and a provider that is silent for half a second is given up.
const QUICK: &str = r#"
[retry]
retries_max = 3
base_delay = "10ms"
delay_max = "40ms"
jitter = "5ms"

[upstream]
first_byte_timeout = "500ms"
idle_timeout = "300ms"
connect_timeout = "300ms"
"#;

async fn pair() -> Result<(Simulator, TestGateway)> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), QUICK)?;
    Ok((simulator, gateway))
}

/// The same with a known limit: a refusal says that it is used up, and a bucket has room again at
/// once, where an unknown window would be waited out.
async fn pair_with_a_bucket() -> Result<(Simulator, TestGateway)> {
    let limits = "[limits]\ntokens_per_minute = 1000000\nwindow = \"bucket\"\n";
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), &format!("{QUICK}\n{limits}"))?;
    Ok((simulator, gateway))
}

#[tokio::test]
async fn passing_trouble_is_mended_by_retries() -> Result<()> {
    let (_simulator, gateway) = pair_with_a_bucket().await?;
    let faults = [
        "500", "502", "503", "504", "429", "reset", "cut_body", "garbage",
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        let fault_header = format!("{fault};times=2;key={index}");
        let headers = [("x-simulator-fault", fault_header.as_str())];
        let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
        assert_eq!(answer.status, 200, "{fault}: {}", answer.text());
        assert_eq!(answer.header("x-paceline-attempts"), "3", "{fault}");
    }
    gateway.assert_settled().await?;
    Ok(())
}

#[tokio::test]
async fn lasting_server_errors_come_through_in_the_providers_words() -> Result<()> {
    // Attempts are counted here; a lane that is left alone meanwhile has tests of its own.
    let simulator = provider(vec![]).await?;
    let limits = format!("{QUICK}\n[breaker]\nenabled = false\n");
    let gateway = TestGateway::start(simulator.address(), &limits)?;
    for fault in ["500", "502", "503", "504"] {
        let headers = [("x-simulator-fault", fault)];
        let straight = Caller::new(simulator.address())
            .chat(&headers, chat(5, false))
            .await?;
        let through = gateway.caller().chat(&headers, chat(5, false)).await?;
        assert_eq!(through.status, straight.status, "{fault}");
        assert_eq!(through.body, straight.body, "{fault}");
        assert_eq!(through.header("x-paceline-attempts"), "4", "{fault}");
    }
    gateway.assert_settled().await?;
    Ok(())
}

#[tokio::test]
async fn a_provider_that_keeps_refusing_ends_in_the_documented_code() -> Result<()> {
    let (_simulator, gateway) = pair().await?;
    let headers = [("x-simulator-fault", "slow_down")];
    let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.error_code(), "OPENAI_RATE_LIMIT_EXHAUSTED");
    assert!(!answer.header("retry-after").is_empty());
    let counted = gateway
        .metric("paceline_provider_429_total", "slow_down")
        .await?;
    assert_eq!(counted, 4.0);
    Ok(())
}

#[tokio::test]
async fn what_no_retry_can_mend_is_passed_on_at_once() -> Result<()> {
    let (simulator, gateway) = pair().await?;
    for fault in ["insufficient_quota", "429_too_large"] {
        let before = simulator.state().counters.received;
        let headers = [("x-simulator-fault", fault)];
        let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
        assert_eq!(answer.status, 429, "{fault}");
        assert_eq!(
            simulator.state().counters.received,
            before + 1,
            "{fault} was retried"
        );
    }
    let bad_key = [("authorization", "Bearer sk-invalid")];
    let caller = gateway.caller();
    let request = caller.request(
        http::Method::POST,
        "/v1/chat/completions",
        &bad_key,
        chat(5, false),
    )?;
    assert_eq!(caller.send(request).await?.status, 401);
    gateway.assert_settled_everywhere().await?;
    Ok(())
}

#[tokio::test]
async fn a_provider_that_hangs_is_given_up_with_504() -> Result<()> {
    let (_simulator, gateway) = pair().await?;
    let headers = [("x-simulator-fault", "hang")];
    let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert_eq!(answer.error_code(), "upstream_timeout");
    gateway.assert_settled().await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_cut_is_cut_for_the_caller_too() -> Result<()> {
    let (_simulator, gateway) = pair().await?;
    let headers = [("x-simulator-fault", "cut_stream")];
    let cut = gateway.caller().chat(&headers, chat(50, true)).await;
    assert!(cut.is_err(), "the caller must notice: {cut:?}");
    gateway.assert_settled().await?;
    let broken = gateway
        .metric("paceline_requests_total", "upstream_failed")
        .await?;
    assert_eq!(broken, 1.0);
    Ok(())
}

#[tokio::test]
async fn a_refusal_as_the_first_event_of_a_stream_is_retried() -> Result<()> {
    let (_simulator, gateway) = pair_with_a_bucket().await?;
    let headers = [("x-simulator-fault", "refused_in_stream;times=1;key=s")];
    let answer = gateway.caller().chat(&headers, chat(50, true)).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("x-paceline-attempts"),
        "2",
        "{}",
        answer.text()
    );
    assert!(!answer.text().contains("\"error\""), "{}", answer.text());
    let headers = [("x-simulator-fault", "refused_in_stream;times=1;key=r")];
    let body = r#"{"model":"gpt-4o","stream":true,"input":"hello"}"#;
    let answer = gateway
        .caller()
        .post("/v1/responses", &headers, body)
        .await?;
    assert_eq!(
        answer.header("x-paceline-attempts"),
        "2",
        "{}",
        answer.text()
    );
    assert!(
        answer.text().contains("response.completed"),
        "{}",
        answer.text()
    );
    Ok(())
}

#[tokio::test]
async fn an_unreachable_provider_is_named_and_nothing_is_charged() -> Result<()> {
    let (simulator, gateway) = pair().await?;
    let address = simulator.address();
    simulator.shutdown().await;
    let answer = gateway.caller().chat(&[], chat(100, false)).await?;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(answer.error_code(), "upstream_unreachable");
    let pool = gateway.assert_settled().await?;
    assert_eq!(pool.tokens.settled, 0, "nothing went out to {address}");
    let ready = gateway.caller().get("/readyz", &[]).await?;
    assert_eq!(ready.status, 503);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_faults_leaves_the_books_balanced() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let shares = [
        ("500", 0.1),
        ("cut_stream", 0.2),
        ("reset", 0.1),
        ("429", 0.05),
        ("cut_body", 0.1),
    ];
    let rules = shares.map(|(fault, share)| FaultRule {
        fault: fault.to_owned(),
        share,
        ..FaultRule::default()
    });
    simulator.set_faults(rules.to_vec())?;
    let limits = format!("{QUICK}\n[limits]\nconcurrency = 20\ntokens_per_second = 20000\n");
    let gateway = TestGateway::start(simulator.address(), &limits)?;
    let calls = (0..400_u64).map(|index| {
        let caller = gateway.caller();
        tokio::spawn(async move {
            let stream = index % 2 == 0;
            let call = caller.chat(&[], chat(10 + index % 40, stream));
            // Every seventh caller walks away in the middle.
            let patience = if index % 7 == 0 { 15 } else { 30_000 };
            drop(tokio::time::timeout(std::time::Duration::from_millis(patience), call).await);
        })
    });
    futures_util::future::join_all(calls).await;
    let pool = gateway.assert_settled().await?;
    assert!(pool.tokens.reserved > 0);
    Ok(())
}

#[tokio::test]
async fn a_response_that_is_cut_behind_its_first_event_is_not_taken_for_complete() -> Result<()> {
    let (_simulator, gateway) = pair().await?;
    let body = r#"{"model":"gpt-4o","stream":true,"input":"hello"}"#;
    let passing = [("x-simulator-fault", "cut_stream;after=1;times=1;key=p")];
    let mended = gateway
        .caller()
        .post("/v1/responses", &passing, body)
        .await?;
    assert!(
        mended.text().contains("response.completed"),
        "{}",
        mended.text()
    );
    let lasting = [("x-simulator-fault", "cut_stream;after=1")];
    let answer = gateway.caller().post("/v1/responses", &lasting, body).await;
    let told = answer.is_err() || answer.is_ok_and(|answer| answer.status == 502);
    assert!(told, "a cut must not look like an end");
    Ok(())
}

/// A gateway in front of one that is like OpenAI, with one that is like Anthropic behind `claude-*`.
async fn pair_of_dialects() -> Result<(Simulator, Simulator, TestGateway)> {
    let claude = SimulatorSettings::like(Likeness::Anthropic);
    let (openai, claude) = (provider(vec![]).await?, Simulator::start(claude).await?);
    let text = format!(
        "{QUICK}api_key = \"sk-0\"\n[providers.claude]\nprofile = \"anthropic\"\nbase_url = \"{}\"\n\
         api_key = \"sk-ant\"\n[models.\"claude-*\"]\nlanes = [{{ provider = \"claude\" }}]\n",
        claude.base_url()
    );
    let gateway = TestGateway::start(openai.address(), &text)?;
    Ok((openai, claude, gateway))
}

#[tokio::test]
async fn a_stream_that_ends_in_order_without_its_own_end_is_cut_for_the_caller() -> Result<()> {
    let (openai, claude, gateway) = pair_of_dialects().await?;
    let calls = [
        (
            "/v1/chat/completions",
            r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hello"}]}"#,
        ),
        (
            "/v1/completions",
            r#"{"model":"gpt-4o","stream":true,"prompt":"hello"}"#,
        ),
        (
            "/v1/responses",
            r#"{"model":"gpt-4o","stream":true,"input":"hello"}"#,
        ),
        (
            "/v1/messages",
            r#"{"model":"claude-haiku-4-5","max_tokens":20,"stream":true,"messages":[{"role":"user","content":"hello"}]}"#,
        ),
        // In other words: the provider is like Anthropic.
        (
            "/v1/chat/completions",
            r#"{"model":"claude-haiku-4-5","max_tokens":20,"stream":true,"messages":[{"role":"user","content":"hello"}]}"#,
        ),
    ];
    for (path, body) in calls {
        let whole = gateway.caller().post(path, &[], body).await?;
        assert_eq!(whole.status, 200, "{path}: {}", whole.text());
    }
    let whole = gateway
        .metric("paceline_requests_total", "outcome=\"ok\"")
        .await?;
    assert_eq!(whole, 5.0);
    openai.set_faults(always("truncated_json"))?;
    claude.set_faults(always("truncated_json"))?;
    for (path, body) in calls {
        let cut = gateway.caller().post(path, &[], body).await;
        assert!(cut.is_err(), "{path}: the caller must notice: {cut:?}");
    }
    gateway.assert_settled_everywhere().await?;
    for (name, labels) in [
        ("paceline_requests_total", "upstream_failed"),
        ("paceline_lane_calls_total", "outcome=\"fault\""),
    ] {
        assert_eq!(gateway.metric(name, labels).await?, 5.0, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_response_that_only_began_is_asked_for_again() -> Result<()> {
    let (_simulator, gateway) = pair().await?;
    // Half of the events of so short an answer say no more than that it began.
    let headers = [("x-simulator-fault", "truncated_json;times=1;key=p")];
    let body = r#"{"model":"gpt-4o","stream":true,"input":"hello","max_output_tokens":1}"#;
    let answer = gateway
        .caller()
        .post("/v1/responses", &headers, body)
        .await?;
    assert_eq!(
        answer.header("x-paceline-attempts"),
        "2",
        "{}",
        answer.text()
    );
    assert!(
        answer.text().contains("response.completed")
            || answer.text().contains("response.incomplete"),
        "{}",
        answer.text()
    );
    Ok(())
}

#[tokio::test]
async fn a_caller_may_give_the_provider_less_time_than_is_set_and_not_more() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = format!("{QUICK}\n[breaker]\nenabled = false\n");
    let gateway = TestGateway::start(simulator.address(), &limits)?;
    for (asked, shown) in [("40ms", "0.04"), ("10m", "0.5")] {
        let headers = [
            ("x-simulator-fault", "hang"),
            ("x-paceline-attempt-timeout", asked),
        ];
        let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
        assert_eq!(answer.status, 504, "{}", answer.text());
        let waited = format!("took too long: more than {shown} s waiting for the first byte");
        assert!(answer.text().contains(&waited), "{}", answer.text());
    }
    let headers = [("x-paceline-attempt-timeout", "soon")];
    let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("x-paceline-attempt-timeout"));
    Ok(())
}
