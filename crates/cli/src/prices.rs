//! `paceline prices`: what calls cost, where that is known from, and keeping it up to date.

mod check;
mod list;
mod rates;
mod source;
mod update;

use clap::Subcommand;

use crate::exit::Failure;

const EXAMPLES: &str = "\
Examples:
  paceline prices list --model gpt-5
  paceline prices check my-prices.toml          what would it override?
  paceline prices update --from newer.toml      merge it into your own price file";

/// List, check and update the prices of models
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum PricesCommand {
    List(list::ListArgs),
    Check(check::CheckArgs),
    Update(update::UpdateArgs),
}

pub(crate) fn run(command: &PricesCommand) -> Result<(), Failure> {
    match command {
        PricesCommand::List(args) => list::run(args),
        PricesCommand::Check(args) => check::run(args),
        PricesCommand::Update(args) => update::run(args),
    }
}
