//! Each fault on the wire.

use std::time::{Duration, Instant};

use paceline_simulator::{EnforcerSettings, FaultRule, Quota, Simulator, SimulatorSettings};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::client::{Call, End, Reply, read_all, start, start_default};

/// How long nothing must come before a connection counts as left open.
const SILENCE: Duration = Duration::from_millis(500);

fn chat(stream: bool) -> Value {
    json!({
        "model": "gpt-4o", "stream": stream,
        "messages": [{"role": "user", "content": "Say something."}],
    })
}

async fn ask(simulator: &Simulator, order: &str, stream: bool) -> Reply {
    let call = Call::post("/v1/chat/completions", &chat(stream)).fault(order);
    call.send(simulator.address()).await
}

/// An answer after which the connection stays open.
async fn left_open(order: &str, stream: bool) -> Reply {
    let simulator = start_default().await;
    let call = Call::post("/v1/chat/completions", &chat(stream)).fault(order);
    call.send_and_wait(simulator.address(), SILENCE).await
}

async fn fault(order: &str, stream: bool) -> Reply {
    ask(&start_default().await, order, stream).await
}

#[tokio::test]
async fn refusals_without_a_reason_read_like_real_ones() {
    let reply = fault("429", false).await;
    assert_eq!(reply.status, 429);
    let error = reply.json()["error"].clone();
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("tokens"), &json!("rate_limit_exceeded"))
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("Limit 10000, Used 10000, Requested 4. Please try again in 24ms."),
        "{message}",
    );
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(reply.header("retry-after-ms"), Some("24"));
    assert_eq!(reply.header("x-ratelimit-remaining-tokens"), Some("0"));
    let reply = fault("429_too_large", false).await;
    let message = reply.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("Request too large") && message.contains("Requested 10001"));
    assert_eq!(reply.header("retry-after"), None);
    let reply = fault("insufficient_quota", false).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (429, &json!("insufficient_quota"))
    );
    let reply = fault("slow_down", false).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (429, &json!("slow_down"))
    );
}

#[tokio::test]
async fn a_refusal_without_a_reason_takes_nothing_and_names_the_real_limit() {
    let limits = EnforcerSettings {
        quotas: vec![Quota::tokens_per_day(500)],
        ..Default::default()
    };
    let simulator = start(SimulatorSettings {
        limits,
        ..Default::default()
    })
    .await;
    let reply = ask(&simulator, "429", false).await;
    let message = reply.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("tokens per day (TPD): Limit 500, Used 500, Requested 4."));
    let state = simulator.state();
    assert_eq!(
        (state.pools[0].quotas[0].used, state.counters.admitted),
        (0, 0)
    );
    assert_eq!(state.counters.faults["429"], 1);
}

#[tokio::test]
async fn failures_of_the_server_have_their_statuses_and_bodies() {
    let reply = fault("500", false).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["type"]),
        (500, &json!("server_error"))
    );
    let reply = fault("503", false).await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["error"]["code"], "server_is_overloaded");
    assert_eq!(reply.header("retry-after"), Some("1"));
    for (order, status) in [("502", 502), ("504", 504)] {
        let reply = fault(order, false).await;
        assert_eq!(reply.status, status);
        assert_eq!(
            reply.header("content-type"),
            Some("text/html; charset=UTF-8")
        );
        assert!(reply.text().starts_with("<html>"));
    }
}

#[tokio::test]
async fn a_failed_call_keeps_its_charge_unless_failures_are_free() {
    for (failures_are_free, used) in [(false, 4), (true, 0)] {
        let quotas = vec![Quota::tokens_per_day(500)];
        let limits = EnforcerSettings {
            quotas,
            failures_are_free,
            ..Default::default()
        };
        let simulator = start(SimulatorSettings {
            limits,
            ..Default::default()
        })
        .await;
        ask(&simulator, "500", false).await;
        ask(&simulator, "reset", false).await;
        let state = simulator.state();
        assert_eq!(state.pools[0].quotas[0].used, used * 2);
        assert_eq!((state.counters.admitted, state.counters.unserved), (2, 2));
    }
}

