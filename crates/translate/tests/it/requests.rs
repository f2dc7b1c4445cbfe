//! Requests, each way: what is carried, and what it becomes.

use crate::translated::{asked, options, request, request_with, rich_chat_request, value};
use paceline_translate::{
    EarlierThinking, EffortAs, LateSystem, MaxTokensField, Pair, RequestOptions, count_answer,
    translate_count_request, translate_request,
};
use serde_json::{Value, json};

const TO_MESSAGES: Pair = Pair::ChatToMessages;
const TO_CHAT: Pair = Pair::MessagesToChat;

fn chat(messages: Value) -> Value {
    json!({"model": "m", "messages": messages})
}

fn messages(messages: Value) -> Value {
    json!({"model": "m", "max_tokens": 10, "messages": messages})
}

/// A field of the translation of a request of one message with that field more.
fn with_field(pair: Pair, field: &str, given: Value) -> Value {
    let mut body = messages(json!([{"role": "user", "content": "Hi"}]));
    body[field] = given;
    request(pair, &body).unwrap()
}

#[test]
fn a_chat_request_is_said_in_messages() {
    let expected = json!({
        "model": "target",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Speak German."}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {"type": "document", "title": "a.pdf", "source":
                    {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}}
            ]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "call_1", "name": "look", "input": {"z": 1, "a": [2]}},
                {"type": "tool_use", "id": "call_2", "name": "look", "input": {}}
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "a cat"},
                {"type": "tool_result", "tool_use_id": "call_2", "content": "a dog"},
                {"type": "text", "text": "So?"}
            ]}
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "tools": [{"name": "look", "description": "Looks.", "strict": true,
            "input_schema": {"type": "object", "properties": {"z": {}, "a": {}}}}],
        "stop_sequences": ["END"],
        "temperature": 0.7,
        "top_p": 0.9,
        "metadata": {"user_id": "someone"},
        "service_tier": "standard_only",
        "stream": true,
        "output_config": {"format": {"type": "json_schema",
            "schema": {"type": "object", "properties": {"z": {}, "a": {}}}}}
    });
    assert_eq!(
        request(TO_MESSAGES, &rich_chat_request()).unwrap(),
        expected
    );
    let asked = asked(TO_MESSAGES, &rich_chat_request());
    assert!(asked.stream && asked.include_usage);
}

#[test]
fn a_messages_request_is_said_in_chat_completions() {
    let body = json!({
        "model": "claude", "max_tokens": 50, "stream": true,
        "system": [
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Speak German."}],
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Let me look.", "citations": null},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"z": 1, "a": 2}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": "no light"},
                {"type": "text", "text": "Try this:"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}]}
        ],
        "tools": [{"name": "look", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
        "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": true},
        "stop_sequences": ["END"], "temperature": 1.0, "top_p": 0.5,
        "metadata": {"user_id": "someone"}, "service_tier": "standard_only",
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}}
    });
    let expected = json!({
        "model": "target",
        "messages": [
            {"role": "system", "content": [
                {"type": "text", "text": "Be brief."}, {"type": "text", "text": "Speak German."}]},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Let me look.", "tool_calls": [
                {"type": "function", "id": "toolu_1",
                 "function": {"name": "look", "arguments": "{\"a\":2,\"z\":1}"}}]},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "Error: no light"},
            {"role": "user", "content": [
                {"type": "text", "text": "Try this:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]}
        ],
        "max_completion_tokens": 50, "temperature": 1.0, "top_p": 0.5, "stop": ["END"],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": false,
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema":
            {"name": "answer", "strict": true, "schema": {"type": "object"}}},
        "service_tier": "default", "user": "someone",
        "stream": true, "stream_options": {"include_usage": true}
    });
    assert_eq!(request(TO_CHAT, &body).unwrap(), expected);
}

#[test]
fn the_order_of_a_schema_and_of_arguments_is_kept() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"x"},
        {"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"z\":1,\"a\":2}"}}]},
        {"role":"tool","tool_call_id":"c","content":"y"}],
        "tools":[{"type":"function","function":{"name":"f","parameters":{"zz":1,"aa":2}}}]}"#;
    let translated = translate_request(TO_MESSAGES, body.as_bytes(), &options()).unwrap();
    let text = String::from_utf8(translated.body.to_vec()).unwrap();
    assert!(
        text.contains(r#"{"z":1,"a":2}"#) && text.contains(r#"{"zz":1,"aa":2}"#),
        "{text}"
    );
}

