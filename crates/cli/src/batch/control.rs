//! `paceline batch status|pause|resume|stop|set`: asking a batch that runs elsewhere.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use paceline_batch::{Ask, Change, ask};

use super::values::{by, money};
use super::view;
use crate::exit::{self, Failure};
use crate::runtime;
use crate::terminal::Terminal;

/// Show where a running batch stands
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    which: Which,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// Send nothing new until `resume`
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    which: Which,
}

/// Go on after `pause`
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    which: Which,
}

/// Finish what runs, and end; the same command goes on later
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    which: Which,
    /// Do not wait for what runs: it may be billed, and is sent again later
    #[arg(long)]
    now: bool,
}

/// Change how a batch is run, while it runs
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct ChangeArgs {
    /// Requests at once; auto: as many as the quota keeps busy
    #[arg(long, value_name = "COUNT", value_parser = concurrency)]
    concurrency: Option<usize>,
    /// Stop before the batch costs more than so many dollars
    #[arg(long, value_name = "USD", value_parser = money)]
    max_cost: Option<u64>,
    /// Stop before the batch takes more than so many tokens
    #[arg(long, value_name = "COUNT")]
    max_tokens: Option<u64>,
    /// Stop when so many lines have failed
    #[arg(long, value_name = "COUNT")]
    max_errors: Option<u64>,
    /// Stop at this time: 2h from now, or 2026-11-22T18:30 in UTC
    #[arg(long, value_name = "TIME", value_parser = by)]
    by: Option<SystemTime>,
}

#[derive(Debug, Args)]
struct Which {
    /// The batch's file of results, as given to `paceline batch run -o`
    #[arg(value_name = "RESULTS")]
    output: PathBuf,
}

pub(super) fn status(args: &StatusArgs) -> Result<(), Failure> {
    tell(&args.which, &Ask::Status, args.json)
}

pub(super) fn pause(args: &PauseArgs) -> Result<(), Failure> {
    tell(&args.which, &Ask::Pause, false)
}

pub(super) fn resume(args: &ResumeArgs) -> Result<(), Failure> {
    tell(&args.which, &Ask::Resume, false)
}

pub(super) fn stop(args: &StopArgs) -> Result<(), Failure> {
    tell(&args.which, &Ask::Stop { now: args.now }, false)
}

pub(super) fn set(args: &SetArgs) -> Result<(), Failure> {
    let change = &args.change;
    let until = change.by.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let change = Change {
        concurrency: change.concurrency,
        cost_nanousd: change.max_cost,
        tokens: change.max_tokens,
        errors: change.max_errors,
        until_unix_ms: until.and_then(|since| u64::try_from(since.as_millis()).ok()),
    };
    tell(&args.which, &Ask::Set(change), false)
}

fn tell(which: &Which, what: &Ask, json: bool) -> Result<(), Failure> {
    let asked = ask(&which.output, what);
    let progress = runtime::on_this_thread()?
        .block_on(asked)
        .map_err(|error| Failure::new(exit::GATEWAY, error.to_string()))?;
    let mut terminal = Terminal::stdout();
    match json {
        true => {
            let text = serde_json::to_string_pretty(&progress);
            let text = text.map_err(|error| Failure::other(error.to_string()))?;
            terminal.line(&text)
        }
        false => terminal.line(&view::line(&progress)),
    }
}

fn concurrency(text: &str) -> Result<usize, String> {
    if text == "auto" {
        return Ok(0);
    }
    let count = text.parse::<NonZeroUsize>();
    count
        .map(NonZeroUsize::get)
        .map_err(|_| format!("`{text}` is no number of requests: it takes one from 1, or auto"))
}
