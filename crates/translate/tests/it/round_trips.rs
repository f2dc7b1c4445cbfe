//! There and back again keeps the meaning; and a stream adds up to the answer that is no stream.

use crate::translated::{
    answer, answer_options, events, options as request_options, stream, value,
};
use paceline_translate::{AnswerOptions, Asked, Pair, StreamEnd, translate_request};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const THERE: [Pair; 2] = [Pair::ChatToMessages, Pair::MessagesToChat];

fn text() -> impl Strategy<Value = String> {
    // With quotes, line ends, and characters of two to four bytes.
    "[a-z\"\\\\\n äπ字😀]{0,12}[a-z]"
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z][a-zA-Z0-9_-]{0,10}"
}

fn input() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text().prop_map(Value::from)
    ];
    let inner = leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..3).prop_map(|it| json!(it)),
        ]
    });
    prop::collection::btree_map(name(), inner, 0..3).prop_map(|it| json!(it))
}

/// A turn of the user's, the assistant's answer, and the results of the calls in it.
#[derive(Debug, Clone)]
struct Exchange {
    asked: Vec<Part>,
    said: Vec<String>,
    calls: Vec<(String, Value, String)>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Inline(&'static str, String),
    Url(String),
    Pdf(String, String),
}

fn part() -> impl Strategy<Value = Part> {
    let media = prop::sample::select(vec!["image/png", "image/jpeg", "image/gif", "image/webp"]);
    prop_oneof![
        3 => text().prop_map(Part::Text),
        1 => (media, "[a-zA-Z0-9+/]{4}").prop_map(|(media, data)| Part::Inline(media, data)),
        1 => "https://e\\.com/[a-z]{1,5}".prop_map(Part::Url),
        1 => (name(), "[a-zA-Z0-9+/]{4}").prop_map(|(name, data)| Part::Pdf(name, data)),
    ]
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let result = prop_oneof![Just(String::new()), text()];
    let calls = prop::collection::vec((name(), input(), result), 0..3);
    (
        prop::collection::vec(part(), 1..4),
        prop::collection::vec(text(), 1..3),
        calls,
    )
        .prop_map(|(asked, said, calls)| Exchange { asked, said, calls })
}

fn chat_part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Inline(media, data) => {
            json!({"type": "image_url", "image_url": {"url": format!("data:{media};base64,{data}")}})
        }
        Part::Url(url) => json!({"type": "image_url", "image_url": {"url": url}}),
        Part::Pdf(name, data) => json!({"type": "file", "file":
            {"filename": name, "file_data": format!("data:application/pdf;base64,{data}")}}),
    }
}

fn block(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Inline(media, data) => json!({"type": "image", "source":
            {"type": "base64", "media_type": media, "data": data}}),
        Part::Url(url) => json!({"type": "image", "source": {"type": "url", "url": url}}),
        Part::Pdf(name, data) => json!({"type": "document", "title": name, "source":
            {"type": "base64", "media_type": "application/pdf", "data": data}}),
    }
}

/// One text as a string, several as parts, as the translation writes them.
fn chat_content(parts: &[Value]) -> Value {
    match parts {
        [only] if only["type"] == "text" => only["text"].clone(),
        parts => json!(parts),
    }
}

fn chat_messages(system: &[String], exchanges: &[Exchange], last: &[Part]) -> Value {
    let text = |text: &String| json!({"type": "text", "text": text});
    let mut messages = Vec::new();
    if !system.is_empty() {
        let parts: Vec<_> = system.iter().map(text).collect();
        messages.push(json!({"role": "system", "content": chat_content(&parts)}));
    }
    let user = |parts: &[Part]| {
        let parts: Vec<_> = parts.iter().map(chat_part).collect();
        json!({"role": "user", "content": chat_content(&parts)})
    };
    for (number, exchange) in exchanges.iter().enumerate() {
        messages.push(user(&exchange.asked));
        let said: Vec<_> = exchange.said.iter().map(text).collect();
        let mut message = json!({"role": "assistant", "content": chat_content(&said)});
        let mut results = Vec::new();
        let mut calls = Vec::new();
        for (index, (name, input, result)) in exchange.calls.iter().enumerate() {
            let id = format!("call_{number}_{index}");
            calls.push(json!({"type": "function", "id": id,
                "function": {"name": name, "arguments": input.to_string()}}));
            results.push(json!({"role": "tool", "tool_call_id": id, "content": result}));
        }
        if !calls.is_empty() {
            message["tool_calls"] = json!(calls);
        }
        messages.push(message);
        messages.extend(results);
    }
    messages.push(user(last));
    json!(messages)
}

