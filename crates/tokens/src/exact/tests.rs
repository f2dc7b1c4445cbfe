//! Exact counts, and that hostile text cannot make them slow.

use proptest::prelude::*;

use super::counting::Tables;
use super::segments::{MAX_RUN_BYTES, segments};
use super::vocabulary::{Listing, Vocabulary};
use super::{ChatMessage, count, count_chat, count_tools};

const ALL: [Vocabulary; 6] = [
    Vocabulary::O200kBase,
    Vocabulary::O200kHarmony,
    Vocabulary::Cl100kBase,
    Vocabulary::P50kBase,
    Vocabulary::P50kEdit,
    Vocabulary::R50kBase,
];

/// The count of a text that is handed to the tokeniser whole.
fn count_whole(vocabulary: Vocabulary, text: &str) -> u64 {
    let tables = Tables::of(vocabulary);
    let encoder = tables.loaded.get_or_init(tables.load).as_ref();
    encoder
        .expect("the vocabulary is built in")
        .count_ordinary(text) as u64
}

/// The longest run of whitespace or without whitespace, which bounds the work on a piece.
fn longest_run_bytes(text: &str) -> usize {
    let mut longest = 0;
    let mut run = 0;
    let mut previous = None;
    for character in text.chars() {
        let space = character.is_whitespace();
        run = if previous == Some(space) { run } else { 0 } + character.len_utf8();
        longest = longest.max(run);
        previous = Some(space);
    }
    longest
}

/// Texts without a place to rest, each of about `bytes`.
fn hostile_texts(bytes: usize) -> Vec<String> {
    let repeat = |unit: &str| unit.repeat(bytes / unit.len());
    let mut seed = 1_u64;
    let random_letters = (0..bytes).map(|_| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (seed >> 59) as u8 % 26)
    });
    vec![
        repeat("a"),
        repeat("A"),
        repeat(" "),
        repeat("\n"),
        repeat(" \n"),
        repeat("\u{3000}"),
        repeat("-"),
        repeat("!→"),
        repeat("'s"),
        repeat("क्"),
        repeat("字"),
        repeat("😀"),
        repeat("aB"),
        format!("{}x", repeat("\t")),
        random_letters.collect(),
    ]
}

#[test]
fn counts_are_those_that_are_published() {
    let counts = |text| {
        [
            Vocabulary::R50kBase,
            Vocabulary::P50kBase,
            Vocabulary::Cl100kBase,
            Vocabulary::O200kBase,
        ]
        .map(|vocabulary| count(vocabulary, text))
    };
    assert_eq!(counts("antidisestablishmentarianism"), [5, 5, 6, 6]);
    assert_eq!(counts("2 + 2 = 4"), [5, 5, 7, 7]);
    assert_eq!(counts("お誕生日おめでとう"), [14, 14, 9, 8]);
    assert_eq!(counts(""), [0, 0, 0, 0]);
}

#[test]
fn vocabularies_that_differ_in_special_tokens_count_text_alike() {
    let text = "fn main() { println!(\"こんにちは\"); }";
    let [o200k, harmony, _, p50k, edit, _] = ALL.map(|vocabulary| count(vocabulary, text));
    assert_eq!((o200k, p50k), (harmony, edit));
}

#[test]
fn special_tokens_in_a_text_are_plain_text() {
    for vocabulary in ALL {
        assert!(
            count(vocabulary, "<|endoftext|>") > 1,
            "{}",
            vocabulary.name()
        );
    }
}

#[test]
fn no_hostile_text_reaches_the_tokeniser_in_long_runs() {
    for text in hostile_texts(1_000_000) {
        let start: String = text.chars().take(4).collect();
        let mut bytes = 0;
        for segment in segments(&text) {
            assert!(longest_run_bytes(segment) <= MAX_RUN_BYTES, "{start:?}");
            bytes += segment.len();
        }
        assert_eq!(bytes, text.len(), "{start:?}");
    }
}

#[test]
fn hostile_text_is_counted_in_every_vocabulary() {
    for text in hostile_texts(100_000) {
        for vocabulary in ALL {
            let tokens = count(vocabulary, &text);
            assert!(
                tokens > 0 && tokens <= text.len() as u64,
                "{}",
                vocabulary.name()
            );
        }
    }
}

#[test]
fn a_forced_cut_changes_the_count_by_two_at_most() {
    for vocabulary in [
        Vocabulary::O200kBase,
        Vocabulary::Cl100kBase,
        Vocabulary::R50kBase,
    ] {
        for text in hostile_texts(40_000) {
            let cuts = segments(&text).count() as u64 - 1;
            let (cut, whole) = (count(vocabulary, &text), count_whole(vocabulary, &text));
            let start: String = text.chars().take(4).collect();
            assert!(
                cut.abs_diff(whole) <= 2 * cuts,
                "{start:?} in {}: {cut} with {cuts} cuts, {whole} without",
                vocabulary.name()
            );
        }
    }
}

