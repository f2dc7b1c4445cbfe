//! The providers that speak OpenAI's API with limits and errors of their own.

use paceline_simulator::{Likeness, Metric, Quota, Simulator, SimulatorSettings};
use serde_json::{Value, json};

use super::{chat, like, start_like, with_limit};
use crate::client::{Call, Reply, start};

const MINUTE: u64 = Quota::MINUTE_MS;
const DAY: u64 = Quota::DAY_MS;

fn body() -> Value {
    json!({"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "12345678"}]})
}

async fn ask(simulator: &Simulator) -> Reply {
    chat(simulator, &body()).await
}

/// The refusal that follows one served call. Windows of the clock may end in between.
async fn refused(settings: SimulatorSettings) -> Reply {
    let simulator = start(settings).await;
    for _ in 0..4 {
        let reply = ask(&simulator).await;
        if reply.status != 200 {
            return reply;
        }
    }
    panic!("never refused");
}

fn limits_told(reply: &Reply) -> Vec<(&str, &str)> {
    let headers = reply.headers.iter();
    let told = headers.filter(|(name, _)| name.contains("limit") || name.contains("call"));
    let mut told: Vec<(&str, &str)> = told
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    told.sort_unstable();
    told
}

#[tokio::test]
async fn every_provider_answers_a_chat_at_its_own_address() {
    for likeness in Likeness::ALL {
        if !likeness.speaks_openai() || likeness == Likeness::Azure {
            continue;
        }
        let simulator = start_like(likeness).await;
        let reply = ask(&simulator).await;
        assert_eq!(
            (reply.status, &reply.json()["object"]),
            (200, &json!("chat.completion")),
            "{likeness}"
        );
        let mut streamed = body();
        streamed["stream"] = json!(true);
        let reply = chat(&simulator, &streamed).await;
        assert!(reply.text().ends_with("data: [DONE]\n\n"), "{likeness}");
        let has_openai = reply
            .headers
            .iter()
            .any(|(name, _)| name.starts_with("openai-"));
        assert!(!has_openai || likeness == Likeness::OpenAi, "{likeness}");
    }
}

#[tokio::test]
async fn groq_tells_the_days_requests_and_the_minutes_tokens() {
    let simulator = start_like(Likeness::Groq).await;
    let reply = ask(&simulator).await;
    let told = limits_told(&reply);
    let expected = [
        ("x-ratelimit-limit-requests", "14400"),
        ("x-ratelimit-limit-tokens", "12000"),
        ("x-ratelimit-remaining-requests", "14399"),
        ("x-ratelimit-remaining-tokens", "11950"),
        ("x-ratelimit-reset-requests", "6s"),
        ("x-ratelimit-reset-tokens", "250ms"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn groqs_refusals_name_the_tier_and_what_is_too_large_has_a_status_of_its_own() {
    let settings = with_limit(Likeness::Groq, Metric::Tokens, 60, DAY);
    let organization = settings.organization.clone();
    let reply = refused(settings).await;
    let error = reply.json()["error"].clone();
    assert_eq!(
        (reply.status, &error["type"], &error["code"]),
        (429, &json!("tokens"), &json!("rate_limit_exceeded"))
    );
    let start = format!(
        "Rate limit reached for model `m` in organization `{organization}` service tier `on_demand` \
         on tokens per day (TPD): Limit 60, Used "
    );
    assert!(
        error["message"].as_str().unwrap().starts_with(&start),
        "{error}"
    );
    assert!(error.get("param").is_none());
    assert!(reply.header("retry-after").is_some() && reply.header("retry-after-ms").is_none());
    let reply = refused(with_limit(Likeness::Groq, Metric::Tokens, 40, MINUTE)).await;
    let message = reply.json()["error"]["message"].to_string();
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (413, &json!("rate_limit_exceeded"))
    );
    assert!(
        message.contains("on tokens per minute (TPM): Limit 40, Requested 50, please reduce"),
        "{message}"
    );
    assert!(reply.header("retry-after").is_some());
}

#[tokio::test]
async fn mistral_tells_the_minute_and_the_cost_of_whole_answers_only() {
    let simulator = start_like(Likeness::Mistral).await;
    let reply = ask(&simulator).await;
    let usage = reply.json()["usage"]["total_tokens"].to_string();
    let told = |name: &str| reply.header(&format!("x-ratelimit-{name}")).unwrap();
    assert_eq!(
        (told("limit-req-minute"), told("remaining-req-minute")),
        ("60", "59")
    );
    assert_eq!(
        (told("limit-tokens-minute"), told("tokens-query-cost")),
        ("100000", usage.as_str())
    );
    let remaining: u64 = told("remaining-tokens-minute").parse().unwrap();
    assert_eq!(remaining + usage.parse::<u64>().unwrap(), 100_000);
    let mut streamed = body();
    streamed["stream"] = json!(true);
    assert_eq!(limits_told(&chat(&simulator, &streamed).await), []);
    let reply = refused(with_limit(Likeness::Mistral, Metric::Requests, 1, MINUTE)).await;
    let expected = json!({
        "object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "param": null,
        "code": "1300", "raw_status_code": 429,
    });
    assert_eq!((reply.status, reply.json()), (429, expected));
    assert_eq!(
        (reply.header("retry-after"), limits_told(&reply)),
        (None, vec![])
    );
}

#[tokio::test]
async fn cerebras_tells_every_window_and_a_wait_of_about_a_minute() {
    let simulator = start_like(Likeness::Cerebras).await;
    let reply = ask(&simulator).await;
    let told = |name: &str| reply.header(&format!("x-ratelimit-{name}")).unwrap();
    for window in ["minute", "hour", "day"] {
        for metric in ["requests", "tokens"] {
            let name = format!("{metric}-{window}");
            let limit: u64 = told(&format!("limit-{name}")).parse().unwrap();
            let remaining: u64 = told(&format!("remaining-{name}")).parse().unwrap();
            let taken = if metric == "requests" { 1 } else { 52 };
            assert_eq!(limit - remaining, taken, "{name}");
            assert!(told(&format!("reset-{name}")).parse::<f64>().unwrap() > 0.0);
        }
    }
    let reply = refused(with_limit(Likeness::Cerebras, Metric::Requests, 1, MINUTE)).await;
    let expected = json!({
        "message": "Requests per minute limit exceeded - too many requests sent.",
        "type": "too_many_requests_error", "param": "quota", "code": "request_quota_exceeded",
    });
    assert_eq!((reply.status, reply.json()), (429, expected));
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((57..=60).contains(&wait), "{wait}");
    assert_eq!(limits_told(&reply), []);
    let call = Call::post("/v1/chat/completions", &body()).fault("503");
    let reply = call.send(simulator.address()).await;
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (429, &json!("queue_exceeded"))
    );
    assert_eq!(reply.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn together_tells_a_rate_that_moves() {
    let mut settings = like(Likeness::Together);
    if let Some(ramp) = &mut settings.limits.ramp {
        (ramp.floor, ramp.step_ms, ramp.period_ms) = (1, DAY * 100_000, DAY * 100_000);
    }
    let simulator = start(settings).await;
    let served = ask(&simulator).await;
    assert_eq!(served.header("x-ratelimit-limit"), Some("1"));
    assert_eq!(served.header("x-ratelimit-remaining"), Some("0"));
    let reply = ask(&simulator).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["type"]),
        (429, &json!("dynamic_request_limited"))
    );
    assert!(reply.header("x-ratelimit-reset").is_some());
}

#[tokio::test]
async fn deepseek_counts_what_is_in_flight_and_keeps_connections_alive() {
    let mut settings = like(Likeness::DeepSeek);
    settings.limits.max_in_flight = Some(0);
    let reply = refused(settings).await;
    let message = "Your current concurrency is 1, which exceeds your concurrency limit of 0 based on \
                   your remaining balance. Please top up your balance to restore your concurrency.";
    assert_eq!(
        (reply.status, &reply.json()["error"]["message"]),
        (429, &json!(message))
    );
    assert_eq!(
        (reply.header("retry-after"), limits_told(&reply)),
        (None, vec![])
    );
    let simulator = start_like(Likeness::DeepSeek).await;
    assert!(ask(&simulator).await.text().starts_with("\n{"));
    let mut streamed = body();
    streamed["stream"] = json!(true);
    assert!(
        chat(&simulator, &streamed)
            .await
            .text()
            .starts_with(": keep-alive\n\ndata: ")
    );
    let call = Call::post("/chat/completions", &body()).fault("insufficient_quota");
    assert_eq!(call.send(simulator.address()).await.status, 402);
}

#[tokio::test]
async fn openrouter_tells_the_moment_of_the_reset_twice() {
    let settings = with_limit(Likeness::OpenRouter, Metric::Requests, 1, MINUTE);
    let simulator = start(settings.clone()).await;
    assert_eq!(limits_told(&ask(&simulator).await), []);
    let reply = refused(settings).await;
    let reset = reply.header("x-ratelimit-reset").unwrap();
    let expected = json!({
        "message": "Rate limit exceeded: free-models-per-min. ", "code": 429,
        "metadata": {
            "headers": {"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset},
            "provider_name": null,
        },
    });
    assert_eq!((reply.status, &reply.json()["error"]), (429, &expected));
    // The end of a minute of the clock, in milliseconds.
    assert_eq!(reset.parse::<u64>().unwrap() % 60_000, 0);
    let key = Call::get("/api/v1/key")
        .send(simulator.address())
        .await
        .json();
    let daily = json!({"used": 1, "limit": 50, "remaining": 49});
    assert_eq!(key["data"]["free_model_daily_requests"], daily);
}

#[tokio::test]
async fn xai_states_what_would_have_been_used() {
    let settings = with_limit(Likeness::XAi, Metric::Tokens, 60, DAY);
    let mut settings = settings;
    settings
        .limits
        .quotas
        .retain(|quota| quota.window_ms == DAY);
    settings.limits.refund = false;
    let organization = settings.organization.clone();
    let simulator = start(settings.clone()).await;
    assert!(
        ask(&simulator)
            .await
            .header("x-ratelimit-limit-project-tokens")
            .is_some()
    );
    let reply = refused(settings).await;
    let message = format!(
        "Too many tokens for team {organization} and model m. Your team's rate limit is — Tokens per \
         Minute (actual/limit): 100/60. You can view your team rate limits at https://console.x.ai."
    );
    let expected = json!({"code": "Some resource has been exhausted", "error": message});
    assert_eq!((reply.status, reply.json()), (429, expected));
}

#[tokio::test]
async fn cohere_counts_down_and_tells_the_limit_in_prose() {
    let simulator = start_like(Likeness::Cohere).await;
    for left in ["19", "18"] {
        assert_eq!(
            ask(&simulator)
                .await
                .header("x-trial-endpoint-call-remaining"),
            Some(left)
        );
    }
    let reply = refused(with_limit(Likeness::Cohere, Metric::Requests, 1, MINUTE)).await;
    let message = reply.json()["message"].as_str().unwrap().to_owned();
    let start = "You are using a Trial key, which is limited to 1 API calls / minute.";
    assert!(
        reply.status == 429 && message.starts_with(start),
        "{message}"
    );
    assert_eq!(
        (reply.header("retry-after"), limits_told(&reply)),
        (None, vec![])
    );
}

#[tokio::test]
async fn vllm_limits_nothing_and_numbers_its_errors() {
    let simulator = start_like(Likeness::Vllm).await;
    assert_eq!(limits_told(&ask(&simulator).await), []);
    let reply = chat(
        &simulator,
        &json!({"model": "model-does-not-exist", "messages": []}),
    )
    .await;
    let error = reply.json()["error"].clone();
    assert_eq!(
        (reply.status, &error["type"], &error["code"]),
        (404, &json!("NotFoundError"), &json!(404))
    );
}
