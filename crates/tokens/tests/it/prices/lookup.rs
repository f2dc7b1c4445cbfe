//! Which price holds, and what is unknown.

use paceline_tokens::prices::{BilledUsage, Part, PriceBook, PriceVersion, ServiceTier, Unpriced};

use super::{day, entry, file, price};

fn book(entries: &[String]) -> PriceBook {
    PriceBook::empty().overlay(file(&format!("format = 1\n{}", entries.concat())))
}

/// What a million input tokens of `model` cost on a day, in dollars.
fn dollars(book: &PriceBook, model: &str, on: &str) -> Option<u64> {
    let usage = BilledUsage {
        input_tokens: 1_000_000,
        ..BilledUsage::default()
    };
    let price = book.price_at("p", model, day(on))?;
    Some(price.cost(&usage).unwrap().nanousd / 1_000_000_000)
}

#[test]
fn the_built_in_prices_are_sound_and_all_of_them_can_be_reached() {
    let book = PriceBook::built_in();
    assert!(book.prices().count() >= 70, "{}", book.prices().count());
    for price in book.prices() {
        let model = price.models().first().unwrap();
        let found = book.price_at(price.provider(), model.as_str(), price.effective_from());
        assert_eq!(found, Some(price), "{}", price.version());
        assert_eq!(book.of_version(price.version()), Some(price));
        assert!(price.source().starts_with("https://"));
        assert!(price.as_of() <= day("2026-11-22"), "{}", price.version());
    }
}

#[test]
fn a_revision_holds_from_its_day_on() {
    let book = book(&[
        entry("m", "2026-03-01", "input = 2"),
        entry("m", "2026-01-01", "input = 1"),
        entry("m", "2026-09-01", "input = 3"),
    ]);
    for (on, expected) in [
        ("2025-12-31", None),
        ("2026-01-01", Some(1)),
        ("2026-02-28", Some(1)),
        ("2026-03-01", Some(2)),
        ("2026-08-31", Some(2)),
        ("2026-09-01", Some(3)),
        ("2030-01-01", Some(3)),
    ] {
        assert_eq!(dollars(&book, "m", on), expected, "{on}");
    }
}

#[test]
fn the_closest_pattern_holds_whatever_its_day() {
    let book = book(&[
        entry("*", "2026-01-01", "input = 1"),
        entry("m-*", "2026-02-01", "input = 2"),
        entry("m-large", "2026-01-01", "input = 3"),
        entry("m-large-2026-01-15", "2026-01-01", "input = 4"),
        entry("m-large-x*", "2026-01-01", "input = 5"),
    ]);
    let on = "2026-03-01";
    for (model, expected) in [
        ("other", 1),
        ("m-small", 2),
        ("m-large", 3),
        ("m-large-2026-01-16", 3),
        ("m-large-2026-01-15", 4),
        ("m-large-xl", 5),
    ] {
        assert_eq!(dollars(&book, model, on), Some(expected), "{model}");
    }
    assert_eq!(dollars(&book, "m-small", "2026-01-31"), Some(1));
}

#[test]
fn a_model_of_another_provider_has_no_price() {
    let book = PriceBook::built_in();
    let on = day("2026-11-01");
    assert!(book.price_at("openai", "gpt-5", on).is_some());
    for (provider, model) in [
        ("anthropic", "gpt-5"),
        ("openai", "gpt-5-unheard-of"),
        ("openai", ""),
        ("", "gpt-5"),
    ] {
        assert!(
            book.price_at(provider, model, on).is_none(),
            "{provider}/{model}"
        );
    }
}

#[test]
fn a_users_file_overrides_and_adds_and_leaves_the_rest() {
    let ours = "format = 1\n[[price]]\nprovider = \"openai\"\nmodels = [\"gpt-5*\"]\n\
                effective_from = 2026-06-01\nas_of = 2026-06-01\nsource = \"https://a.example\"\n\
                input = 1\n[[price]]\nprovider = \"own\"\nmodels = [\"llama\"]\n\
                effective_from = 2026-06-01\nas_of = 2026-06-01\nsource = \"https://a.example\"\n\
                input = 0\noutput = 0\n";
    let below = PriceBook::built_in();
    let book = below.clone().overlay(file(ours));
    let source = |provider: &str, model: &str, on: &str| {
        let price = book.price_at(provider, model, day(on));
        price.map(|price| price.source().to_owned())
    };
    let own = Some("https://a.example".to_owned());
    assert_eq!(source("openai", "gpt-5", "2026-11-01"), own);
    assert_eq!(source("openai", "gpt-5.5", "2026-11-01"), own);
    assert_eq!(source("own", "llama", "2026-11-01"), own);
    for (provider, model, on) in [
        ("openai", "gpt-4o", "2026-11-01"),
        ("openai", "gpt-5", "2026-05-31"),
        ("anthropic", "claude-haiku-4-5", "2026-11-01"),
    ] {
        let expected = below.price_at(provider, model, day(on));
        assert!(expected.is_some());
        assert_eq!(book.price_at(provider, model, day(on)), expected, "{model}");
    }
    let replaced = below
        .price_at("openai", "gpt-5", day("2026-11-01"))
        .unwrap();
    assert_eq!(book.of_version(replaced.version()), Some(replaced));
}

/// Sets a quantity that the price of the test has no rate for.
type Use = fn(&mut BilledUsage);

