//! `paceline status`: what a running gateway is doing.

mod ask;
mod beliefs;
mod estimates;
mod show;

use std::path::PathBuf;

use clap::Args;

use crate::exit::Failure;
use crate::load::{SettingsArgs, environment, explain};
use crate::runtime;
use crate::terminal::Terminal;

use ask::Gateway;

const EXAMPLES: &str = "\
Examples:
  paceline status
  paceline status --address http://127.0.0.1:4200
  paceline status --estimates
  PACELINE_ADMIN_TOKEN=... paceline status --address http://10.0.0.5:4101 --json

Exit codes: 6 when no gateway answers there, 7 when the admin token is missing or wrong.";

/// Show the limits, the queue and who waits in a running gateway
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// Address of the admin plane [default: as the configuration says]
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Configuration file of the gateway
    #[arg(
        long,
        value_name = "FILE",
        env = "PACELINE_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
    /// The gateway's folder for state, where the admin token is
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<String>,
    /// Waiting requests to show
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    calls: usize,
    /// Show the error of token estimates and the length of answers too
    #[arg(long)]
    estimates: bool,
    /// Print what the gateway answers, as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &StatusArgs) -> Result<(), Failure> {
    let settings = SettingsArgs {
        config: args.config.clone(),
        state_dir: args.state_dir.clone(),
        ..SettingsArgs::default()
    };
    // Clients of a gateway have OPENAI_BASE_URL lead to it, which as an upstream would be a loop.
    let mut environment = environment();
    environment.retain(|name, _| !name.starts_with("OPENAI_"));
    let loaded = settings
        .load(environment)
        .or_else(|problems| explain(&problems))?;
    let gateway = Gateway::find(args.address.as_deref(), &loaded.settings)?;
    let state = runtime::on_this_thread()?.block_on(gateway.ask(args.calls, args.estimates))?;
    let mut terminal = Terminal::stdout();
    if args.json {
        let text = serde_json::to_string_pretty(&state)
            .map_err(|error| Failure::other(format!("the state cannot be written: {error}")))?;
        return terminal.line(&text);
    }
    let lines = show::lines(&state, terminal.style());
    terminal.line(&lines.join("\n"))
}