fn blocks(exchanges: &[Exchange], last: &[Part]) -> Value {
    let mut messages = Vec::new();
    let mut results: Vec<Value> = Vec::new();
    for (number, exchange) in exchanges.iter().enumerate() {
        let asked = exchange.asked.iter().map(block);
        let content: Vec<_> = std::mem::take(&mut results)
            .into_iter()
            .chain(asked)
            .collect();
        messages.push(json!({"role": "user", "content": content}));
        let mut said: Vec<_> = exchange
            .said
            .iter()
            .map(|text| json!({"type": "text", "text": text}))
            .collect();
        for (index, (name, input, result)) in exchange.calls.iter().enumerate() {
            let id = format!("call_{number}_{index}");
            said.push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
            let mut block = json!({"type": "tool_result", "tool_use_id": id});
            if !result.is_empty() {
                block["content"] = json!(result);
            }
            results.push(block);
        }
        messages.push(json!({"role": "assistant", "content": said}));
    }
    let content: Vec<_> = results.into_iter().chain(last.iter().map(block)).collect();
    messages.push(json!({"role": "user", "content": content}));
    json!(messages)
}

/// Some of these fields.
fn some_of(fields: Vec<(&'static str, Value)>) -> impl Strategy<Value = Map<String, Value>> {
    let length = fields.len();
    prop::sample::subsequence(fields, 0..=length).prop_map(|some| {
        some.into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {}}})
}

fn chat_settings() -> impl Strategy<Value = Map<String, Value>> {
    let function = json!({"name": "f", "description": "d", "parameters": schema(), "strict": true});
    some_of(vec![
        ("temperature", json!(0.25)),
        ("top_p", json!(1)),
        ("stop", json!(["a", "b"])),
        ("reasoning_effort", json!("xhigh")),
        ("user", json!("u")),
        ("service_tier", json!("auto")),
        ("tool_choice", json!("required")),
        ("tools", json!([{"type": "function", "function": function}])),
        (
            "response_format",
            json!({"type": "json_schema", "json_schema":
            {"name": "answer", "strict": true, "schema": schema()}}),
        ),
    ])
}

fn messages_settings() -> impl Strategy<Value = Map<String, Value>> {
    some_of(vec![
        ("temperature", json!(0.25)),
        ("top_p", json!(1)),
        ("stop_sequences", json!(["a", "b"])),
        ("metadata", json!({"user_id": "u"})),
        ("service_tier", json!("standard_only")),
        ("tool_choice", json!({"type": "tool", "name": "f"})),
        (
            "tools",
            json!([{"name": "f", "description": "d", "input_schema": schema(), "strict": true}]),
        ),
        (
            "output_config",
            json!({"format": {"type": "json_schema", "schema": schema()}}),
        ),
        ("stream", json!(true)),
    ])
}

/// A request translated there and back.
fn there_and_back(pairs: [Pair; 2], body: &Value) -> Value {
    let there = translate_request(pairs[0], body.to_string().as_bytes(), &request_options());
    let back = translate_request(pairs[1], &there.unwrap().body, &request_options());
    value(&back.unwrap().body)
}

#[derive(Debug, Clone)]
struct Answered {
    said: Option<String>,
    calls: Vec<(String, Value)>,
    cut_short: bool,
    counts: [u32; 4],
    thinking: Option<u32>,
}

fn answered() -> impl Strategy<Value = Answered> {
    let calls = prop::collection::vec((name(), input()), 0..3);
    (
        prop::option::of(text()),
        calls,
        any::<bool>(),
        any::<[u32; 4]>(),
        any::<Option<u32>>(),
    )
        .prop_map(|(said, calls, cut_short, counts, thinking)| Answered {
            said,
            calls,
            cut_short,
            counts,
            thinking,
        })
}

