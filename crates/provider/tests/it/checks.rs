//! What must hold for any bytes at all. The fuzz targets and the mutation tests call these.
//!
//! Each takes one input of arbitrary bytes; its first bytes choose the variant.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use paceline_provider::{
    ChargeRule, Endpoint, EndpointKind, LimitHeaders, Refusal, RequestError, RequestFacts,
    StreamOutcome, StreamScanner, TextProfile, Usage, go_duration, openai_error, parse_duration,
    retry_after, with_include_usage,
};
use serde::de::IgnoredAny;
use serde_json::Value;
use std::time::SystemTime;

const KINDS: [EndpointKind; 7] = [
    EndpointKind::ChatCompletions,
    EndpointKind::Responses,
    EndpointKind::Completions,
    EndpointKind::Embeddings,
    EndpointKind::ImagesGenerations,
    EndpointKind::Messages,
    EndpointKind::Unknown,
];

fn kind(byte: u8) -> EndpointKind {
    KINDS[usize::from(byte) % KINDS.len()]
}

/// A request body: it is judged to be JSON as serde_json judges it, what is counted adds up, and
/// the rewrite changes nothing but the one option.
pub(crate) fn request(input: &[u8]) {
    let Some((first, body)) = input.split_first() else {
        return;
    };
    let kind = kind(*first);
    let is_json = serde_json::from_slice::<IgnoredAny>(body).is_ok();
    let facts = match RequestFacts::parse(kind, body) {
        Ok(facts) => facts,
        Err(error) => {
            let blames_json = matches!(error, RequestError::NotJson { .. });
            assert!(!blames_json || !is_json, "{error}");
            check_error(&error);
            return;
        }
    };
    assert!(is_json);
    check_text(&facts.text, body.len());
    assert!(facts.low_detail_image_parts <= facts.image_parts);
    assert!(ChargeRule::OPENAI.tokens(&facts) <= ChargeRule::AZURE.tokens(&facts));

    let mut text = TextProfile::default();
    let again =
        RequestFacts::parse_with_text(kind, body, &mut |piece| text += TextProfile::of(piece));
    assert_eq!((again.as_ref(), text), (Ok(&facts), facts.text));

    let body = Bytes::copy_from_slice(body);
    if let Some(rewritten) = with_include_usage(&body) {
        let expected = RequestFacts {
            include_usage: Some(true),
            ..facts
        };
        assert_eq!(RequestFacts::parse(kind, &rewritten), Ok(expected));
        assert_eq!(with_include_usage(&rewritten), None);
    }
}

fn check_text(text: &TextProfile, body_length: usize) {
    let ascii = text.ascii_letters + text.digits + text.whitespace + text.ascii_other;
    let wide = text.two_byte + text.three_byte + text.four_byte;
    assert_eq!(text.characters, ascii + wide);
    assert_eq!(
        text.bytes,
        ascii + 2 * text.two_byte + 3 * text.three_byte + 4 * text.four_byte
    );
    assert!(text.bytes <= body_length as u64);
}

fn check_error(error: &RequestError) {
    assert!(error.message().len() < 512 && !error.code().is_empty());
    let envelope = openai_error(
        &error.message(),
        "invalid_request_error",
        error.param(),
        Some(error.code()),
    );
    let envelope = serde_json::from_slice::<Value>(&envelope).unwrap_or_default();
    assert_eq!(envelope["error"]["message"], error.message());
}

/// Header lines, `name: value` each: what is read is bounded, and durations survive being written.
pub(crate) fn headers(input: &[u8]) {
    let headers = header_map(input);
    let parsed = LimitHeaders::parse(&headers);
    assert!(parsed.reports.len() <= 16);
    for report in &parsed.reports {
        assert!(report.limit.is_some() || report.remaining.is_some() || report.reset.is_some());
        for duration in [report.reset, report.window].into_iter().flatten() {
            assert_eq!(parse_duration(&go_duration(duration)), Some(duration));
        }
    }
    let _ = retry_after(&headers, SystemTime::UNIX_EPOCH);
    let text = String::from_utf8_lossy(input);
    let _ = parse_duration(&text);
    let _ = Endpoint::classify(&Method::POST, &text);
}

fn header_map(input: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n') {
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or(b"").trim_ascii();
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// An answer that refuses: what is kept of it is bounded, and the same inside a stream.
pub(crate) fn refusal(input: &[u8]) {
    let Some((first, body)) = input.split_first() else {
        return;
    };
    let status = 399 + u16::from(*first);
    let refusal = Refusal::from_response(status, &HeaderMap::new(), body);
    assert_eq!(refusal.is_none(), status < 400);
    let in_stream = Refusal::from_error_object(body);
    for refusal in refusal.into_iter().chain([in_stream]) {
        let _ = refusal.retry();
        assert!(refusal.message.len() <= 1_024);
        let names = [
            &refusal.code,
            &refusal.error_type,
            &refusal.limit_name,
            &refusal.model,
        ];
        assert!(names.into_iter().flatten().all(|name| name.len() <= 128));
    }
}

/// A whole answer: its usage is what a tree of it says.
pub(crate) fn usage(input: &[u8]) {
    let Some((first, body)) = input.split_first() else {
        return;
    };
    let usage = Usage::from_body(kind(*first), body);
    let Ok(tree) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    // With a key there twice, or under two names, the tree does not tell.
    let once = |name: &str| memchr::memmem::find_iter(body, name).count() == 1;
    if once("usage") && once("put_tokens\"") != once("prompt_tokens\"") && !body.contains(&b'\\') {
        let usage_tree = &tree["usage"];
        let tokens = usage_tree["prompt_tokens"]
            .as_u64()
            .or(usage_tree["input_tokens"].as_u64());
        if let Some(tokens) = tokens {
            assert!(usage.is_some_and(|usage| usage.input_tokens >= tokens));
        }
    }
}

/// A stream: it passes byte for byte, and neither what is read nor what is withheld depends on how
/// it is cut. The first three bytes choose the dialect and the cuts.
pub(crate) fn sse(input: &[u8]) {
    let Some((&[first, second, third], stream)) = input.split_first_chunk::<3>() else {
        return;
    };
    let kind = kind(first);
    let steps = [usize::from(second % 64) + 1, usize::from(third % 16) + 1];
    let whole = scan(kind, false, stream, &[stream.len().max(1)]);
    assert_eq!(whole.0, stream);
    assert_eq!(scan(kind, false, stream, &steps), whole);
    let stripped = scan(kind, true, stream, &[stream.len().max(1)]);
    assert_eq!(scan(kind, true, stream, &steps), stripped);
    assert_eq!(stripped.1, whole.1);
    assert!(stripped.0.len() <= stream.len());
    assert!(whole.1.output_characters <= stream.len() as u64);
}

/// Scans in pieces whose sizes take turns.
fn scan(
    kind: EndpointKind,
    strip: bool,
    stream: &[u8],
    sizes: &[usize],
) -> (Vec<u8>, StreamOutcome) {
    let mut forwarded = Vec::with_capacity(stream.len());
    let mut out = |bytes: Bytes| forwarded.extend_from_slice(&bytes);
    let mut scanner = StreamScanner::new(kind, strip);
    let mut rest = Bytes::copy_from_slice(stream);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        scanner.scan(rest.split_to(rest.len().min(*size)), &mut out);
    }
    let outcome = scanner.finish(&mut out);
    (forwarded, outcome)
}
