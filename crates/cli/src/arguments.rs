//! The command line as a whole: which subcommands there are, and what all of them share.

use clap::{CommandFactory, Parser, Subcommand};

use crate::exit::Failure;
use crate::{
    batch, check, completions, config, count, dashboard, demo, keys, ledger, prices, provider,
    serve, simulate, status, top, usage, validate,
};

const EXAMPLES: &str = "\
Examples:
  paceline demo                      see what it does: no key, no network, one minute
  paceline serve                     a gateway on 127.0.0.1:4100 that learns every limit
  export OPENAI_BASE_URL=http://127.0.0.1:4100/v1    and your programs go through it
  paceline status                    who waits, for what, and how long still

Exit codes:
  0  done            3  the configuration is invalid     6  no gateway answers there
  1  failed          4  an address cannot be used        7  the admin token is missing or wrong
  2  wrong usage     5  the upstream does not answer     130, 143  ended by a signal";

/// Keeps LLM traffic at exactly the pace the provider allows.
///
/// A gateway between your programs and the provider: requests wait in a fair queue instead of
/// failing with 429, and the quota is used to the last token.
#[derive(Debug, Parser)]
#[command(name = "paceline", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Demo(demo::DemoArgs),
    Status(status::StatusArgs),
    Dashboard(dashboard::DashboardArgs),
    Top(top::TopArgs),
    Usage(usage::UsageArgs),
    #[command(subcommand)]
    Batch(batch::BatchCommand),
    Check(check::CheckArgs),
    Validate(validate::ValidateArgs),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    Count(count::CountArgs),
    #[command(subcommand)]
    Prices(prices::PricesCommand),
    Provider(provider::ProviderArgs),
    Simulate(simulate::SimulateArgs),
    Completions(completions::CompletionsArgs),
}

/// Reads the command line and does what it says. Wrong usage ends the process here.
pub(crate) fn run() -> Result<(), Failure> {
    match Arguments::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Dashboard(args) => dashboard::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Usage(args) => usage::run(&args),
        Command::Batch(command) => batch::run(&command),
        Command::Check(args) => check::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Config(command) => config::run(&command),
        Command::Keys(command) => keys::run(&command),
        Command::Ledger(command) => ledger::run(&command),
        Command::Count(args) => count::run(&args),
        Command::Prices(command) => prices::run(&command),
        Command::Provider(args) => provider::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

/// The whole command, for those who describe it.
pub(crate) fn command() -> clap::Command {
    Arguments::command()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        super::command().debug_assert();
    }
}
