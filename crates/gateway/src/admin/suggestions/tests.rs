//! Suggestions about money, on figures worked out by hand.

use super::*;

fn evidence() -> Evidence {
    Evidence {
        book: Arc::new(PriceBook::built_in()),
        provider: Arc::from("openai"),
        day: Date::new(2026, 11, 1).unwrap(),
    }
}

/// A thousand calls to gpt-4o (2.50 and 10 dollars for a million tokens).
fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
    Usage {
        calls: 1_000,
        sent: 1_000,
        input_tokens: 1_000 * input_tokens,
        output_tokens: 1_000 * output_tokens,
        cost_nanousd: 1_000 * (input_tokens * 2_500 + output_tokens * 10_000),
        max_input_tokens: input_tokens,
        ..Usage::default()
    }
}

#[test]
fn short_answers_are_worth_a_smaller_model_and_the_saving_is_told() {
    let found = models::cheaper(&evidence(), "gpt-4o", &usage(500, 50)).unwrap();
    assert!(found.text.contains("gpt-4o-mini"), "{}", found.text);
    // gpt-4o-mini has 0.15 and 0.60 dollars: 500 x 2.35 and 50 x 9.40 less, in thousands.
    assert_eq!(
        found.saving_nanousd,
        Some(1_000 * (500 * 2_350 + 50 * 9_400))
    );
    assert_eq!(found.evidence["average_output_tokens"], 50.0);
    assert_eq!(found.evidence["calls"], 1_000.0);
}

#[test]
fn where_it_would_not_do_or_not_pay_nothing_is_suggested() {
    let suggested =
        |model: &str, usage: &Usage| models::cheaper(&evidence(), model, usage).is_some();
    assert!(suggested("gpt-4o", &usage(500, 50)));
    assert!(!suggested("gpt-4o", &usage(500, 2_000)), "long answers");
    assert!(
        !suggested("gpt-4o-mini", &usage(500, 50)),
        "nothing is cheaper"
    );
    assert!(!suggested("my-own-model", &usage(500, 50)), "no price");
    let mut few = usage(500, 50);
    (few.calls, few.sent) = (5, 5);
    assert!(!suggested("gpt-4o", &few), "no evidence");
    let mut reasoning = usage(500, 50);
    reasoning.reasoning_tokens = 40_000;
    assert!(!suggested("gpt-4o", &reasoning), "it reasons");
    let mut unpriced = usage(500, 50);
    unpriced.unpriced = 1;
    assert!(!suggested("gpt-4o", &unpriced), "the cost is not known");
}

#[test]
fn large_prompts_are_worth_trimming_and_small_ones_are_not() {
    let trimmed = |usage: &Usage| prompts::trimmed(&evidence(), ("responses", "gpt-4o"), usage);
    let found = trimmed(&usage(10_000, 500)).unwrap();
    // A fifth of ten million input tokens at 2.50 dollars for a million.
    assert_eq!(found.saving_nanousd, Some(5_000_000_000));
    assert_eq!(found.subject, "responses gpt-4o");
    assert!(trimmed(&usage(200, 500)).is_none());
}
