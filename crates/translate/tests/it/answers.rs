//! Answers, each way.

use crate::translated::{CREATED_S, answer, answer_options, answer_with};
use paceline_translate::{AnswerError, AnswerOptions, Asked, Pair, Thinking, translate_answer};
use serde_json::{Value, json};

/// An answer in Anthropic's words, for callers of chat completions.
const TO_CHAT_CALLER: Pair = Pair::ChatToMessages;
/// An answer in OpenAI's words, for callers of messages.
const TO_MESSAGES_CALLER: Pair = Pair::MessagesToChat;

fn message(content: Value, stop_reason: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content,
        "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 5}})
}

fn completion(message: Value, finish_reason: &str) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}})
}

#[test]
fn a_message_is_said_in_chat_completions() {
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "abc"},
            {"type": "text", "text": "Let me "}, {"type": "text", "text": "look."},
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"a": 1}},
            {"type": "heard_of_later", "x": 1}],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 3,
            "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 2}, "service_tier": "standard"}
    });
    assert_eq!(
        answer(TO_CHAT_CALLER, &body),
        json!({
            "id": "msg_1", "object": "chat.completion", "created": CREATED_S, "model": "claude-x",
            "choices": [{"index": 0, "logprobs": null, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": "Let me look.", "refusal": null,
                "tool_calls": [{"type": "function", "id": "toolu_1",
                    "function": {"name": "look", "arguments": "{\"a\":1}"}}]}}],
            "usage": {"prompt_tokens": 33, "completion_tokens": 7, "total_tokens": 40,
                "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 2}},
            "service_tier": "default"
        })
    );
}

#[test]
fn a_completion_is_said_in_messages() {
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-x",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": "Let me look.", "refusal": null, "annotations": [],
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"a\": 1}"}},
                {"id": "call_2", "type": "function", "function": {"name": "wait", "arguments": ""}}]}}],
        "usage": {"prompt_tokens": 33, "completion_tokens": 7, "total_tokens": 40,
            "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 2}},
        "service_tier": "priority"
    });
    assert_eq!(
        answer(TO_MESSAGES_CALLER, &body),
        json!({
            "id": "chatcmpl-1", "type": "message", "role": "assistant", "model": "gpt-x",
            "content": [
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "call_1", "name": "look", "input": {"a": 1}},
                {"type": "tool_use", "id": "call_2", "name": "wait", "input": {}}],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 3,
                "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 2}, "service_tier": "priority"}
        })
    );
}

#[test]
fn each_stop_reason_has_a_finish_reason() {
    for (stop, finish) in [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("stop_sequence", "stop"),
        ("refusal", "content_filter"),
        ("heard_of_later", "stop"),
    ] {
        let body = message(json!([{"type": "text", "text": "x"}]), stop);
        assert_eq!(
            answer(TO_CHAT_CALLER, &body)["choices"][0]["finish_reason"],
            finish
        );
    }
}

#[test]
fn each_finish_reason_has_a_stop_reason() {
    for (finish, stop) in [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("heard_of_later", "end_turn"),
    ] {
        let body = completion(json!({"content": "x"}), finish);
        assert_eq!(answer(TO_MESSAGES_CALLER, &body)["stop_reason"], stop);
    }
}

#[test]
fn a_call_of_a_named_tool_stops_for_the_tool() {
    // OpenAI's API finishes with `stop` where the request named the function.
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let body = completion(json!({"content": null, "tool_calls": [call]}), "stop");
    assert_eq!(answer(TO_MESSAGES_CALLER, &body)["stop_reason"], "tool_use");
}

#[test]
fn a_refusal_is_one_in_both() {
    let body = completion(json!({"content": null, "refusal": "I will not."}), "stop");
    let translated = answer(TO_MESSAGES_CALLER, &body);
    assert_eq!(
        translated["content"],
        json!([{"type": "text", "text": "I will not."}])
    );
    assert_eq!(translated["stop_reason"], "refusal");

    let mut body = message(json!([]), "refusal");
    body["stop_details"] =
        json!({"type": "refusal", "category": "cyber", "explanation": "Not that."});
    let choice = answer(TO_CHAT_CALLER, &body)["choices"][0].clone();
    assert_eq!(choice["message"]["refusal"], "Not that.");
    assert_eq!(choice["message"]["content"], Value::Null);
    assert_eq!(choice["finish_reason"], "content_filter");
}