#[tokio::test]
async fn a_hanging_request_is_in_flight_until_its_caller_leaves() {
    let simulator = start_default().await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let call = Call::post("/v1/chat/completions", &chat(false)).fault("hang");
    stream.write_all(&call.bytes()).await.unwrap();
    let (raw, end) = read_all(&mut stream, SILENCE).await;
    assert_eq!((raw.len(), end), (0, End::StillOpen));
    assert_eq!(simulator.state().pools[0].in_flight, 1);
    drop(stream);
    let deadline = Instant::now() + Duration::from_secs(5);
    while simulator.state().pools[0].in_flight > 0 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_head_can_come_without_a_body() {
    for stream in [false, true] {
        let reply = left_open("hang_after_headers", stream).await;
        assert_eq!((reply.status, reply.end), (200, End::StillOpen));
        assert!(reply.body.is_empty() && !reply.complete);
    }
}

#[tokio::test]
async fn a_stream_can_be_cut_after_some_events() {
    let reply = fault("cut_stream;after=3", true).await;
    assert_eq!(
        (reply.status, reply.end, reply.complete),
        (200, End::Closed, false)
    );
    assert_eq!(reply.events().len(), 3);
    let reply = fault("cut_stream", false).await;
    assert!(!reply.complete && !reply.body.is_empty());
}

#[tokio::test]
async fn a_body_can_be_shorter_than_announced() {
    let reply = fault("cut_body", false).await;
    assert_eq!((reply.status, reply.end), (200, End::Closed));
    let announced: usize = reply.header("content-length").unwrap().parse().unwrap();
    assert_eq!(reply.body.len(), announced / 2);
}

#[tokio::test]
async fn json_can_stop_in_the_middle_of_a_complete_answer() {
    let reply = fault("truncated_json", false).await;
    assert!(reply.complete);
    assert!(serde_json::from_slice::<Value>(&reply.body).is_err());
    let reply = fault("truncated_json", true).await;
    assert!(reply.complete && !reply.text().contains("[DONE]"));
    let text = reply.text();
    let last = text.lines().last().unwrap().strip_prefix("data: ").unwrap();
    assert!(serde_json::from_str::<Value>(last).is_err());
}

#[tokio::test]
async fn the_announced_length_can_be_wrong_both_ways() {
    for off_by in [-7, 9] {
        let reply = left_open(&format!("wrong_content_length;by={off_by}"), false).await;
        let announced: i64 = reply.header("content-length").unwrap().parse().unwrap();
        assert_eq!(announced - reply.body.len() as i64, off_by);
        assert_eq!(reply.end, End::StillOpen);
        assert!(reply.json().is_object());
    }
}

#[tokio::test]
async fn an_answer_can_come_byte_by_byte() {
    let simulator = start_default().await;
    let started = Instant::now();
    let body = json!({
        "model": "text-embedding-3-small", "input": "a", "dimensions": 1,
        "encoding_format": "base64",
    });
    let call = Call::post("/v1/embeddings", &body).fault("slow_drip;ms=1");
    let reply = call.send(simulator.address()).await;
    assert!(reply.complete && reply.json().is_object());
    assert!(started.elapsed() >= Duration::from_millis(reply.body.len() as u64));
    assert_eq!(simulator.state().counters.served, 1);
}

#[tokio::test]
async fn an_answer_can_be_no_http_or_a_reset() {
    let reply = fault("garbage", false).await;
    assert_eq!((reply.status, reply.end), (0, End::Closed));
    assert!(!reply.raw.is_empty() && !reply.raw.starts_with(b"HTTP"));
    let reply = fault("reset", false).await;
    assert_eq!((reply.raw.len(), reply.end), (0, End::Reset));
}

#[tokio::test]
async fn a_stream_can_report_an_error_in_its_middle() {
    let reply = fault("error_in_stream;after=2", true).await;
    assert_eq!((reply.status, reply.complete), (200, true));
    let events = reply.events();
    assert_eq!(events.len(), 3);
    assert_eq!(events[2]["error"]["type"], "server_error");
    assert_eq!(fault("error_in_stream", false).await.status, 500);
    let simulator = start_default().await;
    let body = json!({"model": "gpt-4o", "input": "Hello", "stream": true});
    let call = Call::post("/v1/responses", &body).fault("error_in_stream;after=4");
    let events = call.send(simulator.address()).await.events();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[4..], ["error", "response.failed"]);
    assert_eq!(events[5]["sequence_number"], 5);
    assert_eq!(events[5]["response"]["status"], "failed");
}

#[tokio::test]
async fn a_stream_can_report_a_limit_as_its_first_content() {
    let reply = fault("refused_in_stream", true).await;
    assert_eq!((reply.status, reply.events().len()), (200, 1));
    assert_eq!(reply.events()[0]["error"]["code"], "rate_limit_exceeded");
    assert_eq!(fault("refused_in_stream", false).await.status, 429);
}

#[tokio::test]
async fn an_order_with_a_count_fails_only_the_first_tries() {
    let simulator = start_default().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&simulator, "500;times=2;key=abc", false).await.status);
    }
    assert_eq!(statuses, [500, 500, 200, 200]);
}

#[tokio::test]
async fn an_unknown_order_is_refused_with_the_known_ones() {
    let reply = fault("explode", false).await;
    assert_eq!(reply.status, 400);
    let message = reply.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.starts_with("unknown fault `explode`; known are 429, "),
        "{message}"
    );
}

#[tokio::test]
async fn rules_apply_to_requests_that_order_nothing() {
    let rule = FaultRule {
        fault: "503".to_owned(),
        times: Some(1),
        ..Default::default()
    };
    let settings = SimulatorSettings {
        faults: vec![rule],
        ..Default::default()
    };
    let simulator = start(settings).await;
    let ask = || Call::post("/v1/chat/completions", &chat(false)).send(simulator.address());
    assert_eq!([ask().await.status, ask().await.status], [503, 200]);
    simulator.set_faults(vec![FaultRule::default()]).unwrap();
    assert_eq!(ask().await.status, 500);
    simulator.set_faults(Vec::new()).unwrap();
    assert_eq!(ask().await.status, 200);
}
