//! Anthropic's API.

use std::time::{Duration, Instant};

use paceline_simulator::{Likeness, Metric, Quota, Simulator, SimulatorSettings, verify};
use serde_json::{Value, json};

use super::{like, start_like, with_limit};
use crate::client::{Call, Reply, start};

const MINUTE: u64 = Quota::MINUTE_MS;

fn message(body: &Value) -> Call {
    Call::post("/v1/messages", body)
        .without("authorization")
        .header("x-api-key", "sk-ant-0123456789")
        .header("anthropic-version", "2023-06-01")
}

fn body(stream: bool) -> Value {
    json!({
        "model": "claude-haiku-4-5", "max_tokens": 100, "stream": stream,
        "messages": [{"role": "user", "content": "Say something short."}],
    })
}

async fn send(simulator: &Simulator, body: &Value) -> Reply {
    message(body).send(simulator.address()).await
}

/// The types of a stream's events, repeated ones once.
fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    kinds.dedup();
    kinds
}

/// What the deltas of a kind carry together.
fn deltas(events: &[Value], member: &str) -> String {
    let parts = events
        .iter()
        .filter_map(|event| event["delta"][member].as_str());
    parts.collect()
}

#[tokio::test]
async fn a_message_has_its_usage_its_limits_and_its_id() {
    let simulator = start_like(Likeness::Anthropic).await;
    let reply = send(&simulator, &body(false)).await;
    let answer = reply.json();
    assert_eq!(reply.status, 200);
    assert_eq!(
        (&answer["type"], &answer["role"]),
        (&json!("message"), &json!("assistant"))
    );
    assert_eq!(answer["content"][0]["type"], "text");
    assert_eq!(answer["stop_reason"], "end_turn");
    // Three for the request, three for the message, a token for each four characters.
    assert_eq!(answer["usage"]["input_tokens"], 11);
    assert_eq!(answer["usage"]["output_tokens"], 10);
    assert!(answer["usage"].get("total_tokens").is_none());
    assert!(reply.header("request-id").unwrap().starts_with("req_"));
    assert_eq!(reply.header("openai-version"), None);
    let told = |name: &str| reply.header(&format!("anthropic-ratelimit-{name}"));
    let told = |name| told(name).unwrap().to_owned();
    assert_eq!(
        (told("requests-limit"), told("requests-remaining")),
        ("50".into(), "49".into())
    );
    // Tokens are told in thousands; together they are input and output.
    assert_eq!(
        (told("input-tokens-limit"), told("input-tokens-remaining")),
        ("30000".into(), "30000".into())
    );
    assert_eq!(
        (told("output-tokens-limit"), told("tokens-limit")),
        ("8000".into(), "38000".into())
    );
    let reset = told("requests-reset");
    assert_eq!((reset.len(), &reset[10..11], &reset[19..]), (20, "T", "Z"));
}

