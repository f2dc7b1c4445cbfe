//! The bytes of streams and of whole answers.

use std::time::{Duration, Instant};

use paceline_simulator::{Latency, OutputLength, SimulatorSettings};
use serde_json::{Value, json};

use crate::{
    client::{Call, start, start_default},
    golden::assert_golden,
};

fn short() -> SimulatorSettings {
    SimulatorSettings {
        output_length: OutputLength::Exactly(4),
        ..Default::default()
    }
}

fn chat() -> Value {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say something."}]})
}

fn with(mut body: Value, members: Value) -> Value {
    body.as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    body
}

async fn body_of(path: &str, body: &Value) -> String {
    let simulator = start(short()).await;
    let reply = Call::post(path, body).send(simulator.address()).await;
    assert!(reply.complete);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text()
}

#[tokio::test]
async fn a_chat_completion_is_written_as_the_provider_writes_it() {
    assert_golden("chat.json", &body_of("/v1/chat/completions", &chat()).await);
}

#[tokio::test]
async fn a_chat_stream_is_written_as_the_provider_writes_it() {
    let members = json!({"stream": true, "stream_options": {"include_usage": true}, "n": 2});
    let body = body_of("/v1/chat/completions", &with(chat(), members)).await;
    assert_golden("chat_stream.txt", &body);
}

#[tokio::test]
async fn a_streamed_tool_call_is_written_as_the_provider_writes_it() {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let function = json!({"name": "weather", "parameters": parameters});
    let members = json!({
        "stream": true,
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "required",
    });
    let body = body_of("/v1/chat/completions", &with(chat(), members)).await;
    assert_golden("chat_tool_stream.txt", &body);
}

#[tokio::test]
async fn a_completion_stream_is_written_as_the_provider_writes_it() {
    let body = json!({"model": "gpt-3.5-turbo-instruct", "prompt": "Once", "stream": true});
    assert_golden(
        "completion_stream.txt",
        &body_of("/v1/completions", &body).await,
    );
}

#[tokio::test]
async fn a_response_stream_is_written_as_the_provider_writes_it() {
    let body = json!({
        "model": "gpt-4o", "input": "Say something.", "instructions": "Be brief.", "stream": true,
        "max_output_tokens": 3,
    });
    assert_golden(
        "response_stream.txt",
        &body_of("/v1/responses", &body).await,
    );
}

#[tokio::test]
async fn a_streamed_function_call_is_written_as_the_provider_writes_it() {
    let parameters = json!({"type": "object", "properties": {"days": {"type": "integer"}}});
    let body = json!({
        "model": "gpt-4o", "input": "Weather?", "stream": true,
        "tools": [{"type": "function", "name": "weather", "parameters": parameters}],
        "tool_choice": {"type": "function", "name": "weather"},
    });
    assert_golden(
        "response_tool_stream.txt",
        &body_of("/v1/responses", &body).await,
    );
}

#[tokio::test]
async fn a_streamed_answer_has_the_content_and_the_ids_of_the_whole_one() {
    let simulator = start_default().await;
    let path = "/v1/chat/completions";
    let whole = Call::post(path, &chat())
        .send(simulator.address())
        .await
        .json();
    let streamed = Call::post(path, &with(chat(), json!({"stream": true})));
    let events = streamed.send(simulator.address()).await.events();
    let deltas = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    assert_eq!(
        deltas.collect::<String>(),
        whole["choices"][0]["message"]["content"]
    );
    assert_eq!(events[0]["id"], whole["id"]);
    assert_eq!(events[0].get("usage"), None);
    let again = Call::post(path, &chat())
        .send(simulator.address())
        .await
        .json();
    assert_eq!(again, whole);
}

#[tokio::test]
async fn without_determinism_ids_differ_and_content_does_not() {
    let settings = SimulatorSettings {
        deterministic: false,
        ..Default::default()
    };
    let simulator = start(settings).await;
    let ask = || Call::post("/v1/chat/completions", &chat()).send(simulator.address());
    let (one, other) = (ask().await.json(), ask().await.json());
    assert_ne!(one["id"], other["id"]);
    assert_eq!(one["choices"], other["choices"]);
}

#[tokio::test]
async fn a_seed_gives_other_answers() {
    let seeded = |seed| async move {
        let simulator = start(SimulatorSettings {
            seed,
            ..Default::default()
        })
        .await;
        let reply = Call::post("/v1/chat/completions", &chat())
            .send(simulator.address())
            .await;
        reply.json()["choices"][0]["message"]["content"].clone()
    };
    assert_ne!(seeded(1).await, seeded(2).await);
}

#[tokio::test]
async fn tokens_come_at_their_pace_and_a_whole_answer_after_all_of_them() {
    let latency = Latency {
        first_token: Duration::from_millis(40),
        per_token: Duration::from_millis(20),
        ..Latency::default()
    };
    let simulator = start(SimulatorSettings { latency, ..short() }).await;
    let path = "/v1/chat/completions";
    for stream in [false, true] {
        let started = Instant::now();
        let reply = Call::post(path, &with(chat(), json!({"stream": stream})));
        let reply = reply.send(simulator.address()).await;
        assert_eq!(reply.status, 200);
        // 40 ms for the first token and 20 ms for each of the three others.
        let elapsed = started.elapsed();
        assert!(elapsed >= Duration::from_millis(100), "{elapsed:?}");
        let said: u64 = reply
            .header("openai-processing-ms")
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(said >= 100, !stream, "{said}");
    }
}

#[tokio::test]
async fn a_request_is_on_its_way_before_it_is_judged_and_that_is_no_processing() {
    let latency = Latency {
        arrival_min: Duration::from_millis(1_000),
        arrival_max: Duration::from_millis(1_200),
        ..Latency::default()
    };
    let simulator = start(SimulatorSettings { latency, ..short() }).await;
    let began_ns = simulator.state().time_ns;
    let call = Call::post("/v1/chat/completions", &chat());
    let reply = call.send(simulator.address()).await;
    assert_eq!(reply.status, 200);
    let judged_ns = simulator.journal(0)[0].time_ns;
    assert!(judged_ns - began_ns >= 1_000_000_000);
    let said = reply.header("openai-processing-ms").unwrap();
    assert!(said.parse::<u64>().unwrap() < 1_000, "{said}");
}
