//! What cannot be expressed is refused, naming the field and a remedy.

use crate::translated::{options, request};
use paceline_translate::{Pair, RequestError, translate_request};
use serde_json::{Value, json};

/// The field that is blamed for a request with something more.
fn blamed(pair: Pair, body: &Value) -> String {
    match request(pair, body) {
        Err(RequestError::Untranslatable(refused)) => {
            assert!(!refused.why.is_empty() && !refused.remedy.is_empty());
            refused.field
        }
        other => panic!("{body} gives {other:?}"),
    }
}

fn plain(pair: Pair) -> Value {
    match pair {
        Pair::ResponsesToMessages | Pair::ResponsesToChat => json!({"model": "m", "input": "Hi"}),
        _ => {
            json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]})
        }
    }
}

fn check_fields(pair: Pair, fields: &[(&str, Value)]) {
    for (name, given) in fields {
        let mut body = plain(pair);
        body[name] = given.clone();
        let field = blamed(pair, &body);
        assert!(field.starts_with(name), "{field} is blamed for {name}");
    }
}

/// The messages of a chat request, each refused with the place in its last message.
fn check_messages(pair: Pair, rows: &[(Value, &str)]) {
    for (messages, place) in rows {
        let mut body = plain(pair);
        let name = if body.get("input").is_some() {
            "input"
        } else {
            "messages"
        };
        body[name] = messages.clone();
        assert_eq!(blamed(pair, &body), *place);
    }
}

#[test]
fn each_field_of_chat_completions_that_anthropic_lacks_is_refused() {
    let function = json!({"type": "function", "function": {"name": "f"}});
    check_fields(
        Pair::ChatToMessages,
        &[
            ("n", json!(2)),
            ("logprobs", json!(true)),
            ("top_logprobs", json!(3)),
            ("logit_bias", json!({"1": 5})),
            ("frequency_penalty", json!(0.5)),
            ("presence_penalty", json!(-1)),
            ("seed", json!(1)),
            ("audio", json!({"voice": "x"})),
            ("modalities", json!(["text", "audio"])),
            ("store", json!(true)),
            ("verbosity", json!("low")),
            ("web_search_options", json!({})),
            ("functions", json!([{"name": "f"}])),
            ("function_call", json!("auto")),
            ("temperature", json!(1.5)),
            ("service_tier", json!("flex")),
            ("stop", json!(" \n")),
            ("response_format", json!({"type": "json_object"})),
            (
                "response_format",
                json!({"type": "json_schema", "json_schema": {"name": "x"}}),
            ),
            ("response_format", json!({"type": "grammar"})),
            (
                "tools",
                json!([function, {"type": "custom", "custom": {"name": "f"}}]),
            ),
            (
                "tools",
                json!([{"type": "function", "function": {"name": "f", "unheard_of": 1}}]),
            ),
            (
                "tool_choice",
                json!({"type": "allowed_tools", "allowed_tools": {}}),
            ),
            ("stream_options", json!({"unheard_of": true})),
            ("unheard_of", json!(1)),
        ],
    );
}

