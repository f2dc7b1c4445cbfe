//! What is read of streams, that they pass untouched, and that the pieces do not matter.

use super::{EVENT_BYTES_MAX, StreamEnd, StreamOutcome, StreamScanner};
use crate::EndpointKind::{
    self, ChatCompletions, Completions, ImagesGenerations, Messages, Responses,
};
use crate::{RefusalKind, Usage};
use bytes::Bytes;
use proptest::prelude::*;

const CHAT: &str = concat!(
    "data: {\"id\":\"c\",\"model\":\"gpt-4o\",\"service_tier\":\"default\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi \\u00e9\\n\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}],\"usage\":null}\n\n",
);
const USAGE_CHUNK: &str = "data: {\"id\":\"c\",\"model\":\"gpt-4o\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

const RESPONSE: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"gpt-5.1\",\"usage\":null,\"error\":null},\"sequence_number\":0}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hello\",\"sequence_number\":1}\n\n",
    "event: response.audio.delta\ndata: {\"type\":\"response.audio.delta\",\"delta\":\"UklGRgAAAA==\"}\n\n",
    "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"text\":\"Hello\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-5.1-2026\",\"service_tier\":\"flex\",\"error\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":2,\"total_tokens\":7}}}\n\n",
);

fn usage(input_tokens: u64, output_tokens: u64) -> Option<Usage> {
    let total_tokens = input_tokens + output_tokens;
    Some(Usage {
        input_tokens,
        output_tokens,
        total_tokens,
        ..Usage::default()
    })
}

/// Scans a stream in pieces that end at the given places.
fn scan(
    kind: EndpointKind,
    strip: bool,
    stream: &[u8],
    cuts: &[usize],
) -> (Vec<u8>, StreamOutcome) {
    let mut places = vec![0, stream.len()];
    places.extend(cuts.iter().map(|cut| (*cut).min(stream.len())));
    places.sort_unstable();
    let mut forwarded = Vec::new();
    let mut out = |bytes: Bytes| forwarded.extend_from_slice(&bytes);
    let mut scanner = StreamScanner::new(kind, strip);
    for pair in places.windows(2) {
        scanner.scan(Bytes::copy_from_slice(&stream[pair[0]..pair[1]]), &mut out);
    }
    let outcome = scanner.finish(&mut out);
    (forwarded, outcome)
}

fn outcome(kind: EndpointKind, stream: &str) -> StreamOutcome {
    let (forwarded, outcome) = scan(kind, false, stream.as_bytes(), &[]);
    assert_eq!(forwarded, stream.as_bytes());
    outcome
}

#[test]
fn a_chat_stream_is_read() {
    let got = outcome(ChatCompletions, &[CHAT, USAGE_CHUNK, DONE].concat());
    assert_eq!(
        got,
        StreamOutcome {
            complete: true,
            end: Some(StreamEnd::Completed),
            finish_reason_seen: true,
            usage: usage(7, 3),
            model: Some("gpt-4o".to_owned()),
            service_tier: Some("default".to_owned()),
            output_characters: 5 + 1 + 2,
            events: 5,
            past_preamble: true,
            content_seen: true,
            names_its_end: true,
            ..StreamOutcome::default()
        }
    );
}

#[test]
fn a_response_stream_is_read() {
    let got = outcome(Responses, RESPONSE);
    assert_eq!(
        got,
        StreamOutcome {
            complete: true,
            end: Some(StreamEnd::Completed),
            usage: usage(5, 2),
            model: Some("gpt-5.1-2026".to_owned()),
            service_tier: Some("flex".to_owned()),
            output_characters: 5,
            events: 5,
            past_preamble: true,
            content_seen: true,
            names_its_end: true,
            ..StreamOutcome::default()
        }
    );
}

