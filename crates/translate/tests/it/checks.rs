//! What must hold for any bytes at all. The fuzz target and the mutation tests call these.
//!
//! Each takes one input of arbitrary bytes; its first byte chooses the variant.

use paceline_translate::{
    AnswerOptions, Asked, EarlierThinking, EffortAs, LateSystem, MaxTokensField, Pair,
    RequestOptions, StreamEnd, StreamLimits, StreamTranslator, Thinking, translate_answer,
    translate_count_request, translate_error, translate_request,
};
use serde_json::Value;

const PAIRS: [Pair; 4] = [
    Pair::ChatToMessages,
    Pair::MessagesToChat,
    Pair::ResponsesToMessages,
    Pair::ResponsesToChat,
];

fn pair(byte: u8) -> Pair {
    PAIRS[usize::from(byte) % PAIRS.len()]
}

fn request_options(byte: u8) -> RequestOptions {
    let mut options = RequestOptions::new("target");
    if byte & 4 != 0 {
        options.earlier_thinking = EarlierThinking::LeftOut;
        options.late_system = LateSystem::MovedToStart;
    }
    if byte & 16 != 0 {
        options.late_system = LateSystem::InPlace;
    }
    if byte & 8 != 0 {
        options.effort = EffortAs::Budget;
        options.max_tokens_field = MaxTokensField::MaxTokens;
    }
    options
}

fn answer_options(byte: u8) -> AnswerOptions {
    let mut options = AnswerOptions::new(Asked::default(), 1);
    if byte & 4 != 0 {
        options.thinking = Thinking::Shown;
    }
    if byte & 8 != 0 {
        options.limits = StreamLimits {
            event_bytes: 300,
            answer_bytes: 20,
            blocks: 2,
        };
    }
    options.asked.include_usage = byte & 16 != 0;
    options
}

/// All of them, chosen by the first byte.
pub(crate) fn any(input: &[u8]) {
    match input.first().map(|first| first >> 6) {
        Some(0) => request(input),
        Some(1) => answer(input),
        Some(2) => stream(input),
        Some(_) => error(input),
        None => {}
    }
}

/// A request becomes one for the model asked for, or an error that blames something.
pub(crate) fn request(input: &[u8]) {
    let Some((first, body)) = input.split_first() else {
        return;
    };
    let options = request_options(*first);
    match translate_request(pair(*first), body, &options) {
        Ok(translated) => {
            let written = serde_json::from_slice::<Value>(&translated.body).unwrap_or_default();
            assert_eq!(written["model"], "target");
            let stream = written["stream"].as_bool().unwrap_or(false);
            assert_eq!(stream, translated.asked.stream);
            let messages = written["messages"].as_array().map_or(0, Vec::len);
            assert!(messages > 0 || pair(*first) == Pair::MessagesToChat);
        }
        Err(error) => assert!(!error.to_string().is_empty() && error.field() != Some("")),
    }
    let _ = translate_count_request(body, &options);
}

/// An answer becomes JSON, or an error.
pub(crate) fn answer(input: &[u8]) {
    let Some((first, body)) = input.split_first() else {
        return;
    };
    match translate_answer(pair(*first), body, &answer_options(*first)) {
        Ok(body) => assert!(serde_json::from_slice::<Value>(&body).is_ok_and(|it| it.is_object())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A stream is translated alike however it is cut, its events are JSON, and its end marker comes where
/// it is complete and nowhere else.
pub(crate) fn stream(input: &[u8]) {
    let [first, size, body @ ..] = input else {
        return;
    };
    let (pair, options) = (pair(*first), answer_options(*first));
    let mut whole = StreamTranslator::new(pair, options.clone());
    let mut out = whole.push(body).to_vec();
    let (rest, end) = whole.finish();
    out.extend_from_slice(&rest);

    let mut cut = StreamTranslator::new(pair, options);
    let pieces = body.chunks(usize::from(*size).max(1));
    let mut out_of_pieces: Vec<u8> = pieces.flat_map(|piece| cut.push(piece)).collect();
    let (rest, end_of_pieces) = cut.finish();
    out_of_pieces.extend_from_slice(&rest);
    assert_eq!((&out, end), (&out_of_pieces, end_of_pieces));

    let text = String::from_utf8_lossy(&out);
    let mut ended = false;
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        assert!(!ended, "there is more after the end");
        if data == "[DONE]" {
            ended = true;
            continue;
        }
        let event = serde_json::from_str::<Value>(data).unwrap_or_default();
        assert!(event.is_object());
        let kind = event["type"].as_str();
        ended = matches!(
            kind,
            Some("message_stop" | "response.completed" | "response.incomplete")
        );
    }
    assert_eq!(ended, end == StreamEnd::Complete);
}

/// An error becomes an envelope with a message and a type.
pub(crate) fn error(input: &[u8]) {
    let [first, status, body @ ..] = input else {
        return;
    };
    let status = 400 + u16::from(*status) % 200;
    let translated = translate_error(pair(*first), status, None, body);
    assert!((400..600).contains(&translated.status));
    let envelope = serde_json::from_slice::<Value>(&translated.body).unwrap_or_default();
    assert!(envelope["error"].is_object());
}
