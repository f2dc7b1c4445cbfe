//! Learning from reported usage.

use std::sync::LazyLock;

use super::{Calibrations, CorrectionPpm, ErrorStats};
use crate::{EstimateInput, Estimator, Family, StateError, TextProfile};

fn prompt(words: usize) -> EstimateInput {
    EstimateInput {
        profile: TextProfile::of(&"several ordinary words ".repeat(words)),
        family: Family::O200k,
        ..EstimateInput::default()
    }
}

fn estimated(input: &EstimateInput) -> u64 {
    Estimator::Calibrated.estimate(input).input_tokens
}

fn learn(calibrations: &mut Calibrations, model: &str, times: usize, factor: f64) {
    static PROMPTS: LazyLock<[EstimateInput; 4]> =
        LazyLock::new(|| [100, 200, 300, 400].map(prompt));
    for input in PROMPTS.iter().cycle().take(times) {
        let actual = (estimated(input) as f64 * factor).round() as u64;
        calibrations.observe(model, input, actual);
    }
}

#[test]
fn a_model_that_uses_a_third_more_is_corrected_within_thirty_requests() {
    let mut calibrations = Calibrations::default();
    learn(&mut calibrations, "m", 30, 1.33);
    let input = prompt(500);
    let corrected = calibrations
        .estimate("m", Estimator::Calibrated, &input)
        .input_tokens;
    let wanted = estimated(&input) as f64 * 1.33;
    assert!(
        (corrected as f64 / wanted - 1.0).abs() < 0.05,
        "{corrected} for {wanted}"
    );
}

#[test]
fn a_change_of_tokeniser_is_followed_after_thousands_of_requests() {
    let mut calibrations = Calibrations::default();
    learn(&mut calibrations, "m", 5_000, 1.0);
    learn(&mut calibrations, "m", 100, 1.5);
    let correction = calibrations.correction("m").get();
    assert!(
        (1_480_000..=1_500_000).contains(&correction),
        "{correction}"
    );
}

#[test]
fn corrections_stay_between_a_quarter_and_four() {
    let mut calibrations = Calibrations::default();
    learn(&mut calibrations, "high", 2_000, 1_000.0);
    learn(&mut calibrations, "low", 2_000, 0.001);
    let bounds = CorrectionPpm::MIN..=CorrectionPpm::MAX;
    let (high, low) = (
        calibrations.correction("high"),
        calibrations.correction("low"),
    );
    assert!(bounds.contains(&high) && high.get() > 3_900_000, "{high:?}");
    assert!(bounds.contains(&low) && low.get() < 260_000, "{low:?}");
}

#[test]
fn one_absurd_report_moves_an_established_correction_little() {
    let mut calibrations = Calibrations::default();
    learn(&mut calibrations, "m", 200, 1.0);
    calibrations.observe("m", &prompt(200), u64::MAX);
    let correction = calibrations.correction("m").get();
    assert!(
        (1_000_000..=1_160_000).contains(&correction),
        "{correction}"
    );
}

#[test]
fn small_requests_teach_less_than_large_ones() {
    let after_one = |words| {
        let mut calibrations = Calibrations::default();
        let input = prompt(words);
        calibrations.observe("m", &input, estimated(&input) * 2);
        calibrations.correction("m")
    };
    assert!(after_one(2) < after_one(2_000));
    assert!(after_one(2) > CorrectionPpm::ONE);
}

#[test]
fn only_the_calibrated_estimate_is_corrected() {
    let mut calibrations = Calibrations::default();
    learn(&mut calibrations, "m", 50, 2.0);
    let input = prompt(100);
    for estimator in [Estimator::Simple, Estimator::Generous] {
        assert_eq!(
            calibrations.estimate("m", estimator, &input),
            estimator.estimate(&input)
        );
    }
    let calibrated = calibrations.estimate("m", Estimator::Calibrated, &input);
    assert!(calibrated.input_tokens > estimated(&input));
}

#[test]
fn every_estimator_is_judged_on_each_observation() {
    let mut calibrations = Calibrations::default();
    learn(&mut calibrations, "m", 400, 1.4);
    let accuracy = calibrations.accuracy("m").expect("the model was observed");
    for estimator in Estimator::ALL {
        assert_eq!(accuracy.of(estimator).count(), 400);
    }
    assert_eq!(accuracy.corrected.count(), 400);
    assert!((accuracy.calibrated.mean_signed() - (1.0 / 1.4 - 1.0)).abs() < 0.01);
    assert!(accuracy.corrected.mean_absolute() < accuracy.calibrated.mean_absolute() / 5.0);
    assert_eq!(calibrations.total().corrected.count(), 400);
}

#[test]
fn the_corrected_estimate_is_judged_before_it_learns() {
    let mut calibrations = Calibrations::default();
    learn(&mut calibrations, "m", 1, 2.0);
    let accuracy = calibrations.accuracy("m").expect("the model was observed");
    assert!((accuracy.corrected.mean_signed() + 0.5).abs() < 0.01);
}

#[test]
fn reports_that_say_nothing_are_passed_over() {
    let mut calibrations = Calibrations::default();
    calibrations.observe("m", &prompt(10), 0);
    calibrations.observe("m", &EstimateInput::default(), 500);
    assert!(calibrations.accuracy("m").is_none());
    assert_eq!(calibrations.correction("m"), CorrectionPpm::ONE);
}

