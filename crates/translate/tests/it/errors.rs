//! Errors, each way.

use crate::translated::value;
use paceline_translate::{Pair, translate_error};
use serde_json::{Value, json};

fn for_chat(status: u16, body: &Value) -> (u16, Value) {
    let translated = translate_error(
        Pair::ChatToMessages,
        status,
        None,
        body.to_string().as_bytes(),
    );
    (translated.status, value(&translated.body)["error"].clone())
}

fn for_messages(status: u16, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let translated = translate_error(Pair::MessagesToChat, status, Some("req_h"), body.as_bytes());
    (translated.status, value(&translated.body))
}

fn anthropic(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})
}

/// Status, type and message of Anthropic's; status, type and code of OpenAI's.
const OF_ANTHROPIC: &str = "
400 | invalid_request_error | bad | 400 | invalid_request_error | -
400 | invalid_request_error | prompt is too long: 2 tokens > 1 maximum | 400 | invalid_request_error | context_length_exceeded
400 | invalid_request_error | Your credit balance is too low | 400 | insufficient_quota | insufficient_quota
401 | authentication_error | no | 401 | invalid_request_error | invalid_api_key
402 | billing_error | pay | 402 | insufficient_quota | insufficient_quota
403 | permission_error | no | 403 | invalid_request_error | permission_denied
404 | not_found_error | model: x | 404 | invalid_request_error | model_not_found
404 | not_found_error | Not Found | 404 | invalid_request_error | not_found
413 | request_too_large | big | 413 | invalid_request_error | request_too_large
429 | rate_limit_error | rate limit of 30,000 input tokens per minute | 429 | tokens | rate_limit_exceeded
429 | rate_limit_error | rate limit of 50 requests per minute | 429 | requests | rate_limit_exceeded
429 | rate_limit_error | Error | 429 | rate_limit_error | rate_limit_exceeded
500 | api_error | oh | 500 | server_error | server_error
504 | timeout_error | late | 504 | server_error | timeout
529 | overloaded_error | Overloaded | 503 | service_unavailable_error | server_is_overloaded
418 | heard_of_later | tea | 418 | invalid_request_error | -
";

/// Status, type and code of OpenAI's; status and type of Anthropic's.
const OF_OPENAI: &str = "
400 | invalid_request_error | - | 400 | invalid_request_error
401 | invalid_request_error | invalid_api_key | 401 | authentication_error
403 | x | - | 403 | permission_error
404 | invalid_request_error | model_not_found | 404 | not_found_error
404 | x | - | 404 | not_found_error
408 | x | - | 408 | timeout_error
413 | x | - | 413 | request_too_large
422 | x | - | 422 | invalid_request_error
429 | tokens | rate_limit_exceeded | 429 | rate_limit_error
429 | requests | rate_limit_exceeded | 429 | rate_limit_error
429 | insufficient_quota | credit_balance_exhausted | 429 | billing_error
500 | server_error | - | 500 | api_error
503 | service_unavailable_error | server_is_overloaded | 529 | overloaded_error
503 | server_error | slow_down | 529 | overloaded_error
504 | x | - | 504 | timeout_error
";

/// The rows of a table, each as its cells.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = table.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.split(" | ").collect())
}

/// A code, or null for a dash.
fn code(cell: &str) -> Value {
    if cell == "-" {
        Value::Null
    } else {
        json!(cell)
    }
}

#[test]
fn each_of_anthropics_errors_is_one_of_openais() {
    for row in rows(OF_ANTHROPIC) {
        let (status, error) = for_chat(row[0].parse().unwrap(), &anthropic(row[1], row[2]));
        assert_eq!(status.to_string(), row[3], "{row:?}");
        let expected =
            json!({"message": row[2], "type": row[4], "param": null, "code": code(row[5])});
        assert_eq!(error, expected, "{row:?}");
    }
}

#[test]
fn each_of_openais_errors_is_one_of_anthropics() {
    for row in rows(OF_OPENAI) {
        let error = json!({"message": "why", "type": row[1], "param": null, "code": code(row[2])});
        let body = json!({"error": error});
        let (status, envelope) = for_messages(row[0].parse().unwrap(), &body);
        assert_eq!(status.to_string(), row[3], "{row:?}");
        let error = json!({"type": row[4], "message": "why"});
        let expected = json!({"type": "error", "error": error, "request_id": "req_h"});
        assert_eq!(envelope, expected, "{row:?}");
    }
}

#[test]
fn a_spend_cap_is_no_rate_limit() {
    let body = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "cap",
        "details": {"error_code": "enforced_spend_limit_reached"}}});
    let (status, error) = for_chat(429, &body);
    assert_eq!(
        (status, &error["code"]),
        (429, &json!("insufficient_quota"))
    );
}

#[test]
fn an_overlong_prompt_is_told_as_anthropics_clients_look_for_it() {
    let body = json!({"error": {"message": "maximum context length is 8192", "code": "context_length_exceeded"}});
    let (_, envelope) = for_messages(400, &body);
    assert_eq!(
        envelope["error"]["message"],
        "prompt is too long: maximum context length is 8192"
    );
}

#[test]
fn envelopes_of_compatible_servers_are_understood() {
    for body in [
        json!([{"error": {"code": 429, "message": "why", "status": "RESOURCE_EXHAUSTED"}}]),
        json!({"object": "error", "message": "why", "type": "rate_limited", "param": null, "code": "1300"}),
        json!({"detail": "why"}),
        json!({"error": "why"}),
    ] {
        let (status, envelope) = for_messages(429, &body);
        assert_eq!(
            (status, &envelope["error"]["type"]),
            (429, &json!("rate_limit_error"))
        );
        assert_eq!(envelope["error"]["message"], "why");
    }
}

#[test]
fn bytes_that_are_no_envelope_are_wrapped() {
    for pair in [
        Pair::ChatToMessages,
        Pair::MessagesToChat,
        Pair::ResponsesToChat,
        Pair::ResponsesToMessages,
    ] {
        for body in [
            &b"<html>\n502 Bad  Gateway"[..],
            b"",
            b"\xff\xfe",
            b"{}",
            b"[]",
            b"{\"error\":null}",
        ] {
            let translated = translate_error(pair, 502, None, body);
            assert_eq!(translated.status, 502);
            let message = value(&translated.body)["error"]["message"]
                .as_str()
                .unwrap()
                .to_owned();
            assert!(
                message.starts_with("the provider answered with status 502"),
                "{message}"
            );
        }
    }
    let translated = translate_error(Pair::MessagesToChat, 502, None, b"<html>\n502 Bad  Gateway");
    let text = String::from_utf8_lossy(&translated.body).into_owned();
    assert!(text.contains("<html> 502 Bad Gateway") && text.contains("api_error"));
}

#[test]
fn one_envelope_for_both_is_passed_on() {
    let body =
        json!({"error": {"message": "why", "type": "x", "param": "p", "code": "y"}}).to_string();
    let translated = translate_error(Pair::ResponsesToChat, 400, None, body.as_bytes());
    assert_eq!(translated.body, body.as_bytes());
}

#[test]
fn a_very_long_message_is_cut_off() {
    let body = anthropic("api_error", &"ä".repeat(100_000));
    let (_, error) = for_chat(500, &body);
    assert!(error["message"].as_str().unwrap().len() <= 8192);
}
