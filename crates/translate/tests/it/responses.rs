//! Callers of the Responses API: requests, answers, streams and errors.

use crate::streams::{FROM_CHAT, FROM_MESSAGES};
use crate::translated::{
    CREATED_S, answer_options, answer_with, asked, events, options, request, request_with, stream,
    value,
};
use paceline_translate::{
    AnswerOptions, EarlierThinking, Pair, RequestOptions, StreamEnd, StreamLimits, translate_error,
};
use serde_json::{Value, json};

const TO_MESSAGES: Pair = Pair::ResponsesToMessages;
const TO_CHAT: Pair = Pair::ResponsesToChat;

fn rich_request() -> Value {
    json!({
        "model": "m",
        "instructions": "Be brief.",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Speak German."}]},
            {"role": "user", "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,cGRm"},
                {"type": "input_file", "file_url": "https://example.com/b.pdf"}]},
            {"type": "message", "id": "msg_0", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "Let me look.", "annotations": []}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{\"z\":1}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "a cat"},
            {"role": "user", "content": "So?"}],
        "tools": [{"type": "function", "name": "look", "description": "Looks.", "strict": true,
            "parameters": {"type": "object"}}],
        "tool_choice": {"type": "function", "name": "look"},
        "parallel_tool_calls": false,
        "max_output_tokens": 100,
        "temperature": 0.5, "top_p": 0.9, "store": false, "stream": true,
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}, "verbosity": "medium"},
        "metadata": {"a": "b"}, "safety_identifier": "someone", "prompt_cache_key": "k"
    })
}

#[test]
fn a_responses_request_is_said_in_messages() {
    assert_eq!(
        request(TO_MESSAGES, &rich_request()).unwrap(),
        json!({
            "model": "target", "max_tokens": 100,
            "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Speak German."}],
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                    {"type": "document", "title": "a.pdf", "source":
                        {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}},
                    {"type": "document", "source": {"type": "url", "url": "https://example.com/b.pdf"}}]},
                {"role": "assistant", "content": [
                    {"type": "text", "text": "Let me look."},
                    {"type": "tool_use", "id": "call_1", "name": "look", "input": {"z": 1}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "a cat"},
                    {"type": "text", "text": "So?"}]}],
            "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": true},
            "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}, "strict": true}],
            "temperature": 0.5, "top_p": 0.9, "metadata": {"user_id": "someone"}, "stream": true,
            "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}}
        })
    );
}

#[test]
fn a_text_alone_is_a_users_message() {
    let body = json!({"model": "m", "input": "Hi"});
    let translated = request(TO_MESSAGES, &body).unwrap();
    let content = json!([{"type": "text", "text": "Hi"}]);
    assert_eq!(
        translated["messages"],
        json!([{"role": "user", "content": content}])
    );
    let translated = request(TO_CHAT, &body).unwrap();
    assert_eq!(
        translated["messages"],
        json!([{"role": "user", "content": "Hi"}])
    );
}

#[test]
fn a_responses_request_is_said_in_chat_completions() {
    let mut body = rich_request();
    body["input"][1]["content"].as_array_mut().unwrap().pop();
    let translated = request(TO_CHAT, &body).unwrap();
    let roles: Vec<_> = translated["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "user"]);
    assert_eq!(translated["reasoning_effort"], "high");
    assert_eq!(translated["stream_options"], json!({"include_usage": true}));
}

#[test]
fn earlier_reasoning_is_left_out_where_that_is_allowed() {
    let body = json!({"model": "m", "input": [
        {"role": "user", "content": "x"}, {"type": "reasoning", "id": "rs_1", "summary": []}]});
    assert!(request(TO_MESSAGES, &body).is_err());
    let options = RequestOptions {
        earlier_thinking: EarlierThinking::LeftOut,
        ..options()
    };
    assert!(request_with(TO_MESSAGES, &body, &options).is_ok());
}

#[test]
fn an_answer_is_a_response_that_repeats_its_request() {
    let options = answer_options(asked(TO_MESSAGES, &rich_request()));
    let body = json!({"id": "msg_1", "model": "claude", "content": [
        {"type": "text", "text": "Let me "}, {"type": "text", "text": "look."},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"z": 1}}],
        "stop_reason": "tool_use", "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 5}});
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let request = rich_request();
    assert_eq!(
        answer_with(TO_MESSAGES, &body, &options),
        json!({
            "id": "resp_msg_1", "object": "response", "created_at": CREATED_S, "status": "completed",
            "model": "claude", "error": null, "incomplete_details": null, "previous_response_id": null,
            "output": [
                {"type": "message", "id": "msg_msg_1_0", "status": "completed", "role": "assistant",
                    "content": [part("Let me "), part("look.")]},
                {"type": "function_call", "id": "fc_toolu_1", "call_id": "toolu_1", "name": "look",
                    "arguments": "{\"z\":1}", "status": "completed"}],
            "instructions": "Be brief.", "max_output_tokens": 100, "metadata": {"a": "b"},
            "parallel_tool_calls": false, "store": false, "temperature": 0.5, "top_p": 0.9,
            "tool_choice": request["tool_choice"], "tools": request["tools"],
            "usage": {"input_tokens": 7, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
                "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 12}
        })
    );
}

#[test]
fn an_answer_that_met_its_limit_is_incomplete() {
    let options = answer_options(asked(TO_MESSAGES, &json!({"model": "m", "input": "x"})));
    for (stop, reason) in [
        ("max_tokens", "max_output_tokens"),
        ("refusal", "content_filter"),
    ] {
        let body = json!({"id": "m", "model": "c", "content": [], "stop_reason": stop});
        let translated = answer_with(TO_MESSAGES, &body, &options);
        assert_eq!(translated["status"], "incomplete");
        assert_eq!(translated["incomplete_details"], json!({"reason": reason}));
        assert_eq!(translated["tools"], json!([]));
    }
}

#[test]
fn a_stream_tells_each_step_and_ends_with_the_whole_answer() {
    for (pair, whole, call) in [
        (TO_MESSAGES, FROM_MESSAGES, "toolu"),
        (TO_CHAT, FROM_CHAT, "call"),
    ] {
        let options = answer_options(asked(
            pair,
            &json!({"model": "m", "input": "x", "stream": true}),
        ));
        let (text, end) = stream(pair, &options, whole.as_bytes());
        assert_eq!(end, StreamEnd::Complete);
        let events = events(&text);
        let types: Vec<_> = events
            .iter()
            .map(|event| event["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            types,
            [
                "response.created",
                "response.in_progress",
                "response.output_item.added",
                "response.content_part.added",
                "response.output_text.delta",
                "response.output_text.delta",
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.output_item.added",
                "response.function_call_arguments.delta",
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "response.output_item.done",
                "response.output_item.added",
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "response.output_item.done",
                "response.completed",
            ]
        );
        let names: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("event: "))
            .collect();
        assert_eq!(names, types);
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], number as u64);
        }
        assert_eq!(events[6]["text"], "Héy\n");
        assert_eq!(events[12]["arguments"], "{\"a\":1}");
        let response = &events[18]["response"];
        assert_eq!(response["status"], "completed");
        assert_eq!(response["output"][0], events[8]["item"]);
        assert_eq!(response["output"][1], events[13]["item"]);
        assert_eq!(response["output"][2]["call_id"], format!("{call}_2"));
        assert_eq!(response["usage"]["input_tokens"], 14);
        // The items of one name are the same throughout.
        assert_eq!(events[2]["item"]["id"], events[8]["item"]["id"]);
        assert_eq!(events[4]["item_id"], events[8]["item"]["id"]);
        assert_eq!(events[10]["item_id"], events[13]["item"]["id"]);
    }
}