#[test]
fn neighbours_of_one_side_become_one_turn() {
    let body = chat(json!([
        {"role": "user", "content": "a"}, {"role": "user", "content": "b"},
        {"role": "assistant", "content": ""}, {"role": "assistant", "content": "c"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "user", "content": "d"}]));
    let roles = request(TO_MESSAGES, &body).unwrap();
    let turns = roles["messages"].as_array().unwrap();
    let sizes: Vec<_> = turns
        .iter()
        .map(|turn| turn["content"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [2, 2, 1]);
}

#[test]
fn results_come_before_what_the_user_says_in_the_same_turn() {
    let body = chat(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "user", "content": "and?"},
        {"role": "tool", "tool_call_id": "c", "content": "done"}]));
    let translated = request(TO_MESSAGES, &body).unwrap();
    assert_eq!(
        translated["messages"][2]["content"][0]["type"],
        "tool_result"
    );
    assert_eq!(translated["messages"][2]["content"][1]["text"], "and?");
}

#[test]
fn without_a_limit_anthropic_gets_the_default_one() {
    let body = chat(json!([{"role": "user", "content": "x"}]));
    assert_eq!(request(TO_MESSAGES, &body).unwrap()["max_tokens"], 4096);
    let options = RequestOptions {
        default_max_tokens: 7,
        ..options()
    };
    assert_eq!(
        request_with(TO_MESSAGES, &body, &options).unwrap()["max_tokens"],
        7
    );
}

#[test]
fn older_servers_get_the_older_name_of_the_limit() {
    let body = messages(json!([{"role": "user", "content": "x"}]));
    let options = RequestOptions {
        max_tokens_field: MaxTokensField::MaxTokens,
        ..options()
    };
    let translated = request_with(TO_CHAT, &body, &options).unwrap();
    assert_eq!(
        (
            &translated["max_tokens"],
            &translated["max_completion_tokens"]
        ),
        (&json!(10), &Value::Null)
    );
}

#[test]
fn effort_becomes_adaptive_thinking_unless_something_rules_it_out() {
    let body = |more: Value| {
        let mut body = chat(json!([{"role": "user", "content": "x"}]));
        body["reasoning_effort"] = json!("minimal");
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let translated = request(TO_MESSAGES, &body).unwrap();
        (
            translated["output_config"]["effort"].clone(),
            translated["thinking"]["type"].clone(),
        )
    };
    assert_eq!(body(json!({})), (json!("low"), json!("adaptive")));
    assert_eq!(
        body(json!({"reasoning_effort": "none"})),
        (Value::Null, json!("disabled"))
    );
    for rule in [
        json!({"temperature": 0}),
        json!({"top_p": 0.5}),
        json!({"top_k": 3}),
        json!({"tool_choice": "required"}),
    ] {
        assert_eq!(body(rule), (json!("low"), Value::Null));
    }
    assert_eq!(
        body(json!({"temperature": 1, "top_p": 0.99})),
        (json!("low"), json!("adaptive"))
    );
}

#[test]
fn older_models_get_a_budget_that_leaves_room_for_the_answer() {
    let thinking = |max_tokens: u64| {
        let mut body = chat(json!([{"role": "user", "content": "x"}]));
        body["reasoning_effort"] = json!("medium");
        body["max_tokens"] = json!(max_tokens);
        let options = RequestOptions {
            effort: EffortAs::Budget,
            ..options()
        };
        let translated = request_with(TO_MESSAGES, &body, &options).unwrap();
        assert!(translated["output_config"].is_null());
        translated["thinking"]["budget_tokens"].clone()
    };
    assert_eq!(thinking(100_000), json!(8192));
    assert_eq!(thinking(4000), json!(2000));
    assert_eq!(thinking(2000), Value::Null);
}

#[test]
fn effort_is_left_out_for_models_that_refuse_it() {
    let options = RequestOptions {
        effort: EffortAs::LeftOut,
        ..options()
    };
    let mut body = chat(json!([{"role": "user", "content": "x"}]));
    body["reasoning_effort"] = json!("high");
    let translated = request_with(TO_MESSAGES, &body, &options).unwrap();
    assert!(translated["thinking"].is_null() && translated["output_config"].is_null());
    let mut body = messages(json!([{"role": "user", "content": "x"}]));
    body["output_config"] = json!({"effort": "high"});
    assert!(request_with(TO_CHAT, &body, &options).unwrap()["reasoning_effort"].is_null());
}