#[test]
fn a_usage_that_is_null_is_none_and_takes_none_away() {
    // OpenAI sends it in every chunk but the last, where a stream is asked for its usage.
    let text =
        r#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],"usage":null}"#;
    let chunks = format!("data: {text}\n\n").repeat(1_000);
    let (forwarded, outcome) = scan(ChatCompletions, true, chunks.as_bytes(), &[]);
    assert_eq!(forwarded, chunks.as_bytes());
    assert_eq!((outcome.usage, outcome.refusal), (None, None));
    assert_eq!((outcome.output_characters, outcome.events), (1_000, 1_000));
    let stream = [&chunks, USAGE_CHUNK, &chunks, DONE].concat();
    let (forwarded, outcome) = scan(ChatCompletions, true, stream.as_bytes(), &[]);
    assert_eq!(outcome.usage, usage(7, 3));
    assert!(outcome.complete && outcome.refusal.is_none());
    assert_eq!(forwarded.len(), stream.len() - USAGE_CHUNK.len());
}

#[test]
fn a_stream_without_the_end_that_its_dialect_has_is_cut() {
    let first = CHAT.find("\n\n").unwrap() + 2;
    let open = &CHAT[..first];
    let legacy = "data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":null}]}\n\n";
    let created = &RESPONSE[..RESPONSE.find("\n\n").unwrap() + 2];
    let incomplete = [created, "data: {\"type\":\"response.incomplete\"}\n\n"].concat();
    let started = "data: {\"type\":\"message_start\",\"message\":{}}\n\n";
    let stopped = [started, "data: {\"type\":\"message_stop\"}\n\n"].concat();
    let error = [open, "data: {\"error\":{\"message\":\"no\"}}\n\n"].concat();
    let large = format!("data: {{\"a\":\"{}\"}}\n\n", "x".repeat(EVENT_BYTES_MAX));
    for (kind, stream, is_cut) in [
        (ChatCompletions, open, true),
        (ChatCompletions, CHAT, false),
        (ChatCompletions, &[open, "data: [DONE]"].concat(), false),
        (ChatCompletions, &error, false),
        // The end may have been in what was not looked at.
        (ChatCompletions, &[open, &large].concat(), false),
        // Whatever this is, nobody knows how it ends.
        (ChatCompletions, "data: {\"response\":\"a\"}\n\n", false),
        (ChatCompletions, ": hello\n\n", false),
        (ChatCompletions, "", false),
        (Completions, legacy, true),
        (Responses, created, true),
        (Responses, RESPONSE, false),
        (Responses, &incomplete, false),
        (Messages, started, true),
        (Messages, &stopped, false),
        (EndpointKind::Unknown, open, false),
    ] {
        assert_eq!(
            outcome(kind, stream).is_cut(),
            is_cut,
            "{kind:?} {stream:.200}"
        );
    }
}

#[test]
fn a_cut_stream_is_not_complete() {
    let got = outcome(ChatCompletions, CHAT);
    assert_eq!(
        (got.complete, got.end, got.usage, got.output_characters),
        (false, None, None, 8)
    );
    let cut = CHAT.len() - 20;
    let got = outcome(ChatCompletions, &CHAT[..cut]);
    assert_eq!((got.complete, got.output_characters), (false, 8));
    assert_eq!(outcome(ChatCompletions, ""), StreamOutcome::default());
}

#[test]
fn an_end_without_its_blank_line_is_an_end() {
    for end in [
        "data: [DONE]",
        "data: [DONE]\n",
        "data:[DONE]\r\n",
        "data: [DONE] \n\n",
    ] {
        assert!(
            outcome(ChatCompletions, &[CHAT, end].concat()).complete,
            "{end:?}"
        );
    }
}

#[test]
fn the_usage_chunk_is_withheld_wherever_it_is_cut() {
    let stream = [CHAT, USAGE_CHUNK, DONE].concat();
    let expected = [CHAT, DONE].concat();
    let (_, whole) = scan(ChatCompletions, true, stream.as_bytes(), &[]);
    assert_eq!(whole.usage, usage(7, 3));
    for newline in ["\n", "\r\n", "\r"] {
        let (stream, expected) = (
            stream.replace('\n', newline),
            expected.replace('\n', newline),
        );
        for first in CHAT.len() - 5..stream.len() {
            for cuts in [&[first][..], &[first, first + 1, first + 2, first + 7]] {
                let (forwarded, outcome) = scan(ChatCompletions, true, stream.as_bytes(), cuts);
                assert_eq!(
                    String::from_utf8(forwarded).unwrap(),
                    expected,
                    "{cuts:?} {newline:?}"
                );
                assert_eq!(outcome, whole);
            }
        }
    }
}

