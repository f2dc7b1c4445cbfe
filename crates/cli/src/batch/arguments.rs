//! The options of `paceline batch run`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use paceline_batch::{Concurrency, Format, Job, JobOptions, Order, Orders, Source, StopAt};
use paceline_config::Secret;
use url::Url;

use super::values::{by, money, size, span};
use crate::exit::Failure;
use crate::load::{SettingsArgs, secret};

const EXAMPLES: &str = "\
Examples:
  paceline batch run requests.jsonl -o results.jsonl
      Sends every line at the pace of your quota, with OPENAI_API_KEY. Started again, it goes on where it was.
  paceline batch run requests.jsonl -o results.jsonl --max-cost 20 --by 2h
  paceline batch run requests.jsonl -o results.jsonl --via http://127.0.0.1:4100/v1
      Through a running gateway: beside all that goes through it, which goes first
  paceline batch run people.csv --template greet.json -o greetings.jsonl
  zcat requests.jsonl.gz | paceline batch run - -o results.jsonl
  paceline batch run requests.jsonl -o results.jsonl --retry-failed

Ctrl-C finishes what runs and ends; a second one ends at once. Both can be gone on with later.

Exit codes: 0 all lines have an answer, 1 something failed, 8 lines failed and are in the errors file,
9 lines are left (a bound was reached); 130 and 143 ended by a signal.";

/// Run a file of requests to its end
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// File of requests: OpenAI batch lines, bare bodies, or a table; - reads standard input
    #[arg(value_name = "INPUT")]
    input: PathBuf,
    /// File for the results; errors and a manifest go beside it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    // Not a doc comment, in which the address would have to be marked up.
    #[arg(
        long,
        value_name = "URL",
        help = "Send through a running gateway, as in http://127.0.0.1:4100/v1, in place of straight to the provider"
    )]
    pub(super) via: Option<Url>,
    /// Key to send [default: the provider's, from the configuration or OPENAI_API_KEY]
    #[arg(long, value_name = "KEY", env = "PACELINE_KEY", hide_env_values = true, value_parser = secret)]
    pub(super) key: Option<Secret>,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    bounds: BoundArgs,
    #[command(flatten)]
    pub(super) caller: CallerArgs,
    /// Try lines again that failed before
    #[arg(long)]
    retry_failed: bool,
    /// Begin anew, and replace what results there are
    #[arg(long)]
    restart: bool,
    /// Order of the results
    #[arg(long, value_name = "ORDER", default_value = "done")]
    order: OrderArg,
    /// Run although another paceline uses the same state folder, and perhaps the same quota
    #[arg(long)]
    pub(super) alone: bool,
    /// Print events as JSON lines, for programs
    #[arg(long)]
    pub(super) json: bool,
    /// Print lines now and then instead of a live view
    #[arg(long)]
    pub(super) plain: bool,
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
}

/// How the input is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(super) struct ReadingArgs {
    /// How the input is written down
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    format: FormatArg,
    /// File with the JSON of a body, in whose strings {{column}} stands for a table's column
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Column that names the rows of a table [default: custom_id if there is such a one]
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    /// Path that bare bodies and rows go to, as in /v1/responses [default: by what is in them]
    #[arg(long, value_name = "PATH")]
    url: Option<String>,
    /// Skip lines that cannot be sent: they go to the errors file
    #[arg(long)]
    skip_invalid: bool,
    /// Longest line that is taken
    #[arg(long, value_name = "SIZE", default_value = "32MiB", value_parser = size)]
    max_line_bytes: usize,
}

/// How far the run goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pace and bounds")]
struct BoundArgs {
    /// Requests at once [default: as many as the quota keeps busy, up to 512]
    #[arg(long, value_name = "COUNT", conflicts_with = "sequential")]
    concurrency: Option<NonZeroU64>,
    /// One request after the other, in the order of the input
    #[arg(long)]
    sequential: bool,
    /// Stop before the batch costs more than so many dollars
    #[arg(long, value_name = "USD", value_parser = money)]
    max_cost: Option<u64>,
    /// Stop before the batch takes more than so many input and output tokens
    #[arg(long, value_name = "COUNT")]
    max_tokens: Option<u64>,
    /// Stop when so many lines have failed
    #[arg(long, value_name = "COUNT")]
    max_errors: Option<NonZeroU64>,
    /// Stop at this time: 2h from now, or 2026-11-22T18:30 in UTC
    #[arg(long, value_name = "TIME", value_parser = by)]
    by: Option<SystemTime>,
    /// Longest time for a line, from its first try to its end, waiting included
    #[arg(long, value_name = "TIME", value_parser = span)]
    line_deadline: Option<Duration>,
    /// Longest time until the provider begins an answer, waiting not included [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = span)]
    attempt_timeout: Option<Duration>,
    /// Tries of a line that failed in a way that may pass
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
}

