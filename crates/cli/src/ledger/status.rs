//! `paceline ledger status`.

use std::fs;
use std::io;
use std::path::Path;

use clap::Args;
use paceline_config::Settings;
use paceline_gateway::ledger_location;
use paceline_ledger::{Extent, Location, Query, Usage};
use paceline_tokens::prices::usd;
use serde::Serialize;

use super::moment::shown;
use super::{Place, open, unanswered};
use crate::exit::Failure;
use crate::figures::{counted, grouped};
use crate::runtime;
use crate::table::{Side, Table};
use crate::terminal::Terminal;

/// Show where the ledger is and what it holds
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// What is told of a ledger.
#[derive(Debug, Serialize)]
struct Status {
    place: String,
    /// Whether a gateway with these settings writes to it.
    enabled: bool,
    /// Of the file and its journal; of a database it is not known.
    size_bytes: Option<u64>,
    /// Of records in the state folder that the store has yet to take.
    waiting_bytes: u64,
    extent: Extent,
    usage: Usage,
}

pub(super) fn run(args: &StatusArgs) -> Result<(), Failure> {
    let settings = args.place.settings()?;
    let status = runtime::on_this_thread()?.block_on(Status::of(&settings))?;
    if !args.json {
        return Terminal::stdout().line(&status.table(&settings).lines().join("\n"));
    }
    let json = serde_json::to_string_pretty(&status);
    let json = json.map_err(|error| Failure::other(format!("cannot write JSON: {error}")))?;
    Terminal::stdout().line(&json)
}

impl Status {
    async fn of(settings: &Settings) -> Result<Self, Failure> {
        let location = ledger_location(settings);
        let ledger = open(settings).await?;
        let extent = ledger.extent().await.map_err(unanswered)?;
        let total = ledger.query(&Query::default()).await;
        let total = total.map_err(|error| Failure::other(error.to_string()))?;
        ledger.close().await;
        Ok(Self {
            place: location.name(),
            enabled: settings.ledger.enabled,
            size_bytes: match &location {
                Location::Sqlite(path) => Some(size_of_file(path)),
                Location::Postgres(_) => None,
            },
            waiting_bytes: waiting_in(&settings.admin.state_dir).unwrap_or(0),
            extent,
            usage: total
                .groups
                .first()
                .map(|all| all.usage)
                .unwrap_or_default(),
        })
    }

    fn table(&self, settings: &Settings) -> Table {
        let mut table = Table::new(&[("", Side::Left), ("", Side::Left)]);
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        row("ledger", self.place.clone());
        if !self.enabled {
            row("", "not written to: ledger.enabled = false".to_owned());
        }
        if let Some(bytes) = self.size_bytes {
            row("size", size(bytes));
        }
        let kept = &settings.ledger;
        let days = |days: u32| format!("kept for {}", counted(days.into(), "day"));
        let records = grouped(self.extent.records);
        row("records", format!("{records}, {}", days(kept.records_days)));
        if let (Some(first), Some(last)) = (self.extent.first_ms, self.extent.last_ms) {
            row("", format!("from {} to {}", shown(first), shown(last)));
        }
        row("sums by minute", days(kept.minutes_days));
        row("sums by hour", days(kept.hours_days));
        row(
            "sums by day",
            kept.days_days.map_or("kept for good".to_owned(), days),
        );
        let usage = &self.usage;
        row("calls in all", grouped(usage.calls));
        row("input tokens", grouped(usage.input_tokens));
        row("output tokens", grouped(usage.output_tokens));
        row("cost", cost(usage));
        if self.waiting_bytes > 0 {
            let waiting = size(self.waiting_bytes);
            let what = "of records in the state folder, which the store has not taken yet";
            row("waiting", format!("{waiting} {what}"));
        }
        table
    }
}

fn cost(usage: &Usage) -> String {
    let cost = format!("{} USD", usd(usage.cost_nanousd));
    match usage.unpriced {
        0 => cost,
        calls => format!(
            "{cost}, and {} without a known price",
            counted(calls, "call")
        ),
    }
}

/// The file and its journal together.
fn size_of_file(path: &Path) -> u64 {
    let length = |name: &Path| fs::metadata(name).map_or(0, |found| found.len());
    let mut journal = path.as_os_str().to_owned();
    journal.push("-wal");
    length(path) + length(Path::new(&journal))
}

fn waiting_in(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("ledger-") && name.ends_with(".spill") {
            bytes += file.metadata()?.len();
        }
    }
    Ok(bytes)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => counted(bytes, "byte"),
        10_000..10_000_000 => format!("{} kB", grouped(bytes / 1_000)),
        _ => format!("{} MB", grouped(bytes / 1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_exact_and_says_what_it_lacks() {
        let usage = Usage {
            cost_nanousd: 1_234_560_000_001,
            ..Usage::default()
        };
        assert_eq!(cost(&usage), "1234.560000001 USD");
        let unpriced = Usage {
            unpriced: 2,
            ..Usage::default()
        };
        assert_eq!(
            cost(&unpriced),
            "0.00 USD, and 2 calls without a known price"
        );
    }
}
