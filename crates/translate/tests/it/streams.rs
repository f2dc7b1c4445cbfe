//! Streams, each way: what becomes of the events, of cuts, of errors, and of too much.

use crate::translated::{answer_options, events, stream, stream_in_pieces};
use paceline_translate::{
    AnswerOptions, Asked, Pair, RequestOptions, StreamEnd, StreamLimits, StreamTranslator,
    Thinking, translate_request,
};
use serde_json::{Value, json};

pub(crate) const FROM_MESSAGES: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",",
    "\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\"stop_reason\":null,",
    "\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":4,\"output_tokens\":1,\"service_tier\":\"standard\"}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"s\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hé\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"y\\n\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"look\",\"input\":{}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1}\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":3,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"wait\",\"input\":{}}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":3}\n\n",
    "event: heard_of_later\ndata: {\"type\":\"heard_of_later\"}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":25,\"output_tokens_details\":{\"thinking_tokens\":3}}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

pub(crate) const FROM_CHAT: &str = concat!(
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":null}],\"usage\":null}\n\n",
    ": keep-alive\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"y\\n\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"call_2\",\"type\":\"function\",\"function\":{\"name\":\"wait\",\"arguments\":\"{}\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":14,\"completion_tokens\":25,\"total_tokens\":39,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n",
    "data: [DONE]\n\n",
);

/// Each pair with a stream of its provider's.
pub(crate) const STREAMS: [(Pair, &str); 4] = [
    (Pair::ChatToMessages, FROM_MESSAGES),
    (Pair::MessagesToChat, FROM_CHAT),
    (Pair::ResponsesToMessages, FROM_MESSAGES),
    (Pair::ResponsesToChat, FROM_CHAT),
];

/// What says that an answer is complete.
const END_MARKERS: [&str; 3] = ["[DONE]", "message_stop", "response.completed"];

/// Options as for a stream whose usage was asked for.
pub(crate) fn options() -> AnswerOptions {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}],
        "stream": true, "stream_options": {"include_usage": true}});
    let translated = translate_request(
        Pair::ChatToMessages,
        body.to_string().as_bytes(),
        &RequestOptions::new("target"),
    );
    answer_options(translated.unwrap().asked)
}

fn delta(chunk: &Value) -> Value {
    chunk["choices"][0]["delta"].clone()
}

#[test]
fn a_stream_of_messages_becomes_chunks() {
    let (text, end) = stream(Pair::ChatToMessages, &options(), FROM_MESSAGES.as_bytes());
    assert_eq!(end, StreamEnd::Complete);
    assert!(text.contains(": ping\n\n") && text.ends_with("data: [DONE]\n\n"));
    let chunks = events(&text);
    let deltas: Vec<_> = chunks.iter().map(delta).collect();
    let call = |index: u64, call: Value| {
        let mut call = call;
        call["index"] = json!(index);
        json!({"tool_calls": [call]})
    };
    assert_eq!(
        deltas,
        [
            json!({"role": "assistant", "content": ""}),
            json!({"content": "Hé"}),
            json!({"content": "y\n"}),
            call(
                0,
                json!({"id": "toolu_1", "type": "function", "function": {"name": "look", "arguments": ""}})
            ),
            call(0, json!({"function": {"arguments": "{\"a\":"}})),
            call(0, json!({"function": {"arguments": "1}"}})),
            call(
                1,
                json!({"id": "toolu_2", "type": "function", "function": {"name": "wait", "arguments": ""}})
            ),
            call(1, json!({"function": {"arguments": "{}"}})),
            json!({}),
            Value::Null,
        ]
    );
    assert_eq!(chunks[8]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(chunks[9]["choices"], json!([]));
    assert_eq!(
        chunks[9]["usage"],
        json!({"prompt_tokens": 14, "completion_tokens": 25, "total_tokens": 39,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3}})
    );
    for chunk in &chunks {
        assert_eq!(
            (&chunk["id"], &chunk["model"]),
            (&json!("msg_1"), &json!("claude"))
        );
        assert_eq!(
            (&chunk["object"], &chunk["service_tier"]),
            (&json!("chat.completion.chunk"), &json!("default"))
        );
    }
}

#[test]
fn usage_comes_only_where_it_was_asked_for() {
    let (text, _) = stream(
        Pair::ChatToMessages,
        &answer_options(Asked::default()),
        FROM_MESSAGES.as_bytes(),
    );
    assert!(
        !text.contains("usage")
            && events(&text)
                .iter()
                .all(|chunk| chunk["choices"] != json!([]))
    );
}

