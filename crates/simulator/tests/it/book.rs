//! What named requests are billed.

use paceline_simulator::{BilledRequest, OutputLength, Simulator, SimulatorSettings};
use serde_json::{Value, json};

use crate::client::{Call, start};

async fn provider() -> Simulator {
    start(SimulatorSettings {
        output_length: OutputLength::Exactly(20),
        ..SimulatorSettings::default()
    })
    .await
}

fn chat(more: Value) -> Value {
    let mut body = json!({
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Say something."}],
    });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}

async fn billed(body: &Value, order: Option<&str>) -> (Value, Vec<BilledRequest>) {
    let simulator = provider().await;
    let call = Call::post("/v1/chat/completions", body).header("x-client-request-id", "mine");
    let call = match order {
        Some(order) => call.fault(order),
        None => call,
    };
    let reply = call.send(simulator.address()).await;
    let usage = match order {
        Some(_) => Value::Null,
        None => reply.json()["usage"].clone(),
    };
    (usage, simulator.book())
}

#[tokio::test]
async fn an_answer_is_billed_as_its_usage_says() {
    let long = "word ".repeat(1_000);
    let body = chat(json!({
        "messages": [{"role": "user", "content": long}],
        "prompt_cache_key": "k",
        "reasoning_effort": "low",
    }));
    let (usage, book) = billed(&body, None).await;
    let [line] = book.as_slice() else {
        panic!("{book:?}");
    };
    assert!(line.served && &*line.request == "mine" && &*line.model == "gpt-4o");
    assert_eq!(usage["prompt_tokens"], line.input_tokens);
    assert_eq!(usage["completion_tokens"], line.output_tokens);
    assert_eq!((line.cached_tokens, line.reasoning_tokens), (1_152, 64));
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 1_152);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 64);
    assert_eq!(line.output_tokens, 64 + 20);
}

#[tokio::test]
async fn what_fails_is_free_and_what_is_cut_or_lost_is_not() {
    let stream = chat(json!({"stream": true}));
    let whole = chat(json!({}));
    let line = async |body: &Value, order| {
        let (_, book) = billed(body, Some(order)).await;
        let line = book.first().unwrap();
        assert!(!line.served, "{line:?}");
        (line.input_tokens, line.output_tokens)
    };
    let input = billed(&whole, None).await.1[0].input_tokens;
    assert_eq!(line(&stream, "500").await, (0, 0));
    assert_eq!(line(&stream, "error_in_stream;after=3").await, (0, 0));
    assert_eq!(line(&stream, "cut_stream;after=6").await, (input, 6));
    assert_eq!(line(&whole, "cut_body").await, (input, 20));
    assert_eq!(line(&whole, "reset").await, (0, 0));
}

#[tokio::test]
async fn refused_and_nameless_requests_are_not_in_the_book() {
    let simulator = provider().await;
    let whole = chat(json!({}));
    let nameless = Call::post("/v1/chat/completions", &whole);
    assert_eq!(nameless.send(simulator.address()).await.status, 200);
    let refused = Call::post("/v1/chat/completions", &whole).header("x-client-request-id", "mine");
    let refused = refused.fault("429").send(simulator.address()).await;
    assert_eq!(refused.status, 429);
    assert_eq!(simulator.book(), []);
}
