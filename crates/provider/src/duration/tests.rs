//! Golden tables for durations, and their round trip.

use super::{duration_at_start, go_duration, parse_decimal, parse_duration};
use proptest::prelude::*;
use std::time::Duration;

/// Every form seen in headers and messages.
const SEEN: &[(&str, u64)] = &[
    ("0s", 0),
    ("6ms", 6_000_000),
    ("120ms", 120_000_000),
    ("132ms", 132_000_000),
    ("983ms", 983_000_000),
    ("1s", 1_000_000_000),
    ("8.64s", 8_640_000_000),
    ("59.70", 59_700_000_000),
    ("125.82", 125_820_000_000),
    ("60", 60_000_000_000),
    ("1m26.4s", 86_400_000_000),
    ("2m52.8s", 172_800_000_000),
    ("3m6s", 186_000_000_000),
    ("4m12.172s", 252_172_000_000),
    ("6m0s", 360_000_000_000),
    ("1m0s", 60_000_000_000),
    ("16m33.562s", 993_562_000_000),
    ("11m0.528s", 660_528_000_000),
    ("23h18m29.144s", 83_909_144_000_000),
    ("6m 11.52s", 371_520_000_000),
    ("7 seconds", 7_000_000_000),
    ("1 minute", 60_000_000_000),
    ("1 minute 30 seconds", 90_000_000_000),
    ("250\u{b5}s", 250_000),
    ("250\u{3bc}s", 250_000),
    ("250us", 250_000),
    ("17ns", 17),
    ("1.5h", 5_400_000_000_000),
    (".5s", 500_000_000),
    ("32.594798742s", 32_594_798_742),
    ("2d", 172_800_000_000_000),
    (" 1s\t", 1_000_000_000),
];

#[test]
fn every_form_seen_on_the_wire_is_read_exactly() {
    for (text, nanos) in SEEN {
        assert_eq!(
            parse_duration(text),
            Some(Duration::from_nanos(*nanos)),
            "{text:?}"
        );
    }
}

#[test]
fn what_is_no_duration_is_refused() {
    let none = [
        "",
        " ",
        "s",
        "ms",
        "-1",
        "-1s",
        "+5",
        "1 2",
        "1s 2",
        "1x",
        "1e3",
        "0x10",
        ".",
        "1.",
        "1..2s",
        "5 tokens",
        "1,000",
        "1s,",
        "\u{b5}s",
        "99999999999999999999s",
        "18446744073709551616",
        "Infinity",
        "NaN",
        "1\u{664}s",
        "18446744073709551615h",
    ];
    for text in none {
        assert_eq!(parse_duration(text), None, "{text:?}");
    }
    assert_eq!(
        parse_duration("18446744073709551615s"),
        Some(Duration::from_secs(u64::MAX))
    );
}

#[test]
fn a_duration_ends_where_the_sentence_does() {
    for (text, millis, rest) in [
        (
            "8.64s. Visit https://example.com",
            8_640,
            ". Visit https://example.com",
        ),
        ("20s.", 20_000, "."),
        ("7m12s. You can", 432_000, ". You can"),
        ("6m 11.52s. Need", 371_520, ". Need"),
        ("7 seconds. Please", 7_000, ". Please"),
        ("60. Please go", 60_000, ". Please go"),
        ("5s 10 times", 5_000, " 10 times"),
    ] {
        let (duration, length) = duration_at_start(text).unwrap();
        assert_eq!(
            (duration, &text[length..]),
            (Duration::from_millis(millis), rest)
        );
    }
}

#[test]
fn decimals_of_a_fixed_unit_are_exact() {
    assert_eq!(
        parse_decimal("570", 1_000_000),
        Some(Duration::from_millis(570))
    );
    assert_eq!(
        parse_decimal("0.5", 1_000_000),
        Some(Duration::from_micros(500))
    );
    assert_eq!(parse_decimal("570ms", 1_000_000), None);
    assert_eq!(parse_decimal("-3", 1_000_000), None);
}

#[test]
fn durations_are_written_as_go_writes_them() {
    for (nanos, text) in [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1\u{b5}s"),
        (2_200_000, "2.2ms"),
        (6_000_000, "6ms"),
        (3_300_000_000, "3.3s"),
        (8_640_000_000, "8.64s"),
        (60_000_000_000, "1m0s"),
        (86_400_000_000, "1m26.4s"),
        (245_000_000_000, "4m5s"),
        (245_001_000_000, "4m5.001s"),
        (3_600_000_000_000, "1h0m0s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (480_000_000_001, "8m0.000000001s"),
    ] {
        assert_eq!(go_duration(Duration::from_nanos(nanos)), text);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(seconds in any::<u64>(), nanos in 0_u32..1_000_000_000, shift in 0_u32..64) {
        let duration = Duration::new(seconds >> shift, nanos);
        prop_assert_eq!(parse_duration(&go_duration(duration)), Some(duration));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9hmsun\u{b5}\u{3bc}. d]{0,24}|.{0,24}") {
        if let Some((_, length)) = duration_at_start(&text) {
            prop_assert!(text.is_char_boundary(length));
        }
        let _ = parse_duration(&text);
    }
}