#[test]
fn chunks_become_a_stream_of_messages() {
    let (text, end) = stream(Pair::MessagesToChat, &options(), FROM_CHAT.as_bytes());
    assert_eq!(end, StreamEnd::Complete);
    let zero = json!({"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0});
    let text_delta = |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let input = |index: u64, json: &str| {
        json!({"type": "content_block_delta", "index": index,
        "delta": {"type": "input_json_delta", "partial_json": json}})
    };
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    assert_eq!(
        events(&text),
        [
            json!({"type": "message_start", "message": {"id": "chatcmpl-1", "type": "message", "role": "assistant",
            "model": "gpt", "content": [], "stop_reason": null, "stop_sequence": null, "usage": zero}}),
            json!({"type": "ping"}),
            start(0, json!({"type": "text", "text": ""})),
            text_delta("Hé"),
            text_delta("y\n"),
            stop(0),
            start(
                1,
                json!({"type": "tool_use", "id": "call_1", "name": "look", "input": {}})
            ),
            input(1, "{\"a\":"),
            input(1, "1}"),
            stop(1),
            start(
                2,
                json!({"type": "tool_use", "id": "call_2", "name": "wait", "input": {}})
            ),
            input(2, "{}"),
            stop(2),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 25}}),
            json!({"type": "message_stop"}),
        ]
    );
    // Clients go by the name of an event, which is its type.
    let names: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    let types: Vec<_> = events(&text)
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, types);
}

#[test]
fn thinking_is_shown_where_asked() {
    let shown = AnswerOptions {
        thinking: Thinking::Shown,
        ..options()
    };
    let (text, _) = stream(Pair::ChatToMessages, &shown, FROM_MESSAGES.as_bytes());
    assert_eq!(delta(&events(&text)[1]), json!({"reasoning_content": "hm"}));
    let (text, _) = stream(Pair::MessagesToChat, &shown, FROM_CHAT.as_bytes());
    let block = json!({"type": "thinking", "thinking": "", "signature": ""});
    assert_eq!(events(&text)[2]["content_block"], block);
    assert_eq!(
        events(&text)[3]["delta"],
        json!({"type": "thinking_delta", "thinking": "hm"})
    );
}

#[test]
fn a_stream_cut_at_any_byte_is_translated_alike() {
    for (pair, whole) in &STREAMS[..2] {
        let expected = stream(*pair, &options(), whole.as_bytes());
        for at in 0..=whole.len() {
            let (first, second) = whole.as_bytes().split_at(at);
            let cut = stream_in_pieces(*pair, &options(), &[first, second]);
            assert_eq!(cut, expected, "{pair:?} cut at {at}");
        }
    }
}

#[test]
fn a_stream_in_pieces_of_any_size_is_translated_alike() {
    for (pair, whole) in STREAMS {
        let expected = stream(pair, &options(), whole.as_bytes());
        for size in 1..=32 {
            let pieces: Vec<_> = whole.as_bytes().chunks(size).collect();
            assert_eq!(stream_in_pieces(pair, &options(), &pieces), expected);
        }
    }
}

#[test]
fn the_ends_of_lines_do_not_matter() {
    for (pair, whole) in STREAMS {
        let expected = stream(pair, &options(), whole.as_bytes());
        for line_end in ["\r\n", "\r"] {
            let other = format!("\u{feff}{}", whole.replace('\n', line_end));
            assert_eq!(stream(pair, &options(), other.as_bytes()), expected);
            let bytes: Vec<_> = other.as_bytes().chunks(1).collect();
            assert_eq!(stream_in_pieces(pair, &options(), &bytes), expected);
        }
    }
}

#[test]
fn a_stream_that_ends_early_never_looks_complete() {
    for (pair, whole) in STREAMS {
        // The last event is whole as soon as its data is; the line ends behind it may be missing.
        let last = whole.trim_end().len();
        let mut translator = StreamTranslator::new(pair, options());
        let mut until_here = Vec::new();
        for length in 0..whole.len() {
            let mut ending = translator.clone();
            let (rest, end) = ending.finish();
            let text = [until_here.as_slice(), &rest].concat();
            let text = String::from_utf8(text).unwrap();
            until_here.extend_from_slice(&translator.push(&whole.as_bytes()[length..=length]));
            if length >= last {
                assert_eq!(end, StreamEnd::Complete, "{pair:?} at {length}");
                continue;
            }
            assert_eq!(end, StreamEnd::Cut, "{pair:?} at {length}");
            let complete = END_MARKERS.iter().any(|marker| text.contains(marker));
            assert!(!complete, "{pair:?} at {length}: {text}");
            assert!(
                text.contains("ended before the answer was complete"),
                "{text}"
            );
        }
    }
}

#[test]
fn an_end_marker_without_a_reason_to_stop_is_a_cut() {
    let chat =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n";
    let (text, end) = stream(Pair::MessagesToChat, &options(), chat.as_bytes());
    assert_eq!(end, StreamEnd::Cut);
    assert!(!text.contains("message_stop"));
    let (text, end) = stream(
        Pair::ChatToMessages,
        &options(),
        b"data: {\"type\":\"message_stop\"}\n\n",
    );
    assert_eq!(end, StreamEnd::Cut);
    assert!(!text.contains("[DONE]"));
}

