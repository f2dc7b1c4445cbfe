//! Amazon Bedrock's runtime.

use paceline_simulator::{Likeness, Metric, Quota};
use serde_json::{Value, json};

use super::{start_like, with_limit};
use crate::client::{Call, start};

const MODEL: &str = "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0";
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261101/us-east-1/bedrock/aws4_request, \
                      SignedHeaders=host;x-amz-date, Signature=0123";

fn body(max_tokens: u64) -> Value {
    json!({
        "messages": [{"role": "user", "content": [{"text": "Say something short."}]}],
        "inferenceConfig": {"maxTokens": max_tokens},
    })
}

fn call(operation: &str, body: &Value) -> Call {
    Call::post(&format!("{MODEL}/{operation}"), body).header("authorization", SIGNED)
}

/// A message of the binary stream.
#[derive(Debug)]
struct Frame {
    headers: Vec<(String, String)>,
    payload: Value,
}

impl Frame {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), step);
    !bytes.iter().fold(u32::MAX, byte)
}

fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let (whole, headers) = (number(0) as usize, number(4) as usize);
        assert_eq!(number(8), crc(&bytes[..8]));
        assert_eq!(number(whole - 4), crc(&bytes[..whole - 4]));
        let mut rest = &bytes[12..12 + headers];
        let mut read = Vec::new();
        while let Some((length, after)) = rest.split_first() {
            let (name, after) = after.split_at(usize::from(*length));
            assert_eq!(after[0], 7);
            let length = usize::from(u16::from_be_bytes([after[1], after[2]]));
            let (value, after) = after[3..].split_at(length);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            read.push((text(name), text(value)));
            rest = after;
        }
        let payload = serde_json::from_slice(&bytes[12 + headers..whole - 4]).unwrap();
        frames.push(Frame {
            headers: read,
            payload,
        });
        bytes = &bytes[whole..];
    }
    frames
}

#[tokio::test]
async fn a_conversation_is_answered_whole_and_in_frames() {
    let simulator = start_like(Likeness::Bedrock).await;
    let reply = call("converse", &body(100)).send(simulator.address()).await;
    let whole = reply.json();
    assert_eq!(
        (reply.status, &whole["stopReason"]),
        (200, &json!("end_turn"))
    );
    let usage = &whole["usage"];
    assert_eq!(
        (&usage["inputTokens"], &usage["outputTokens"]),
        (&json!(11), &json!(10))
    );
    assert_eq!(usage["totalTokens"], 21);
    assert!(reply.header("x-amzn-requestid").is_some());

    let reply = call("converse-stream", &body(100))
        .send(simulator.address())
        .await;
    assert_eq!(
        reply.header("content-type"),
        Some("application/vnd.amazon.eventstream")
    );
    let frames = frames(&reply.body);
    let mut kinds: Vec<&str> = frames
        .iter()
        .map(|frame| frame.header(":event-type").unwrap())
        .collect();
    kinds.dedup();
    let expected = [
        "messageStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ];
    assert_eq!(kinds, expected);
    assert!(
        frames
            .iter()
            .all(|frame| frame.header(":message-type") == Some("event"))
    );
    let text: String = frames
        .iter()
        .filter_map(|frame| frame.payload["delta"]["text"].as_str())
        .collect();
    assert_eq!(text, whole["output"]["message"]["content"][0]["text"]);
    assert_eq!(frames.last().unwrap().payload["usage"], *usage);
    let counted = call("count-tokens", &json!({"input": {"converse": body(1)}}));
    assert_eq!(
        counted.send(simulator.address()).await.json(),
        json!({"inputTokens": 11})
    );
}

#[tokio::test]
async fn a_tool_is_called_and_a_cache_point_is_kept() {
    let simulator = start_like(Likeness::Bedrock).await;
    let mut asked = body(100);
    asked["toolConfig"] = json!({
        "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {
            "type": "object", "properties": {"days": {"type": "integer"}},
        }}}}],
        "toolChoice": {"tool": {"name": "weather"}},
    });
    let answer = call("converse", &asked)
        .send(simulator.address())
        .await
        .json();
    let used = &answer["output"]["message"]["content"][0]["toolUse"];
    assert_eq!(
        (&used["name"], &answer["stopReason"]),
        (&json!("weather"), &json!("tool_use"))
    );
    assert!(used["input"]["days"].is_u64());

    let mut asked = body(100);
    asked["system"] = json!([{"text": "x".repeat(8_000)}, {"cachePoint": {"type": "default"}}]);
    let usage = |answer: Value| {
        let of = |name: &str| answer["usage"][name].as_u64().unwrap();
        (
            of("inputTokens"),
            of("cacheWriteInputTokens"),
            of("cacheReadInputTokens"),
        )
    };
    let first = call("converse", &asked)
        .send(simulator.address())
        .await
        .json();
    assert_eq!(usage(first), (8, 2_003, 0));
    let second = call("converse", &asked)
        .send(simulator.address())
        .await
        .json();
    assert_eq!(usage(second), (8, 0, 2_003));
}