#[test]
fn ordinary_text_without_spaces_is_cut_where_it_does_not_matter() {
    let json = r#"{"id":48213,"name":"Marta","tags":["b2b","it's"],"price":12.50},"#.repeat(400);
    let chinese = "山脚下的小镇只有一座石桥,桥面很窄,每次只能让一辆车通过。".repeat(200);
    let japanese = "船は一度に十二人しか乗せることができず、三十分かかります。".repeat(200);
    let code = "if(a1==b2){foo.bar(x[3],y);}else{fail(e['no'],42);}".repeat(400);
    for text in [json, chinese, japanese, code] {
        assert!(segments(&text).count() > 3);
        for vocabulary in ALL {
            let (cut, whole) = (count(vocabulary, &text), count_whole(vocabulary, &text));
            assert_eq!(cut, whole, "{} in {}", &text[..30], vocabulary.name());
        }
    }
}

#[test]
fn text_with_spaces_is_not_cut() {
    let prose =
        "Nobody had explained to her that most of it would be about waiting.\n".repeat(5_000);
    assert_eq!(segments(&prose).count(), 1);
}

#[test]
fn a_model_finds_its_vocabulary() {
    for (model, vocabulary, listing) in [
        ("gpt-4o", Vocabulary::O200kBase, Listing::Listed),
        ("gpt-4o-2024-08-06", Vocabulary::O200kBase, Listing::Listed),
        ("chatgpt-4o-latest", Vocabulary::O200kBase, Listing::Listed),
        ("gpt-4.1-nano", Vocabulary::O200kBase, Listing::Listed),
        ("gpt-5.6-sol", Vocabulary::O200kBase, Listing::Listed),
        ("o1-preview", Vocabulary::O200kBase, Listing::Listed),
        ("o3", Vocabulary::O200kBase, Listing::Listed),
        ("o4-mini-2025-04-16", Vocabulary::O200kBase, Listing::Listed),
        ("gpt-6-astra", Vocabulary::O200kBase, Listing::Assumed),
        ("gpt-6.1", Vocabulary::O200kBase, Listing::Assumed),
        ("gpt-oss-20b", Vocabulary::O200kHarmony, Listing::Listed),
        ("gpt-4", Vocabulary::Cl100kBase, Listing::Listed),
        ("GPT-4-Turbo", Vocabulary::Cl100kBase, Listing::Listed),
        ("gpt-3.5-turbo-16k", Vocabulary::Cl100kBase, Listing::Listed),
        ("gpt-35-turbo", Vocabulary::Cl100kBase, Listing::Listed),
        (
            "text-embedding-3-large",
            Vocabulary::Cl100kBase,
            Listing::Listed,
        ),
        (
            "text-embedding-ada-002",
            Vocabulary::Cl100kBase,
            Listing::Listed,
        ),
        ("davinci-002", Vocabulary::Cl100kBase, Listing::Listed),
        ("davinci", Vocabulary::R50kBase, Listing::Listed),
        ("text-davinci-003", Vocabulary::P50kBase, Listing::Listed),
        (
            "text-davinci-edit-001",
            Vocabulary::P50kEdit,
            Listing::Listed,
        ),
        (
            "ft:gpt-4o-mini:acme:support:9x",
            Vocabulary::O200kBase,
            Listing::Listed,
        ),
        (
            "ft:gpt-3.5-turbo:acme::9x",
            Vocabulary::Cl100kBase,
            Listing::Listed,
        ),
        (
            "davinci:ft-acme-2023",
            Vocabulary::R50kBase,
            Listing::Listed,
        ),
        ("openai/gpt-4", Vocabulary::Cl100kBase, Listing::Listed),
        ("o10-imaginary", Vocabulary::O200kBase, Listing::Unknown),
        ("mistral-large", Vocabulary::O200kBase, Listing::Unknown),
        ("", Vocabulary::O200kBase, Listing::Unknown),
        ("ft:", Vocabulary::O200kBase, Listing::Unknown),
        ("gpt-4ö", Vocabulary::O200kBase, Listing::Unknown),
    ] {
        let resolved = Vocabulary::resolve(model);
        assert_eq!(
            (resolved.vocabulary, resolved.listing),
            (vocabulary, listing),
            "{model}"
        );
        assert_eq!(resolved.is_assumed(), listing != Listing::Listed);
    }
}

