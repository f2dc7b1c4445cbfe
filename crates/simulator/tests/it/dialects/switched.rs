//! A running provider that is made to fail, and to recover.

use std::time::{Duration, Instant};

use paceline_simulator::{Likeness, Simulator};
use serde_json::{Value, json};

use super::start_like;
use crate::client::{Call, End, Reply};

async fn order(simulator: &Simulator, rules: &Value) {
    let call = Call::post("/_simulator/faults", &json!({"rules": rules}));
    assert_eq!(call.send(simulator.address()).await.status, 200);
}

/// A call in the provider's own dialect.
fn call(likeness: Likeness, stream: bool) -> Call {
    match likeness {
        Likeness::Anthropic => Call::post(
            "/v1/messages",
            &json!({
                "model": "claude-haiku-4-5", "max_tokens": 50, "stream": stream,
                "messages": [{"role": "user", "content": "Hi"}],
            }),
        )
        .header("anthropic-version", "2023-06-01"),
        Likeness::Gemini => {
            let verb = if stream {
                "streamGenerateContent?alt=sse"
            } else {
                "generateContent"
            };
            let body = json!({"contents": [{"parts": [{"text": "Hi"}]}]});
            Call::post(&format!("/v1beta/models/gemini-2.5-flash:{verb}"), &body)
                .header("x-goog-api-key", "AIza-0123456789")
        }
        Likeness::Bedrock => {
            let verb = if stream {
                "converse-stream"
            } else {
                "converse"
            };
            let body = json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]});
            Call::post(&format!("/model/anthropic.claude-sonnet-4-5/{verb}"), &body)
        }
        _ => Call::post(
            "/openai/v1/chat/completions",
            &json!({
                "model": "llama-3.3-70b-versatile", "stream": stream,
                "messages": [{"role": "user", "content": "Hi"}],
            }),
        ),
    }
}

#[tokio::test]
async fn every_dialect_fails_and_recovers_on_command() {
    for likeness in [
        Likeness::Anthropic,
        Likeness::Gemini,
        Likeness::Bedrock,
        Likeness::Groq,
    ] {
        let simulator = start_like(likeness).await;
        let send = |stream| {
            call(likeness, stream).send_and_wait(simulator.address(), Duration::from_millis(300))
        };
        order(&simulator, &json!([{"fault": "500"}])).await;
        for stream in [false, true] {
            assert_eq!(send(stream).await.status, 500, "{likeness}");
        }
        order(&simulator, &json!([{"fault": "web_page"}])).await;
        let page = send(false).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=UTF-8"))
        );
        assert!(serde_json::from_slice::<Value>(&page.body).is_err());
        order(&simulator, &json!([{"fault": "hang"}])).await;
        let silent: Reply = send(false).await;
        assert_eq!(
            (silent.raw.len(), silent.end),
            (0, End::StillOpen),
            "{likeness}"
        );
        order(&simulator, &json!([{"fault": "cut_stream;after=1"}])).await;
        let cut = send(true).await;
        assert!(
            cut.status == 200 && !cut.complete && !cut.body.is_empty(),
            "{likeness}"
        );
        order(&simulator, &json!([{"fault": "truncated_json"}])).await;
        let half = send(false).await;
        assert!(half.complete && serde_json::from_slice::<Value>(&half.body).is_err());
        order(&simulator, &json!([])).await;
        assert_eq!(send(false).await.status, 200, "{likeness}");
        let stream = send(true).await;
        assert!(stream.status == 200 && stream.complete, "{likeness}");
    }
}

#[tokio::test]
async fn answers_come_late_while_they_are_told_to() {
    let simulator = start_like(Likeness::Groq).await;
    order(&simulator, &json!([{"fault": "delay;ms=300"}])).await;
    for stream in [false, true] {
        let started = Instant::now();
        let reply = call(Likeness::Groq, stream).send(simulator.address()).await;
        assert_eq!(reply.status, 200);
        assert!(started.elapsed() >= Duration::from_millis(300));
    }
    assert_eq!(simulator.state().counters.served, 2);
    assert_eq!(simulator.state().counters.faults.get("delay"), Some(&2));
}
