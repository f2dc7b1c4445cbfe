//! Scenarios from end to end.

#![cfg(test)]

mod families;
mod faults;
mod files;
mod kept;
mod known;
mod reduction;
mod rivals;

use paceline_proving::{Run, Scenario, Sender};

/// A scenario from its text.
fn scenario(text: &str) -> Scenario {
    match Scenario::parse("test.toml", text) {
        Ok(scenario) => scenario,
        Err(error) => panic!("{error}"),
    }
}

/// A judged run of the gateway in which no rule was broken.
fn play(scenario: &Scenario, seed: u64) -> Run {
    play_as(scenario, Sender::Gateway, seed)
}

fn play_as(scenario: &Scenario, sender: Sender, seed: u64) -> Run {
    let run = Run::judged(scenario, sender, seed).unwrap();
    assert_eq!(run.report.violations, Vec::<String>::new(), "seed {seed}");
    run
}
