//! Translations as JSON values, and the samples that several tests take.

use paceline_translate::{
    AnswerOptions, Asked, Pair, RequestError, RequestOptions, StreamEnd, StreamTranslator,
    translate_answer, translate_request,
};
use serde_json::{Value, json};

pub(crate) const CREATED_S: u64 = 1_750_000_000;

pub(crate) fn options() -> RequestOptions {
    RequestOptions::new("target")
}

pub(crate) fn request(pair: Pair, body: &Value) -> Result<Value, RequestError> {
    request_with(pair, body, &options())
}

pub(crate) fn request_with(
    pair: Pair,
    body: &Value,
    options: &RequestOptions,
) -> Result<Value, RequestError> {
    let translated = translate_request(pair, body.to_string().as_bytes(), options)?;
    Ok(value(&translated.body))
}

/// What an answer has to know of a request that was translated.
pub(crate) fn asked(pair: Pair, body: &Value) -> Asked {
    let translated = translate_request(pair, body.to_string().as_bytes(), &options());
    translated.expect("the request can be translated").asked
}

pub(crate) fn answer_options(asked: Asked) -> AnswerOptions {
    AnswerOptions::new(asked, CREATED_S)
}

pub(crate) fn answer(pair: Pair, body: &Value) -> Value {
    answer_with(pair, body, &answer_options(Asked::default()))
}

pub(crate) fn answer_with(pair: Pair, body: &Value, options: &AnswerOptions) -> Value {
    let body = body.to_string();
    let answer = translate_answer(pair, body.as_bytes(), options);
    value(&answer.expect("the answer can be translated"))
}

pub(crate) fn value(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("what is written is JSON")
}

/// A whole stream at once.
pub(crate) fn stream(pair: Pair, options: &AnswerOptions, bytes: &[u8]) -> (String, StreamEnd) {
    stream_in_pieces(pair, options, &[bytes])
}

pub(crate) fn stream_in_pieces(
    pair: Pair,
    options: &AnswerOptions,
    pieces: &[&[u8]],
) -> (String, StreamEnd) {
    let mut translator = StreamTranslator::new(pair, options.clone());
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(&translator.push(piece));
    }
    let (rest, end) = translator.finish();
    out.extend_from_slice(&rest);
    (
        String::from_utf8(out).expect("what is written is text"),
        end,
    )
}

/// The data of each event of a stream; comments and `[DONE]` are left out.
pub(crate) fn events(stream: &str) -> Vec<Value> {
    let data = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| value(data.as_bytes()))
        .collect()
}

/// A chat completions request that uses much of what can be carried.
pub(crate) fn rich_chat_request() -> Value {
    json!({
        "model": "caller-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Speak German."}]},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,cGRm"}}
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"z\":1,\"a\":[2]}"}},
                {"id": "call_2", "type": "function", "function": {"name": "look", "arguments": ""}}
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "a dog"}]},
            {"role": "user", "content": "So?"}
        ],
        "tools": [{"type": "function", "function": {
            "name": "look", "description": "Looks.", "strict": true,
            "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}}}],
        "tool_choice": "auto",
        "parallel_tool_calls": false,
        "max_completion_tokens": 100,
        "temperature": 0.7,
        "top_p": 0.9,
        "stop": ["END"],
        "user": "someone",
        "service_tier": "default",
        "stream": true,
        "stream_options": {"include_usage": true},
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "x", "strict": true, "schema": {"type": "object", "properties": {"z": {}, "a": {}}}}}
    })
}
