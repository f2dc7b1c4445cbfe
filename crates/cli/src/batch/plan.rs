//! `paceline batch plan`: what a batch will cost, how long it will take, and what it will wait for.

mod limits;
mod show;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use paceline_batch::plan::{DoneBefore, Latency, Plan, PlanSettings, Planner, done_before};
use paceline_batch::{Concurrency, InputSummary, Job, JobOptions, Source, plan_input};
use paceline_config::Settings;
use paceline_gateway::Foresight;
use serde_json::{Value, json};
use url::Url;

use super::arguments::ReadingArgs;
use super::run::{pricing, settings};
use super::values::{by, span};
use crate::exit::{self, Failure};
use crate::load::{SettingsArgs, environment};
use crate::terminal::Terminal;

use limits::{LimitArgs, Limits};

const EXAMPLES: &str = "\
Examples:
  paceline batch plan requests.jsonl
      With the limits of the configuration, or as earlier runs have learned them
  paceline batch plan requests.jsonl --tpm 200000 --rpm 500 --by 18:00
  paceline batch plan requests.jsonl -o results.jsonl
      Without what is in the results already
  paceline batch plan requests.jsonl --via http://127.0.0.1:4100/v1
      With the limits that a running gateway knows
  paceline batch plan requests.jsonl --exact --json

Exit codes: 0 planned, 1 it cannot be done --by that time, or something failed.";

/// Tell what a batch will cost and how long it will take, without sending anything
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    /// File of requests: OpenAI batch lines, bare bodies, or a table; - reads standard input
    #[arg(value_name = "INPUT")]
    input: PathBuf,
    /// File of results: what is there already is left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Lines that failed before are to be tried again
    #[arg(long, requires = "output")]
    retry_failed: bool,
    /// Time to be done by: 18:00 or 2026-11-22T18:30 in UTC, or 2h from now
    #[arg(long, value_name = "TIME", value_parser = by)]
    by: Option<SystemTime>,
    /// Count input with the vocabulary of its model where that is known, which takes longer
    #[arg(long)]
    exact: bool,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// How requests run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pace")]
struct PaceArgs {
    /// Requests at once [default: as many as the quota keeps busy, up to 512]
    #[arg(long, value_name = "COUNT", conflicts_with = "sequential")]
    concurrency: Option<NonZeroU64>,
    /// One request after the other
    #[arg(long)]
    sequential: bool,
    /// Time until an answer begins
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = span)]
    latency: Duration,
    /// Output tokens a second after that
    #[arg(long, value_name = "TOKENS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    speed: u32,
}

impl PaceArgs {
    fn concurrency(&self) -> Concurrency {
        match (self.concurrency, self.sequential) {
            (_, true) => Concurrency::SEQUENTIAL,
            (Some(count), _) => {
                Concurrency::Fixed(usize::try_from(count.get()).unwrap_or(usize::MAX))
            }
            (None, false) => Concurrency::default(),
        }
    }
}

/// A plan, and what it is of.
struct Made {
    plan: Plan,
    input: InputSummary,
    done: Option<DoneBefore>,
}

pub(super) fn run(args: &PlanArgs) -> Result<(), Failure> {
    let available = match args.by {
        Some(by) => Some(by.duration_since(SystemTime::now()).map_err(|_| {
            Failure::other("--by names a time that has passed: nothing can be done by then")
        })?),
        None => None,
    };
    let mut environment = environment();
    args.limits.set(&mut environment);
    let via = args.limits.via.clone();
    let (mut settings, via) = settings(&args.settings, via, environment)?;
    if args.limits.are_given() {
        settings.domains.clear();
    }
    let made = make(args, settings, via.as_ref(), available)?;
    let mut terminal = Terminal::stdout();
    match args.json {
        true => terminal.line(&json_of(&made, args).to_string())?,
        false => {
            let width = terminal.size().0;
            let lines = show::lines(&made, args, (width, terminal.style()));
            terminal.line(&lines.join("\n"))?;
        }
    }
    match &made.plan.deadline {
        Some(deadline) if !deadline.met => Err(Failure::quiet(exit::FAILURE)),
        _ => Ok(()),
    }
}

fn make(
    args: &PlanArgs,
    settings: Settings,
    via: Option<&Url>,
    available: Option<Duration>,
) -> Result<Made, Failure> {
    let options = JobOptions {
        retry_failed: args.retry_failed,
        ..args.reading.options()?
    };
    let source = match args.reads_stdin() {
        true => Source::Stdin,
        false => Source::File(args.input.clone()),
    };
    let done = match &args.output {
        Some(output) => {
            let job = Job {
                input: source.clone(),
                output: output.clone(),
                options: options.clone(),
            };
            done_before(&job).map_err(|error| Failure::other(error.to_string()))?
        }
        None => None,
    };
    let pricing = pricing(&settings)?;
    let default_output_tokens = settings.default_output_tokens;
    let foresight = Foresight::read(settings);
    let plan_settings = PlanSettings {
        pricing,
        calibrations: foresight.calibrations().clone(),
        output_lengths: foresight.output_lengths().clone(),
        default_output_tokens,
        exact: args.exact,
        concurrency: args.pace.concurrency(),
        latency: Latency {
            first: args.pace.latency,
            tokens_per_second: args.pace.speed.into(),
        },
        start: foresight.now(),
    };
    let limits = Limits::find(foresight, via, args.limits.are_given())?;
    let mut planner = Planner::new(plan_settings, move |model| limits.pool(model));
    let input = plan_input(&source, &options, &mut |item| {
        if !done.as_ref().is_some_and(|done| done.has(&item)) {
            planner.add(&item);
        }
    });
    let input = input.map_err(|error| Failure::other(error.to_string()))?;
    let plan = planner
        .plan(available)
        .map_err(|error| Failure::new(exit::CONFIGURATION, error.to_string()))?;
    Ok(Made { plan, input, done })
}

impl PlanArgs {
    fn reads_stdin(&self) -> bool {
        self.input.as_os_str() == "-"
    }

    fn title(&self) -> String {
        match self.reads_stdin() {
            true => "standard input".to_owned(),
            false => self.input.display().to_string(),
        }
    }
}

fn json_of(made: &Made, args: &PlanArgs) -> Value {
    let done = made
        .done
        .as_ref()
        .map(|done| json!({ "lines": done.lines, "cost_nanousd": done.cost_nanousd }));
    json!({
        "input": {
            "name": args.title(),
            "requests": made.input.requests,
            "invalid": made.input.invalid,
            "bytes": made.input.bytes,
            "digest": made.input.digest,
        },
        "done_before": done,
        "plan": made.plan,
    })
}
