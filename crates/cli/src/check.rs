//! `paceline check`: whether the configuration is sound and the upstream answers.

pub(crate) mod limits;
mod store;

use clap::Args;
use paceline_config::{Loaded, Settings};
use paceline_gateway::check_upstream;

use crate::exit::{self, Failure};
use crate::load::SettingsArgs;
use crate::runtime;
use crate::table::{Side, Table};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  paceline check --config paceline.toml
  paceline check --config paceline.toml --offline     without asking the upstream
  OPENAI_TPM_LIMIT=30000 paceline check --verbose     where does each value come from?

Exit codes: 3 when something is wrong with the configuration, 5 when the upstream does not answer
within 3 seconds.";

/// Check the configuration and whether the upstream answers
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Do not ask the upstream
    #[arg(long)]
    offline: bool,
    /// Show where each value comes from
    #[arg(short, long)]
    verbose: bool,
}

pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let loaded = args.settings.load_or_explain()?;
    let mut terminal = Terminal::stdout();
    let source = match &args.settings.config {
        Some(file) => file.display().to_string(),
        None => "defaults and environment; no file (--config)".to_owned(),
    };
    terminal.line(&format!("configuration is valid: {source}"))?;
    let mut lines = notices(&loaded);
    lines.extend(limits::table(&loaded.settings));
    lines.extend(loaded.settings.store.iter().flat_map(store::table));
    if args.verbose {
        lines.extend(origins(&loaded));
    }
    terminal.line(&lines.join("\n"))?;
    if args.offline {
        return Ok(());
    }
    terminal.line(&format!("\n{}", ask_upstream(&loaded.settings)?))
}

fn notices(loaded: &Loaded) -> Vec<String> {
    let notices = loaded.notices.iter();
    notices.map(|notice| format!("note: {notice}")).collect()
}

fn origins(loaded: &Loaded) -> Vec<String> {
    let mut table = Table::new(&[("setting", Side::Left), ("from", Side::Left)]);
    for (path, origin) in &loaded.provenance {
        table.row([path.clone(), origin.to_string()]);
    }
    let mut lines = vec![String::new()];
    lines.extend(table.lines());
    lines
}

/// Asks the upstream for an answer, whatever it is.
fn ask_upstream(settings: &Settings) -> Result<String, Failure> {
    let upstream = &settings.upstream;
    let answer = runtime::on_this_thread()?.block_on(check_upstream(upstream));
    let url = &upstream.base_url;
    match answer {
        Ok(status) => Ok(format!("upstream {url} answers (status {status})")),
        Err(error) => {
            let message = format!(
                "the upstream {url} does not answer: {error}; look at upstream.base_url and the \
                 network, or leave this check out with --offline"
            );
            Err(Failure::new(exit::UPSTREAM, message))
        }
    }
}
