//! Predicting the length of answers.

use super::{OutputKey, OutputLengths, PredictionSource};

fn key<'a>(model: &'a str, route: &'a str, max_output_tokens: Option<u64>) -> OutputKey<'a> {
    OutputKey {
        model,
        route,
        max_output_tokens,
    }
}

/// Answers of 1 to 1,000 tokens, each length once in a shuffled order.
fn observe_even_spread(lengths: &mut OutputLengths, key: OutputKey<'_>) {
    (0..1_000_u64).for_each(|index| lengths.observe(key, index * 387 % 1_000 + 1));
}

#[test]
fn until_enough_was_seen_the_default_is_taken() {
    let mut lengths = OutputLengths::default();
    let key = key("m", "", None);
    (0..19).for_each(|_| lengths.observe(key, 50));
    let before = lengths.predict(key, 800);
    assert_eq!(
        (before.high_tokens, before.source),
        (800, PredictionSource::Default)
    );
    lengths.observe(key, 50);
    let after = lengths.predict(key, 800);
    assert_eq!(
        (after.typical_tokens, after.source),
        (51, PredictionSource::Route)
    );
}

#[test]
fn quantiles_are_at_most_an_eighth_above_the_truth() {
    let mut lengths = OutputLengths::default();
    let key = key("m", "chat", None);
    observe_even_spread(&mut lengths, key);
    let prediction = lengths.predict(key, 0);
    assert!(
        (500..=563).contains(&prediction.typical_tokens),
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
    (0..100).for_each(|_| lengths.observe(bounded, 1_000));
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
    assert!(lengths.predict(long, 0).typical_tokens >= 3_000);
}

#[test]
fn a_new_route_is_predicted_from_its_model_and_a_new_model_from_all() {
    let mut lengths = OutputLengths::default();
    (0..50).for_each(|_| lengths.observe(key("m", "known", None), 200));
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
    (0..20_000).for_each(|_| lengths.observe(key, 100));
    (0..2_000).for_each(|_| lengths.observe(key, 2_000));
    assert!(lengths.predict(key, 0).typical_tokens >= 2_000);
}

#[test]
fn the_error_is_measured_on_predictions_alone() {
    let mut lengths = OutputLengths::default();
    let key = key("m", "chat", None);
    (0..3).for_each(|_| observe_even_spread(&mut lengths, key));
    let accuracy = lengths
        .route_accuracy("m", "chat")
        .expect("the route was observed");
    assert_eq!(accuracy.predicted, 3_000 - 20);
    let covered = accuracy.covered as f64 / accuracy.predicted as f64;
    assert!((0.94..=1.0).contains(&covered), "{covered}");
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
