//! Price files: what is refused and how it is said, and that nothing in them can do harm.

use paceline_tokens::prices::{FILE_BYTES_MAX, Part, PriceFile};
use proptest::prelude::*;

use super::{entry, file};

const BUILT_IN: &str = include_str!("../../../data/prices.toml");

fn problems(content: &[u8]) -> String {
    PriceFile::parse("my.toml", content)
        .unwrap_err()
        .to_string()
}

/// What is said about an entry with these lines, the first of which is line 8.
fn about(lines: &str) -> String {
    problems(format!("format = 1\n{}", entry("m", "2026-01-01", lines)).as_bytes())
}

#[test]
fn every_fault_is_told_with_its_line_its_key_and_what_helps() {
    let text = "format = 1\n\
                [[price]]\n\
                provider = \"openai\"\n\
                modles = [\"gpt-5\"]\n\
                effective_from = 2026-02-30\n\
                as_of = \"2026-02-03\"\n\
                source = \"the page\"\n\
                input = -1\n\
                cached_inptu = 0.1\n\
                output = 1e3\n\
                tiers.express = 2\n";
    assert_eq!(
        problems(text.as_bytes()),
        "my.toml:2: price[0].models: is missing; as in models = [\"gpt-5\"]\n\
         my.toml:4: price[0].modles: unknown key; did you mean \"models\"?\n\
         my.toml:5: invalid date, expected day between 01 and 28\n\
         my.toml:7: price[0].source: must be the address of a page (got \"the page\")\n\
         my.toml:8: price[0].input: must be a plain number of at most nine decimals, 0 or more \
         (got -1); as in 0.25\n\
         my.toml:9: price[0].cached_inptu: unknown key; did you mean \"cached_input\"?\n\
         my.toml:10: price[0].output: must be a plain number of at most nine decimals, 0 or more \
         (got 1e3); as in 0.25\n\
         my.toml:11: price[0].tiers.express: unknown key; the keys here are batch, flex, priority"
    );
}

#[test]
fn what_would_be_charged_wrongly_is_refused() {
    for (lines, said) in [
        (
            "",
            "my.toml:2: price[0]: has no rate; a price that is nothing is written as 0",
        ),
        (
            "input = 1000000.1",
            "my.toml:8: price[0].input: must be at most 1000000 USD",
        ),
        ("input = 0.0000000001", "at most nine decimals"),
        ("input = inf", "must be a plain number"),
        ("input = \"1\"", "must be a plain number"),
        ("input = 0x10", "must be a plain number"),
        (
            "input = 1\noutput_tokens_max = -1",
            "my.toml:9: price[0].output_tokens_max: must be a whole",
        ),
        (
            "input = 1\ncontext_tokens = 99999999999999999999",
            "must be a whole number",
        ),
        (
            "input = 0.000000001\ntiers.batch = 0.5",
            "my.toml:9: price[0].tiers.batch: gives a rate",
        ),
        (
            "input = 1000000\ntiers.batch = 18446744073",
            "gives a rate that is too large",
        ),
        ("input = 1\ntiers = 2", "price[0].tiers: must be a table"),
        (
            "input = 1\ntiers.batch = { inptu = 1 }",
            "price[0].tiers.batch.inptu: unknown key",
        ),
        (
            "per_image = 1\nimage_output = 1",
            "price[0].per_image: counts twice what image_output counts",
        ),
        (
            "input = 1\noutput = 2\nlong_context = { above_input_tokens = 5, input = 2 }",
            "price[0].long_context.output: is missing; repeat it here if it stays the same",
        ),
        (
            "input = 1\nlong_context = { input = 2 }",
            "price[0].long_context.above_input_tokens: is missing",
        ),
        (
            "input = 1\nlong_context = { above_input_tokens = 5, input = 2, per_image = 1 }",
            "unknown key",
        ),
        (
            "input = 1\nuncertain = \"a\\u001bb\"",
            "must be 1 to 500 bytes on one line",
        ),
    ] {
        let shown = about(lines);
        assert!(shown.contains(said), "{lines}\n{shown}");
        assert!(!shown.contains('\u{1b}'));
    }
}

#[test]
fn a_model_has_one_price_from_one_day_on() {
    let twice = [
        entry("m", "2026-01-01", "input = 1"),
        entry("m", "2026-01-01", "input = 2"),
    ];
    let shown = problems(format!("format = 1\n{}", twice.concat()).as_bytes());
    assert_eq!(
        shown,
        "my.toml:9: price[1].models: m of p has a price from 2026-01-01 on already, at line 2; \
         keep one of them"
    );
}