#[test]
fn a_chat_is_its_texts_and_their_framing() {
    let messages = [
        ChatMessage {
            role: "system",
            content_texts: vec!["Be brief."],
            name: None,
        },
        ChatMessage {
            role: "user",
            content_texts: vec!["Which ferry leaves first?", "The one at six?"],
            name: Some("marta"),
        },
    ];
    for model in ["gpt-4o", "gpt-4"] {
        let vocabulary = Vocabulary::for_model(model);
        let texts = [
            "system",
            "Be brief.",
            "user",
            "Which ferry leaves first?",
            "The one at six?",
        ];
        let texts: u64 = texts.iter().map(|text| count(vocabulary, text)).sum();
        let named = count(vocabulary, "marta") + 1;
        assert_eq!(
            count_chat(model, &messages, None),
            texts + named + 2 * 3 + 3
        );
    }
    assert_eq!(count_chat("gpt-4o", &[], None), 3);
}

const TOOLS: &str = r#"[{"type":"function","function":{
    "name":"find_ferry","description":"Finds the next ferry.",
    "parameters":{"type":"object","properties":{
        "harbour":{"type":"string","description":"Where it leaves."},
        "class":{"type":"string","description":"The class","enum":["first","second"]}}}}}]"#;

#[test]
fn tools_are_their_lines_and_their_framing() {
    for (vocabulary, per_tool) in [(Vocabulary::O200kBase, 7), (Vocabulary::Cl100kBase, 10)] {
        let lines = [
            "find_ferry:Finds the next ferry",
            "harbour:string:Where it leaves",
            "class:string:The class",
            "first",
            "second",
        ];
        let lines: u64 = lines.iter().map(|line| count(vocabulary, line)).sum();
        let framing = per_tool + 3 + 2 * 3 + (2 * 3 - 3) + 12;
        assert_eq!(count_tools(vocabulary, TOOLS), lines + framing);
    }
    let chat = count_chat("gpt-4o", &[], Some(TOOLS));
    assert_eq!(chat, 3 + count_tools(Vocabulary::O200kBase, TOOLS));
}

#[test]
fn both_shapes_of_a_tool_count_alike() {
    let flat = TOOLS
        .replace("\"function\":{", "")
        .replace("}}}}}]", "}}}}]");
    assert!(serde_json::from_str::<serde_json::Value>(&flat).is_ok());
    let vocabulary = Vocabulary::O200kBase;
    assert_eq!(
        count_tools(vocabulary, &flat),
        count_tools(vocabulary, TOOLS)
    );
}

#[test]
fn nested_parameters_count_too() {
    let tool = |harbour: &str| {
        format!(
            r#"[{{"name":"f","parameters":{{"properties":{{"harbour":{{"type":"array",{harbour}}}}}}}}}]"#
        )
    };
    let plain = count_tools(Vocabulary::O200kBase, &tool(r#""items":{"type":"string"}"#));
    let nested = count_tools(
        Vocabulary::O200kBase,
        &tool(r#""items":{"type":"object","properties":{"berth":{"type":"integer"}}}"#),
    );
    let line = count(Vocabulary::O200kBase, "berth:integer:");
    assert_eq!(nested, plain + 3 + 3 + line);
}

#[test]
fn tools_that_cannot_be_read_count_as_text() {
    for tools in ["{\"not\":\"a list\"}", "[{", &"[".repeat(100_000)] {
        let vocabulary = Vocabulary::Cl100kBase;
        assert_eq!(count_tools(vocabulary, tools), count(vocabulary, tools));
    }
    assert_eq!(count_tools(Vocabulary::Cl100kBase, "[]"), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_text_is_counted_and_segments_give_it_back(
        text in "(\\PC|[ \\n\\t]){0,300}",
        repeats in 1_usize..20,
    ) {
        let text = text.repeat(repeats);
        prop_assert_eq!(segments(&text).collect::<String>(), text.as_str());
        let tokens = count(Vocabulary::O200kBase, &text);
        prop_assert!(tokens <= text.len() as u64);
        prop_assert_eq!(tokens == 0, text.is_empty());
    }

    #[test]
    fn any_text_that_offers_cuts_counts_as_it_would_whole(
        words in prop::collection::vec("[a-zA-Z]{1,12}|[0-9]{1,9}|[-,:;.\"{}]{1,3}|[一-龥]{1,9}[。,]", 300..600),
    ) {
        let text = words.concat();
        for vocabulary in [Vocabulary::O200kBase, Vocabulary::Cl100kBase] {
            prop_assert_eq!(count(vocabulary, &text), count_whole(vocabulary, &text));
        }
    }
}