#[tokio::test]
async fn a_stream_tells_the_input_first_and_the_output_last() {
    let simulator = start_like(Likeness::Anthropic).await;
    let whole = send(&simulator, &body(false)).await.json();
    let reply = send(&simulator, &body(true)).await;
    let events = reply.events();
    assert_eq!(
        kinds(&events),
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let start = &events[0]["message"];
    assert_eq!(
        (&start["id"], &start["content"]),
        (&whole["id"], &json!([]))
    );
    assert_eq!(
        (
            &start["usage"]["input_tokens"],
            &start["usage"]["output_tokens"]
        ),
        (&json!(11), &json!(1))
    );
    assert_eq!(deltas(&events, "text"), whole["content"][0]["text"]);
    let end = &events[events.len() - 2];
    assert_eq!(
        (&end["delta"]["stop_reason"], &end["usage"]["output_tokens"]),
        (&json!("end_turn"), &json!(10))
    );
    // Each event names its type twice.
    let text = reply.text();
    for event in text.split_terminator("\n\n") {
        let (kind, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(kind.strip_prefix("event: ").unwrap(), data["type"]);
    }
}

#[tokio::test]
async fn tools_are_called_on_demand_and_thinking_is_shown_where_enabled() {
    let simulator = start_like(Likeness::Anthropic).await;
    let mut asked = body(false);
    asked["tools"] = json!([{"name": "weather", "input_schema": {
        "type": "object", "properties": {"city": {"type": "string"}},
    }}]);
    asked["tool_choice"] = json!({"type": "any"});
    let whole = send(&simulator, &asked).await.json();
    let call = &whole["content"][0];
    assert_eq!(
        (&call["type"], &call["name"]),
        (&json!("tool_use"), &json!("weather"))
    );
    assert!(call["id"].as_str().unwrap().starts_with("toolu_"));
    assert!(call["input"]["city"].is_string());
    assert_eq!(whole["stop_reason"], "tool_use");
    asked["stream"] = json!(true);
    let events = send(&simulator, &asked).await.events();
    let input: Value = serde_json::from_str(&deltas(&events, "partial_json")).unwrap();
    assert_eq!(input, call["input"]);

    let mut asked = body(true);
    asked["max_tokens"] = json!(4_000);
    asked["thinking"] = json!({"type": "enabled", "budget_tokens": 1_024});
    let events = send(&simulator, &asked).await.events();
    assert!(!deltas(&events, "thinking").is_empty() && !deltas(&events, "signature").is_empty());
    let end = &events[events.len() - 2]["usage"];
    assert_eq!(end["output_tokens_details"]["thinking_tokens"], 64);
    assert_eq!(end["output_tokens"], 74);
    asked["max_tokens"] = json!(1_024);
    assert_eq!(send(&simulator, &asked).await.status, 400);
}

#[tokio::test]
async fn what_was_marked_is_read_from_the_cache_and_not_counted_again() {
    let simulator = start_like(Likeness::Anthropic).await;
    let system = json!([{
        "type": "text", "text": "x".repeat(8_000), "cache_control": {"type": "ephemeral"},
    }]);
    let ask = |question: &str, system: &Value| {
        let mut body = body(false);
        body["system"] = system.clone();
        body["messages"][0]["content"] = json!(question);
        body
    };
    let used = |answer: &Value| {
        let usage = &answer["usage"];
        let of = |name: &str| usage[name].as_u64().unwrap();
        (
            of("input_tokens"),
            of("cache_creation_input_tokens"),
            of("cache_read_input_tokens"),
        )
    };
    let input_used = || {
        let state = simulator.state();
        let levels = state.pools[0].quotas.iter();
        let mut input = levels.filter(|level| level.quota.metric == Metric::InputTokens);
        input.next().unwrap().used
    };
    let first = send(&simulator, &ask("One?", &system)).await.json();
    assert_eq!(used(&first), (4, 2_003, 0));
    let after_first = input_used();
    assert!((1_900..=2_007).contains(&after_first), "{after_first}");
    let second = send(&simulator, &ask("Another?", &system)).await.json();
    assert_eq!(used(&second), (5, 0, 2_003));
    assert!(input_used() <= after_first + 5);
    let other = json!([{
        "type": "text", "text": "y".repeat(8_000), "cache_control": {"type": "ephemeral", "ttl": "1h"},
    }]);
    let third = send(&simulator, &ask("One?", &other)).await.json();
    assert_eq!(used(&third), (4, 2_003, 0));
    assert_eq!(
        third["usage"]["cache_creation"]["ephemeral_1h_input_tokens"],
        2_003
    );
    let five: Vec<Value> = (0..5).map(|_| system[0].clone()).collect();
    let reply = send(&simulator, &ask("Too many?", &json!(five))).await;
    let message = "A maximum of 4 blocks with cache_control may be provided. Found 5.";
    assert_eq!(
        (reply.status, &reply.json()["error"]["message"]),
        (400, &json!(message))
    );
}

#[tokio::test]
async fn refusals_name_the_limit_as_the_provider_words_it() {
    let refused = |settings: SimulatorSettings, calls: usize| async move {
        let simulator = start(settings).await;
        for _ in 0..calls {
            assert_eq!(send(&simulator, &body(false)).await.status, 200);
        }
        send(&simulator, &body(false)).await
    };
    let settings = with_limit(Likeness::Anthropic, Metric::Requests, 1, MINUTE);
    let organization = settings.organization.clone();
    let reply = refused(settings, 1).await;
    let error = reply.json();
    assert_eq!((reply.status, &error["type"]), (429, &json!("error")));
    assert_eq!(error["error"]["type"], "rate_limit_error");
    assert_eq!(error["request_id"], *reply.header("request-id").unwrap());
    let message = error["error"]["message"].as_str().unwrap();
    let start = format!(
        "This request would exceed your organization's rate limit of 1 requests per minute (org: \
         {organization}, model: claude-haiku-4-5). For details, refer to: \
         https://docs.claude.com/en/api/rate-limits. You can see the response headers for current \
         usage. Please reduce the prompt length or the maximum tokens requested, or try again later."
    );
    assert!(message.starts_with(&start), "{message}");
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((55..=60).contains(&wait), "{wait}");
    assert_eq!(
        reply.header("anthropic-ratelimit-requests-remaining"),
        Some("0")
    );
    assert_eq!(reply.header("retry-after-ms"), None);

    let settings = with_limit(Likeness::Anthropic, Metric::OutputTokens, 5, MINUTE);
    let reply = refused(settings, 1).await;
    let message = reply.json()["error"]["message"].to_string();
    assert!(
        message.contains("rate limit of 5 output tokens per minute"),
        "{message}"
    );

    // A request that never fits states no wait.
    let settings = with_limit(Likeness::Anthropic, Metric::InputTokens, 4, MINUTE);
    let reply = refused(settings, 0).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, None));
}

