//! `paceline ledger`: what the usage records hold, asked of the ledger itself.

mod export;
pub(crate) mod moment;
mod status;

pub(crate) use moment::shown as shown_time;

use clap::{Args, Subcommand};
use paceline_config::{Secret, Settings};
use paceline_gateway::ledger_location;
use paceline_ledger::{Ledger, Location, OpenError, StoreError};

use crate::exit::Failure;
use crate::load::{ClientArgs, SettingsArgs, secret};

const EXAMPLES: &str = "\
The ledger is read where the configuration says it is; a gateway may be running on it.

Examples:
  paceline ledger status
  paceline ledger export --from 2026-11-01 --to 2026-12-01 -o november.csv
  paceline ledger export --format jsonl --tenant acme --from 24h";

/// Export usage records, and show what the ledger holds
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum LedgerCommand {
    Export(export::ExportArgs),
    Status(status::StatusArgs),
}

pub(crate) fn run(command: &LedgerCommand) -> Result<(), Failure> {
    match command {
        LedgerCommand::Export(args) => export::run(args),
        LedgerCommand::Status(args) => status::run(args),
    }
}

/// Where the ledger is.
#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    configured: ClientArgs,
    // Not a doc comment, in which the address would have to be marked up.
    #[arg(
        long,
        value_name = "URL",
        value_parser = secret,
        help = "Postgres database of the ledger, as in postgres://paceline@10.0.0.6/paceline"
    )]
    database: Option<Secret>,
}

impl Place {
    fn settings(&self) -> Result<Settings, Failure> {
        let settings = SettingsArgs {
            database: self.database.clone(),
            ..SettingsArgs::from(&self.configured)
        };
        settings.load_as_client()
    }
}

/// Opens the ledger of these settings for questions.
async fn open(settings: &Settings) -> Result<Ledger, Failure> {
    let location = ledger_location(settings);
    let is_file = matches!(location, Location::Sqlite(_));
    let opened = Ledger::open_to_read(location).await;
    opened.map_err(|error| Failure::other(explain(&error, is_file)))
}

fn explain(error: &OpenError, is_file: bool) -> String {
    let OpenError::Store(StoreError::Missing { .. }) = error else {
        return error.to_string();
    };
    let remedy = if is_file {
        "the first call through `paceline serve` makes it; --state-dir or --config names another \
         place, --database a Postgres database"
    } else {
        "the first start of `paceline serve` with this database makes it; --database or --config \
         names another"
    };
    format!("{error}; {remedy}")
}

#[expect(clippy::needless_pass_by_value, reason = "the form of map_err")]
fn unanswered(error: StoreError) -> Failure {
    Failure::other(error.to_string())
}
