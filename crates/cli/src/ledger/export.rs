//! `paceline ledger export`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use paceline_ledger::{Export, Filter, Format, Ledger, Outcome};
use tempfile::NamedTempFile;

use super::moment::{Moment, now_ms};
use super::{Place, open, unanswered};
use crate::exit::Failure;
use crate::figures::counted;
use crate::runtime;
use crate::terminal::Terminal;

const NOTES: &str = "\
Records come in the order in which their calls ended. In CSV a text that a spreadsheet would take
for a formula has an apostrophe before it; JSON lines have every text to the letter.";

/// Write usage records as CSV or JSON lines, the oldest first
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct ExportArgs {
    /// Form of the records
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: FormatArg,
    /// Calls that ended at this time or later: 2026-11-22, 2026-11-22T18:30 (UTC), or 24h, 7d ago
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    from: Option<Moment>,
    /// Calls that ended before this time
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    to: Option<Moment>,
    /// Calls of this tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Calls of this session
    #[arg(long, value_name = "NAME")]
    session: Option<String>,
    /// Calls for this model, as it was asked for
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Calls with the key of this id
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Calls with this tag among theirs
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Calls that ended so: ok, provider_error, refused, upstream_failed or caller_gone
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Calls over this lane, as in claude/claude-haiku-4-5
    #[arg(long, value_name = "LANE")]
    lane: Option<String>,
    /// File to write, which is whole or not there; without this, standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// Form of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// A table for spreadsheets
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Csv => Self::Csv,
            FormatArg::Jsonl => Self::JsonLines,
        }
    }
}

fn outcome(name: &str) -> Result<Outcome, String> {
    Outcome::from_name(name).ok_or_else(|| {
        let names = Outcome::ALL.map(Outcome::name).join(", ");
        format!("`{name}` is none of {names}")
    })
}

pub(super) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let settings = args.place.settings()?;
    let filter = args.filter(now_ms())?;
    runtime::on_this_thread()?.block_on(async {
        let ledger = open(&settings).await?;
        let done = args.write(&ledger, filter).await;
        ledger.close().await;
        done
    })
}

impl ExportArgs {
    fn filter(&self, now_ms: i64) -> Result<Filter, Failure> {
        let at = |moment: Option<Moment>| moment.map(|moment| moment.unix_ms(now_ms));
        let (from_ms, until_ms) = (at(self.from), at(self.to));
        if let (Some(from), Some(until)) = (from_ms, until_ms)
            && from >= until
        {
            return Err(Failure::other(
                "nothing lies between --from and --to: --to must be the later one",
            ));
        }
        Ok(Filter {
            from_ms,
            until_ms,
            tenant: self.tenant.clone(),
            session: self.session.clone(),
            key_id: self.key.clone(),
            model: self.model.clone(),
            tag: self.tag.clone(),
            outcome: self.outcome,
            lane: self.lane.clone(),
            ..Filter::default()
        })
    }

    async fn write(&self, ledger: &Ledger, filter: Filter) -> Result<(), Failure> {
        let export = ledger.export(filter, self.format.into());
        let Some(path) = &self.output else {
            let mut terminal = Terminal::stdout();
            return self
                .drain(export, |piece| terminal.write(piece))
                .await
                .map(drop);
        };
        let mut file = Output::create(path).map_err(|error| unwritable(path, &error))?;
        let write = |piece: &str| {
            let written = file.writer().write_all(piece.as_bytes());
            written.map_err(|error| unwritable(path, &error))
        };
        let records = self.drain(export, write).await?;
        file.finish().map_err(|error| unwritable(path, &error))?;
        let count = counted(records, "record");
        Terminal::stderr().line(&format!("wrote {count} to {}", path.display()))
    }

    /// Hands over all pieces; tells how many records they held.
    async fn drain(
        &self,
        mut export: Export,
        mut take: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let mut lines = 0;
        while let Some(piece) = export.next().await.map_err(unanswered)? {
            // No text of a record has a line break in it: what would be one was replaced.
            lines += piece.bytes().filter(|byte| *byte == b'\n').count() as u64;
            take(&piece)?;
        }
        let heading = u64::from(self.format == FormatArg::Csv);
        Ok(lines.saturating_sub(heading))
    }
}

/// A file that appears when it is whole, or something that is no file and is written as it is, such as
/// a pipe.
enum Output {
    File(NamedTempFile, PathBuf),
    Other(File),
}

impl Output {
    fn create(path: &Path) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return File::options().write(true).open(path).map(Self::Other);
        }
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Self::File(file, path.to_owned()))
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::File(file, _) => file,
            Self::Other(file) => file,
        }
    }

    fn finish(self) -> io::Result<()> {
        if let Self::File(file, path) = self {
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
        }
        Ok(())
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::other(format!("cannot write {}: {error}", path.display()))
}