/// As whom lines are sent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Caller")]
pub(super) struct CallerArgs {
    /// Priority in the queue
    #[arg(long, value_name = "PRIORITY", default_value = "batch")]
    pub(super) priority: PriorityArg,
    /// Tenant that the usage counts for [default: told by the key]
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
    /// Session that the usage counts for
    #[arg(long, value_name = "NAME")]
    pub(super) session: Option<String>,
    /// Tags that the usage counts for, with commas between
    #[arg(long, value_name = "TAGS")]
    pub(super) tags: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PriorityArg {
    Interactive,
    Standard,
    Batch,
}

impl PriorityArg {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Standard => "standard",
            Self::Batch => "batch",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// By the name of the file, else by its first line
    Auto,
    /// One JSON object a line: OpenAI batch lines or bare bodies
    Jsonl,
    /// A table with a header row; needs --template
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OrderArg {
    /// Each at once when it is there
    Done,
    /// As in the input; the files appear at the end
    Input,
}

impl ReadingArgs {
    /// The same as options of a batch; the rest is as it is by default.
    pub(super) fn options(&self) -> Result<JobOptions, Failure> {
        let template = match &self.template {
            Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
                Failure::other(format!(
                    "the template {} cannot be read: {error}",
                    path.display()
                ))
            })?),
            None => None,
        };
        Ok(JobOptions {
            format: match self.format {
                FormatArg::Auto => Format::Auto,
                FormatArg::Jsonl => Format::JsonLines,
                FormatArg::Csv => Format::Csv,
            },
            url: self.url.clone(),
            template,
            id_column: self.id_column.clone(),
            line_bytes_max: self.max_line_bytes,
            skip_invalid: self.skip_invalid,
            ..JobOptions::default()
        })
    }
}

impl RunArgs {
    /// The batch that is meant.
    pub(super) fn job(&self) -> Result<Job, Failure> {
        let input = match self.input.as_os_str() == "-" {
            true => Source::Stdin,
            false => Source::File(self.input.clone()),
        };
        Ok(Job {
            input,
            output: self.output.clone(),
            options: JobOptions {
                retry_failed: self.retry_failed,
                restart: self.restart,
                order: match self.order {
                    OrderArg::Done => Order::AsTheyCome,
                    OrderArg::Input => Order::Input,
                },
                ..self.reading.options()?
            },
        })
    }

    /// How the run is to be at its start.
    pub(super) fn orders(&self) -> Orders {
        let bounds = &self.bounds;
        let concurrency = match (bounds.concurrency, bounds.sequential) {
            (_, true) => Concurrency::SEQUENTIAL,
            (Some(count), _) => {
                Concurrency::Fixed(usize::try_from(count.get()).unwrap_or(usize::MAX))
            }
            (None, false) => Concurrency::default(),
        };
        Orders {
            concurrency,
            paused: false,
            stop_at: StopAt {
                cost_nanousd: bounds.max_cost,
                tokens: bounds.max_tokens,
                errors: bounds.max_errors.map(NonZeroU64::get),
                time: bounds.by,
            },
            stop: None,
        }
    }

    pub(super) fn line_deadline(&self) -> Option<Duration> {
        self.bounds.line_deadline
    }

    pub(super) fn attempt_timeout(&self) -> Option<Duration> {
        self.bounds.attempt_timeout
    }

    pub(super) fn attempts(&self) -> u32 {
        self.bounds.attempts
    }

    /// Whether what is read comes from standard input.
    pub(super) fn reads_stdin(&self) -> bool {
        self.input.as_os_str() == "-"
    }

    /// Input and output, as they were given.
    pub(super) fn title(&self) -> String {
        let input = match self.reads_stdin() {
            true => "standard input".to_owned(),
            false => self.input.display().to_string(),
        };
        format!("{input} → {}", self.output.display())
    }

    /// The file of results.
    pub(super) fn output(&self) -> &std::path::Path {
        &self.output
    }
}
