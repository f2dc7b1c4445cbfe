//! What is admitted, what the headers say of it, and how a refusal reads.

use paceline_simulator::{
    ChargeFormula, Decision, EnforcerSettings, HeaderSettings, JournalEntry, Metric, OutputLength,
    PoolScope, Quota, QuotaKind, Simulator, SimulatorSettings, StreamRefusals, verify,
};
use serde_json::{Value, json};

use crate::client::{Call, Reply, start};

/// Limits so slow that nothing comes back while a test runs.
const DAILY: u64 = Quota::DAY_MS;

fn limited(quotas: Vec<Quota>) -> SimulatorSettings {
    let limits = EnforcerSettings {
        quotas,
        ..Default::default()
    };
    let output_length = OutputLength::Exactly(10);
    SimulatorSettings {
        limits,
        output_length,
        ..Default::default()
    }
}

fn body(max_tokens: u64) -> Value {
    json!({
        "model": "gpt-4o", "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": "12345678"}],
    })
}

async fn ask(simulator: &Simulator, max_tokens: u64) -> Reply {
    Call::post("/v1/chat/completions", &body(max_tokens))
        .send(simulator.address())
        .await
}

fn remaining(reply: &Reply, metric: &str) -> u64 {
    reply
        .header(&format!("x-ratelimit-remaining-{metric}"))
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn headers_state_limit_remainder_and_reset() {
    let quotas = vec![
        Quota::requests_per_minute(60),
        Quota::tokens_per_minute(60_000),
    ];
    let headers = HeaderSettings {
        project_tokens: true,
        ..Default::default()
    };
    let simulator = start(SimulatorSettings {
        headers,
        ..limited(quotas)
    })
    .await;
    let reply = ask(&simulator, 3_000).await;
    assert_eq!(reply.status, 200);
    let expected = [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "60000"),
        ("x-ratelimit-remaining-tokens", "57000"),
        ("x-ratelimit-reset-tokens", "3s"),
        ("x-ratelimit-limit-project-tokens", "60000"),
        ("x-ratelimit-remaining-project-tokens", "57000"),
        ("x-ratelimit-reset-project-tokens", "3s"),
    ];
    for (name, value) in expected {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    assert_eq!(reply.header("retry-after"), None);
}

#[tokio::test]
async fn of_two_limits_the_headers_show_the_one_with_less_left() {
    let quotas = vec![
        Quota::tokens_per_minute(10_000),
        Quota::tokens_per_day(1_000),
    ];
    let simulator = start(limited(quotas)).await;
    let reply = ask(&simulator, 100).await;
    assert_eq!(reply.header("x-ratelimit-limit-tokens"), Some("1000"));
    assert_eq!(reply.header("x-ratelimit-reset-tokens"), Some("2h24m0s"));
    let quotas = vec![
        Quota::tokens_per_minute(1_000),
        Quota::tokens_per_day(10_000),
    ];
    let simulator = start(limited(quotas)).await;
    assert_eq!(
        ask(&simulator, 100)
            .await
            .header("x-ratelimit-limit-tokens"),
        Some("1000")
    );
}

#[tokio::test]
async fn a_refusal_states_limit_level_request_and_wait() {
    let quota = Quota::tokens_per_day(1_000);
    let simulator = start(limited(vec![quota])).await;
    assert_eq!(ask(&simulator, 900).await.status, 200);
    let reply = ask(&simulator, 300).await;
    assert_eq!(reply.status, 429);
    // (900 + 300 - 1000) * 86 400 s / 1000; a token comes back only after 86.4 s.
    assert_eq!(
        reply.json(),
        json!({"error": {
            "message": "Rate limit reached for gpt-4o in organization org-simulator on tokens per day \
                        (TPD): Limit 1000, Used 900, Requested 300. Please try again in 4h48m0s. Visit \
                        https://platform.openai.com/account/rate-limits to learn more.",
            "type": "tokens", "param": null, "code": "rate_limit_exceeded",
        }})
    );
    assert_eq!(reply.header("retry-after"), Some("17280"));
    assert_eq!(reply.header("retry-after-ms"), Some("17280000"));
    assert_eq!(remaining(&reply, "tokens"), 100);
    let too_large = ask(&simulator, 1_001).await;
    assert_eq!(too_large.status, 429);
    assert_eq!(
        too_large.json()["error"]["message"],
        "Request too large for gpt-4o in organization \
        org-simulator on tokens per day (TPD): Limit 1000, Requested 1001. The input or output \
        tokens must be reduced in order to run successfully. Visit \
        https://platform.openai.com/account/rate-limits to learn more."
    );
    assert_eq!(too_large.header("retry-after"), None);
    let refused = simulator.state().counters.refused;
    assert_eq!(
        refused.into_iter().collect::<Vec<_>>(),
        [("TPD".to_owned(), 1), ("too_large".to_owned(), 1),]
    );
}

#[tokio::test]
async fn the_wait_of_a_refusal_is_exact() {
    let quota = Quota::bucket(Metric::Requests, 1, 900);
    let simulator = start(limited(vec![quota])).await;
    assert_eq!(ask(&simulator, 1).await.status, 200);
    let refused = ask(&simulator, 1).await;
    assert_eq!(refused.status, 429);
    let wait_ms = refused.header("retry-after-ms").unwrap().parse().unwrap();
    assert!(wait_ms <= 900);
    tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
    assert_eq!(ask(&simulator, 1).await.status, 200);
}

#[tokio::test]
async fn headers_can_be_left_out() {
    let headers = HeaderSettings {
        rate_limits: false,
        project_tokens: true,
        retry_after: false,
        retry_after_ms: true,
    };
    let quotas = vec![Quota::requests_per_day(1)];
    let simulator = start(SimulatorSettings {
        headers,
        ..limited(quotas)
    })
    .await;
    let (first, second) = (ask(&simulator, 1).await, ask(&simulator, 1).await);
    assert_eq!((first.status, second.status), (200, 429));
    for reply in [first, second] {
        assert!(
            reply
                .headers
                .iter()
                .all(|(name, _)| !name.starts_with("x-ratelimit"))
        );
        assert_eq!(reply.header("retry-after"), None);
        assert_eq!(
            reply.header("retry-after-ms").is_some(),
            reply.status == 429
        );
    }
}

#[tokio::test]
async fn the_charge_is_corrected_only_where_refunds_are_given() {
    for (refund, left) in [(false, 900 - 500), (true, 900 - 18)] {
        let mut settings = limited(vec![Quota::tokens_per_day(900)]);
        settings.limits.refund = refund;
        let simulator = start(settings).await;
        assert_eq!(remaining(&ask(&simulator, 500).await, "tokens"), 400);
        // 8 prompt tokens and 10 of the answer were used.
        let level = simulator.state().pools[0].quotas[0];
        assert_eq!(level.remaining, left);
        assert_eq!(simulator.state().counters.charged.tokens, 500);
        assert_eq!(
            simulator.state().counters.refunded.tokens,
            if refund { 482 } else { 0 }
        );
    }
}

#[tokio::test]
async fn a_stream_is_settled_before_its_last_event_is_sent() {
    let mut settings = limited(vec![Quota::tokens_per_day(900)]);
    settings.limits.refund = true;
    let simulator = start(settings).await;
    let mut streamed = body(500);
    streamed["stream"] = json!(true);
    let reply = Call::post("/v1/chat/completions", &streamed)
        .send(simulator.address())
        .await;
    assert!(reply.complete);
    let state = simulator.state();
    assert_eq!(state.pools[0].quotas[0].remaining, 900 - 18);
    assert_eq!((state.pools[0].in_flight, state.counters.served), (0, 1));
    assert_eq!(
        (
            state.counters.prompt_tokens,
            state.counters.completion_tokens
        ),
        (8, 10)
    );
}

#[tokio::test]
async fn each_charge_formula_is_felt_on_the_wire() {
    let formulas = [
        (ChargeFormula::MaxOfEstimateAndLimit, 500),
        (ChargeFormula::EstimatePlusLimit, 502),
        (ChargeFormula::EstimatePlusLimitTimesChoices, 502),
        (ChargeFormula::InputOnly, 2),
    ];
    for (charge_formula, charged) in formulas {
        let settings = limited(vec![Quota::tokens_per_day(900)]);
        let simulator = start(SimulatorSettings {
            charge_formula,
            ..settings
        })
        .await;
        assert_eq!(
            remaining(&ask(&simulator, 500).await, "tokens"),
            900 - charged
        );
    }
}

#[tokio::test]
async fn pools_are_shared_by_organisation_project_key_or_model() {
    let scopes = [
        (PoolScope::Organization, false, [200, 429, 429, 429]),
        (PoolScope::Project, false, [200, 429, 200, 429]),
        (PoolScope::Key, false, [200, 200, 429, 429]),
        (PoolScope::Organization, true, [200, 429, 429, 200]),
    ];
    for (pool_scope, pool_per_model, expected) in scopes {
        let settings = limited(vec![Quota::requests_per_day(1)]);
        let simulator = start(SimulatorSettings {
            pool_scope,
            pool_per_model,
            ..settings
        })
        .await;
        let call = |key: &str, project: &str, model: &str| {
            let mut body = body(1);
            body["model"] = json!(model);
            Call::post("/v1/chat/completions", &body)
                .header("authorization", &format!("Bearer {key}"))
                .header("openai-project", project)
                .send(simulator.address())
        };
        let statuses = [
            call("sk-one-key-of-mine", "proj_a", "gpt-4o").await.status,
            call("sk-two-key-of-mine", "proj_a", "gpt-4o").await.status,
            call("sk-one-key-of-mine", "proj_b", "gpt-4o").await.status,
            call("sk-two-key-of-mine", "proj_a", "gpt-4.1").await.status,
        ];
        assert_eq!(statuses, expected, "{pool_scope:?} {pool_per_model}");
    }
}

#[tokio::test]
async fn a_streamed_response_is_refused_in_its_stream_where_the_settings_say_so() {
    let modes = [
        (
            StreamRefusals::InStream,
            None,
            vec!["response.created", "response.in_progress"],
        ),
        (
            StreamRefusals::InStreamWithRetryAfter,
            Some("86400"),
            vec!["response.created", "response.in_progress", "error"],
        ),
    ];
    for (stream_refusals, retry_after, mut kinds) in modes {
        let settings = limited(vec![Quota::requests_per_day(1)]);
        let simulator = start(SimulatorSettings {
            stream_refusals,
            ..settings
        })
        .await;
        let body = json!({"model": "gpt-4o", "input": "Hello", "stream": true});
        let ask = || Call::post("/v1/responses", &body).send(simulator.address());
        assert_eq!(ask().await.header("retry-after"), None);
        let reply = ask().await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (200, retry_after)
        );
        let events = reply.events();
        kinds.push("response.failed");
        assert_eq!(
            events
                .iter()
                .map(|event| &event["type"])
                .collect::<Vec<_>>(),
            kinds
        );
        let numbers = events
            .iter()
            .map(|event| event["sequence_number"].as_u64().unwrap());
        assert!(numbers.eq(0..events.len() as u64));
        let error = &events.last().unwrap()["response"]["error"];
        assert_eq!(error["code"], "rate_limit_exceeded");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("(RPD): Limit 1, Used 1, Requested 1."),
            "{message}"
        );
        // A request that does not stream is refused by its status.
        let whole = json!({"model": "gpt-4o", "input": "Hello"});
        let whole = Call::post("/v1/responses", &whole)
            .send(simulator.address())
            .await;
        assert_eq!(whole.status, 429);
    }
}

