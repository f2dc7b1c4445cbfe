//! The Responses API beyond its stream.

use paceline_simulator::{EnforcerSettings, OutputLength, Quota, SimulatorSettings};
use serde_json::json;

use crate::client::{Call, start};

fn settings() -> SimulatorSettings {
    SimulatorSettings {
        output_length: OutputLength::Exactly(10),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_response_is_kept_until_it_is_deleted() {
    let simulator = start(settings()).await;
    let body = json!({"model": "gpt-4o", "input": "Hello", "metadata": {"k": "v"}});
    let created = Call::post("/v1/responses", &body)
        .send(simulator.address())
        .await
        .json();
    assert_eq!(created["status"], "completed");
    assert_eq!(created["metadata"], json!({"k": "v"}));
    assert_eq!(created["usage"]["output_tokens"], 10);
    let path = format!("/v1/responses/{}", created["id"].as_str().unwrap());
    assert_eq!(
        Call::get(&path).send(simulator.address()).await.json(),
        created
    );
    let deleted = Call::new("DELETE", &path)
        .send(simulator.address())
        .await
        .json();
    assert_eq!(deleted["deleted"], true);
    assert_eq!(Call::get(&path).send(simulator.address()).await.status, 404);
    let unstored = json!({"model": "gpt-4o", "input": "Hello", "store": false});
    let unstored = Call::post("/v1/responses", &unstored)
        .send(simulator.address())
        .await
        .json();
    let path = format!("/v1/responses/{}", unstored["id"].as_str().unwrap());
    assert_eq!(Call::get(&path).send(simulator.address()).await.status, 404);
}

#[tokio::test]
async fn a_response_that_continues_another_counts_its_history() {
    let simulator = start(settings()).await;
    let ask = |body| Call::post("/v1/responses", &body).send(simulator.address());
    let first = ask(json!({"model": "gpt-4o", "input": "Hello"}))
        .await
        .json();
    let alone = first["usage"]["input_tokens"].as_u64().unwrap();
    let next = json!({"model": "gpt-4o", "input": "Hello", "previous_response_id": first["id"]});
    let next = ask(next).await.json();
    assert_eq!(next["usage"]["input_tokens"], alone + alone + 10);
    let lost = ask(json!({"model": "gpt-4o", "input": "x", "previous_response_id": "resp_no"}));
    let lost = lost.await;
    assert_eq!(lost.status, 400);
    assert_eq!(lost.json()["error"]["code"], "previous_response_not_found");
}

#[tokio::test]
async fn input_tokens_are_those_that_usage_reports() {
    let simulator = start(settings()).await;
    let body = json!({
        "model": "gpt-4o", "instructions": "Be brief.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello there"}]}],
    });
    let counted = Call::post("/v1/responses/input_tokens", &body)
        .send(simulator.address())
        .await;
    let created = Call::post("/v1/responses", &body)
        .send(simulator.address())
        .await
        .json();
    assert_eq!(counted.json()["object"], "response.input_tokens");
    assert_eq!(
        counted.json()["input_tokens"],
        created["usage"]["input_tokens"]
    );
}

#[tokio::test]
async fn a_demanded_function_is_called() {
    let simulator = start(settings()).await;
    let body = json!({
        "model": "gpt-4o", "input": "Weather?", "tool_choice": "required",
        "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
    });
    let reply = Call::post("/v1/responses", &body)
        .send(simulator.address())
        .await
        .json();
    assert_eq!(reply["output"][0]["type"], "function_call");
    assert_eq!(reply["output"][0]["name"], "weather");
    assert_eq!(reply["output"][0]["arguments"], "{}");
    assert_eq!(reply["tools"], body["tools"]);
}

#[tokio::test]
async fn a_refused_response_is_not_kept() {
    let quotas = vec![Quota::requests_per_day(1)];
    let limits = EnforcerSettings {
        quotas,
        ..Default::default()
    };
    let simulator = start(SimulatorSettings {
        limits,
        ..settings()
    })
    .await;
    let body = json!({"model": "gpt-4o", "input": "Hello"});
    let ask = || Call::post("/v1/responses", &body).send(simulator.address());
    let path = format!(
        "/v1/responses/{}",
        ask().await.json()["id"].as_str().unwrap()
    );
    assert_eq!(
        Call::new("DELETE", &path)
            .send(simulator.address())
            .await
            .status,
        200
    );
    // The same request would have the same id.
    assert_eq!(ask().await.status, 429);
    assert_eq!(Call::get(&path).send(simulator.address()).await.status, 404);
}
