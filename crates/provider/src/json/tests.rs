//! The skimmer against serde_json, which is the definition of what JSON is.

use super::string::plain_length;
use super::{DEPTH_MAX, JsonError, Kind, Skimmer};
use crate::text::TextProfile;
use proptest::prelude::*;
use serde::de::IgnoredAny;

fn is_json(bytes: &[u8]) -> Result<(), JsonError> {
    let mut skimmer = Skimmer::new(bytes);
    skimmer.skip()?;
    skimmer.end()
}

/// Texts around every rule of the grammar.
const EDGES: &[&str] = &[
    "",
    " ",
    "{}",
    "[]",
    "[ ]",
    "{ }",
    "[1,]",
    "[,1]",
    "{\"a\":}",
    "{\"a\"}",
    "{a:1}",
    "{\"a\":1,}",
    "{\"a\":1 \"b\":2}",
    "[1 2]",
    "[1]]",
    "01",
    "-",
    "-0",
    "-01",
    "1.",
    ".5",
    "1.5",
    "1e",
    "1e+",
    "1e+5",
    "1E-5",
    "1.e5",
    "0x1",
    "+1",
    "NaN",
    "true",
    "tru",
    "truex",
    "nul",
    "null ",
    "\"",
    "\"a",
    "\"a\"",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\u0041\"",
    "\"\\ud83d\"",
    "\"\\ud83d\\ude00\"",
    "\"tab\there\"",
    "\"\u{7f}\"",
    "\"\u{1f}\"",
    "[\"a\",{\"b\":[null]}]",
    "\u{feff}{}",
    "{\"a\":1}x",
    "'a'",
    "/* */1",
    "[1]//",
    "\t\r\n 1 \n",
    "\u{a0}1",
    "{\"\":0}",
    "{\"a\":1,\"a\":2}",
    "[[],[],{}]",
];

#[test]
fn the_grammar_is_that_of_serde_json() {
    for text in EDGES {
        let expected = serde_json::from_str::<IgnoredAny>(text).is_ok();
        assert_eq!(is_json(text.as_bytes()).is_ok(), expected, "{text:?}");
    }
}

#[test]
fn nesting_is_bounded_and_cannot_exhaust_the_stack() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(is_json(nested(DEPTH_MAX).as_bytes()), Ok(()));
    let error = is_json(nested(DEPTH_MAX + 1).as_bytes()).unwrap_err();
    assert_eq!(
        (error.offset, error.reason),
        (DEPTH_MAX + 1, JsonError::TOO_DEEP)
    );
    assert!(is_json("[".repeat(10_000_000).as_bytes()).is_err());
    assert!(is_json("{\"a\":".repeat(2_000_000).as_bytes()).is_err());
    assert!(
        Skimmer::new("[".repeat(10_000_000).as_bytes())
            .skip_unchecked()
            .is_err()
    );
}

#[test]
fn an_error_tells_where() {
    for (text, offset) in [
        ("{\"a\":1,}", 7),
        ("[1 2]", 3),
        ("\"a\nb\"", 2),
        ("{\"a\" 1}", 5),
        ("[", 1),
        ("\"\\q\"", 1),
    ] {
        assert_eq!(
            is_json(text.as_bytes()).unwrap_err().offset,
            offset,
            "{text:?}"
        );
    }
}

#[test]
fn keys_and_values_come_in_order() {
    let mut seen = Vec::new();
    let text = br#" { "a" : [1, {"x": "]"}] , "\u0062" : "two\n" , "c":null}"#;
    let mut skimmer = Skimmer::new(text);
    assert_eq!(skimmer.peek(), Ok(Kind::Object));
    skimmer
        .object(|inner, key| {
            let kind = inner.peek()?;
            let raw = String::from_utf8_lossy(inner.skip_unchecked()?).into_owned();
            seen.push((key.text().into_owned(), kind, raw));
            Ok(())
        })
        .unwrap();
    assert_eq!(skimmer.end(), Ok(()));
    let seen: Vec<_> = seen
        .iter()
        .map(|(key, kind, raw)| (key.as_str(), *kind, raw.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", Kind::Array, r#"[1, {"x": "]"}]"#),
            ("b", Kind::String, r#""two\n""#),
            ("c", Kind::Null, "null"),
        ]
    );
}

#[test]
fn half_a_surrogate_pair_is_one_replacement_character() {
    for (text, meaning) in [
        (r#""\ud83d\ude00""#, "\u{1f600}"),
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ude00x""#, "\u{fffd}x"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
        (r#""\ud83d\n""#, "\u{fffd}\n"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
    ] {
        let string = Skimmer::new(text.as_bytes()).string().unwrap();
        assert_eq!(string.text(), meaning);
        assert_eq!(string.characters(), meaning.chars().count() as u64);
    }
}

#[test]
fn the_end_of_the_plain_part_is_found_at_every_place() {
    for special in 0..=255_u8 {
        for place in 0..20 {
            // The bytes around it would mislead a borrow between bytes.
            for filler in [b'!', b'#', b'[', b']', 0x20, 0x7f, 0x80, 0xff] {
                let mut bytes = [filler; 21];
                bytes[place] = special;
                let is_special = special < 0x20 || matches!(special, b'"' | b'\\');
                let expected = if is_special { place } else { bytes.len() };
                assert_eq!(plain_length(&bytes), expected, "{special} {place} {filler}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn near_json_is_judged_as_serde_json_does(text in r#"[\[\]{}:,"\\u0-9aeEnltrufs. +\-]{0,24}"#) {
        let expected = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(is_json(text.as_bytes()).is_ok(), expected);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = is_json(&bytes);
        let _ = Skimmer::new(&bytes).skip_unchecked();
    }

    #[test]
    fn strings_mean_what_serde_json_says(text in "(\\PC|[\"\\\\\n\u{0}-\u{1f}a]|\u{1f600}){0,40}", ascii in any::<bool>()) {
        let mut encoded = serde_json::to_string(&text).unwrap();
        if ascii {
            encoded = escape_non_ascii(&encoded);
        }
        let string = Skimmer::new(encoded.as_bytes()).string().unwrap();
        prop_assert_eq!(&*string.text(), text.as_str());
        prop_assert_eq!(string.profile(), TextProfile::of(&text));
        prop_assert_eq!(string.characters(), text.chars().count() as u64);
    }
}

fn escape_non_ascii(text: &str) -> String {
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("\\u{unit:04x}")),
        }
    }
    escaped
}