#[test]
fn an_answer_of_nothing_stays_one() {
    let translated = answer(TO_CHAT_CALLER, &message(json!([]), "end_turn"));
    assert_eq!(translated["choices"][0]["message"]["content"], "");
    let translated = answer(
        TO_MESSAGES_CALLER,
        &completion(json!({"content": ""}), "stop"),
    );
    assert_eq!(translated["content"], json!([]));
}

#[test]
fn thinking_is_shown_where_asked() {
    let options = AnswerOptions {
        thinking: Thinking::Shown,
        ..answer_options(Asked::default())
    };
    let body = message(
        json!([{"type": "thinking", "thinking": "hm", "signature": "s"}]),
        "end_turn",
    );
    let translated = answer_with(TO_CHAT_CALLER, &body, &options);
    assert_eq!(
        translated["choices"][0]["message"]["reasoning_content"],
        "hm"
    );
    for field in ["reasoning_content", "reasoning"] {
        let body = completion(json!({"content": "x", field: "hm"}), "stop");
        let translated = answer_with(TO_MESSAGES_CALLER, &body, &options);
        assert_eq!(
            translated["content"][0],
            json!({"type": "thinking", "thinking": "hm", "signature": ""})
        );
        assert_eq!(
            answer(TO_MESSAGES_CALLER, &body)["content"],
            json!([{"type": "text", "text": "x"}])
        );
    }
}

#[test]
fn the_callers_name_of_the_model_is_shown_where_given() {
    let options = AnswerOptions {
        model: Some("fast".into()),
        ..answer_options(Asked::default())
    };
    let body = message(json!([]), "end_turn");
    assert_eq!(
        answer_with(TO_CHAT_CALLER, &body, &options)["model"],
        "fast"
    );
    let body = completion(json!({"content": "x"}), "stop");
    assert_eq!(
        answer_with(TO_MESSAGES_CALLER, &body, &options)["model"],
        "fast"
    );
}

#[test]
fn counts_that_do_not_add_up_do_not_wrap() {
    let mut body = completion(json!({"content": "x"}), "stop");
    body["usage"]["prompt_tokens_details"] = json!({"cached_tokens": 99, "cache_write_tokens": 7});
    let usage = answer(TO_MESSAGES_CALLER, &body)["usage"].clone();
    assert_eq!(
        (&usage["input_tokens"], &usage["cache_read_input_tokens"]),
        (&json!(0), &json!(10))
    );
    let mut body = message(json!([]), "end_turn");
    body["usage"] =
        json!({"input_tokens": u64::MAX, "cache_read_input_tokens": u64::MAX, "output_tokens": 1});
    assert_eq!(
        answer(TO_CHAT_CALLER, &body)["usage"]["total_tokens"],
        u64::MAX
    );
}

#[test]
fn what_is_no_answer_is_an_error() {
    let translate = |pair, body: &[u8]| {
        translate_answer(pair, body, &answer_options(Asked::default())).unwrap_err()
    };
    let malformed = |field: &str| AnswerError::Malformed {
        field: field.into(),
    };
    assert_eq!(translate(TO_CHAT_CALLER, b"<html>"), malformed("body"));
    assert_eq!(translate(TO_CHAT_CALLER, b"{}"), malformed("content"));
    assert_eq!(
        translate(TO_MESSAGES_CALLER, b"{\"choices\":[]}"),
        malformed("choices[0]")
    );
    let call = json!({"id": "c", "function": {"name": "f", "arguments": "{\"a\":"}});
    let body = completion(json!({"tool_calls": [call]}), "tool_calls").to_string();
    let expected = AnswerError::ToolArguments { tool: "f".into() };
    assert_eq!(translate(TO_MESSAGES_CALLER, body.as_bytes()), expected);
    let body = completion(json!({"audio": {"id": "a"}}), "stop").to_string();
    let expected = AnswerError::NoPlace { what: "sound" };
    assert_eq!(translate(TO_MESSAGES_CALLER, body.as_bytes()), expected);
}