#[test]
fn a_budget_for_thinking_becomes_an_effort() {
    let effort = |thinking| with_field(TO_CHAT, "thinking", thinking)["reasoning_effort"].clone();
    assert_eq!(
        effort(json!({"type": "enabled", "budget_tokens": 2048})),
        "low"
    );
    assert_eq!(
        effort(json!({"type": "enabled", "budget_tokens": 10000})),
        "medium"
    );
    assert_eq!(
        effort(json!({"type": "enabled", "budget_tokens": 32000})),
        "high"
    );
    assert_eq!(
        effort(json!({"type": "adaptive", "display": "omitted"})),
        Value::Null
    );
    assert_eq!(effort(json!({"type": "disabled"})), Value::Null);
}

#[test]
fn each_tool_choice_has_its_counterpart() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    for (chat_choice, choice) in [
        (json!("auto"), json!({"type": "auto"})),
        (json!("none"), json!({"type": "none"})),
        (json!("required"), json!({"type": "any"})),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            json!({"type": "tool", "name": "f"}),
        ),
    ] {
        let mut body = chat(json!([{"role": "user", "content": "x"}]));
        body["tools"] = tools.clone();
        body["tool_choice"] = chat_choice.clone();
        let translated = request(TO_MESSAGES, &body).unwrap();
        assert_eq!(translated["tool_choice"], choice);
        assert_eq!(
            translated["tools"][0]["input_schema"],
            json!({"type": "object", "properties": {}})
        );
        let mut body = messages(json!([{"role": "user", "content": "x"}]));
        body["tools"] = json!([{"name": "f", "input_schema": {}}]);
        body["tool_choice"] = choice;
        assert_eq!(request(TO_CHAT, &body).unwrap()["tool_choice"], chat_choice);
    }
}

#[test]
fn a_choice_among_no_tools_is_none() {
    for choice in ["auto", "none"] {
        let mut body = chat(json!([{"role": "user", "content": "x"}]));
        body["tool_choice"] = json!(choice);
        assert!(request(TO_MESSAGES, &body).unwrap()["tool_choice"].is_null());
        let translated = with_field(TO_CHAT, "tool_choice", json!({"type": choice}));
        assert!(translated["tool_choice"].is_null());
    }
}

#[test]
fn half_a_surrogate_pair_becomes_replacement_characters() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"cut \ud83d"}]}"#;
    let translated = translate_request(TO_MESSAGES, body.as_bytes(), &options()).unwrap();
    let text = &value(&translated.body)["messages"][0]["content"][0]["text"];
    assert_eq!(text, "cut \u{fffd}\u{fffd}\u{fffd}");
}

#[test]
fn one_tool_at_a_time_is_asked_for_without_a_choice() {
    let mut body = chat(json!([{"role": "user", "content": "x"}]));
    body["parallel_tool_calls"] = json!(false);
    assert!(request(TO_MESSAGES, &body).unwrap()["tool_choice"].is_null());
    body["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let expected = json!({"type": "auto", "disable_parallel_tool_use": true});
    assert_eq!(
        request(TO_MESSAGES, &body).unwrap()["tool_choice"],
        expected
    );
}

#[test]
fn pictures_of_a_result_follow_in_the_users_message() {
    let body = messages(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [
            {"type": "text", "text": "seen"},
            {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}}]}]}]));
    let translated = request(TO_CHAT, &body).unwrap();
    assert_eq!(translated["messages"][2]["content"], "seen");
    assert_eq!(
        translated["messages"][3],
        json!({"role": "user", "content": [
        {"type": "text", "text": "From the result of tool call t:"},
        {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}]})
    );
}

#[test]
fn a_result_without_content_is_an_empty_one() {
    let body = messages(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]));
    let translated = request(TO_CHAT, &body).unwrap();
    assert_eq!(
        translated["messages"][2],
        json!({"role": "tool", "tool_call_id": "t", "content": ""})
    );
    assert_eq!(translated["messages"].as_array().unwrap().len(), 3);
}

#[test]
fn a_plain_text_document_is_text() {
    let body = messages(
        json!([{"role": "user", "content": [{"type": "document", "title": "T", "source":
        {"type": "text", "media_type": "text/plain", "data": "words"}}]}]),
    );
    assert_eq!(
        request(TO_CHAT, &body).unwrap()["messages"][0]["content"],
        "T\n\nwords"
    );
}

#[test]
fn earlier_thinking_is_left_out_where_that_is_allowed() {
    let body = |thinking: Value| {
        messages(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "y"}]},
        {"role": "user", "content": "z"}]))
    };
    let signed = body(json!({"type": "thinking", "thinking": "hm", "signature": "abc"}));
    assert!(request(TO_CHAT, &signed).is_err());
    let options = RequestOptions {
        earlier_thinking: EarlierThinking::LeftOut,
        ..options()
    };
    for block in [
        signed,
        body(json!({"type": "redacted_thinking", "data": "abc"})),
    ] {
        let translated = request_with(TO_CHAT, &block, &options).unwrap();
        assert_eq!(
            translated["messages"][1],
            json!({"role": "assistant", "content": "y"})
        );
    }
    let unsigned = body(json!({"type": "thinking", "thinking": "hm", "signature": ""}));
    assert!(request(TO_CHAT, &unsigned).is_ok());
}