#[test]
fn what_is_no_price_file_is_said_to_be_none() {
    for (content, said) in [
        (
            &b"format = 2\n"[..],
            "my.toml:1: format: must be 1 (got 2); the file is for another",
        ),
        (b"", "my.toml: format: is missing; as in format = 1"),
        (
            b"format = 1\nprice = 3",
            "price: must be an array of tables (got 3)",
        ),
        (b"format = 1\nprice = [3]", "price[0]: must be a table"),
        (
            b"format = 1\n[price]\ninput = 1",
            "write the header in double brackets: [[price]]",
        ),
        (b"format = 1\n\xff", "my.toml:2: is not valid UTF-8"),
        (b"format = ", "my.toml:1: "),
        (b"{\"models\": 1}", "my.toml:1: "),
    ] {
        let shown = problems(content);
        assert!(shown.contains(said), "{shown}");
    }
    let huge = vec![b'#'; FILE_BYTES_MAX + 1];
    assert_eq!(
        problems(&huge),
        "my.toml: is larger than 4 MiB; is it a price file?"
    );
    let many = "[[price]]\n".repeat(1_000);
    let shown = problems(format!("format = 1\n{many}").as_bytes());
    assert!(shown.lines().count() <= 101, "{}", shown.lines().count());
    assert!(shown.ends_with(" more"), "{shown}");
}

#[test]
fn a_file_that_is_written_says_what_was_read() {
    for text in [
        BUILT_IN.to_owned(),
        "format = 1\n".to_owned(),
        format!(
            "format = 1\n{}",
            entry(
                "ft:gpt-4o*",
                "2026-01-01",
                "uncertain = 'a \"quoted\" \\ text'\ninput = 0.000000001\nper_request = 3\n\
                 long_context = { above_input_tokens = 7, input = 5 }\ntiers.batch = 3\n\
                 tiers.priority = { input = 9 }"
            )
        ),
    ] {
        let read = file(&text);
        let again = file(&read.to_toml());
        assert_eq!(read, again);
        let versions = |file: &PriceFile| {
            let each = file.prices().iter().map(|price| price.version().clone());
            each.collect::<Vec<_>>()
        };
        assert_eq!(versions(&read), versions(&again));
    }
}

/// Reads and, where that goes well, writes and reads again.
fn survive(content: &[u8]) {
    if let Ok(read) = PriceFile::parse("x", content) {
        assert_eq!(read, file(&read.to_toml()));
    }
}

/// A piece of a price file, or of what looks like one.
fn piece() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("input"),
        Just("models"),
        Just("tiers.batch"),
        Just("tiers"),
        Just("long_context"),
        Just("as_of"),
        Just("per_image"),
        Just("format"),
        Just("x"),
        Just("\"\\u0000\""),
    ];
    let value = prop_oneof![
        Just("1"),
        Just("0.5"),
        Just("-0"),
        Just("1e400"),
        Just("nan"),
        Just("[]"),
        Just("[\"*\"]"),
        Just("[[1]]"),
        Just("{ input = 2 }"),
        Just("{ above_input_tokens = 1, input = 2 }"),
        Just("2026-01-01"),
        Just("2026-01-01T00:00:00Z"),
        Just("00:00:00"),
        Just("'ä'"),
        Just("\"\"\"\n\"\"\""),
        Just("99999999999999999999999999"),
        Just("0xff"),
        Just("true"),
    ];
    prop_oneof![
        (key, value).prop_map(|(key, value)| format!("{key} = {value}\n")),
        Just(entry("m", "2026-01-01", "output = 2")),
        Just("[[price]]\n".to_owned()),
        Just("[price.tiers.flex]\n".to_owned()),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn no_bytes_can_do_harm(content in prop::collection::vec(any::<u8>(), 0..200)) {
        survive(&content);
    }

    #[test]
    fn no_pieces_of_a_price_file_can_do_harm(pieces in prop::collection::vec(piece(), 0..12)) {
        survive(format!("format = 1\n{}", pieces.concat()).as_bytes());
    }

    #[test]
    fn no_damage_to_a_price_file_can_do_harm(
        at in 0..4_000usize,
        byte in any::<u8>(),
        cut in 0..4_000usize,
    ) {
        let mut content = BUILT_IN.as_bytes()[..4_000].to_vec();
        content[at] = byte;
        survive(&content);
        content.truncate(cut);
        survive(&content);
    }
}

#[test]
fn the_example_of_the_guide_is_sound_and_the_guide_names_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/prices.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let example = guide.split_once("```toml prices\n").unwrap().1;
    let example = example.split_once("```").unwrap().0;
    assert_eq!(file(example).prices().len(), 2);
    for part in Part::ALL {
        assert!(guide.contains(&format!("`{part}`")), "{part}");
    }
}

#[test]
fn depth_and_breadth_beyond_reason_are_refused_in_time() {
    let deep = format!("format = 1\nprice = {}", "[".repeat(20_000));
    assert!(PriceFile::parse("x", deep.as_bytes()).is_err());
    let nested = format!("format = 1\nprice = [{}", "{ tiers = ".repeat(20_000));
    assert!(PriceFile::parse("x", nested.as_bytes()).is_err());
    let keys: String = (0..3_000).map(|key| format!("key_{key} = 1\n")).collect();
    let problems = PriceFile::parse("x", format!("format = 1\n{keys}").as_bytes()).unwrap_err();
    assert_eq!(problems.len(), 3_000);
}
