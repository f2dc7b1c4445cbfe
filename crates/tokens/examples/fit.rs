//! Fits the coefficients of the calibrated estimate to exact counts. Prints them as they belong
//! into `src/estimate/coefficients.rs`, then the error of the estimates as built on every kind of
//! text, and on the files that the command line names, to which nothing is fitted.

#![expect(clippy::print_stdout, reason = "the result goes to the terminal")]

#[path = "../tests/it/corpus.rs"]
mod corpus;
#[path = "../tests/it/least_squares.rs"]
mod least_squares;

use corpus::{rows, samples};
use least_squares::fit;
use paceline_tokens::{
    Family, TextProfile, TextShape, Vocabulary, coarse_features, count, shaped_features,
};

fn print_coefficients(vocabulary: Vocabulary) {
    let name = vocabulary.name().trim_end_matches("_base").to_uppercase();
    let shaped = fit(&rows(vocabulary, shaped_features, |_| true));
    let coarse = fit(&rows(vocabulary, coarse_features, |_| true));
    println!(
        "pub(super) const {name}_SHAPED: [u32; {}] = {shaped:?};",
        shaped.len()
    );
    println!(
        "pub(super) const {name}_COARSE: [u32; {}] = {coarse:?};\n",
        coarse.len()
    );
}

fn print_errors(vocabulary: Vocabulary, family: Family, texts: &[(String, String)]) {
    println!(
        "| {} | tokens | calibrated | without shape | characters/4 |\n|---|---|---|---|---|",
        vocabulary.name()
    );
    for (name, text) in texts {
        let profile = TextProfile::of(text);
        let without_shape = TextProfile {
            shape: TextShape::default(),
            ..profile
        };
        let tokens = count(vocabulary, text).max(1);
        let percent = |estimate: u64| (estimate as f64 / tokens as f64 - 1.0) * 100.0;
        println!(
            "| {name} | {tokens} | {:+.1} % | {:+.1} % | {:+.1} % |",
            percent(family.text_tokens(&profile)),
            percent(family.text_tokens(&without_shape)),
            percent(profile.characters.div_ceil(4)),
        );
    }
    println!();
}

fn main() {
    let samples = samples()
        .into_iter()
        .map(|sample| (sample.name.to_owned(), sample.text));
    let files = std::env::args().skip(1).filter_map(|path| {
        let text = std::fs::read_to_string(&path).ok()?;
        Some((path, text))
    });
    let texts: Vec<_> = samples.chain(files).collect();
    for vocabulary in [Vocabulary::O200kBase, Vocabulary::Cl100kBase] {
        print_coefficients(vocabulary);
    }
    print_errors(Vocabulary::O200kBase, Family::O200k, &texts);
    print_errors(Vocabulary::Cl100kBase, Family::Cl100k, &texts);
}
