//! `paceline simulate`: what a workload would do under a quota, in virtual time.

mod plot;
mod show;
mod words;

use std::path::{Path, PathBuf};

use clap::Args;
use paceline_proving::{Report, Run, Scenario, Sender};
use serde::Serialize;

use crate::exit::{self, Failure};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  paceline simulate examples/simulate/batch-job.toml
  paceline simulate examples/simulate/shared-quota.toml --svg shared.svg
  paceline simulate examples/simulate/unknown-window.toml --seeds 100
  paceline simulate examples/simulate/batch-job.toml --json | jq .runs[0].refused

The same file and seed always give the same result. docs/simulate.md explains every key.

Exit codes: 3 when something is wrong with the scenario, 1 when the gateway did not do what the
scenario's [expect] asks for.";

/// The largest scenario file that is read.
const BYTES_MAX: u64 = 1 << 20;

/// Show what a workload would do under a quota, without sending anything
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SimulateArgs {
    /// The scenario
    #[arg(value_name = "SCENARIO.toml")]
    scenario: PathBuf,
    /// Where chance starts, in place of the scenario's own seed
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many seeds to try, from the first one on
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: u64,
    /// Draw the course of the first run of the first sender into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print all figures as one JSON object
    #[arg(long)]
    json: bool,
}

/// All figures, for programs.
#[derive(Serialize)]
struct Figures<'a> {
    scenario: &'a str,
    seeds: u64,
    runs: Vec<&'a Report>,
}

/// All runs of one sender, in the order of their seeds; there is at least one.
struct Column {
    sender: Sender,
    runs: Vec<Report>,
}

pub(crate) fn run(args: &SimulateArgs) -> Result<(), Failure> {
    let name = args.scenario.display().to_string();
    let text = read(&args.scenario, &name)?;
    let scenario = Scenario::parse(&name, &text)
        .map_err(|error| Failure::new(exit::CONFIGURATION, error.to_string()))?;
    let first = args.seed.unwrap_or(scenario.seed);
    let mut columns = Vec::new();
    for (index, sender) in scenario.senders.iter().enumerate() {
        let mut runs = Vec::new();
        for offset in 0..args.seeds {
            let run = Run::play(&scenario, *sender, first.wrapping_add(offset))
                .map_err(|error| Failure::new(exit::CONFIGURATION, format!("{name}: {error}")))?;
            if let (Some(file), 0, 0) = (&args.svg, index, offset) {
                draw(file, &scenario, &run)?;
            }
            runs.push(run.report);
        }
        columns.push(Column {
            sender: *sender,
            runs,
        });
    }
    let mut terminal = Terminal::stdout();
    if args.json {
        terminal.line(&json(&scenario, args.seeds, &columns)?)?;
    } else {
        let lines = show::lines(&name, &scenario, &columns, terminal.style());
        terminal.line(&lines.join("\n"))?;
    }
    let mut runs = columns.iter().flat_map(|column| &column.runs);
    if runs.all(|run| run.violations.is_empty() && run.unmet.is_empty()) {
        Ok(())
    } else {
        Err(Failure::quiet(exit::FAILURE))
    }
}

fn read(path: &Path, name: &str) -> Result<String, Failure> {
    let cannot = |reason: String| Failure::new(exit::CONFIGURATION, format!("{name}: {reason}"));
    let length =
        std::fs::metadata(path).map_err(|error| cannot(format!("cannot be read: {error}")))?;
    if length.len() > BYTES_MAX {
        return Err(cannot("is larger than 1 MiB; is it a scenario?".to_owned()));
    }
    std::fs::read_to_string(path).map_err(|error| cannot(format!("cannot be read: {error}")))
}

fn draw(file: &Path, scenario: &Scenario, run: &Run) -> Result<(), Failure> {
    std::fs::write(file, plot::svg(scenario, run))
        .map_err(|error| Failure::other(format!("cannot write {}: {error}", file.display())))
}

fn json(scenario: &Scenario, seeds: u64, columns: &[Column]) -> Result<String, Failure> {
    let figures = Figures {
        scenario: &scenario.name,
        seeds,
        runs: columns.iter().flat_map(|column| &column.runs).collect(),
    };
    serde_json::to_string_pretty(&figures)
        .map_err(|error| Failure::other(format!("the figures cannot be written: {error}")))
}
