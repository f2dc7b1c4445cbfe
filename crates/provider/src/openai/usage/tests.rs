//! Usage in every dialect.

use super::Usage;
use crate::EndpointKind as K;

/// The counts that are not zero.
fn counts(usage: &Usage) -> String {
    let counts = [
        ("input", usage.input_tokens),
        ("cached", usage.cached_input_tokens),
        ("written", usage.cache_write_tokens),
        ("output", usage.output_tokens),
        ("reasoning", usage.reasoning_tokens),
        ("total", usage.total_tokens),
        ("audio in", usage.audio_input_tokens),
        ("audio out", usage.audio_output_tokens),
        ("image in", usage.image_input_tokens),
        ("image out", usage.image_output_tokens),
        ("ms", usage.audio_ms),
    ];
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    counts
        .map(|(name, count)| format!("{name} {count}"))
        .collect::<Vec<_>>()
        .join(", ")
}

const DIALECTS: &[(K, &str, &str)] = &[
    (
        K::ChatCompletions,
        r#"{"id":"c","choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":99}"}}],"usage":{"prompt_tokens":19,
            "completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":5,"audio_tokens":1},
            "completion_tokens_details":{"reasoning_tokens":4,"audio_tokens":2,"accepted_prediction_tokens":0}}}"#,
        "input 19, cached 5, output 10, reasoning 4, total 29, audio in 1, audio out 2",
    ),
    (
        K::Responses,
        r#"{"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":6,"cache_write_tokens":7},
            "output_tokens":87,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":123}}"#,
        "input 36, cached 6, written 7, output 87, reasoning 8, total 123",
    ),
    (
        K::Embeddings,
        r#"{"object":"list","data":[{"embedding":[0.1,-2e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#,
        "input 8, total 8",
    ),
    (
        K::ImagesGenerations,
        r#"{"usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,
            "input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens_details":{"image_tokens":50}}}"#,
        "input 50, output 50, total 100, image in 40, image out 50",
    ),
    (
        K::AudioTranscriptions,
        r#"{"text":"hi","usage":{"type":"duration","seconds":9.5}}"#,
        "ms 9500",
    ),
    (
        K::AudioTranscriptions,
        r#"{"usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":14},"output_tokens":3}}"#,
        "input 14, output 3, total 17, audio in 14",
    ),
    (
        K::Messages,
        r#"{"usage":{"input_tokens":10,"cache_creation_input_tokens":20,"cache_read_input_tokens":30,"output_tokens":4}}"#,
        "input 60, cached 30, written 20, output 4, total 64",
    ),
    (
        K::Responses,
        r#"{"type":"response.completed","response":{"usage":{"input_tokens":1,"output_tokens":2}}}"#,
        "input 1, output 2, total 3",
    ),
];

#[test]
fn every_dialect_is_read() {
    for (kind, body, expected) in DIALECTS {
        let usage = Usage::from_body(*kind, body.as_bytes()).unwrap();
        assert_eq!(counts(&usage), *expected, "{body}");
    }
}

#[test]
fn sloppy_numbers_are_tolerated() {
    let of = |body: &str| Usage::from_body(K::ChatCompletions, body.as_bytes());
    let usage = of(
        r#"{"usage":{"prompt_tokens":12.0,"completion_tokens":null,"total_tokens":1.2e1,
        "prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":null,"x":[]}}}"#,
    );
    assert_eq!(
        usage,
        Some(Usage {
            input_tokens: 12,
            total_tokens: 12,
            ..Usage::default()
        })
    );
    let usage = of(r#"{"usage":{"prompt_tokens":-3,"completion_tokens":1e99}}"#).unwrap();
    assert_eq!(
        (usage.input_tokens, usage.output_tokens, usage.total_tokens),
        (0, u64::MAX, u64::MAX)
    );
    let usage =
        of(r#"{"usage":{"prompt_tokens":18446744073709551615,"completion_tokens":1}}"#).unwrap();
    assert_eq!(usage.total_tokens, u64::MAX);
}

#[test]
fn no_usage_is_told_from_zero_usage() {
    let of = |body: &str| Usage::from_body(K::ChatCompletions, body.as_bytes());
    for body in [
        "",
        "{}",
        "[]",
        r#"{"usage":null}"#,
        r#"{"usage":{}}"#,
        r#"{"usage":{"x":1}}"#,
        r#"{"usage":5}"#,
        r#"{"usage":{"prompt_tokens":1"#,
        r#"{"choices":[{"usage":{"prompt_tokens":1}}]}"#,
        "<html>",
    ] {
        assert_eq!(of(body), None, "{body}");
    }
    assert_eq!(
        of(r#"{"usage":{"prompt_tokens":0}}"#),
        Some(Usage::default())
    );
    // The last one counts, and one that is there counts though the rest is cut off.
    let usage = of(r#"{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":2},"x":["#);
    assert_eq!(usage.unwrap().input_tokens, 2);
    assert_eq!(
        of(r#"{"usage":{"prompt_tokens":1},"usage":null}"#)
            .unwrap()
            .input_tokens,
        1
    );
}