#[tokio::test]
async fn a_streamed_chat_is_refused_in_its_stream_where_the_settings_say_so() {
    let settings = limited(vec![Quota::requests_per_day(1)]);
    let stream_refusals = StreamRefusals::InStream;
    let simulator = start(SimulatorSettings {
        stream_refusals,
        ..settings
    })
    .await;
    let mut streamed = body(1);
    streamed["stream"] = json!(true);
    let ask = || Call::post("/v1/chat/completions", &streamed).send(simulator.address());
    ask().await;
    let reply = ask().await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.events().len(), 1);
    assert_eq!(reply.events()[0]["error"]["code"], "rate_limit_exceeded");
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn the_journal_of_a_run_under_load_verifies_against_every_kind() {
    let kinds = [
        QuotaKind::Bucket,
        QuotaKind::Fixed,
        QuotaKind::FixedFromFirstUse,
        QuotaKind::Sliding,
        QuotaKind::Quantised { quantum_ms: 200 },
    ];
    for kind in kinds {
        let quota = Quota::bucket(Metric::Tokens, 300, 1_000).kept_as(kind);
        let mut settings = limited(vec![quota]);
        settings.limits.refund = true;
        let simulator = start(settings).await;
        for tokens in (0..80).map(|index| 1 + index * 13 % 90) {
            ask(&simulator, tokens).await;
        }
        let journal = simulator.journal(0);
        let found = verify(&journal, &quota).unwrap();
        let counters = simulator.state().counters;
        assert_eq!(
            (found.admitted, found.refused),
            (counters.admitted, counters.refused_in_total(),)
        );
        assert!(found.refused > 0, "{kind:?} was never at its limit");
        assert_eq!(
            found.total,
            counters.charged.tokens + counters.added.tokens - counters.refunded.tokens,
        );
        let settled = |entry: &&JournalEntry| matches!(entry.decision, Decision::Settled { .. });
        assert_eq!(
            journal.iter().filter(settled).count() as u64,
            found.admitted
        );
        let stricter = Quota {
            amount: 100,
            ..quota
        };
        assert!(verify(&journal, &stricter).is_err(), "{kind:?}");
    }
}

#[tokio::test]
async fn requests_in_flight_are_limited_and_counted() {
    let mut settings = limited(vec![Quota::bucket(Metric::Requests, 9, DAILY)]);
    settings.limits.max_in_flight = Some(1);
    settings.latency.first_token = std::time::Duration::from_millis(200);
    let simulator = start(settings).await;
    let (one, other) = tokio::join!(ask(&simulator, 1), ask(&simulator, 1));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 429]);
    assert_eq!(simulator.state().pools[0].in_flight, 0);
    assert_eq!(simulator.state().counters.refused["concurrency"], 1);
}
