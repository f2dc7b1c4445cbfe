//! `paceline check`: whether the configuration is sound and its providers answer.

mod lanes;
pub(crate) mod limits;
mod store;

use clap::Args;
use paceline_config::Loaded;

use crate::exit::Failure;
use crate::load::SettingsArgs;
use crate::table::{Side, Table};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  paceline check --config paceline.toml
  paceline check --config paceline.toml --offline     without asking providers
  OPENAI_TPM_LIMIT=30000 paceline check --verbose     where does each value come from?

Exit codes: 3 when something is wrong with the configuration, 5 when a provider does not answer
within 3 seconds.";

/// Check the configuration and whether its providers answer
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Do not ask providers
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
    lines.extend(lanes::tables(&loaded.settings));
    lines.extend(loaded.settings.store.iter().flat_map(store::table));
    if args.verbose {
        lines.extend(origins(&loaded));
    }
    terminal.line(&lines.join("\n"))?;
    if args.offline {
        return Ok(());
    }
    let asked = lanes::ask(&loaded.settings)?;
    if !asked.answered.is_empty() {
        terminal.line(&format!("\n{}", asked.answered.join("\n")))?;
    }
    asked.silent.map_or(Ok(()), Err)
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
