//! What must hold for any bytes at all. The fuzz targets and the mutation tests call these.
//!
//! Each takes one input of arbitrary bytes; its first bytes choose the variant.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use paceline_provider::{
    ChargeRule, Endpoint, EndpointKind, Expected, LimitHeaders, Profile, Refusal, RequestError,
    RequestFacts, StreamOutcome, StreamScanner, TextProfile, Usage, go_duration, openai_error,
    parse_duration, retry_after, with_include_usage, with_model,
};
use serde::de::IgnoredAny;
use serde_json::Value;
use std::time::{Duration, SystemTime};

const KINDS: [EndpointKind; 14] = [
    EndpointKind::ChatCompletions,
    EndpointKind::Responses,
    EndpointKind::Completions,
    EndpointKind::Embeddings,
    EndpointKind::ImagesGenerations,
    EndpointKind::Messages,
    EndpointKind::GeminiGenerate,
    EndpointKind::GeminiStream,
    EndpointKind::GeminiEmbed,
    EndpointKind::BedrockConverse,
    EndpointKind::BedrockConverseStream,
    EndpointKind::BedrockInvoke,
    EndpointKind::BedrockInvokeStream,
    EndpointKind::Unknown,
];

fn kind(byte: u8) -> EndpointKind {
    KINDS[usize::from(byte) % KINDS.len()]
}

fn profile(byte: u8) -> &'static Profile {
    &Profile::ALL[usize::from(byte) % Profile::ALL.len()]
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

    let expected = Expected {
        input_tokens: facts.text.characters,
        ..Expected::default()
    };
    let charges = profile(*first).charge(&facts, &expected);
    assert_eq!(charges.input_tokens, facts.text.characters);
    check_model(&facts, body);

    let body = Bytes::copy_from_slice(body);
    if kind.dialect() == EndpointKind::ChatCompletions.dialect()
        && let Some(rewritten) = with_include_usage(&body)
    {
        let expected = RequestFacts {
            include_usage: Some(true),
            ..facts
        };
        assert_eq!(RequestFacts::parse(kind, &rewritten), Ok(expected));
        assert_eq!(with_include_usage(&rewritten), None);
    }
}

/// Another model is the one thing that changes.
fn check_model(facts: &RequestFacts<'_>, body: &[u8]) {
    let named = with_model(body, "another").unwrap_or_default();
    let again = RequestFacts::parse(facts.kind, &named);
    let expected = RequestFacts {
        model: "another".into(),
        ..facts.clone()
    };
    // Gemini's own calls and Bedrock's conversations do not look for a model in the body.
    if again.as_ref().is_ok_and(|again| again.model.is_empty()) {
        assert_eq!(again, Ok(facts.clone()));
    } else {
        assert_eq!(again, Ok(expected));
    }
    assert_eq!(with_model(&named, "another"), Some(named));
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
    let of_a_provider = profile(input.first().copied().unwrap_or_default());
    let known = LimitHeaders::parse_for(of_a_provider, &headers, None);
    assert_eq!(known.reports.len(), parsed.reports.len());
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
    let now = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(*first) << 24));
    let known = Refusal::from_response_for(profile(*first), status, &HeaderMap::new(), body, now);
    assert_eq!(known.is_none(), status < 400);
    for refusal in refusal.into_iter().chain(known).chain([in_stream]) {
        let _ = (refusal.retry(), refusal.fault());
        assert!(refusal.message.len() <= 1_024);
        let names = [
            &refusal.code,
            &refusal.error_type,
            &refusal.limit_name,
            &refusal.quota_id,
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

/// Amazon's frames around any headers and payload: what is in them is read, wherever they are cut.
pub(crate) fn frames(input: &[u8]) {
    let Some((&[first, second, third, length], rest)) = input.split_first_chunk::<4>() else {
        return;
    };
    let (headers, payload) = rest.split_at(usize::from(length).min(rest.len()));
    let good = frame(
        b"\x0b:event-type\x07\x00\x08metadata",
        br#"{"usage":{"inputTokens":7}}"#,
    );
    let mut stream = good.clone();
    stream.extend(frame(headers, payload));
    stream.extend(good);
    let kind = EndpointKind::BedrockConverseStream;
    let steps = [usize::from(second % 64) + 1, usize::from(third % 16) + 1];
    let whole = scan(kind, false, &stream, &[stream.len()]);
    assert_eq!(whole.0, stream);
    assert_eq!(scan(kind, false, &stream, &steps), whole);
    assert!(whole.1.events >= 2);
    assert!(whole.1.usage.is_some());
    // And the bytes as they are, which are hardly ever a frame.
    let raw = scan(kind, first > 127, rest, &[rest.len().max(1)]);
    assert_eq!(raw.0, rest);
}

fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = length(16 + headers.len() + payload.len()).to_vec();
    bytes.extend_from_slice(&length(headers.len()));
    bytes.extend_from_slice(&checksum(&bytes).to_be_bytes());
    bytes.extend_from_slice(headers);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&checksum(&bytes).to_be_bytes());
    bytes
}

/// CRC-32 by its definition: the remainder of a division of polynomials, bits reversed.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |place| (byte >> place) & 1 == 1));
    let mut remainder = u32::MAX;
    for bit in bits {
        let carry = (remainder >> 31 == 1) != bit;
        remainder = (remainder << 1) ^ if carry { 0x04c1_1db7 } else { 0 };
    }
    !remainder.reverse_bits()
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
