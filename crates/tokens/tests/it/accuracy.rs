//! How close the calibrated estimate comes, and that its coefficients are what they claim to be.

use paceline_tokens::{
    COARSE_FEATURES, Estimator, Family, SHAPED_FEATURES, TextProfile, Vocabulary, coarse_features,
    count, shaped_features,
};

use crate::corpus::{Sample, rows, samples};
use crate::least_squares::{Row, fit};

const FAMILIES: [(Vocabulary, Family); 2] = [
    (Vocabulary::O200kBase, Family::O200k),
    (Vocabulary::Cl100kBase, Family::Cl100k),
];

/// `(estimate - actual) / actual`.
fn relative_error(estimate: f64, actual: u64) -> f64 {
    estimate / actual as f64 - 1.0
}

fn error_of(sample: &Sample, vocabulary: Vocabulary, family: Family) -> f64 {
    let tokens = family.text_tokens(&TextProfile::of(&sample.text));
    relative_error(tokens as f64, count(vocabulary, &sample.text))
}

#[test]
fn common_text_is_estimated_within_five_percent_on_average_and_all_text_within_fifteen() {
    for (vocabulary, family) in FAMILIES {
        let mut common = Vec::new();
        for sample in samples() {
            let error = error_of(&sample, vocabulary, family).abs();
            let bound = if sample.common { 0.11 } else { 0.15 };
            let name = sample.name;
            assert!(
                error <= bound,
                "{name} in {}: {error:.3}",
                vocabulary.name()
            );
            if sample.common {
                common.push(error);
            }
        }
        assert_mean_below(&common, 0.05, vocabulary);
    }
}

fn assert_mean_below(errors: &[f64], bound: f64, vocabulary: Vocabulary) {
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    assert!(mean <= bound, "{}: {mean:.3}", vocabulary.name());
}

/// Nothing is fitted to these texts.
#[test]
fn ten_languages_are_estimated_within_five_percent_on_average_before_anything_is_learned() {
    const TEXTS: [&str; 10] = [
        include_str!("../../examples/accuracy/texts/english.txt"),
        include_str!("../../examples/accuracy/texts/german.txt"),
        include_str!("../../examples/accuracy/texts/french.txt"),
        include_str!("../../examples/accuracy/texts/spanish.txt"),
        include_str!("../../examples/accuracy/texts/russian.txt"),
        include_str!("../../examples/accuracy/texts/arabic.txt"),
        include_str!("../../examples/accuracy/texts/hindi.txt"),
        include_str!("../../examples/accuracy/texts/chinese.txt"),
        include_str!("../../examples/accuracy/texts/japanese.txt"),
        include_str!("../../examples/accuracy/texts/korean.txt"),
    ];
    for (vocabulary, family) in FAMILIES {
        let errors = TEXTS.map(|text| {
            let tokens = family.text_tokens(&TextProfile::of(text));
            relative_error(tokens as f64, count(vocabulary, text)).abs()
        });
        assert_mean_below(&errors, 0.05, vocabulary);
        let worst = errors.iter().copied().fold(0.0, f64::max);
        assert!(worst <= 0.12, "{}: {worst:.3}", vocabulary.name());
    }
}

#[test]
fn it_beats_four_characters_a_token_at_least_fourfold() {
    for (vocabulary, family) in FAMILIES {
        let (mut calibrated, mut by_characters) = (0.0, 0.0);
        for sample in samples() {
            let characters = sample.text.chars().count() as f64;
            let actual = count(vocabulary, &sample.text);
            calibrated += error_of(&sample, vocabulary, family).abs();
            by_characters += relative_error(characters / 4.0, actual).abs();
        }
        assert!(
            calibrated * 4.0 < by_characters,
            "{calibrated} against {by_characters}"
        );
    }
}

/// Fits to every other piece of each text and judges by the rest.
#[test]
fn text_that_was_not_fitted_to_is_estimated_well_too() {
    for (vocabulary, _) in FAMILIES {
        let coefficients = fit(&rows(vocabulary, shaped_features, |number| number % 2 == 0));
        let judged = rows(vocabulary, shaped_features, |number| number % 2 == 1);
        let errors: Vec<f64> = judged
            .iter()
            .map(|row| relative_error(predict(row, &coefficients), row.tokens).abs())
            .collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let beyond = errors.iter().filter(|error| **error > 0.15).count();
        assert!(mean < 0.06, "{}: mean {mean:.3}", vocabulary.name());
        assert!(
            beyond * 10 <= errors.len(),
            "{beyond} of {} beyond 15 %",
            errors.len()
        );
    }
}

fn predict<const N: usize>(row: &Row<N>, microtokens: &[u32; N]) -> f64 {
    let products = row.features.iter().zip(microtokens);
    products
        .map(|(&feature, &weight)| feature as f64 * f64::from(weight) / 1e6)
        .sum()
}

#[test]
fn the_built_in_coefficients_are_those_of_the_fit() {
    for (vocabulary, family) in FAMILIES {
        let shaped: [u32; SHAPED_FEATURES.len()] =
            fit(&rows(vocabulary, shaped_features, |_| true));
        let coarse: [u32; COARSE_FEATURES.len()] =
            fit(&rows(vocabulary, coarse_features, |_| true));
        for sample in samples() {
            let profile = TextProfile::of(&sample.text);
            let without_shape = TextProfile {
                shape: Default::default(),
                ..profile
            };
            let row = |features| Row {
                features,
                tokens: 1,
                weight: 1.0,
            };
            let refitted = predict(&row(shaped_features(&profile)), &shaped);
            assert_close(family.text_tokens(&profile), refitted, sample.name);
            let coarse_row = Row {
                features: coarse_features(&profile),
                tokens: 1,
                weight: 1.0,
            };
            let refitted = predict(&coarse_row, &coarse);
            assert_close(family.text_tokens(&without_shape), refitted, sample.name);
        }
    }
}

fn assert_close(built_in: u64, refitted: f64, name: &str) {
    let error = relative_error(refitted, built_in);
    assert!(
        error.abs() < 0.005,
        "{name}: built in {built_in}, refitted {refitted}"
    );
}

#[test]
fn generous_estimates_of_common_text_are_never_low() {
    for sample in samples().iter().filter(|sample| sample.common) {
        let input = paceline_tokens::EstimateInput {
            profile: TextProfile::of(&sample.text),
            ..Default::default()
        };
        let actual = count(Vocabulary::O200kBase, &sample.text);
        let estimate = Estimator::Generous.estimate(&input).input_tokens;
        assert!(
            estimate >= actual,
            "{}: {estimate} for {actual}",
            sample.name
        );
    }
}
