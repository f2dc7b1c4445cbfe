//! Requests that are wrong, and the envelopes that say so.

use paceline_simulator::SimulatorSettings;
use serde_json::{Value, json};

use crate::client::{Call, start, start_default};

fn chat(content: &str) -> Value {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": content}]})
}

/// The status and the members of the envelope.
async fn refusal(call: Call) -> (u16, Value) {
    let simulator = start_default().await;
    let reply = call.send(simulator.address()).await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-ratelimit-limit-requests"), None);
    (reply.status, reply.json()["error"].clone())
}

#[tokio::test]
async fn a_missing_or_wrong_key_is_refused_without_repeating_it() {
    let path = "/v1/chat/completions";
    let (status, error) = refusal(Call::post(path, &chat("x")).without("authorization")).await;
    assert_eq!(status, 401);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("You didn't provide an API key.")
    );
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("invalid_request_error"), &Value::Null)
    );
    for key in ["sk-invalid", "something-else-entirely"] {
        let call = Call::post(path, &chat("x")).header("authorization", &format!("Bearer {key}"));
        let (status, error) = refusal(call).await;
        assert_eq!((status, &error["code"]), (401, &json!("invalid_api_key")));
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with("Incorrect API key provided: "),
            "{message}"
        );
        assert!(!message.contains(key), "{message}");
    }
}

#[tokio::test]
async fn a_key_in_the_header_of_the_other_cloud_is_accepted() {
    let simulator = start_default().await;
    let call = Call::get("/v1/models")
        .without("authorization")
        .header("api-key", "sk-azure-key");
    assert_eq!(call.send(simulator.address()).await.status, 200);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let (status, error) = refusal(Call::post("/v1/chat/completion", &chat("x"))).await;
    assert_eq!(status, 404);
    assert_eq!(
        error,
        json!({
            "message": "Invalid URL (POST /v1/chat/completion)",
            "type": "invalid_request_error", "param": null, "code": null,
        })
    );
    assert_eq!(refusal(Call::get("/chat/completions")).await.0, 404);
    let (status, error) = refusal(Call::get("/v1/embeddings")).await;
    assert_eq!(
        (status, &error["code"]),
        (405, &json!("method_not_supported"))
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_named() {
    let cases = [
        (json!({"messages": []}), 400, Value::Null, Value::Null),
        (
            json!({"model": "gpt-4o"}),
            400,
            json!("missing_required_parameter"),
            json!("messages"),
        ),
        (
            json!({"model": "gpt-4o", "messages": []}),
            400,
            json!("invalid_type"),
            json!("messages"),
        ),
        (
            json!({"model": 5}),
            400,
            json!("invalid_type"),
            json!("model"),
        ),
        (
            json!({"model": "model-does-not-exist"}),
            404,
            json!("model_not_found"),
            Value::Null,
        ),
    ];
    for (body, expected, code, param) in cases {
        let (status, error) = refusal(Call::post("/v1/chat/completions", &body)).await;
        assert_eq!(
            (status, &error["code"], &error["param"]),
            (expected, &code, &param),
            "{body}"
        );
    }
    let mut too_many = chat("x");
    too_many["n"] = json!(1000);
    let (status, error) = refusal(Call::post("/v1/chat/completions", &too_many)).await;
    assert_eq!(
        (status, &error["code"]),
        (400, &json!("integer_out_of_range"))
    );
    let broken = Call::new("POST", "/v1/chat/completions").body("{\"model\": \"gpt");
    let (status, error) = refusal(broken).await;
    assert_eq!(status, 400);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("We could not parse the JSON body")
    );
}

#[tokio::test]
async fn a_prompt_beyond_the_context_is_refused_and_not_charged() {
    let settings = SimulatorSettings {
        context_tokens: 100,
        ..Default::default()
    };
    let simulator = start(settings).await;
    let long = Call::post("/v1/chat/completions", &chat(&"x".repeat(400)));
    let reply = long.send(simulator.address()).await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.json()["error"],
        json!({
            "message": "This model's maximum context length is 100 tokens. However, your messages \
                        resulted in 106 tokens. Please reduce the length of the messages.",
            "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded",
        })
    );
    let mut limited = chat("x");
    limited["max_tokens"] = json!(99);
    let reply = Call::post("/v1/chat/completions", &limited)
        .send(simulator.address())
        .await;
    let message = reply.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("you requested 106 tokens (7 in the messages, 99 in the"),
        "{message}"
    );
    assert_eq!(simulator.state().counters.admitted, 0);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let simulator = start(SimulatorSettings {
        max_body_bytes: 100,
        ..Default::default()
    })
    .await;
    let reply = Call::post("/v1/chat/completions", &chat(&"x".repeat(200)));
    assert_eq!(reply.send(simulator.address()).await.status, 413);
}