#[test]
fn a_refusal_is_a_part_of_its_own() {
    let chunk = |delta: Value, reason: Value| {
        format!(
            "data: {}\n\n",
            json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
        )
    };
    let whole = chunk(json!({"content": "Well, "}), Value::Null)
        + &chunk(json!({"refusal": "no."}), Value::Null)
        + &chunk(json!({}), json!("length"))
        + "data: [DONE]\n\n";
    let options = answer_options(asked(TO_CHAT, &json!({"model": "m", "input": "x"})));
    let (text, _) = stream(TO_CHAT, &options, whole.as_bytes());
    let events = events(&text);
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    let content = &last["response"]["output"][0]["content"];
    assert_eq!(content[0]["text"], "Well, ");
    assert_eq!(content[1], json!({"type": "refusal", "refusal": "no."}));
    let refusal = events
        .iter()
        .find(|event| event["type"] == "response.refusal.delta")
        .unwrap();
    assert_eq!(
        (&refusal["content_index"], &refusal["delta"]),
        (&json!(1), &json!("no."))
    );
}

#[test]
fn a_stream_that_fails_ends_with_a_failed_response() {
    let options = answer_options(asked(TO_MESSAGES, &json!({"model": "m", "input": "x"})));
    let error = "data: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow\"}}\n\n";
    let until = FROM_MESSAGES.find("event: content_block_delta").unwrap();
    let whole = format!("{}{error}", &FROM_MESSAGES[..until]);
    let (text, end) = stream(TO_MESSAGES, &options, whole.as_bytes());
    assert_eq!(end, StreamEnd::Failed);
    let events = events(&text);
    let [.., told, failed] = events.as_slice() else {
        panic!("{text}")
    };
    assert_eq!(
        (&told["type"], &told["code"]),
        (&json!("error"), &json!("rate_limit_exceeded"))
    );
    assert_eq!(
        (&failed["type"], &failed["response"]["status"]),
        (&json!("response.failed"), &json!("failed"))
    );
    assert_eq!(
        failed["response"]["error"],
        json!({"code": "rate_limit_exceeded", "message": "slow"})
    );
}

#[test]
fn an_answer_that_is_too_long_to_be_held_is_an_error() {
    let mut options = answer_options(asked(TO_MESSAGES, &json!({"model": "m", "input": "x"})));
    options = AnswerOptions {
        limits: StreamLimits {
            answer_bytes: 5,
            ..StreamLimits::default()
        },
        ..options
    };
    let (text, end) = stream(TO_MESSAGES, &options, FROM_MESSAGES.as_bytes());
    assert_eq!(end, StreamEnd::Failed);
    assert!(
        text.contains("an answer that is longer than allowed")
            && !text.contains("response.completed")
    );
}

#[test]
fn errors_are_those_of_openai() {
    let body =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let translated = translate_error(TO_MESSAGES, 529, None, body.to_string().as_bytes());
    assert_eq!(translated.status, 503);
    assert_eq!(
        value(&translated.body)["error"]["code"],
        "server_is_overloaded"
    );
}