#[test]
fn a_part_without_a_rate_makes_the_cost_unknown_and_is_named() {
    let price = price("input = 1\noutput = 2\nper_request = 0.001\ntiers.batch = 0.5");
    let cases: [(Use, Part); 10] = [
        (|it| it.cached_tokens = 1, Part::CachedInput),
        (|it| it.cache_write_tokens = 1, Part::CacheWrite),
        (|it| it.cache_write_1h_tokens = 1, Part::CacheWrite1h),
        (|it| it.audio_input_tokens = 1, Part::AudioInput),
        (|it| it.cached_audio_tokens = 1, Part::CachedAudioInput),
        (|it| it.audio_output_tokens = 1, Part::AudioOutput),
        (|it| it.image_input_tokens = 1, Part::ImageInput),
        (|it| it.image_output_tokens = 1, Part::ImageOutput),
        (|it| it.images = 1, Part::PerImage),
        (|it| it.audio_ms = 1, Part::PerAudioMinute),
    ];
    for (set, part) in cases {
        let mut usage = BilledUsage {
            input_tokens: 10,
            output_tokens: 10,
            ..BilledUsage::default()
        };
        assert!(price.cost(&usage).is_ok());
        set(&mut usage);
        let unpriced = Unpriced::Part {
            name: "p/m".to_owned(),
            tier: ServiceTier::Standard,
            part,
        };
        assert_eq!(price.cost(&usage), Err(unpriced));
    }
}

#[test]
fn what_is_unknown_is_said_with_the_remedy() {
    let price = price("input = 1\noutput = 2\nper_request = 0.001\ntiers.batch = 0.5");
    let cached = BilledUsage {
        cached_tokens: 1,
        ..BilledUsage::default()
    };
    assert_eq!(
        price.cost(&cached).unwrap_err().to_string(),
        "the price of p/m has no rate for cached_input in the standard tier; add one in a price file"
    );
    let flex = BilledUsage {
        tier: ServiceTier::Flex,
        ..BilledUsage::default()
    };
    assert_eq!(
        price.cost(&flex).unwrap_err().to_string(),
        "the price of p/m has no flex tier; add one in a price file"
    );
}

#[test]
fn a_fee_for_each_call_is_charged_where_there_is_one() {
    let usage = BilledUsage {
        requests: 3,
        ..BilledUsage::default()
    };
    let with_fee = price("input = 1\nper_request = 0.001\ntiers.batch = 0.5");
    assert_eq!(with_fee.cost(&usage).unwrap().nanousd, 3_000_000);
    let batch = BilledUsage {
        tier: ServiceTier::Batch,
        ..usage
    };
    assert_eq!(with_fee.cost(&batch).unwrap().nanousd, 1_500_000);
    assert_eq!(price("input = 1").cost(&usage).unwrap().nanousd, 0);
}

#[test]
fn a_tier_that_does_not_serve_long_contexts_has_no_price_for_them() {
    let book = PriceBook::built_in();
    let price = book
        .price_at("openai", "gpt-5.4", day("2026-11-01"))
        .unwrap();
    let usage = |input_tokens| BilledUsage {
        input_tokens,
        tier: ServiceTier::Priority,
        ..BilledUsage::default()
    };
    assert_eq!(price.cost(&usage(272_000)).unwrap().nanousd, 1_360_000_000);
    assert_eq!(
        price.cost(&usage(272_001)).unwrap_err().to_string(),
        "the price of openai/gpt-5.4 has no rates for more than 272000 input tokens in the \
         priority tier; add them in a price file"
    );
}

#[test]
fn cached_and_written_tokens_count_towards_a_long_context() {
    let price = price(
        "input = 1\ncached_input = 1\ncache_write = 1\n\
         long_context = { above_input_tokens = 100, input = 2, cached_input = 2, cache_write = 2 }",
    );
    let usage = |input_tokens| BilledUsage {
        input_tokens,
        cached_tokens: 60,
        cache_write_tokens: 40,
        ..BilledUsage::default()
    };
    assert_eq!(price.cost(&usage(100)).unwrap().nanousd, 100_000);
    assert_eq!(price.cost(&usage(101)).unwrap().nanousd, 202_000);
    // Where the total contradicts its parts, the parts count.
    assert_eq!(price.cost(&usage(0)).unwrap().nanousd, 100_000);
}

#[test]
fn a_version_tells_prices_apart_by_what_they_charge() {
    let version = |lines: &str| price(lines).version().to_string();
    let plain = version("input = 1\noutput = 2");
    assert_eq!(
        plain,
        version("output = 2.0\ninput = 1.00\nuncertain = \"x\"\ncontext_tokens = 5")
    );
    assert!(plain.starts_with("p/m@2026-01-01#"), "{plain}");
    for other in [
        "input = 1\noutput = 2.000000001",
        "input = 2\noutput = 1",
        "input = 1\ncached_input = 2",
        "input = 1\noutput = 2\ntiers.batch = 1",
        "input = 1\noutput = 2\ntiers.flex = 1",
        "input = 1\noutput = 2\nlong_context = { above_input_tokens = 9, input = 1, output = 2 }",
    ] {
        assert_ne!(plain, version(other), "{other}");
    }
    // Records keep versions for years: they may not change with the code.
    assert_eq!(plain, PINNED);
    let kept = PriceVersion::from(plain);
    assert!(PriceBook::built_in().of_version(&kept).is_none());
}

/// The version of 1 and 2 dollars for input and output, as records have it.
const PINNED: &str = "p/m@2026-01-01#436fabd534b7d414";

#[test]
fn the_price_in_force_is_told_from_those_that_were_and_will_be() {
    let book = PriceBook::built_in();
    let sonnet = |on: &str| {
        let each = book.in_force(day(on));
        let each = each.filter(|price| price.name() == "anthropic/claude-sonnet-5-5");
        each.map(|price| price.effective_from().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(sonnet("2026-09-27"), [""; 0]);
    assert_eq!(sonnet("2026-10-06"), ["2026-09-28"]);
    assert_eq!(sonnet("2026-10-07"), ["2026-10-07"]);
}