#[test]
fn only_the_usage_chunk_is_withheld() {
    for kept in [
        // The first chunk of Azure has no choices either.
        "data: {\"choices\":[],\"prompt_filter_results\":[{}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":7}}\n\n",
        "data: {\"usage\":{\"prompt_tokens\":7}}\n\n",
        "data: {\"choices\":[],\"usage\":{}}\n\n",
        ": keep-alive\n\n",
        "\n\n\n",
        "data: garbage\n\n",
    ] {
        let stream = [kept, DONE].concat();
        let (forwarded, _) = scan(ChatCompletions, true, stream.as_bytes(), &[3]);
        assert_eq!(String::from_utf8(forwarded).unwrap(), stream);
    }
    let (forwarded, _) = scan(Responses, true, USAGE_CHUNK.as_bytes(), &[]);
    assert_eq!(forwarded, USAGE_CHUNK.as_bytes());
    let (forwarded, _) = scan(Completions, true, USAGE_CHUNK.as_bytes(), &[]);
    assert_eq!(forwarded, b"");
    let unterminated = USAGE_CHUNK.trim_end();
    let (forwarded, outcome) = scan(ChatCompletions, true, unterminated.as_bytes(), &[9]);
    assert_eq!(
        (forwarded.as_slice(), outcome.usage),
        (unterminated.as_bytes(), usage(7, 3))
    );
}

#[test]
fn whole_events_are_handed_on_as_slices_of_their_chunk() {
    let chunk = Bytes::from([CHAT, USAGE_CHUNK, DONE].concat());
    let mut pieces = Vec::new();
    StreamScanner::new(ChatCompletions, false).scan(chunk.clone(), &mut |piece| pieces.push(piece));
    assert_eq!(
        (pieces.len(), pieces[0].as_ptr(), pieces[0].len()),
        (1, chunk.as_ptr(), chunk.len())
    );
    pieces.clear();
    StreamScanner::new(ChatCompletions, true).scan(chunk.clone(), &mut |piece| pieces.push(piece));
    assert_eq!((pieces.len(), pieces[0].as_ptr()), (2, chunk.as_ptr()));
    assert_eq!(
        pieces[1].as_ptr(),
        chunk[CHAT.len() + USAGE_CHUNK.len()..].as_ptr()
    );
}

#[test]
fn a_refusal_inside_a_stream_is_read() {
    let limit = "Rate limit reached for gpt-5.1 in organization org-x on tokens per min (TPM): Limit 30000, Used 24102, Requested 7758. Please try again in 3.72s.";
    let created = &RESPONSE[..RESPONSE.find("event: response.output_text").unwrap()];
    let failed = format!(
        "event: response.failed\ndata: {{\"type\":\"response.failed\",\"response\":{{\"error\":{{\"code\":\"rate_limit_exceeded\",\"message\":\"{limit}\"}}}}}}\n\n"
    );
    let azure = "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"Your requests to m for d in r have exceeded rate limit.\"}\n\nevent: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"\",\"message\":\"\"}}}\n\n";
    let chat = format!(
        "data: {{\"error\":{{\"message\":\"{limit}\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}}}\n\ndata: [DONE]\n\n"
    );
    for (kind, stream, wait) in [
        (Responses, [created, &failed].concat(), Some(3_720)),
        (Responses, [created, azure].concat(), None),
        (ChatCompletions, chat, Some(3_720)),
    ] {
        let got = outcome(kind, &stream);
        let refusal = got.refusal.unwrap();
        assert_eq!(
            (refusal.kind, refusal.status),
            (RefusalKind::RateLimited, None),
            "{stream}"
        );
        assert_eq!(refusal.retry_after.map(|wait| wait.as_millis()), wait);
        assert_eq!((got.complete, got.end), (true, Some(StreamEnd::Failed)));
        assert!(!got.past_preamble && !got.content_seen);
    }
    let got = outcome(
        Responses,
        "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":null}}\n\n",
    );
    assert_eq!((got.end, got.refusal), (Some(StreamEnd::Failed), None));
}

