//! The most that a call can cost, the dearest price, and numbers beyond all reason.

use paceline_tokens::prices::{BilledUsage, CostBound, PriceBook, ServiceTier, Unpriced};
use proptest::prelude::*;

use super::{day, price};

#[test]
fn the_most_takes_the_dearest_kind_of_input() {
    let book = PriceBook::built_in();
    let on = day("2026-11-01");
    let most = |provider: &str, model: &str, input, output| {
        let price = book.price_at(provider, model, on).unwrap();
        price.most(input, output).unwrap()
    };
    // Written for an hour: 1,000 x 8 + 100 x 20.
    assert_eq!(most("anthropic", "claude-opus-5-5", 1_000, 100), 10_000_000);
    // 1,000 x 12.5 + 100 x 50.
    assert_eq!(most("openai", "gpt-6-astra", 1_000, 100), 17_500_000);
    // The whole call in the long context: 272,001 x 25 + 100 x 75.
    assert_eq!(most("openai", "gpt-6-astra", 272_001, 100), 6_807_525_000);
    // 1,000 x 0.13.
    assert_eq!(most("openai", "text-embedding-3-large", 1_000, 0), 130_000);
}

#[test]
fn an_answer_without_a_maximum_is_bounded_by_its_model() {
    let book = PriceBook::built_in();
    let price = book
        .price_at("openai", "gpt-4o", day("2026-11-01"))
        .unwrap();
    // 100 x 2.5 + 16,384 x 10.
    assert_eq!(
        price.most_of(&CostBound::text(100, None)).unwrap(),
        164_090_000
    );
    let unbounded = super::price("input = 1\noutput = 2");
    let error = unbounded.most_of(&CostBound::text(100, None)).unwrap_err();
    assert_eq!(
        error,
        Unpriced::Unbounded {
            name: "p/m".to_owned()
        }
    );
    let by_context = super::price("input = 1\noutput = 2\ncontext_tokens = 1000");
    assert_eq!(
        by_context.most_of(&CostBound::text(0, None)).unwrap(),
        2_000_000
    );
}

#[test]
fn a_bound_on_what_has_no_rate_is_unknown() {
    let price = price("input = 1\noutput = 2");
    let text = CostBound::text(10, Some(10));
    assert!(price.most_of(&text).is_ok());
    for bound in [
        CostBound {
            audio: true,
            ..text
        },
        CostBound {
            image_tokens: true,
            ..text
        },
        CostBound { images: 1, ..text },
        CostBound {
            audio_ms: 1,
            ..text
        },
        CostBound {
            tier: ServiceTier::Batch,
            ..text
        },
    ] {
        assert!(price.most_of(&bound).is_err(), "{bound:?}");
    }
    let book = PriceBook::built_in();
    let speech = book
        .price_at("openai", "gpt-4o-mini-tts", day("2026-11-01"))
        .unwrap();
    // 10 x 0.60 + 10 x 12, though it has no rate for text that it gives.
    let audio = CostBound {
        audio: true,
        ..text
    };
    assert_eq!(speech.most_of(&audio).unwrap(), 126_000);
    assert!(speech.most_of(&text).is_err());
}

#[test]
fn the_dearest_price_is_no_cheaper_than_any_other() {
    let book = PriceBook::built_in();
    let on = day("2026-11-01");
    let dearest = book.dearest(on).unwrap();
    assert!(dearest.uncertain().is_some());
    for price in book.in_force(on) {
        for tier in ServiceTier::ALL {
            let Some(sheet) = price.sheet(tier) else {
                continue;
            };
            let above = dearest.sheet(tier).unwrap();
            let long = sheet.long.and_then(|long| long.rates).unwrap_or_default();
            for (part, rate) in sheet.base.iter().chain(long.iter()) {
                assert!(
                    above.base.get(part).unwrap() >= rate,
                    "{} {part}",
                    price.name()
                );
            }
        }
    }
    // 1,000 x 25 + 100 x 75, both of gpt-6-astra's long contexts.
    assert_eq!(dearest.most(1_000, 100).unwrap(), 32_500_000);
    assert!(PriceBook::empty().dearest(on).is_none());
    assert!(book.dearest(day("1970-01-01")).is_none());
}

#[test]
fn numbers_beyond_all_reason_stay_at_the_end_of_the_scale() {
    let everything = price(
        "input = 1000000\ncached_input = 1000000\ncache_write = 1000000\noutput = 1000000\n\
         audio_output = 1000000\nper_image = 1000000\nper_audio_minute = 1000000\n\
         per_request = 1000000\n\
         long_context = { above_input_tokens = 0, input = 1000000, cached_input = 1000000, \
         cache_write = 1000000, output = 1000000, audio_output = 1000000 }",
    );
    let usage = BilledUsage {
        input_tokens: u64::MAX,
        cached_tokens: u64::MAX,
        cache_write_tokens: u64::MAX,
        output_tokens: u64::MAX,
        audio_output_tokens: u64::MAX,
        images: u64::MAX,
        audio_ms: u64::MAX,
        requests: u64::MAX,
        ..BilledUsage::default()
    };
    let cost = everything.cost(&usage).unwrap();
    assert_eq!(cost.nanousd, u64::MAX);
    let parts = cost.parts.iter().map(|part| u128::from(part.nanousd));
    assert_eq!(parts.sum::<u128>(), u128::from(u64::MAX));
    assert_eq!(everything.most(u64::MAX, u64::MAX).unwrap(), u64::MAX);
}

proptest! {
    #[test]
    fn no_call_of_text_costs_more_than_the_most(
        index in 0usize..200,
        input in 0u64..600_000,
        shares in (0u64..=100, 0u64..=100, 0u64..=100),
        output in 0u64..200_000,
        room in (0u64..300_000, 0u64..1_000),
        tier in 0usize..4,
    ) {
        let book = PriceBook::built_in();
        let prices: Vec<_> = book.prices().collect();
        let price = prices[index % prices.len()];
        let cached = input * shares.0 / 100;
        let written = (input - cached) * shares.1 / 100;
        let hour = (input - cached - written) * shares.2 / 100;
        let usage = BilledUsage {
            input_tokens: input,
            cached_tokens: cached,
            cache_write_tokens: written,
            cache_write_1h_tokens: hour,
            output_tokens: output,
            requests: 1,
            tier: ServiceTier::ALL[tier],
            ..BilledUsage::default()
        };
        let bound = CostBound {
            tier: ServiceTier::ALL[tier],
            ..CostBound::text(input + room.0, Some(output + room.1))
        };
        if let (Ok(cost), Ok(most)) = (price.cost(&usage), price.most_of(&bound)) {
            prop_assert!(cost.nanousd <= most, "{}: {} > {most}", price.name(), cost.nanousd);
        }
    }
}
