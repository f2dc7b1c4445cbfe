//! The start of a batch: what is there already, and what is left to do.

use std::fs;
use std::sync::Arc;

use crate::error::{FileError, InputError, OpenError};
use crate::files::Files;
use crate::history::{History, Reading};
use crate::input::{Entry, Input, shown, spool};
use crate::journal::frame::{Header, Place};
use crate::journal::record::{Record, Started};
use crate::journal::writer::{Target, Writer, now_ms};
use crate::lock::lock;
use crate::rewrite::{begin_anew, rewrite};
use crate::states::{States, count};
use crate::{Job, JobOptions, Journal, LineId, LineState, Order, Source, Tokens, Work};

/// How many lines are listed.
const MAYBE_SENT_MAX: usize = 1_000;

/// A batch that is ready to run.
#[derive(Debug)]
pub struct Opened {
    /// The requests.
    pub work: Work,
    /// Where is told what was sent and what came back. It holds the lock of the batch.
    pub journal: Journal,
    /// What was there already.
    pub found: Found,
}

/// What was there when a batch was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Lines of the input, invalid ones among them.
    pub total: u32,
    /// Lines whose answer is in the results.
    pub done_ok: u32,
    /// Lines that failed, and are not tried again.
    pub done_failed: u32,
    /// Lines that cannot be sent; they are in the errors.
    pub invalid: u32,
    /// Lines that are to be done.
    pub to_do: u32,
    /// Lines that an earlier run may have sent, and that are to be done again.
    pub maybe_sent: MaybeSent,
    /// Results that were dropped now: their lines were edited, removed, or are to be tried again.
    pub stale: u32,
    /// Bytes at the journal's end that a crash left unfinished; they were cut off.
    pub tail_cut_bytes: u64,
    /// What the results that are there took.
    pub totals: Totals,
}

/// Sums over results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tokens.
    pub tokens: Tokens,
    /// What they cost, as far as prices are known, in billionths of a dollar.
    pub cost_nanousd: u64,
    /// Results without a price.
    pub unpriced: u32,
}

/// Lines that may be billed twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaybeSent {
    /// How many.
    pub count: u32,
    /// The first of them, 1,000 at most.
    pub first: Vec<MaybeSentLine>,
}

/// One line that may be billed twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaybeSentLine {
    /// Its name.
    pub custom_id: String,
    /// Where it begins in the input, counted from 1.
    pub line: u64,
}

/// Opens a batch: takes its lock, reads the input, finds out what was done before, and drops what
/// is out of date. Blocks, for seconds where the input is large.
///
/// # Errors
///
/// [`OpenError`]; nothing is to be sent then.
pub fn open(job: &Job) -> Result<Opened, OpenError> {
    let files = Files::of(&job.output);
    if let Source::File(input) = &job.input
        && files.has(input)
    {
        let input = input.display();
        let what =
            format!("{input} is the input, and results would replace it: write to another file");
        return Err(InputError::Options(what).into());
    }
    let is_new = files.make_folder()?;
    let opened = open_in_folder(job, &files);
    if opened.is_err() && is_new {
        // Nothing began: what was made for it goes, unless there is something in it.
        let removed = fs::remove_file(files.folder.join("lock"));
        if let Err(error) = removed.and_then(|()| fs::remove_dir(&files.folder)) {
            tracing::debug!(%error, folder = %files.folder.display(), "the folder stays");
        }
    }
    opened
}

fn open_in_folder(job: &Job, files: &Files) -> Result<Opened, OpenError> {
    let options = &job.options;
    let lock = lock(&files.folder, now_ms())?;
    let path = spool(&job.input, &files.folder)?;
    let input = Arc::new(Input::open(&path, shown(&job.input), options)?);
    let header = generation(files, options)?;
    let (header, history, mut found) = up_to_date(files, header, &input, options)?;
    found.maybe_sent.first = maybe_sent(&history, &input);
    let left = found.to_do;
    let states = Arc::new(States::from(history.states.clone()));
    let target = Target {
        files: files.clone(),
        header,
        input: input.clone(),
        states: states.clone(),
        order: options.order,
        _lock: lock,
    };
    let mut writer = Writer::open(target, &history)?;
    let started = Started {
        at_ms: now_ms(),
        source: input.shown.clone(),
        lines: input.len(),
        digest: input.index.digest.into(),
    };
    writer.begin(Record::Started(started), &history)?;
    let journal = Journal::start(writer, input.clone());
    Ok(Opened {
        work: Work::new(input, states, left),
        journal: journal.map_err(FileError::of("start a thread for", &files.journal()))?,
        found,
    })
}

/// The generation that counts; the first one is made where there is none.
fn generation(files: &Files, options: &JobOptions) -> Result<Header, OpenError> {
    let place = match options.order {
        Order::AsTheyCome => Place::Output,
        Order::Input => Place::Folder,
    };
    if options.restart {
        return Ok(begin_anew(files, place)?);
    }
    match files.header()? {
        Some(Ok(header)) => {
            files.settle(header)?;
            Ok(header)
        }
        Some(Err(what)) => Err(OpenError::Journal {
            path: files.journal().display().to_string(),
            what,
        }),
        None => {
            let there = files.visible().into_iter().find(|path| path.exists());
            match there {
                Some(path) => Err(OpenError::Foreign(path.display().to_string())),
                None => Ok(begin_anew(files, place)?),
            }
        }
    }
}

/// Reads the journal, and drops results that are out of date or moves them to where this run needs them.
fn up_to_date(
    files: &Files,
    header: Header,
    input: &Input,
    options: &JobOptions,
) -> Result<(Header, History, Found), OpenError> {
    let reading = Reading {
        files,
        header,
        input,
        retries_failed: options.retry_failed,
        is_over: true,
    };
    let history = reading.history()?;
    let found = Found {
        stale: history.stale,
        tail_cut_bytes: history.tail_bytes,
        totals: history.sums.totals,
        ..count(&history.states)
    };
    if found.tail_cut_bytes > 0 {
        let path = files.journal();
        tracing::warn!(bytes = found.tail_cut_bytes, path = %path.display(), "cut off the unfinished end of the journal");
    }
    let place = match options.order {
        Order::AsTheyCome => Place::Output,
        // What is in order stays where it is as long as nothing comes to it.
        Order::Input if found.to_do == 0 => header.place,
        Order::Input => Place::Folder,
    };
    if history.stale == 0 && place == header.place {
        return Ok((header, history, found));
    }
    let header = rewrite(&reading, &history, place, false)?;
    let history = Reading { header, ..reading }.history()?;
    Ok((header, history, found))
}

fn maybe_sent(history: &History, input: &Input) -> Vec<MaybeSentLine> {
    let lines = history
        .states
        .iter()
        .zip(0..)
        .filter(|(state, _)| state.shown() == LineState::MaybeSent);
    let named = lines.take(MAYBE_SENT_MAX).map(|(_, id)| MaybeSentLine {
        custom_id: input.name(LineId(id)),
        line: input.entry(LineId(id)).map_or(0, Entry::line),
    });
    named.collect()
}
