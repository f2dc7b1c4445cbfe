//! What the three estimators promise.

use proptest::prelude::*;

use super::{Estimate, EstimateInput, Estimator, Family, NOTHING_KNOWN_INPUT_TOKENS};
use crate::{TextProfile, TextShape};

fn text_input(text: &str) -> EstimateInput {
    EstimateInput {
        profile: TextProfile::of(text),
        ..EstimateInput::default()
    }
}

#[test]
fn simple_is_four_characters_a_token_and_a_fifth_on_top() {
    let estimate = |characters| Estimator::Simple.estimate(&text_input(&"x".repeat(characters)));
    assert_eq!(estimate(400).input_tokens, 120);
    assert_eq!(estimate(1).input_tokens, 1);
    assert_eq!(estimate(401).input_tokens, 121);
}

#[test]
fn simple_counts_characters_and_not_bytes() {
    let estimate = Estimator::Simple.estimate(&text_input(&"日".repeat(400)));
    assert_eq!(estimate.input_tokens, 120);
}

#[test]
fn generous_adds_framing_and_margins() {
    let mut input = text_input(&"x".repeat(400));
    input.max_output_tokens = Some(1_000);
    let plain = Estimator::Generous.estimate(&input);
    assert_eq!(
        plain,
        Estimate {
            input_tokens: 240,
            output_tokens: 1_200
        }
    );
    input.grounded_percent = 15;
    let grounded = Estimator::Generous.estimate(&input);
    assert_eq!(
        grounded,
        Estimate {
            input_tokens: 276,
            output_tokens: 1_380
        }
    );
    assert_eq!(grounded.total(), 1_656);
}

#[test]
fn the_callers_bound_goes_before_the_default_output() {
    let mut input = text_input("some text");
    input.default_output_tokens = 700;
    for estimator in [Estimator::Simple, Estimator::Calibrated] {
        assert_eq!(estimator.estimate(&input).output_tokens, 700);
        let bounded = EstimateInput {
            max_output_tokens: Some(5),
            ..input
        };
        assert_eq!(estimator.estimate(&bounded).output_tokens, 5);
    }
}

#[test]
fn token_ids_and_images_count_as_they_are() {
    let input = EstimateInput {
        token_ids: 12,
        image_tokens: 765,
        ..EstimateInput::default()
    };
    for estimator in [Estimator::Simple, Estimator::Calibrated] {
        assert_eq!(estimator.estimate(&input).input_tokens, 777);
    }
}

#[test]
fn calibrated_adds_the_framing_of_messages_and_tools() {
    let text = text_input("What is the weather like in Lisbon today?");
    let base = Estimator::Calibrated.estimate(&text).input_tokens;
    let chat = EstimateInput {
        message_count: 2,
        ..text
    };
    assert_eq!(
        Estimator::Calibrated.estimate(&chat).input_tokens,
        base + 2 * 4 + 3
    );
    let tools = EstimateInput {
        tool_count: 3,
        ..chat
    };
    assert_eq!(
        Estimator::Calibrated.estimate(&tools).input_tokens,
        base + 11 + 3 * 7 + 12
    );
}

#[test]
fn where_nothing_is_known_the_estimate_is_high() {
    for estimator in Estimator::ALL {
        let nothing = estimator.estimate(&EstimateInput::default());
        assert_eq!(
            nothing.input_tokens,
            NOTHING_KNOWN_INPUT_TOKENS,
            "{}",
            estimator.name()
        );
        let empty_chat = EstimateInput {
            message_count: 1_000,
            ..EstimateInput::default()
        };
        assert!(estimator.estimate(&empty_chat).input_tokens >= NOTHING_KNOWN_INPUT_TOKENS);
    }
}

#[test]
fn bytes_that_are_no_characters_still_cost_something() {
    let input = EstimateInput {
        profile: TextProfile::of_bytes(&[0x80; 4_000]),
        ..EstimateInput::default()
    };
    assert_eq!(Estimator::Simple.estimate(&input).input_tokens, 300);
    assert!(Estimator::Calibrated.estimate(&input).input_tokens >= 1);
}

#[test]
fn numbers_that_do_not_fit_stay_at_the_highest_value() {
    let profile = TextProfile {
        characters: u64::MAX,
        bytes: u64::MAX,
        four_byte: u64::MAX,
        ..TextProfile::default()
    };
    let input = EstimateInput {
        profile,
        message_count: u64::MAX,
        tool_count: u64::MAX,
        token_ids: u64::MAX,
        image_tokens: u64::MAX,
        max_output_tokens: Some(u64::MAX),
        grounded_percent: u32::MAX,
        ..EstimateInput::default()
    };
    for estimator in Estimator::ALL {
        assert_eq!(
            estimator.estimate(&input).total(),
            u64::MAX,
            "{}",
            estimator.name()
        );
    }
}

#[test]
fn an_unknown_family_takes_the_higher_estimate() {
    for text in ["plain English words", "这是一个测试", "नमस्ते दुनिया"]
    {
        let profile = TextProfile::of(text);
        let known = [Family::O200k, Family::Cl100k].map(|family| family.text_tokens(&profile));
        assert_eq!(
            Family::Unknown.text_tokens(&profile),
            known[0].max(known[1]),
            "{text}"
        );
    }
}

#[test]
fn a_model_finds_its_family() {
    for (model, family) in [
        ("gpt-4o-mini", Family::O200k),
        ("gpt-5.4", Family::O200k),
        ("gpt-6-astra", Family::O200k),
        ("gpt-oss-120b", Family::O200k),
        ("ft:gpt-4o:acme::id", Family::O200k),
        ("gpt-4-turbo", Family::Cl100k),
        ("text-embedding-3-small", Family::Cl100k),
        ("text-davinci-003", Family::Unknown),
        ("claude-opus-5", Family::Unknown),
        ("", Family::Unknown),
    ] {
        assert_eq!(Family::for_model(model), family, "{model}");
    }
}

#[test]
fn without_a_shape_the_coarse_model_answers() {
    let profile = TextProfile::of("Thirty-seven wagons, most of them refrigerated containers.");
    let coarse = TextProfile {
        shape: TextShape::default(),
        ..profile
    };
    let (shaped, coarse) = (
        Family::O200k.text_tokens(&profile),
        Family::O200k.text_tokens(&coarse),
    );
    assert_ne!(shaped, coarse);
    assert!((8..=20).contains(&coarse), "{coarse}");
}

proptest! {
    #[test]
    fn no_estimate_of_a_text_is_zero_and_none_falls_as_texts_are_added(
        first in "\\PC{1,200}",
        second in "\\PC{0,200}",
    ) {
        for family in [Family::O200k, Family::Cl100k, Family::Unknown] {
            let one = TextProfile::of(&first);
            let both = one + TextProfile::of(&second);
            prop_assert!(family.text_tokens(&one) >= 1);
            prop_assert!(family.text_tokens(&both) >= family.text_tokens(&one));
        }
    }
}
