//! `paceline prices update`.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use clap::Args;
use paceline_tokens::prices::{Change, ChangeKind, Date, Merged, Price, PriceBook};
use tempfile::NamedTempFile;

use super::rates::in_brief;
use super::source::{book_with, read, today};
use crate::exit::Failure;
use crate::figures::counted;
use crate::load::ClientArgs;
use crate::table::{Side, Table};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  paceline prices update --from newer.toml --dry-run      what would change?
  paceline prices update --from newer.toml

The file is replaced as a whole or not at all; comments in it are not kept. A running gateway
takes it over when it is reloaded.";

/// Merge a newer price file into your own
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UpdateArgs {
    /// The price file to merge
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Take prices over that were read earlier than those that they replace
    #[arg(long)]
    force: bool,
    /// Show the changes and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    configured: ClientArgs,
}

pub(super) fn run(args: &UpdateArgs) -> Result<(), Failure> {
    let prices = args.configured.load_as_client()?.prices;
    let target = &prices.file;
    let newer = read(&args.from)?;
    // A file that is named and not there yet is made.
    let own = match target.try_exists() {
        Ok(false) => Default::default(),
        _ => read(target)?,
    };
    let merged = own.merge(&newer);
    let mut terminal = Terminal::stdout();
    if merged.changes.is_empty() {
        return terminal.line(&format!("{} has all of it already", target.display()));
    }
    terminal.line(&changes(&merged).join("\n"))?;
    let older = older(&merged, today());
    if !older.is_empty() && !args.force {
        for line in &older {
            Terminal::stderr().line(line)?;
        }
        let count = counted(older.len() as u64, "price");
        let message = format!("{count} would be replaced by an older reading; --force takes it");
        return Err(Failure::other(message));
    }
    if args.dry_run {
        return terminal.line("nothing was written (--dry-run)");
    }
    replace(target, &merged.file.to_toml())
        .map_err(|error| Failure::other(format!("cannot write {}: {error}", target.display())))?;
    let count = counted(merged.changes.len() as u64, "change");
    terminal.line(&format!("wrote {} ({count})", target.display()))
}

fn changes(merged: &Merged) -> Vec<String> {
    let mut table = Table::new(&[
        ("model", Side::Left),
        ("from", Side::Left),
        ("input / output", Side::Left),
        ("instead of", Side::Left),
    ]);
    for change in &merged.changes {
        let before = match &change.kind {
            ChangeKind::Added => "(new)".to_owned(),
            ChangeKind::Replaced(before) => in_brief(before),
        };
        table.row([
            format!("{}: {}", change.after.provider(), change.model),
            change.after.effective_from().to_string(),
            in_brief(&change.after),
            before,
        ]);
    }
    table.lines()
}

/// What is newer already: in the user's file or, where that says nothing and the newer file would
/// now hold, in the built-in prices.
fn older(merged: &Merged, today: Date) -> Vec<String> {
    let built_in = PriceBook::built_in();
    let after_all = book_with(Some(&merged.file));
    let known_of = |change: &Change| {
        let (provider, model) = (change.after.provider(), change.model.as_str());
        if let ChangeKind::Replaced(before) = &change.kind {
            return Some(before.as_of());
        }
        let day = change.after.effective_from().max(today);
        let holds = after_all.price_at(provider, model, day) == Some(&change.after);
        let below = built_in.price_at(provider, model, day).filter(|_| holds);
        below.map(Price::as_of)
    };
    let each = merged.changes.iter().filter_map(|change| {
        let after = change.after.as_of();
        let before = known_of(change).filter(|before| after < *before)?;
        let model = &change.model;
        Some(format!(
            "{model}: read on {after}, and what is known is of {before}"
        ))
    });
    each.collect()
}

/// Writes a file so that it is there as a whole or as it was, whatever happens in between.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays one: what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // The state folder holds secrets too.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Ok(before) = fs::metadata(&path) {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&path)?;
    File::open(folder)?.sync_all()
}
