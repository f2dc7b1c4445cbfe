//! Plays the families of scenarios and prints one table of how the gateway did, trait by trait.
//!
//! `cargo run --release -p paceline-proving --example seeds -- [COUNT] [FIRST]`
//!
//! Each seed is also played with everything in its way that the families leave out; of these runs
//! only broken rules are reported.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use paceline_proving::families::{self, Trait};
use paceline_proving::{Report, Run, Sender};

/// The figures of all runs with one trait.
#[derive(Default)]
struct Family {
    runs: u64,
    clean: u64,
    first: (u64, u64),
    later: (u64, u64),
    uses: Vec<f64>,
    worst_wait_s: f64,
}

impl Family {
    fn add(&mut self, report: &Report) {
        self.runs += 1;
        let refused = report.refused;
        self.clean += u64::from(refused.first_minute + refused.later == 0);
        self.first.0 += refused.first_minute;
        self.first.1 += report.attempts_first_minute;
        self.later.0 += refused.later;
        self.later.1 += report.attempts - report.attempts_first_minute;
        self.uses.extend(report.use_while_waiting);
        self.worst_wait_s = self.worst_wait_s.max(report.wait.worst_s);
    }

    fn line(&mut self, name: &str) -> String {
        let per_1000 = |(part, whole): (u64, u64)| part as f64 * 1_000.0 / whole.max(1) as f64;
        self.uses.sort_by(f64::total_cmp);
        let mean = self.uses.iter().sum::<f64>() / self.uses.len().max(1) as f64;
        let low = self.uses.get(self.uses.len() / 20).copied().unwrap_or(0.0);
        format!(
            "{name:<26} {:>5} {:>7.1} % {:>10.2} {:>10.2} {:>8.1} % {:>8.1} % {:>9.1}",
            self.runs,
            self.clean as f64 * 100.0 / self.runs.max(1) as f64,
            per_1000(self.first),
            per_1000(self.later),
            mean * 100.0,
            low * 100.0,
            self.worst_wait_s,
        )
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let count = args.next().and_then(Result::ok).unwrap_or(1_000);
    let first = args.next().and_then(Result::ok).unwrap_or(0);
    let begun = Instant::now();
    let mut all = Family::default();
    let mut table: BTreeMap<Trait, Family> = BTreeMap::new();
    let (mut requests, mut broken) = (0, 0);
    for seed in first..first + count {
        let member = families::member(seed);
        let report = match Run::judged(&member.scenario, Sender::Gateway, seed) {
            Ok(run) => run.report,
            Err(error) => {
                println!("seed {seed}: {error}");
                broken += 1;
                continue;
            }
        };
        let wild = families::wild(seed);
        let wild = Run::judged(&wild, Sender::Gateway, seed).map(|run| run.report);
        let strays = wild.iter().flat_map(|report| &report.violations);
        for violation in report.violations.iter().chain(strays) {
            println!("seed {seed}: {violation}");
            broken += 1;
        }
        requests += report.requests;
        all.add(&report);
        for one in member.traits {
            table.entry(one).or_default().add(&report);
        }
    }
    let time = begun.elapsed();
    println!(
        "{:<26} {:>5} {:>9} {:>10} {:>10} {:>10} {:>10} {:>9}",
        "family", "runs", "no 429", "429/1000", "429/1000", "use", "use", "wait"
    );
    println!(
        "{:<26} {:>5} {:>9} {:>10} {:>10} {:>10} {:>10} {:>9}",
        "", "", "at all", "minute 1", "later", "mean", "worst 5 %", "worst s"
    );
    println!("{}", all.line("all"));
    for ((name, value), family) in &mut table {
        println!("{}", family.line(&format!("{name}: {value}")));
    }
    println!(
        "{count} runs, {requests} requests, {:.1} s, {:.0} requests per minute",
        time.as_secs_f64(),
        requests as f64 * 60.0 / time.as_secs_f64().max(1e-9)
    );
    ExitCode::from(u8::from(broken > 0))
}
