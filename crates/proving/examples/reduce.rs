//! Makes the smallest scenario of a family's member in which something goes wrong, and prints it.
//!
//! `cargo run --release -p paceline-proving --example reduce -- SEED`
//!
//! What counts as wrong is the first of these that the member shows: a broken rule, refusals after
//! the first minute, refusals in it.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::process::ExitCode;

use paceline_proving::{Report, Run, Scenario, Sender, families, reduce};

type Wrong = fn(&Report) -> bool;

const WRONGS: [Wrong; 3] = [
    |report| !report.violations.is_empty(),
    |report| report.refused.later > 0,
    |report| report.refused.first_minute > 0,
];

fn main() -> ExitCode {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok());
    let Some(seed) = seed else {
        println!("which seed? cargo run --release -p paceline-proving --example reduce -- SEED");
        return ExitCode::from(2);
    };
    let scenario = families::member(seed).scenario;
    let shows = |scenario: &Scenario, wrong: Wrong| {
        Run::judged(scenario, Sender::Gateway, seed).is_ok_and(|run| wrong(&run.report))
    };
    let Some(wrong) = WRONGS.into_iter().find(|wrong| shows(&scenario, *wrong)) else {
        println!("# seed {seed}: nothing goes wrong");
        return ExitCode::SUCCESS;
    };
    let small = reduce(&scenario, 2_000, |candidate| shows(candidate, wrong));
    match small.to_toml() {
        Ok(text) => println!("{text}"),
        Err(error) => println!("# cannot be written: {error}"),
    }
    ExitCode::FAILURE
}