#[test]
fn the_end_of_every_dialect_is_known() {
    for (kind, stream, end, seen) in [
        (
            Responses,
            "data: {\"type\":\"response.incomplete\",\"response\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}}\n\n",
            StreamEnd::Incomplete,
            false,
        ),
        (
            ImagesGenerations,
            "data: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AA\"}\n\ndata: {\"type\":\"image_generation.completed\",\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}\n\n",
            StreamEnd::Completed,
            true,
        ),
        (
            EndpointKind::AudioTranscriptions,
            "data: {\"type\":\"transcript.text.delta\",\"delta\":\"so\"}\n\ndata: {\"type\":\"transcript.text.done\",\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}\n\n",
            StreamEnd::Completed,
            true,
        ),
        (
            EndpointKind::AudioSpeech,
            "data: {\"type\":\"speech.audio.delta\",\"audio\":\"AA\"}\n\ndata: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}\n\n",
            StreamEnd::Completed,
            true,
        ),
        (
            Messages,
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"c\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            StreamEnd::Completed,
            true,
        ),
        (
            Completions,
            "data: {\"choices\":[{\"text\":\"abc\",\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
            StreamEnd::Completed,
            true,
        ),
    ] {
        let got = outcome(kind, stream);
        assert_eq!(
            (got.complete, got.end, got.usage),
            (true, Some(end), usage(5, 2)),
            "{stream}"
        );
        assert_eq!(got.content_seen, seen, "{stream}");
    }
}

#[test]
fn an_event_that_is_too_large_passes_unscanned() {
    let sized = |length: usize| {
        let frame = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7},\"x\":\"\"}".len();
        let filler = "x".repeat(length - frame);
        format!(
            "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":7}},\"x\":\"{filler}\"}}\r\n\r\n{DONE}"
        )
    };
    let pieces: Vec<usize> = (0..200).map(|piece| piece * 9_999).collect();
    for (length, unscanned) in [(EVENT_BYTES_MAX, 0), (EVENT_BYTES_MAX + 1, 1)] {
        let stream = sized(length);
        for (strip, cuts) in [
            (false, &pieces[..]),
            (false, &[]),
            (true, &pieces),
            (true, &[]),
            (true, &[length + 1]),
            (true, &[length + 3]),
        ] {
            let (forwarded, got) = scan(ChatCompletions, strip, stream.as_bytes(), cuts);
            assert_eq!(
                (got.unscanned_events, got.usage.is_some()),
                (unscanned, unscanned == 0)
            );
            assert!(got.complete);
            let expected = if strip && unscanned == 0 {
                DONE
            } else {
                &stream
            };
            assert!(
                forwarded == expected.as_bytes(),
                "{length} {strip} {}",
                cuts.len()
            );
        }
    }
}

/// Streams made of whole events, broken ones, and all line ends.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(CHAT.as_bytes().to_vec()),
        Just(USAGE_CHUNK.as_bytes().to_vec()),
        Just(USAGE_CHUNK.replace('\n', "\r\n").into_bytes()),
        Just(USAGE_CHUNK.replace('\n', "\r").into_bytes()),
        Just(RESPONSE.as_bytes().to_vec()),
        Just(DONE.as_bytes().to_vec()),
        Just(b"data: {\"error\":{\"message\":\"no\"}}\n\n".to_vec()),
        "[\r\n]{1,3}|data: |event: error\n|: ping\n\n".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn bytes_pass_untouched_and_the_pieces_do_not_matter(
        stream in stream(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
        kind in prop_oneof![Just(ChatCompletions), Just(Responses), Just(Messages)],
    ) {
        let cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        let (whole, expected) = scan(kind, false, &stream, &[]);
        prop_assert_eq!(&whole, &stream);
        let (forwarded, got) = scan(kind, false, &stream, &cuts);
        prop_assert_eq!(&forwarded, &stream);
        prop_assert_eq!(&got, &expected);
        let (stripped, got) = scan(kind, true, &stream, &[]);
        prop_assert_eq!(&got, &expected);
        let (forwarded, got) = scan(kind, true, &stream, &cuts);
        prop_assert_eq!((&forwarded, &got), (&stripped, &expected));
        let one_by_one: Vec<usize> = (0..stream.len()).collect();
        let (forwarded, got) = scan(kind, true, &stream, &one_by_one);
        prop_assert_eq!((forwarded, got), (stripped, expected));
    }
}
