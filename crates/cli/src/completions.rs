//! `paceline completions`: what shells need to complete commands and options.

use clap::Args;
use clap_complete::Shell;

use crate::arguments;
use crate::exit::Failure;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  paceline completions bash > ~/.local/share/bash-completion/completions/paceline
  paceline completions zsh > ~/.zfunc/_paceline
  paceline completions fish > ~/.config/fish/completions/paceline.fish";

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut arguments::command(),
        "paceline",
        &mut script,
    );
    Terminal::stdout().write(&String::from_utf8_lossy(&script))
}