#[tokio::test]
async fn the_longest_answer_is_reserved_and_the_burndown_settled() {
    let settings = with_limit(Likeness::Bedrock, Metric::Tokens, 10_000, Quota::DAY_MS);
    let simulator = start(settings).await;
    let reply = call("converse", &body(20_000))
        .send(simulator.address())
        .await;
    assert_eq!(
        reply.json(),
        json!({"message": "Too many tokens per day, please wait before trying again."})
    );
    let kind = reply.header("x-amzn-errortype").unwrap();
    assert!(
        reply.status == 429 && kind.starts_with("ThrottlingException"),
        "{kind}"
    );
    assert!(
        reply
            .headers
            .iter()
            .all(|(name, _)| !name.contains("retry") && !name.contains("limit"))
    );
    assert_eq!(
        call("converse", &body(9_000))
            .send(simulator.address())
            .await
            .status,
        200
    );
    let state = simulator.state();
    let used: Vec<u64> = state.pools[0]
        .quotas
        .iter()
        .map(|level| level.used)
        .collect();
    // 11 tokens of input and 10 of output, which count five times.
    assert!(used.contains(&61), "{used:?}");
}

#[tokio::test]
async fn errors_are_exceptions_also_inside_a_stream() {
    let simulator = start_like(Likeness::Bedrock).await;
    let kinds = [
        ("429", 429, "ThrottlingException"),
        ("500", 500, "InternalServerException"),
        ("503", 503, "ServiceUnavailableException"),
    ];
    for (order, status, kind) in kinds {
        let reply = call("converse", &body(10))
            .fault(order)
            .send(simulator.address())
            .await;
        let told = reply.header("x-amzn-errortype").unwrap();
        assert!(reply.status == status && told.starts_with(kind), "{told}");
        assert!(reply.json()["message"].is_string());
    }
    let stream = |order: &str| {
        call("converse-stream", &body(10))
            .fault(order)
            .send(simulator.address())
    };
    let broken = frames(&stream("error_in_stream;after=3").await.body);
    let last = broken.last().unwrap();
    assert_eq!(
        (broken.len(), last.header(":message-type")),
        (4, Some("exception"))
    );
    assert_eq!(
        last.header(":exception-type"),
        Some("internalServerException")
    );
    let refused = frames(&stream("refused_in_stream").await.body);
    assert_eq!(
        refused[0].header(":exception-type"),
        Some("throttlingException")
    );
    let reply = call("converse", &body(10))
        .without("authorization")
        .send(simulator.address())
        .await;
    assert_eq!(
        (reply.status, reply.json()),
        (403, json!({"message": "Missing Authentication Token"}))
    );
    let reply = call("converse", &json!({"messages": []}))
        .send(simulator.address())
        .await;
    assert!(
        reply.status == 400
            && reply
                .header("x-amzn-errortype")
                .unwrap()
                .starts_with("Validation")
    );
}
