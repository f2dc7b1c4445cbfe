//! The `paceline` command: words and wiring, no rule of its own.

mod admin;
mod arguments;
mod batch;
mod check;
mod client;
mod completions;
mod config;
mod count;
mod dashboard;
mod demo;
mod exit;
mod figures;
mod keys;
mod ledger;
mod live;
mod load;
mod prices;
mod provider;
mod runtime;
mod serve;
mod simulate;
mod status;
mod table;
mod terminal;
mod top;
mod usage;
mod validate;

use std::process::ExitCode;

fn main() -> ExitCode {
    exit::finish(arguments::run())
}
