//! `paceline config`: the commented configuration file and the schema of it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::exit::Failure;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  paceline config init                      write paceline.toml here
  paceline config init --output -           show it
  paceline serve --config paceline.toml     use it
  paceline config schema > config.schema.json";

/// Write a commented configuration file, or print the schema
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum ConfigCommand {
    Init(InitArgs),
    /// Print the JSON Schema of the configuration file
    Schema,
}

/// Write a configuration file with every key, its default and its meaning
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The file to write; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "paceline.toml")]
    output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Init(args) => init(args),
        ConfigCommand::Schema => schema(),
    }
}

fn init(args: &InitArgs) -> Result<(), Failure> {
    let template = paceline_config::template();
    if args.output == Path::new("-") {
        return Terminal::stdout().write(&template);
    }
    let shown = args.output.display();
    write_file(&args.output, &template, args.force).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::other(format!(
            "{shown} exists; name another file with --output, or replace it with --force"
        )),
        _ => Failure::other(format!("cannot write {shown}: {error}")),
    })?;
    Terminal::stderr().line(&format!(
        "wrote {shown}; change what you need, then: paceline serve --config {shown}"
    ))
}

/// Writes a file that must not be there yet, unless it may be replaced.
fn write_file(path: &Path, text: &str, replace: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    if replace {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(path)?.write_all(text.as_bytes())
}

fn schema() -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&paceline_config::schema())
        .map_err(|error| Failure::other(format!("the schema cannot be written: {error}")))?;
    Terminal::stdout().line(&text)
}
