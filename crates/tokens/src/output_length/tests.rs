//! Predicting the length of answers.

mod coverage;
mod state;

use super::{BoundClass, OutputKey, OutputLengths, PredictionSource};

fn key<'a>(model: &'a str, route: &'a str, max_output_tokens: Option<u64>) -> OutputKey<'a> {
    OutputKey {
        model,
        route,
        max_output_tokens,
    }
}

/// Answers of one length.
fn observe_all(lengths: &mut OutputLengths, key: OutputKey<'_>, tokens: u64, times: u64) {
    for _ in 0..times {
        lengths.observe(key, tokens);
    }
}

/// Answers of 1 to 1,000 tokens, each length once in a shuffled order.
fn observe_even_spread(lengths: &mut OutputLengths, key: OutputKey<'_>) {
    for index in 0..1_000 {
        lengths.observe(key, index * 387 % 1_000 + 1);
    }
}

#[test]
fn until_enough_was_seen_the_default_is_taken() {
    let mut lengths = OutputLengths::default();
    let key = key("m", "", None);
    observe_all(&mut lengths, key, 50, 19);
    let before = lengths.predict(key, 800);
    assert_eq!(
        (before.high_tokens, before.source),
        (800, PredictionSource::Default)
    );
    lengths.observe(key, 50);
    let after = lengths.predict(key, 800);
    assert_eq!(
        (after.typical_tokens, after.high_tokens, after.source),
        (49, 51, PredictionSource::Route)
    );
}

#[test]
fn quantiles_are_within_an_eighth_of_the_truth() {
    let mut lengths = OutputLengths::default();
    let key = key("m", "chat", None);
    observe_even_spread(&mut lengths, key);
    let prediction = lengths.predict(key, 0);
    assert!(
        (470..=530).contains(&prediction.typical_tokens),
        "{prediction:?}"
    );
    assert!(
        (950..=1_069).contains(&prediction.high_tokens),
        "{prediction:?}"
    );
}

#[test]
fn no_prediction_is_above_the_callers_bound() {
    let mut lengths = OutputLengths::default();
    let bounded = key("m", "", Some(1_000));
    observe_all(&mut lengths, bounded, 1_000, 100);
    assert_eq!(lengths.predict(bounded, 0).high_tokens, 1_000);
    let fresh = OutputLengths::default();
    assert_eq!(fresh.predict(bounded, 4_000).high_tokens, 1_000);
}

#[test]
fn requests_with_different_bounds_are_kept_apart() {
    let mut lengths = OutputLengths::default();
    let (short, long) = (key("m", "", Some(100)), key("m", "", Some(8_000)));
    for _ in 0..50 {
        lengths.observe(short, 80);
        lengths.observe(long, 3_000);
    }
    assert!(lengths.predict(short, 0).high_tokens < 100);
    assert!(lengths.predict(long, 0).high_tokens >= 3_000);
}

#[test]
fn a_new_route_is_predicted_from_its_model_and_a_new_model_from_all() {
    let mut lengths = OutputLengths::default();
    observe_all(&mut lengths, key("m", "known", None), 200, 50);
    let new_route = lengths.predict(key("m", "new", None), 9_999);
    assert_eq!(new_route.source, PredictionSource::Model);
    let new_model = lengths.predict(key("other", "new", None), 9_999);
    assert_eq!(new_model.source, PredictionSource::Everything);
    assert_eq!(new_route.high_tokens, new_model.high_tokens);
    let other_bound = lengths.predict(key("m", "known", Some(64)), 9_999);
    assert_eq!(
        (other_bound.high_tokens, other_bound.source),
        (64, PredictionSource::Default)
    );
}

#[test]
fn predictions_follow_answers_that_grow_longer() {
    let mut lengths = OutputLengths::default();
    let key = key("m", "", None);
    observe_all(&mut lengths, key, 100, 20_000);
    observe_all(&mut lengths, key, 2_000, 2_000);
    let typical = lengths.predict(key, 0).typical_tokens;
    assert!((1_900..=2_100).contains(&typical), "{typical}");
}

#[test]
fn the_error_is_measured_on_predictions_alone() {
    let mut lengths = OutputLengths::default();
    let key = key("m", "chat", None);
    (0..3).for_each(|_| observe_even_spread(&mut lengths, key));
    let entry = lengths
        .entries()
        .find(|entry| entry.model == Some("m") && entry.route == Some("chat"))
        .expect("the route was observed");
    assert_eq!(
        (entry.observations, entry.class),
        (3_000, BoundClass::Unbounded)
    );
    assert_eq!(entry.accuracy.predicted, 3_000 - 20);
    let covered = entry.accuracy.coverage().expect("there were predictions");
    assert!((0.94..=0.97).contains(&covered), "{covered}");
    let cost = entry.accuracy.cost_ratio().expect("there were answers");
    assert!((1.8..=2.1).contains(&cost), "950 for 500: {cost}");
    assert_eq!(
        lengths.model_accuracy("m").map(|a| a.predicted),
        Some(2_980)
    );
    assert_eq!(lengths.total().typical.count(), 2_980);
    assert!(lengths.model_accuracy("unknown").is_none());
}

#[test]
fn made_up_names_cost_bounded_memory() {
    let mut lengths = OutputLengths::new(3);
    for index in 0..200 {
        lengths.observe(
            key(&format!("model {index}"), &format!("route {index}"), None),
            70,
        );
    }
    assert_eq!(lengths.models.len(), 3);
    let routes: usize = lengths
        .models
        .values()
        .map(|model| model.routes.len())
        .sum();
    assert_eq!(routes + lengths.overflow.routes.len(), 3);
    let shared = lengths.predict(key("model 150", "", None), 0);
    assert_eq!(shared.source, PredictionSource::Model);
}

#[test]
fn names_too_long_to_be_true_are_not_kept() {
    let mut lengths = OutputLengths::default();
    let long = "x".repeat(100_000);
    for _ in 0..30 {
        lengths.observe(key(&long, &long, None), 70);
        lengths.observe(key("m", &long, None), 900);
    }
    assert_eq!(lengths.models.len(), 1);
    assert_eq!(lengths.route_count, 0);
    let shared = lengths.predict(key(&long, "", None), 0);
    assert_eq!(
        (shared.source, shared.high_tokens),
        (PredictionSource::Model, 71)
    );
}

#[test]
fn every_kind_of_answer_is_listed_once() {
    let mut lengths = OutputLengths::new(1);
    observe_all(&mut lengths, key("m", "chat", Some(100)), 50, 20);
    lengths.observe(key("m", "chat", None), 50);
    lengths.observe(key("late", "chat", None), 50);
    let mut seen: Vec<_> = lengths
        .entries()
        .map(|entry| {
            let high = entry.prediction.map(|made| made.high_tokens);
            (
                entry.model,
                entry.route,
                entry.class,
                entry.observations,
                high,
            )
        })
        .collect();
    seen.sort();
    let (short, open) = (BoundClass::UpTo256, BoundClass::Unbounded);
    assert_eq!(
        seen,
        [
            (None, None, open, 1, None),
            (Some("m"), None, short, 20, Some(51)),
            (Some("m"), None, open, 1, None),
            (Some("m"), Some("chat"), short, 20, Some(51)),
            (Some("m"), Some("chat"), open, 1, None),
        ]
    );
}
