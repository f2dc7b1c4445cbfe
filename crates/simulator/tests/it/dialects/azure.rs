//! Azure OpenAI.

use paceline_simulator::{Likeness, Metric, Quota, Simulator};
use serde_json::{Value, json};

use super::{start_like, with_limit};
use crate::client::{Call, Reply, start};

const DEPLOYMENT: &str = "/openai/deployments/my-gpt/chat/completions?api-version=2024-06-01";

fn body() -> Value {
    json!({"max_tokens": 50, "messages": [{"role": "user", "content": "12345678"}]})
}

async fn ask(simulator: &Simulator) -> Reply {
    let call = Call::post(DEPLOYMENT, &body()).without("authorization");
    call.header("api-key", "0123456789abcdef")
        .send(simulator.address())
        .await
}

#[tokio::test]
async fn a_deployment_tells_its_limits_in_whole_seconds() {
    let simulator = start_like(Likeness::Azure).await;
    let reply = ask(&simulator).await;
    assert_eq!(
        (reply.status, &reply.json()["model"]),
        (200, &json!("my-gpt"))
    );
    let told = |name: &str| reply.header(&format!("x-ratelimit-{name}")).unwrap();
    // The requests of ten seconds, not of the minute.
    assert_eq!(
        (told("limit-requests"), told("remaining-requests")),
        ("60", "59")
    );
    assert_eq!(
        (told("limit-tokens"), told("remaining-tokens")),
        ("60000", "59948")
    );
    assert_eq!(told("reset-tokens"), "60");
    assert_eq!(
        (told("renewalperiod-tokens"), told("key")),
        ("60", "my-gpt")
    );
    assert!(reply.header("apim-request-id").is_some());
    let newer = Call::post(
        "/openai/v1/chat/completions",
        &json!({
            "model": "my-gpt", "messages": [{"role": "user", "content": "Hi"}],
        }),
    );
    assert_eq!(newer.send(simulator.address()).await.status, 200);
}

#[tokio::test]
async fn a_refusal_names_the_operation_and_the_seconds() {
    let settings = with_limit(Likeness::Azure, Metric::Tokens, 60, Quota::MINUTE_MS);
    let simulator = start(settings).await;
    assert_eq!(ask(&simulator).await.status, 200);
    let reply = ask(&simulator).await;
    let wait = reply.header("retry-after").unwrap();
    let message = format!(
        "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-06-01 \
         have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after \
         {wait} seconds. Please go here: https://aka.ms/oai/quotaincrease if you would like to \
         further increase the default rate limit."
    );
    assert_eq!(
        (reply.status, reply.json()),
        (429, json!({"error": {"code": "429", "message": message}}))
    );
    assert!((55..=60).contains(&wait.parse::<u64>().unwrap()), "{wait}");
    assert!(reply.header("retry-after-ms").is_some());
}

#[tokio::test]
async fn a_streamed_response_is_refused_after_the_head_and_a_chat_is_not() {
    let settings = with_limit(Likeness::Azure, Metric::Tokens, 60, Quota::MINUTE_MS);
    let simulator = start(settings).await;
    let response = || {
        let body = json!({"model": "my-gpt", "input": "12345678", "max_output_tokens": 50, "stream": true});
        Call::post("/openai/v1/responses", &body).send(simulator.address())
    };
    assert_eq!(response().await.header("retry-after"), None);
    let refused = response().await;
    assert_eq!(refused.status, 200);
    assert!(refused.header("retry-after").is_some());
    assert!(
        refused
            .events()
            .iter()
            .any(|event| event["type"] == "response.failed")
    );
    let mut chat = body();
    chat["model"] = json!("my-gpt");
    chat["stream"] = json!(true);
    let reply = Call::post("/openai/v1/chat/completions", &chat)
        .send(simulator.address())
        .await;
    assert_eq!(reply.status, 429);
}

#[tokio::test]
async fn versions_and_keys_are_asked_for() {
    let simulator = start_like(Likeness::Azure).await;
    let bare = DEPLOYMENT.split('?').next().unwrap();
    let reply = Call::post(bare, &body()).send(simulator.address()).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (404, &json!("404"))
    );
    let reply = Call::post(DEPLOYMENT, &body())
        .without("authorization")
        .send(simulator.address())
        .await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (401, &json!("401"))
    );
}