#[test]
fn each_message_of_chat_completions_that_anthropic_lacks_is_refused() {
    check_messages(
        Pair::ChatToMessages,
        &[
            (
                json!([{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]),
                "messages[1].role",
            ),
            (json!([{"role": "system", "content": "only"}]), "messages"),
            (
                json!([{"role": "user", "name": "Bob", "content": "a"}]),
                "messages[0].name",
            ),
            (
                json!([{"role": "user", "content": ""}]),
                "messages[0].content",
            ),
            (
                json!([{"role": "function", "name": "f", "content": "a"}]),
                "messages[0].role",
            ),
            (
                json!([{"role": "user", "content": "a", "unheard_of": 1}]),
                "messages[0].unheard_of",
            ),
            (
                json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]),
                "messages[0].content[0].type",
            ),
            (
                json!([{"role": "user", "content": [{"type": "unheard_of"}]}]),
                "messages[0].content[0].type",
            ),
            (
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://e.com/a.png"}}]}]),
                "messages[0].content[0].image_url.url",
            ),
            (
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/bmp;base64,aa"}}]}]),
                "messages[0].content[0].image_url.url",
            ),
            (
                json!([{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]),
                "messages[0].content[0].file.file_id",
            ),
            (
                json!([{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/csv;base64,aa"}}]}]),
                "messages[0].content[0].file.file_data",
            ),
            (
                json!([{"role": "assistant", "audio": {"id": "a"}}]),
                "messages[0].audio",
            ),
            (
                json!([{"role": "assistant", "function_call": {"name": "f"}}]),
                "messages[0].function_call",
            ),
            (
                json!([{"role": "assistant", "content": [{"type": "image_url"}]}]),
                "messages[0].content[0].type",
            ),
            (
                json!([{"role": "assistant", "tool_calls": [{"id": "a", "type": "custom"}]}]),
                "messages[0].tool_calls[0].type",
            ),
            (
                json!([{"role": "tool", "tool_call_id": "a", "content": [{"type": "image_url"}]}]),
                "messages[0].content[0].type",
            ),
        ],
    );
}

#[test]
fn each_field_of_messages_that_openai_lacks_is_refused() {
    check_fields(
        Pair::MessagesToChat,
        &[
            ("top_k", json!(5)),
            ("container", json!("c")),
            (
                "context_management",
                json!({"edits": [{"type": "clear_tool_uses_20250919"}]}),
            ),
            ("mcp_servers", json!([{"url": "https://e.com"}])),
            ("inference_geo", json!("us")),
            ("speed", json!("fast")),
            ("max_tokens", json!(0)),
            ("stop_sequences", json!(["a", "b", "c", "d", "e"])),
            ("output_config", json!({"task_budget": {}})),
            ("metadata", json!({"unheard_of": 1})),
            (
                "tools",
                json!([{"type": "web_search_20250305", "name": "web_search"}]),
            ),
            (
                "tools",
                json!([{"name": "f", "input_schema": {}, "defer_loading": true}]),
            ),
            (
                "tools",
                json!([{"name": "f", "input_schema": {}, "allowed_callers": ["code_execution_20250825"]}]),
            ),
            (
                "tools",
                json!([{"name": "f", "input_schema": {}, "input_examples": [{"a": 1}]}]),
            ),
            ("unheard_of", json!(1)),
        ],
    );
}

#[test]
fn each_block_of_messages_that_openai_lacks_is_refused() {
    let user = |block: Value| json!([{"role": "user", "content": [block]}]);
    let pdf = json!({"type": "url", "url": "https://e.com/a.pdf"});
    let inline = json!({"type": "base64", "media_type": "application/pdf", "data": "aa"});
    check_messages(
        Pair::MessagesToChat,
        &[
            (
                json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "The answer is ("}]),
                "messages",
            ),
            (
                user(json!({"type": "thinking", "thinking": "a", "signature": "s"})),
                "messages[0].content[0].type",
            ),
            (
                user(json!({"type": "redacted_thinking", "data": "a"})),
                "messages[0].content[0].type",
            ),
            (
                user(json!({"type": "server_tool_use", "id": "a"})),
                "messages[0].content[0].type",
            ),
            (
                user(json!({"type": "search_result"})),
                "messages[0].content[0].type",
            ),
            (
                user(json!({"type": "image", "source": {"type": "file", "file_id": "f"}})),
                "messages[0].content[0].source.type",
            ),
            (
                user(json!({"type": "document", "source": pdf})),
                "messages[0].content[0].source",
            ),
            (
                user(json!({"type": "document", "source": {"type": "content", "content": []}})),
                "messages[0].content[0].source.type",
            ),
            (
                user(json!({"type": "document", "source": inline, "citations": {"enabled": true}})),
                "messages[0].content[0].citations",
            ),
            (
                user(json!({"type": "document", "source": inline, "context": "c"})),
                "messages[0].content[0].context",
            ),
            (
                user(
                    json!({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_result"}]}),
                ),
                "messages[0].content[0].content[0].type",
            ),
            (
                user(json!({"type": "text", "text": "a", "unheard_of": 1})),
                "messages[0].content[0].unheard_of",
            ),
        ],
    );
}

#[test]
fn what_is_kept_or_done_at_openai_is_refused_to_callers_of_responses() {
    check_fields(
        Pair::ResponsesToMessages,
        &[
            ("previous_response_id", json!("resp_1")),
            ("conversation", json!("conv_1")),
            ("background", json!(true)),
            ("store", json!(true)),
            ("prompt", json!({"id": "p"})),
            ("include", json!(["web_search_call.results"])),
            ("max_tool_calls", json!(3)),
            ("truncation", json!("auto")),
            ("context_management", json!([{}])),
            ("top_logprobs", json!(2)),
            ("service_tier", json!("priority")),
            ("temperature", json!(1.01)),
            ("text", json!({"format": {"type": "json_object"}})),
            ("text", json!({"verbosity": "high"})),
            ("tools", json!([{"type": "web_search"}])),
            ("tools", json!([{"type": "custom", "name": "f"}])),
            ("tool_choice", json!({"type": "file_search"})),
            ("reasoning", json!({"unheard_of": 1})),
            ("unheard_of", json!(1)),
        ],
    );
    check_messages(
        Pair::ResponsesToMessages,
        &[
            (
                json!([{"type": "reasoning", "id": "rs", "summary": []}]),
                "input[0].type",
            ),
            (
                json!([{"type": "item_reference", "id": "a"}]),
                "input[0].type",
            ),
            (
                json!([{"type": "web_search_call", "id": "a"}]),
                "input[0].type",
            ),
            (
                json!([{"role": "user", "content": [{"type": "input_audio"}]}]),
                "input[0].content[0].type",
            ),
            (
                json!([{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]),
                "input[0].content[0].file_id",
            ),
            (
                json!([{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]),
                "input[0].content[0].file_id",
            ),
            (
                json!([{"role": "user", "content": "a"}, {"role": "developer", "content": "b"}]),
                "input[1].role",
            ),
            (json!([{"role": "system", "content": "b"}]), "input"),
        ],
    );
    let by_url = json!([{"role": "user", "content": [{"type": "input_file", "file_url": "https://e.com/a.pdf"}]}]);
    check_messages(
        Pair::ResponsesToChat,
        &[(by_url, "input[0].content[0].file_url")],
    );
}

#[test]
fn what_is_no_request_is_malformed() {
    let malformed = |pair, body: Value| match request(pair, &body) {
        Err(RequestError::Malformed { field, .. }) => field,
        other => panic!("{body} gives {other:?}"),
    };
    let chat = Pair::ChatToMessages;
    assert_eq!(malformed(chat, json!([])), "the body");
    assert_eq!(malformed(chat, json!({"messages": []})), "model");
    assert_eq!(malformed(chat, json!({"model": "m"})), "messages");
    assert_eq!(
        malformed(chat, json!({"model": "m", "messages": [{"role": "king"}]})),
        "messages[0].role"
    );
    assert_eq!(
        malformed(
            chat,
            json!({"model": "m", "max_tokens": -1, "messages": []})
        ),
        "max_tokens"
    );
    assert_eq!(
        malformed(chat, json!({"model": "m", "stream": 1, "messages": []})),
        "stream"
    );
    assert_eq!(
        malformed(
            chat,
            json!({"model": "m", "reasoning_effort": "huge", "messages": []})
        ),
        "reasoning_effort"
    );
    let call = json!({"id": "a", "function": {"name": "f", "arguments": "{not json"}});
    let body = json!({"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]});
    assert_eq!(
        malformed(chat, body),
        "messages[0].tool_calls[0].function.arguments"
    );
    let no_limit = json!({"model": "m", "messages": [{"role": "user", "content": "a"}]});
    assert_eq!(malformed(Pair::MessagesToChat, no_limit), "max_tokens");
    let misplaced = [
        (
            json!([{"type": "image", "source": {"type": "url", "url": "https://e.com/a"}}]),
            "system",
        ),
        (
            json!([{"type": "tool_use", "id": "a", "name": "f", "input": {}}]),
            "system",
        ),
    ];
    for (system, field) in misplaced {
        let mut body = plain(Pair::MessagesToChat);
        body["system"] = system;
        assert_eq!(malformed(Pair::MessagesToChat, body), field);
    }
    for (role, block) in [
        (
            "user",
            json!({"type": "tool_use", "id": "a", "name": "f", "input": {}}),
        ),
        (
            "assistant",
            json!({"type": "tool_result", "tool_use_id": "a"}),
        ),
    ] {
        let mut body = plain(Pair::MessagesToChat);
        body["messages"] = json!([{"role": role, "content": [block]}]);
        assert_eq!(malformed(Pair::MessagesToChat, body), "messages[0].content");
    }
    for bytes in [&b"{"[..], b"", b"\xff", b"nonsense"] {
        let error = translate_request(chat, bytes, &options()).unwrap_err();
        assert!(matches!(error, RequestError::NotJson { .. }), "{error}");
    }
}

#[test]
fn an_object_with_very_many_fields_is_no_request() {
    let fields: Vec<_> = (0..10_000).map(|index| format!("\"f{index}\":1")).collect();
    let body = format!("{{{}}}", fields.join(","));
    let error = translate_request(Pair::ChatToMessages, body.as_bytes(), &options()).unwrap_err();
    assert!(matches!(error, RequestError::Malformed { .. }), "{error}");
}
