use super::amazon::checksum;
use super::{AmazonFrames, ArrayFrames};
use proptest::prelude::*;

/// A frame of strings as headers.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).unwrap());
        block.extend_from_slice(name.as_bytes());
        block.push(7);
        block.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let length = u32::try_from(16 + block.len() + payload.len()).unwrap();
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&checksum(&bytes).to_be_bytes());
    bytes.extend_from_slice(&block);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&checksum(&bytes).to_be_bytes());
    bytes
}

/// Event, exception and payload of each frame; `-` for one that is not looked at.
fn read(stream: &[u8], step: usize) -> Vec<String> {
    let mut frames = AmazonFrames::default();
    let mut seen = Vec::new();
    for piece in stream.chunks(step) {
        frames.push(piece, |frame| {
            seen.push(frame.map_or("-".to_owned(), |frame| {
                format!(
                    "{}|{}|{}",
                    frame.event.escape_ascii(),
                    frame.exception.escape_ascii(),
                    frame.payload.escape_ascii()
                )
            }));
        });
    }
    seen
}

#[test]
fn the_checksum_is_that_of_gzip() {
    assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    assert_eq!(checksum(b""), 0);
}

#[test]
fn frames_are_found_wherever_the_stream_is_cut() {
    let mut stream = frame(
        &[(":message-type", "event"), (":event-type", "messageStart")],
        br#"{"role":"assistant"}"#,
    );
    stream.extend(frame(&[], b""));
    stream.extend(frame(&[(":event-type", "big")], &vec![b'x'; 1 << 20]));
    stream.extend(frame(
        &[
            (":message-type", "exception"),
            (":exception-type", "throttlingException"),
        ],
        br#"{"message":"no"}"#,
    ));
    let expected = [
        r#"messageStart||{\"role\":\"assistant\"}"#,
        "||",
        "-",
        r#"|throttlingException|{\"message\":\"no\"}"#,
    ];
    for step in [1, 2, 3, 11, 12, 13, 64, 4_096, stream.len()] {
        assert_eq!(read(&stream, step), expected, "{step}");
    }
}

#[test]
fn headers_of_every_type_are_stepped_over() {
    let mut block = Vec::new();
    for (kind, length) in [
        (0_u8, 0),
        (1, 0),
        (2, 1),
        (3, 2),
        (4, 4),
        (5, 8),
        (8, 8),
        (9, 16),
    ] {
        block.extend_from_slice(&[1, b'a', kind]);
        block.extend(std::iter::repeat_n(7, length));
    }
    block.extend_from_slice(&[1, b'b', 6, 0, 2, 9, 9]);
    block.extend_from_slice(b"\x0b:event-type\x07\x00\x04last");
    let mut bytes = u32::try_from(16 + block.len())
        .unwrap()
        .to_be_bytes()
        .to_vec();
    bytes.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&checksum(&bytes).to_be_bytes());
    bytes.extend_from_slice(&block);
    bytes.extend_from_slice(&[0; 4]);
    assert_eq!(read(&bytes, bytes.len()), ["last||"]);
}

#[test]
fn nothing_is_read_after_a_broken_frame() {
    let good = frame(&[(":event-type", "a")], b"{}");
    let mut stream = good.clone();
    let mut broken = good.clone();
    broken[0] ^= 1;
    stream.extend(broken);
    stream.extend(good);
    assert_eq!(read(&stream, 7), ["a||{}"]);
}

fn objects(stream: &[u8], step: usize) -> Vec<String> {
    let mut frames = ArrayFrames::default();
    let mut seen = Vec::new();
    for piece in stream.chunks(step.max(1)) {
        frames.push(piece, |object| {
            seen.push(object.map_or("-".to_owned(), |object| {
                String::from_utf8_lossy(object).into_owned()
            }));
        });
    }
    seen
}

#[test]
fn objects_of_a_list_are_found_wherever_it_is_cut() {
    let large = format!(r#"{{"c":"{}"}}"#, "x".repeat(1 << 20));
    let stream = format!("[{{\"a\":[1,{{}}]}}\n,\r\n{{\"b\":\"}}]\\\"{{\"}} , {large},{{}}]\n");
    let expected = [r#"{"a":[1,{}]}"#, r#"{"b":"}]\"{"}"#, "-", "{}"];
    for step in [1, 2, 3, 5, 1_000, stream.len()] {
        assert_eq!(objects(stream.as_bytes(), step), expected);
    }
    assert_eq!(
        objects(br#" {"error":{"code":429}} "#, 4),
        [r#"{"error":{"code":429}}"#]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_the_same_however_they_are_cut(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        step in 1_usize..40,
    ) {
        let whole = bytes.len().max(1);
        prop_assert_eq!(read(&bytes, step), read(&bytes, whole));
        prop_assert_eq!(objects(&bytes, step), objects(&bytes, whole));
    }
}
