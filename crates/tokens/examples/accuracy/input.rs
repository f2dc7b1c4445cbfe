//! The input: every estimator against the exact count.

use paceline_tokens::{
    Calibrations, EstimateInput, Estimator, Family, TextProfile, Vocabulary, count,
};

use crate::texts::{self, Text};

/// The size of a request. A small one, on which every estimate has to do without averaging.
const REQUEST_BYTES: usize = 800;
/// Answers that the corrected estimate has learned from.
const ANSWERS: [usize; 2] = [5, 30];

/// A request and what it is.
struct Sample {
    input: EstimateInput,
    tokens: u64,
}

/// Relative errors of one way to estimate.
#[derive(Clone, Default)]
struct Errors(Vec<f64>);

/// The ways to estimate, in the order of the table's columns.
const COLUMNS: [&str; 6] = [
    "characters / 4",
    "simple",
    "generous",
    "calibrated",
    "after 5 answers",
    "after 30 answers",
];

pub(crate) fn print() {
    for (vocabulary, family) in [
        (Vocabulary::O200kBase, Family::O200k),
        (Vocabulary::Cl100kBase, Family::Cl100k),
    ] {
        let mut all: [Errors; COLUMNS.len()] = Default::default();
        println!("\n| {} | {} |", vocabulary.name(), COLUMNS.join(" | "));
        println!("|---|{}", "---|".repeat(COLUMNS.len()));
        for text in texts::all() {
            let errors = measure(&text, vocabulary, family);
            let cells: Vec<String> = errors.iter().map(Errors::middle_and_worst).collect();
            println!("| {} | {} |", text.kind, cells.join(" | "));
            for (all, errors) in all.iter_mut().zip(errors) {
                all.0.extend(errors.0);
            }
        }
        for (name, percent) in [("**median**", 50), ("**p95**", 95), ("**worst**", 100)] {
            let cells = all.iter().map(|errors| errors.quantile(percent));
            let cells: Vec<String> = cells.map(|error| format!("**{}**", shown(error))).collect();
            println!("| {name} | {} |", cells.join(" | "));
        }
    }
}

/// The errors on all requests of one kind.
fn measure(text: &Text, vocabulary: Vocabulary, family: Family) -> [Errors; COLUMNS.len()] {
    let samples: Vec<Sample> = texts::requests(&text.text, REQUEST_BYTES)
        .into_iter()
        .map(|request| Sample {
            input: EstimateInput {
                profile: TextProfile::of(request),
                family,
                ..EstimateInput::default()
            },
            tokens: count(vocabulary, request),
        })
        .collect();
    let learned: Vec<[Calibrations; 2]> = ANSWERS
        .iter()
        .map(|answers| [0, 1].map(|half| learn(&samples, half, *answers)))
        .collect();
    let mut errors: [Errors; COLUMNS.len()] = Default::default();
    for (number, sample) in samples.iter().enumerate() {
        let estimate = |estimator: Estimator| estimator.estimate(&sample.input).input_tokens;
        let plain = [
            sample.input.profile.characters.div_ceil(4),
            estimate(Estimator::Simple),
            estimate(Estimator::Generous),
            estimate(Estimator::Calibrated),
        ];
        // Judged by what was learned from the other half.
        let corrected = learned
            .iter()
            .filter_map(|halves| halves.get(1 - number % 2));
        let corrected = corrected.map(|calibrations| {
            let estimate = calibrations.estimate("model", Estimator::Calibrated, &sample.input);
            estimate.input_tokens
        });
        for (errors, tokens) in errors.iter_mut().zip(plain.into_iter().chain(corrected)) {
            errors.0.push(tokens as f64 / sample.tokens as f64 - 1.0);
        }
    }
    errors
}

/// Learns from so many answers to requests with even or with odd numbers, over and over.
fn learn(samples: &[Sample], half: usize, answers: usize) -> Calibrations {
    let mut calibrations = Calibrations::default();
    let of_half = samples.iter().skip(half).step_by(2).cycle();
    for sample in of_half.take(answers) {
        calibrations.observe("model", &sample.input, sample.tokens);
    }
    calibrations
}

impl Errors {
    fn middle_and_worst(&self) -> String {
        let mut signed = self.0.clone();
        signed.sort_by(f64::total_cmp);
        let middle = signed.get(signed.len() / 2).copied().unwrap_or(0.0);
        let worst = signed
            .iter()
            .copied()
            .max_by(|a, b| a.abs().total_cmp(&b.abs()));
        format!(
            "{:+.0} / {:+.0} %",
            middle * 100.0,
            worst.unwrap_or(0.0) * 100.0
        )
    }

    /// The size that `percent` of 100 errors do not pass.
    fn quantile(&self, percent: usize) -> f64 {
        let mut sizes: Vec<f64> = self.0.iter().map(|error| error.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let rank = (sizes.len() * percent).div_ceil(100).max(1);
        sizes.get(rank - 1).copied().unwrap_or(0.0)
    }
}

fn shown(error: f64) -> String {
    format!("{:.1} %", error * 100.0)
}