#[tokio::test]
async fn output_is_taken_while_it_is_produced() {
    let mut settings = with_limit(
        Likeness::Anthropic,
        Metric::OutputTokens,
        1_000,
        Quota::DAY_MS,
    );
    settings
        .limits
        .quotas
        .retain(|quota| quota.window_ms == Quota::DAY_MS);
    settings.output_length = paceline_simulator::OutputLength::Exactly(90);
    settings.latency.per_token = Duration::from_millis(5);
    let simulator = start(settings).await;
    let address = simulator.address();
    let running = tokio::spawn(async move { message(&body(true)).send(address).await });
    let used = || {
        simulator
            .state()
            .pools
            .first()
            .map_or(0, |pool| pool.quotas[0].used)
    };
    let started = Instant::now();
    let mut seen = 0;
    while seen < 24 && started.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(2)).await;
        seen = used();
    }
    // Seen in the middle of the answer, in steps of some tokens.
    assert!((24..90).contains(&seen), "{seen}");
    assert!(simulator.state().pools[0].in_flight == 1);
    assert_eq!(running.await.unwrap().status, 200);
    assert_eq!(used(), 90);
    let quota = Quota::bucket(Metric::OutputTokens, 1_000, Quota::DAY_MS);
    assert_eq!(verify(&simulator.journal(0), &quota).unwrap().total, 90);
}

#[tokio::test]
async fn counting_tokens_has_a_limit_of_its_own() {
    let settings = SimulatorSettings {
        counts_per_minute: Some(1),
        ..like(Likeness::Anthropic)
    };
    let simulator = start(settings).await;
    let count = || {
        let call = Call::post("/v1/messages/count_tokens", &body(false));
        let call = call.header("x-api-key", "sk-ant-0123456789");
        call.header("anthropic-version", "2023-06-01")
            .send(simulator.address())
    };
    let reply = count().await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"input_tokens": 11}))
    );
    assert_eq!(
        reply.header("anthropic-ratelimit-requests-limit"),
        Some("1")
    );
    let reply = count().await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["type"]),
        (429, &json!("rate_limit_error"))
    );
    let reply = send(&simulator, &body(false)).await;
    assert_eq!(
        reply.header("anthropic-ratelimit-requests-remaining"),
        Some("49")
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_in_the_providers_words() {
    let simulator = start_like(Likeness::Anthropic).await;
    let without = |member: &str| {
        let mut body = body(false);
        body.as_object_mut().unwrap().remove(member);
        message(&body)
    };
    let mut unknown = body(false);
    unknown["model"] = json!("model-does-not-exist");
    let wrong = [
        (
            without("max_tokens"),
            400,
            "invalid_request_error",
            "max_tokens: Field required",
        ),
        (
            without("messages"),
            400,
            "invalid_request_error",
            "messages: Field required",
        ),
        (
            message(&unknown),
            404,
            "not_found_error",
            "model: model-does-not-exist",
        ),
        (
            message(&body(false)).without("anthropic-version"),
            400,
            "invalid_request_error",
            "anthropic-version: header is required",
        ),
        (
            message(&body(false)).without("x-api-key"),
            401,
            "authentication_error",
            "x-api-key header is required",
        ),
        (
            message(&body(false)).header("x-api-key", "sk-invalid"),
            401,
            "authentication_error",
            "invalid x-api-key",
        ),
    ];
    for (call, status, kind, text) in wrong {
        let reply = call.send(simulator.address()).await;
        let error = reply.json()["error"].clone();
        assert_eq!(
            (reply.status, &error["type"]),
            (status, &json!(kind)),
            "{text}"
        );
        assert_eq!(error["message"], *text);
    }
    let list = Call::get("/v1/models").header("anthropic-version", "2023-06-01");
    let list = list.send(simulator.address()).await.json();
    assert_eq!(list["data"][0]["type"], "model");
    assert_eq!(
        (&list["has_more"], &list["first_id"]),
        (&json!(false), &list["data"][0]["id"])
    );
    let reply = Call::post("/v1/chat/completions", &body(false))
        .send(simulator.address())
        .await;
    assert_eq!(
        (reply.status, &reply.json()["type"]),
        (404, &json!("error"))
    );
}

#[tokio::test]
async fn faults_look_as_the_provider_fails() {
    let simulator = start_like(Likeness::Anthropic).await;
    let ask = |order: &str, stream: bool| {
        message(&body(stream))
            .fault(order)
            .send(simulator.address())
    };
    for (order, status, kind) in [
        ("503", 529, "overloaded_error"),
        ("500", 500, "api_error"),
        ("429", 429, "rate_limit_error"),
    ] {
        let reply = ask(order, false).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["type"]),
            (status, &json!(kind))
        );
    }
    let reply = ask("insufficient_quota", false).await;
    let details = reply.json()["error"]["details"].clone();
    assert_eq!(details["error_code"], "enforced_spend_limit_reached");
    assert_eq!((reply.status, reply.header("retry-after")), (429, None));

    let reply = ask("error_in_stream;after=4", true).await;
    let events = reply.events();
    let last = events.last().unwrap();
    let overloaded =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    assert_eq!((events.len(), last), (5, &overloaded));
    assert!(reply.text().contains("event: error\n") && reply.complete);
    let events = ask("refused_in_stream", true).await.events();
    assert_eq!(events[0]["error"]["type"], "rate_limit_error");
    let reply = ask("cut_stream;after=3", true).await;
    assert_eq!((reply.events().len(), reply.complete), (3, false));
    let state = simulator.state();
    assert!(state.pools.iter().all(|pool| pool.in_flight == 0));
}
