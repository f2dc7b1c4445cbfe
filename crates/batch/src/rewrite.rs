//! The same results in a new generation: without those that are out of date, or in the order of the input.

use std::fs::File;
use std::path::Path;

use crate::LineId;
use crate::error::{FileError, OpenError};
use crate::files::{Files, Kind};
use crate::generation::{Next, line_of};
use crate::history::{History, Reading};
use crate::input::Input;
use crate::journal::frame::{Header, Place};
use crate::journal::record::Record;

/// Writes what counts of a history as the next generation, and puts it in the place of the old one.
pub(crate) fn rewrite(
    reading: &Reading<'_>,
    history: &History,
    place: Place,
    is_in_order: bool,
) -> Result<Header, OpenError> {
    let Reading {
        files,
        header: old,
        input,
        ..
    } = *reading;
    let header = Header {
        generation: old.generation + 1,
        place,
    };
    let mut next = Next::begin(files, header)?;
    push_past(&mut next, history, input)?;
    let mut frames: Vec<u64> = history
        .frames
        .iter()
        .copied()
        .filter(|at| *at != 0)
        .collect();
    if !is_in_order {
        frames.sort_unstable();
    }
    copy_results(&mut next, &frames, files, old)?;
    next.commit()?;
    Ok(header)
}

/// Whether the results are in the order of the input already.
pub(crate) fn is_in_order(history: &History) -> bool {
    // Of one journal, records that are in order have lines that are.
    history.frames.iter().filter(|at| **at != 0).is_sorted()
}

/// Empty results, in the place of whatever is there.
pub(crate) fn begin_anew(files: &Files, place: Place) -> Result<Header, FileError> {
    let generation = files.unused_generation()?;
    let header = Header { generation, place };
    Next::begin(files, header)?.commit()?;
    Ok(header)
}

/// What is to be known of earlier runs.
fn push_past(next: &mut Next<'_>, history: &History, input: &Input) -> Result<(), FileError> {
    let (count, cost) = (history.dropped, history.dropped_nanousd);
    next.push(&Record::Dropped {
        count: count + u64::from(history.stale),
        cost_nanousd: cost + history.stale_nanousd,
    })?;
    for run in &history.runs {
        next.push(run)?;
    }
    for (state, id) in history.states.iter().zip(0..) {
        let flags = state.flags();
        let entry = input
            .entry(LineId(id))
            .filter(|_| flags != 0 && !state.is_done());
        if let Some(entry) = entry {
            let (name, content) = (entry.name, entry.content);
            next.push(&Record::Flagged {
                name,
                content,
                flags,
            })?;
        }
    }
    Ok(())
}

fn copy_results(
    next: &mut Next<'_>,
    frames: &[u64],
    files: &Files,
    old: Header,
) -> Result<(), OpenError> {
    let open = |path: &Path| File::open(path).map_err(FileError::of("open", path));
    let journal = open(&files.journal())?;
    let paths = Kind::BOTH.map(|kind| files.live(kind, old));
    let results = [open(&paths[0])?, open(&paths[1])?];
    for at in frames {
        let done = History::done_at(&journal, old, *at)
            .map_err(FileError::of("read", &files.journal()))?;
        let done = done.ok_or_else(|| OpenError::Journal {
            path: files.journal().display().to_string(),
            what: format!("the record at byte {at} has changed"),
        })?;
        let kind = done.output() as usize;
        let line = line_of(&results[kind], &done).map_err(FileError::of("read", &paths[kind]))?;
        let line = line.ok_or_else(|| OpenError::ResultsChanged {
            path: paths[kind].display().to_string(),
            what: format!("the line at byte {} was edited", done.offset),
        })?;
        next.push_done(done, &line)?;
    }
    Ok(())
}
