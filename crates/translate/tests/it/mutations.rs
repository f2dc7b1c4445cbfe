//! Samples with bytes changed, dropped and doubled, and bytes of no kind at all.

use crate::checks;
use crate::streams::{FROM_CHAT, FROM_MESSAGES};
use crate::translated::rich_chat_request;
use proptest::prelude::*;
use serde_json::json;

/// Requests, answers, streams and errors of each API.
fn samples() -> Vec<Vec<u8>> {
    let messages = json!({
        "model": "m", "max_tokens": 5, "system": [{"type": "text", "text": "s"}],
        "messages": [
            {"role": "user", "content": [{"type": "document", "source":
                {"type": "base64", "media_type": "application/pdf", "data": "aa"}, "title": "t"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "t", "signature": ""},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"a": [1]}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "is_error": true, "content": [
                {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}}]}]}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"},
        "thinking": {"type": "enabled", "budget_tokens": 2000}, "stream": true});
    let responses = json!({
        "model": "m", "instructions": "i", "stream": true, "reasoning": {"effort": "low"},
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "x"},
                {"type": "input_image", "image_url": "data:image/png;base64,aa"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "y"}],
        "tools": [{"type": "function", "name": "f", "parameters": {}}]});
    let message = json!({"id": "msg_1", "model": "m", "content": [{"type": "text", "text": "x"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}}], "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2}});
    let completion = json!({"id": "c", "model": "m", "choices": [{"finish_reason": "stop", "message":
        {"content": "x", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 1}}});
    let errors = [
        json!({"type": "error", "error": {"type": "api_error", "message": "x"}}),
        json!({"error": {"message": "x", "type": "y", "code": "z", "param": null}}),
    ];
    let bodies = [
        rich_chat_request(),
        messages,
        responses,
        message,
        completion,
    ];
    let mut samples: Vec<_> = bodies
        .iter()
        .chain(&errors)
        .map(|body| body.to_string().into_bytes())
        .collect();
    samples.extend([FROM_CHAT, FROM_MESSAGES].map(|stream| stream.as_bytes().to_vec()));
    samples
}

/// Changes the sample at some places: a byte replaced, dropped, or its neighbourhood doubled.
fn mutate(mut sample: Vec<u8>, changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    for (place, byte, what) in changes {
        if sample.is_empty() {
            break;
        }
        let at = place.index(sample.len());
        match what % 4 {
            0 => sample[at] = *byte,
            1 => {
                sample.remove(at);
            }
            2 => {
                let end = (at + usize::from(*byte)).min(sample.len());
                let piece = sample[at..end].to_vec();
                sample.splice(at..at, piece);
            }
            _ => sample.truncate(at),
        }
    }
    sample
}

fn with_head(head: [u8; 2], body: &[u8], check: fn(&[u8])) {
    check(&[&head[..1], body].concat());
    check(&[&head[..], body].concat());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn changed_samples_break_nothing(
        sample in prop::sample::select(samples()),
        changes in prop::collection::vec(any::<(prop::sample::Index, u8, u8)>(), 0..5),
        head in any::<[u8; 2]>(),
    ) {
        let body = mutate(sample, &changes);
        for check in [checks::request, checks::answer, checks::stream, checks::error] {
            with_head(head, &body, check);
        }
        checks::any(&[&head[..], &body].concat());
    }

    #[test]
    fn random_bytes_break_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for check in [checks::request, checks::answer, checks::stream, checks::error, checks::any] {
            check(&bytes);
        }
    }
}

#[test]
fn deep_nesting_breaks_nothing() {
    let deep = "[".repeat(200_000);
    let nested = format!(
        "{{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{{\"role\":\"user\",\"content\":{deep}"
    );
    let closed = format!("{nested}{}}}]}}", "]".repeat(200_000));
    for body in [deep.as_str(), nested.as_str(), closed.as_str()] {
        for first in 0..4 {
            with_head([first, 200], body.as_bytes(), checks::request);
            with_head([first, 200], body.as_bytes(), checks::answer);
        }
    }
}