#[test]
fn a_late_system_message_is_moved_where_that_is_allowed() {
    let body = chat(json!([
        {"role": "user", "content": "x"}, {"role": "system", "content": "late"}]));
    assert!(request(TO_MESSAGES, &body).is_err());
    let options = RequestOptions {
        late_system: LateSystem::MovedToStart,
        ..options()
    };
    let translated = request_with(TO_MESSAGES, &body, &options).unwrap();
    assert_eq!(
        translated["system"],
        json!([{"type": "text", "text": "late"}])
    );
}

#[test]
fn a_late_system_message_stays_where_it_is_where_that_is_allowed() {
    let body = chat(json!([
        {"role": "user", "content": "x"}, {"role": "developer", "content": "late"},
        {"role": "user", "content": "y"}]));
    let options = RequestOptions {
        late_system: LateSystem::InPlace,
        ..options()
    };
    let translated = request_with(TO_MESSAGES, &body, &options).unwrap();
    let text = |text: &str| json!([{"type": "text", "text": text}]);
    let turns = json!([
        {"role": "user", "content": text("x")}, {"role": "system", "content": text("late")},
        {"role": "user", "content": text("y")}]);
    assert_eq!(translated["messages"], turns);
    assert!(translated["system"].is_null());
    // Chat completions have it anywhere.
    let back = request(TO_CHAT, &messages(turns)).unwrap();
    let late = json!({"role": "system", "content": "late"});
    assert_eq!(back["messages"][1], late);
}

#[test]
fn edits_that_clear_thinking_ask_for_nothing() {
    let edits = json!({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]});
    let with = with_field(TO_CHAT, "context_management", edits);
    assert_eq!(with, with_field(TO_CHAT, "temperature", Value::Null));
}

#[test]
fn cache_marks_are_kept_for_anthropic() {
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    let body = json!({"model": "m", "messages": [
        {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": mark}]},
        {"role": "user", "content": [{"type": "text", "text": "u", "cache_control": mark}]}],
        "tools": [{"type": "function", "function": {"name": "f"}, "cache_control": mark}]});
    let translated = request(TO_MESSAGES, &body).unwrap();
    assert_eq!(translated["system"][0]["cache_control"], mark);
    assert_eq!(
        translated["messages"][0]["content"][0]["cache_control"],
        mark
    );
    assert_eq!(translated["tools"][0]["cache_control"], mark);
}

#[test]
fn ids_of_other_servers_are_written_as_anthropic_takes_them() {
    let body = chat(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [{"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "functions.f:0", "content": "done"}]));
    let translated = request(TO_MESSAGES, &body).unwrap();
    let id = &translated["messages"][1]["content"][0]["id"];
    assert_eq!(id, "functions_2ef_3a0");
    assert_eq!(&translated["messages"][2]["content"][0]["tool_use_id"], id);
}

#[test]
fn hints_are_left_out() {
    let mut body = chat(json!([{"role": "user", "content": "x"}]));
    let plain = request(TO_MESSAGES, &body).unwrap();
    for (name, hint) in [
        ("metadata", json!({"a": "b"})),
        ("store", json!(false)),
        ("n", json!(1)),
        ("prompt_cache_key", json!("k")),
        ("prompt_cache_retention", json!("24h")),
        ("prediction", json!({"type": "content", "content": "x"})),
        ("logit_bias", json!({})),
        ("logprobs", json!(false)),
        ("frequency_penalty", json!(0)),
        ("presence_penalty", json!(0.0)),
        ("modalities", json!(["text"])),
        ("verbosity", json!("medium")),
        ("seed", Value::Null),
        ("response_format", json!({"type": "text"})),
        ("user", json!("u".repeat(300))),
    ] {
        body[name] = hint;
    }
    assert_eq!(request(TO_MESSAGES, &body).unwrap(), plain);
}

#[test]
fn counting_needs_no_limit_and_counts_what_would_be_sent() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    let counted = translate_count_request(body.to_string().as_bytes(), &options()).unwrap();
    assert_eq!(value(&counted)["messages"][0]["content"], "Hi");
    assert_eq!(value(&count_answer(12)), json!({"input_tokens": 12}));
}