#[test]
fn an_error_in_the_middle_ends_the_stream_as_an_error() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let rest = &FROM_MESSAGES[FROM_MESSAGES.find("event: message_delta").unwrap()..];
    let (text, end) = stream(
        Pair::ChatToMessages,
        &options(),
        format!("{error}{rest}").as_bytes(),
    );
    assert_eq!(end, StreamEnd::Failed);
    let expected = json!({"error": {"message": "Overloaded", "type": "service_unavailable_error",
        "param": null, "code": "server_is_overloaded"}});
    assert_eq!(events(&text), [expected]);

    let error = "data: {\"error\":{\"message\":\"Rate limit reached\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}\n\ndata: [DONE]\n\n";
    let (text, end) = stream(Pair::MessagesToChat, &options(), error.as_bytes());
    assert_eq!(end, StreamEnd::Failed);
    let expected = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "Rate limit reached"}});
    assert_eq!(events(&text), [expected]);
    assert!(text.starts_with("event: error\n"));
}

#[test]
fn a_status_in_the_code_of_an_error_is_understood() {
    let error = "data: {\"error\":{\"message\":\"slow\",\"code\":429}}\n\n";
    let (text, _) = stream(Pair::MessagesToChat, &options(), error.as_bytes());
    assert_eq!(events(&text)[0]["error"]["type"], "rate_limit_error");
}

#[test]
fn too_much_at_once_is_an_error_and_not_kept() {
    let limits = StreamLimits {
        event_bytes: 1000,
        ..StreamLimits::default()
    };
    let narrow = AnswerOptions {
        limits,
        ..options()
    };
    for (pair, _) in STREAMS {
        let mut translator = StreamTranslator::new(pair, narrow.clone());
        let mut out = translator.push(b"data: ").to_vec();
        for _ in 0..50 {
            out.extend_from_slice(&translator.push(&[b'x'; 100]));
        }
        assert_eq!(translator.end(), Some(StreamEnd::Failed));
        assert!(String::from_utf8_lossy(&out).contains("longer than allowed"));
        let lines = "data: x\n".repeat(1000);
        assert_eq!(stream(pair, &narrow, lines.as_bytes()).1, StreamEnd::Failed);
    }
}

#[test]
fn more_blocks_than_allowed_are_an_error() {
    let limits = StreamLimits {
        blocks: 2,
        ..StreamLimits::default()
    };
    let narrow = AnswerOptions {
        limits,
        ..options()
    };
    let (text, end) = stream(Pair::MessagesToChat, &narrow, FROM_CHAT.as_bytes());
    assert_eq!(end, StreamEnd::Failed);
    assert!(
        text.contains("more tool calls and texts than allowed") && !text.contains("message_stop")
    );
}

#[test]
fn servers_that_number_their_calls_badly_are_understood() {
    let chunk = |delta: Value| {
        format!(
            "data: {}\n\n",
            json!({"choices": [{"index": 0, "delta": delta}]})
        )
    };
    let call = |index: Value, id: &str, arguments: &str| {
        json!({"index": index, "id": id,
        "function": {"name": "f", "arguments": arguments}})
    };
    let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    for (first, second) in [
        (json!(0), json!(0)),
        (Value::Null, Value::Null),
        (json!(0), json!(5)),
    ] {
        let calls = json!({"tool_calls": [call(first, "a", "{}"), call(second, "b", "{\"x\":1}")]});
        let (text, ended) = stream(
            Pair::MessagesToChat,
            &options(),
            (chunk(calls) + end).as_bytes(),
        );
        assert_eq!(ended, StreamEnd::Complete);
        let blocks: Vec<_> = events(&text)
            .iter()
            .filter(|event| event["type"] == "content_block_start")
            .map(|event| event["content_block"]["id"].clone())
            .collect();
        assert_eq!(blocks, ["a", "b"]);
        assert!(text.contains("\"stop_reason\":\"tool_use\""));
    }
    let without_id =
        json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]});
    let (text, _) = stream(
        Pair::MessagesToChat,
        &options(),
        (chunk(without_id) + end).as_bytes(),
    );
    assert!(text.contains("\"id\":\"call_0\""));
}

#[test]
fn what_is_no_stream_fails() {
    let to_chat = |bytes: &[u8]| stream(Pair::ChatToMessages, &options(), bytes).1;
    assert_eq!(to_chat(b"data: nonsense\n\n"), StreamEnd::Failed);
    assert_eq!(
        to_chat(b"data: {\"type\":\"content_block_delta\"}\n\n"),
        StreamEnd::Failed
    );
    assert_eq!(to_chat(b"data: \xff\n\n"), StreamEnd::Failed);
    assert_eq!(to_chat(b"<html>busy</html>\n\n"), StreamEnd::Cut);
    let mixed = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"f\"}},{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"g\"}}]}}]}\n\n";
    assert_eq!(
        stream(Pair::MessagesToChat, &options(), mixed.as_bytes()).1,
        StreamEnd::Failed
    );
}

#[test]
fn nothing_is_taken_after_the_end() {
    let mut translator = StreamTranslator::new(Pair::ChatToMessages, options());
    translator.push(FROM_MESSAGES.as_bytes());
    assert_eq!(translator.end(), Some(StreamEnd::Complete));
    assert!(translator.push(FROM_MESSAGES.as_bytes()).is_empty());
    let (rest, end) = translator.finish();
    assert!(rest.is_empty() && end == StreamEnd::Complete);
}