impl Answered {
    fn message(&self) -> Value {
        let text = self
            .said
            .iter()
            .map(|text| json!({"type": "text", "text": text}));
        let calls = self.calls.iter().enumerate().map(|(index, (name, input))| {
            json!({"type": "tool_use", "id": format!("call_{index}"), "name": name, "input": input})
        });
        let content: Vec<_> = text.chain(calls).collect();
        let [input, read, written, output] = self.counts;
        let mut usage = json!({"input_tokens": input, "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written, "output_tokens": output});
        if let Some(tokens) = self.thinking {
            usage["output_tokens_details"] = json!({"thinking_tokens": tokens});
        }
        let whole = if self.calls.is_empty() {
            "end_turn"
        } else {
            "tool_use"
        };
        json!({"id": "id", "type": "message", "role": "assistant", "model": "m", "content": content,
            "stop_reason": if self.cut_short { "max_tokens" } else { whole },
            "stop_sequence": null, "usage": usage})
    }

    /// The message as a stream, its texts and inputs in pieces of a few characters.
    fn message_stream(&self, size: usize) -> String {
        let message = self.message();
        let mut start = message.clone();
        start["content"] = json!([]);
        start["stop_reason"] = Value::Null;
        start["usage"] = json!({"input_tokens": 1, "output_tokens": 1});
        let mut events = vec![json!({"type": "message_start", "message": start})];
        for (index, block) in message["content"].as_array().unwrap().iter().enumerate() {
            let (empty, whole) = match block["text"].as_str() {
                Some(text) => (json!({"type": "text", "text": ""}), text.to_owned()),
                None => {
                    let mut empty = block.clone();
                    empty["input"] = json!({});
                    (empty, block["input"].to_string())
                }
            };
            events.push(
                json!({"type": "content_block_start", "index": index, "content_block": empty}),
            );
            for piece in pieces(&whole, size) {
                let delta = match block["text"].as_str() {
                    Some(_) => json!({"type": "text_delta", "text": piece}),
                    None => json!({"type": "input_json_delta", "partial_json": piece}),
                };
                events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
            }
            events.push(json!({"type": "content_block_stop", "index": index}));
        }
        let delta = json!({"stop_reason": message["stop_reason"], "stop_sequence": null});
        events.push(json!({"type": "message_delta", "delta": delta, "usage": message["usage"]}));
        events.push(json!({"type": "message_stop"}));
        let frames = events.iter().map(|event| {
            format!(
                "event: {}\ndata: {event}\n\n",
                event["type"].as_str().unwrap()
            )
        });
        frames.collect()
    }
}

fn pieces(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<_> = text.chars().collect();
    characters
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn usage_asked() -> AnswerOptions {
    crate::streams::options()
}

/// What a client makes of chunks: the answer.
fn chunks_added(text: &str) -> Value {
    let mut content: Option<String> = None;
    let mut calls: Vec<Value> = Vec::new();
    let (mut finish, mut usage) = (Value::Null, Value::Null);
    for chunk in events(text) {
        let choice = &chunk["choices"][0];
        if let Some(piece) = choice["delta"]["content"].as_str() {
            content.get_or_insert_default().push_str(piece);
        }
        for call in choice["delta"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if index == calls.len() {
                calls.push(
                    json!({"id": call["id"], "name": call["function"]["name"], "arguments": ""}),
                );
            }
            let known = calls[index]["arguments"].as_str().unwrap().to_owned();
            calls[index]["arguments"] =
                json!(known + call["function"]["arguments"].as_str().unwrap());
        }
        if !choice["finish_reason"].is_null() {
            finish = choice["finish_reason"].clone();
        }
        if chunk["usage"].is_object() {
            usage = chunk["usage"].clone();
        }
    }
    json!([content.unwrap_or_default(), calls, finish, usage])
}

/// The same of an answer that is no stream.
fn completion_summed(answer: &Value) -> Value {
    let message = &answer["choices"][0]["message"];
    let calls: Vec<_> = message["tool_calls"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|call| {
            json!({"id": call["id"], "name": call["function"]["name"],
            "arguments": call["function"]["arguments"]})
        })
        .collect();
    json!([
        message["content"].as_str().unwrap_or(""),
        calls,
        answer["choices"][0]["finish_reason"],
        answer["usage"]
    ])
}

/// What a client makes of a stream of messages: content, stop reason and usage.
fn message_added(text: &str) -> Value {
    let mut content: Vec<Value> = Vec::new();
    let mut input = String::new();
    let mut end = Value::Null;
    for event in events(text) {
        let delta = &event["delta"];
        match event["type"].as_str().unwrap() {
            "content_block_start" => content.push(event["content_block"].clone()),
            "content_block_delta" => {
                let block = content.last_mut().unwrap();
                if let Some(piece) = delta["text"].as_str() {
                    block["text"] = json!(block["text"].as_str().unwrap().to_owned() + piece);
                }
                input.push_str(delta["partial_json"].as_str().unwrap_or(""));
            }
            "content_block_stop" if !input.is_empty() => {
                content.last_mut().unwrap()["input"] = serde_json::from_str(&input).unwrap();
                input.clear();
            }
            "message_delta" => end = json!([delta["stop_reason"], event["usage"]]),
            _ => {}
        }
    }
    json!([content, end])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_chat_request_comes_back_as_it_was(
        system in prop::collection::vec(text(), 0..3),
        exchanges in prop::collection::vec(exchange(), 0..3),
        last in prop::collection::vec(part(), 1..3),
        settings in chat_settings(),
        one_at_a_time in any::<bool>(),
        streams in any::<bool>(),
    ) {
        let mut body = settings;
        body.insert("model".into(), json!("target"));
        body.insert("max_completion_tokens".into(), json!(100));
        body.insert("messages".into(), chat_messages(&system, &exchanges, &last));
        if one_at_a_time && body.contains_key("tools") && body.contains_key("tool_choice") {
            body.insert("parallel_tool_calls".into(), json!(false));
        }
        if streams {
            body.insert("stream".into(), json!(true));
            body.insert("stream_options".into(), json!({"include_usage": true}));
        }
        let body = Value::Object(body);
        prop_assert_eq!(there_and_back(THERE, &body), body);
    }

    #[test]
    fn a_messages_request_comes_back_as_it_was(
        system in prop::collection::vec(text(), 0..3),
        exchanges in prop::collection::vec(exchange(), 0..3),
        last in prop::collection::vec(part(), 1..3),
        settings in messages_settings(),
    ) {
        let mut body = settings;
        body.insert("model".into(), json!("target"));
        body.insert("max_tokens".into(), json!(100));
        body.insert("messages".into(), blocks(&exchanges, &last));
        if !system.is_empty() {
            let system: Vec<_> = system.iter().map(|text| json!({"type": "text", "text": text})).collect();
            body.insert("system".into(), json!(system));
        }
        let body = Value::Object(body);
        prop_assert_eq!(there_and_back([THERE[1], THERE[0]], &body), body);
    }

    #[test]
    fn an_answer_comes_back_as_it_was(answered in answered()) {
        let message = answered.message();
        let completion = answer(Pair::ChatToMessages, &message);
        let mut back = answer(Pair::MessagesToChat, &completion);
        prop_assert_eq!(&answer(Pair::ChatToMessages, &back), &completion);
        if answered.said.is_none() && answered.calls.is_empty() {
            // An answer of nothing is an empty text to callers of chat completions.
            prop_assert_eq!(&back["content"], &json!([]));
            back["content"] = message["content"].clone();
        }
        prop_assert_eq!(back, message);
    }

    #[test]
    fn a_stream_adds_up_to_the_answer(answered in answered(), size in 1_usize..8) {
        let whole = answered.message_stream(size);
        let (chunks, end) = stream(Pair::ChatToMessages, &usage_asked(), whole.as_bytes());
        prop_assert_eq!(end, StreamEnd::Complete);
        let completion = answer(Pair::ChatToMessages, &answered.message());
        prop_assert_eq!(chunks_added(&chunks), completion_summed(&completion));

        let (back, end) = stream(Pair::MessagesToChat, &usage_asked(), chunks.as_bytes());
        prop_assert_eq!(end, StreamEnd::Complete);
        let message = answered.message();
        let expected = json!([message["content"], [message["stop_reason"], message["usage"]]]);
        prop_assert_eq!(message_added(&back), expected);
    }

    #[test]
    fn a_responses_stream_ends_with_the_answer(answered in answered(), size in 1_usize..8) {
        let options = answer_options(Asked::default());
        let whole = answered.message_stream(size);
        let (text, _) = stream(Pair::ResponsesToMessages, &options, whole.as_bytes());
        let last = events(&text).pop().unwrap();
        prop_assert_eq!(&last["response"], &answer(Pair::ResponsesToMessages, &answered.message()));
    }
}