#[test]
fn models_beyond_the_bound_share_one_entry() {
    let mut calibrations = Calibrations::new(2);
    learn(&mut calibrations, "first", 30, 1.0);
    learn(&mut calibrations, "second", 30, 2.0);
    for index in 0..500 {
        learn(&mut calibrations, &format!("made up {index}"), 1, 3.0);
    }
    assert_eq!(calibrations.models().count(), 2);
    assert!(calibrations.correction("never seen").get() > 2_800_000);
    assert!(calibrations.correction("first").get() < 1_100_000);
    let shared = calibrations
        .accuracy("made up 3")
        .expect("the shared entry was observed");
    assert_eq!(shared.simple.count(), 500);
}

#[test]
fn a_correction_rounds_up_and_does_not_overflow() {
    assert_eq!(CorrectionPpm::MIN.apply(1), 1);
    assert_eq!(CorrectionPpm::MIN.apply(4_001), 1_001);
    assert_eq!(CorrectionPpm::ONE.apply(u64::MAX), u64::MAX);
    assert_eq!(CorrectionPpm::MAX.apply(u64::MAX), u64::MAX);
}

#[test]
fn error_statistics_of_known_errors_are_known() {
    let mut stats = ErrorStats::default();
    assert_eq!(
        (
            stats.mean_signed(),
            stats.mean_absolute(),
            stats.p95_absolute()
        ),
        (0.0, 0.0, 0.0)
    );
    (0..50).for_each(|_| stats.record(110, 100));
    (0..50).for_each(|_| stats.record(90, 100));
    assert_eq!(stats.count(), 100);
    assert!(stats.mean_signed().abs() < 1e-9);
    assert!((stats.mean_absolute() - 0.1).abs() < 1e-9);
    assert!((stats.p95_absolute() - 0.1).abs() < 1e-9);
}

#[test]
fn the_95th_percentile_passes_over_five_outliers_in_a_hundred_but_not_over_six() {
    let with_outliers = |outliers: u64| {
        let mut stats = ErrorStats::default();
        (0..100 - outliers).for_each(|_| stats.record(1_004, 1_000));
        (0..outliers).for_each(|_| stats.record(3_500, 1_000));
        stats.p95_absolute()
    };
    assert!(with_outliers(5) <= 0.005);
    // The bin ends at 4.0, but no error was above 2.5.
    assert!((with_outliers(6) - 2.5).abs() < 1e-9);
}

#[test]
fn an_error_beyond_every_bin_is_still_the_95th_percentile() {
    let mut stats = ErrorStats::default();
    stats.record(u64::MAX, 1);
    stats.record(5, 0);
    assert_eq!(stats.count(), 1);
    assert!(stats.p95_absolute() > 1e19);
}

fn written(calibrations: &Calibrations) -> serde_json::Value {
    serde_json::to_value(calibrations.export()).expect("plain data can be written")
}

fn read(value: serde_json::Value, max_models: usize) -> Result<Calibrations, Option<StateError>> {
    let state = serde_json::from_value(value).map_err(|_| None)?;
    Calibrations::import(&state, max_models).map_err(Some)
}

#[test]
fn corrections_and_errors_survive_being_written_and_read() {
    let mut before = Calibrations::new(2);
    learn(&mut before, "a", 40, 1.33);
    learn(&mut before, "b", 10, 0.8);
    learn(&mut before, "no room", 10, 2.0);
    let after = read(written(&before), 2).expect("own data is sound");
    for model in ["a", "b", "no room", "never seen"] {
        assert_eq!(before.correction(model), after.correction(model), "{model}");
        let errors = |calibrations: &Calibrations| {
            let accuracy = calibrations.accuracy(model)?;
            Some((
                accuracy.corrected.count(),
                accuracy.four_characters.p95_absolute(),
            ))
        };
        assert_eq!(errors(&before), errors(&after), "{model}");
    }
    assert_eq!(before.total().simple.count(), after.total().simple.count());
    let small = read(written(&before), 1).expect("own data is sound");
    assert_eq!(
        small.models().map(|(name, _)| name).collect::<Vec<_>>(),
        ["a"]
    );
}

#[test]
fn damaged_corrections_are_refused() {
    let mut calibrations = Calibrations::default();
    learn(&mut calibrations, "m", 40, 1.33);
    for (pointer, wrong) in [
        ("/version", serde_json::json!(9)),
        ("/models/0/calibration/ratio", serde_json::json!(400.0)),
        ("/models/0/calibration/ratio", serde_json::json!(-1.0)),
        (
            "/models/0/calibration/accuracy/simple/bins",
            serde_json::json!([1, 2]),
        ),
        ("/models/0/model", serde_json::json!("x".repeat(1_000))),
        ("/total/corrected/absolute_sum", serde_json::json!(1e18)),
        ("/others/ratio", serde_json::json!(null)),
    ] {
        let mut value = written(&calibrations);
        *value.pointer_mut(pointer).expect("the part is there") = wrong;
        assert!(read(value, 10).is_err(), "{pointer}");
    }
}

#[test]
fn four_characters_a_token_is_judged_beside_the_estimators() {
    let mut calibrations = Calibrations::default();
    let input = prompt(100);
    // Exactly what four characters a token say, so that only they are right.
    let tokens = input.profile.characters.div_ceil(4);
    calibrations.observe("m", &input, tokens);
    let accuracy = calibrations.accuracy("m").expect("it was observed");
    assert_eq!(accuracy.four_characters.mean_absolute(), 0.0);
    assert!((accuracy.simple.mean_signed() - 0.2).abs() < 0.01);
}
