//! Plays illnesses of a provider in virtual time and prints how calls fared, as a table.
//!
//! `cargo run -p paceline-routing --example faults`

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::time::Duration;

#[path = "../tests/it/world.rs"]
mod world;

use world::{Illness, Report, play};

/// Each illness is played with so many seeds.
const SEEDS: u64 = 5;

fn main() {
    let late = Illness::Late(Duration::from_secs(5));
    let illnesses = [
        ("none", Illness::Errors(0.0)),
        ("all calls get a 500", Illness::Errors(1.0)),
        ("60 % get a 500", Illness::Errors(0.6)),
        ("20 % get a 500", Illness::Errors(0.2)),
        ("529, `Retry-After: 20`", Illness::Overload(20)),
        ("no connection", Illness::Connect),
        ("first byte after 5 s", late),
        ("hangs", Illness::Hang),
        ("garbage", Illness::Garbage),
        ("all answers cut", Illness::Cut(1.0)),
        ("30 % of answers cut", Illness::Cut(0.3)),
        ("key refused", Illness::Account),
    ];
    let (from, to) = world::ILL;
    println!("Ill from {from} s to {to} s; the mean of {SEEDS} runs.\n");
    println!(
        "| the first lane | whole answers | lost | late | failed attempts | sent there while ill, after the trip | tripped after | back after | no breakers: lost | late |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut trips_of_the_other = 0;
    for (name, illness) in illnesses {
        let with = reports(illness, true);
        trips_of_the_other += with
            .iter()
            .map(|report| report.trips_of_the_other)
            .sum::<u64>();
        let without = reports(illness, false);
        println!(
            "| {name} | {:.2} % | {:.1} | {:.1} | {:.1} | {:.1} | {} | {} | {:.1} | {:.1} |",
            100.0 * mean(&with, Report::success),
            mean(&with, |report| report.lost.into()),
            mean(&with, |report| report.late.into()),
            mean(&with, |report| report.failed_attempts.into()),
            mean(&with, |report| report.probes.into()),
            mean_time(&with, |report| report.tripped_after),
            mean_time(&with, |report| report
                .recovered_after
                .filter(|_| report.trips > 0)),
            mean(&without, |report| report.lost.into()),
            mean(&without, |report| report.late.into()),
        );
    }
    println!(
        "\n{} calls in each run.",
        play(Illness::Hang, true, 0).calls
    );
    println!("{trips_of_the_other} trips of the lane that was well, in all runs.");
}

fn reports(illness: Illness, with_breakers: bool) -> Vec<Report> {
    let played = (0..SEEDS).map(|seed| play(illness, with_breakers, seed));
    played.collect()
}

fn mean(reports: &[Report], figure: impl Fn(&Report) -> f64) -> f64 {
    let sum: f64 = reports.iter().map(figure).sum();
    sum / f64::from(u32::try_from(reports.len()).unwrap_or(1))
}

fn mean_time(reports: &[Report], figure: impl Fn(&Report) -> Option<Duration>) -> String {
    let times: Vec<f64> = reports
        .iter()
        .filter_map(figure)
        .map(|time| time.as_secs_f64())
        .collect();
    if times.len() < reports.len() {
        return "–".to_owned();
    }
    let sum: f64 = times.iter().sum();
    format!(
        "{:.1} s",
        sum / f64::from(u32::try_from(times.len()).unwrap_or(1))
    )
}
