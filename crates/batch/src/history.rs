//! What the journal tells of the lines of an input.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use crate::LineId;
use crate::error::{FileError, OpenError};
use crate::files::{Files, Kind};
use crate::generation::line_of;
use crate::hash::Hash;
use crate::input::{Input, Named};
use crate::journal::frame::{Frames, HEADER_BYTES, Header};
use crate::journal::record::{Done, DoneKind, Record, Sent};
use crate::manifest::Sums;
use crate::states::{State, TWICE};

/// A journal, read against an input.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) states: Vec<State>,
    /// Where the record of each line's end is in the journal; 0: it has none that counts.
    pub(crate) frames: Vec<u64>,
    /// The begins and ends of runs.
    pub(crate) runs: Vec<Record>,
    /// Results that were dropped in earlier generations, and what they had cost.
    pub(crate) dropped: u64,
    pub(crate) dropped_nanousd: u64,
    /// Results that are to be dropped now, and what they had cost.
    pub(crate) stale: u32,
    pub(crate) stale_nanousd: u64,
    /// Where the last whole record ends, and the bytes after that.
    pub(crate) end: u64,
    pub(crate) tail_bytes: u64,
    /// Where the last line of each file of results ends.
    pub(crate) ends: [u64; 2],
    pub(crate) sums: Sums,
}

/// What the reading of a journal depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) files: &'a Files,
    pub(crate) header: Header,
    pub(crate) input: &'a Input,
    /// Failed lines are to be done again.
    pub(crate) retries_failed: bool,
    /// The run that is told of last has ended, however it did.
    pub(crate) is_over: bool,
}

impl Reading<'_> {
    /// Reads the journal up to its last whole record, and sees to it that results are there as it says.
    pub(crate) fn history(&self) -> Result<History, OpenError> {
        let path = self.files.journal();
        let mut file = File::open(&path).map_err(FileError::of("open", &path))?;
        let failed = FileError::of("read", &path);
        let bytes = file.metadata().map_err(&failed)?.len();
        file.seek(SeekFrom::Start(HEADER_BYTES as u64))
            .map_err(&failed)?;
        let reader = BufReader::with_capacity(1 << 18, file);
        let mut frames = Frames::new(reader, self.header.generation);
        let mut lines = Lines::new(self.input, self.retries_failed);
        while let Some((at, content)) = frames.next().map_err(&failed)? {
            let record = Record::read(content).ok_or_else(|| OpenError::Journal {
                path: path.display().to_string(),
                what: format!("it holds a record at byte {at} that is not known"),
            })?;
            lines.take(at, record);
        }
        if self.is_over {
            lines.leave_behind();
        }
        let Lines {
            mut history, last, ..
        } = lines;
        history.end = frames.end();
        history.tail_bytes = bytes.saturating_sub(history.end);
        for (kind, last) in Kind::BOTH.into_iter().zip(&last) {
            self.check_results(kind, history.ends[kind as usize], last.as_ref())?;
        }
        Ok(history)
    }

    /// Whether a file of results is at least as long as the journal says, and ends as it says.
    fn check_results(&self, kind: Kind, end: u64, last: Option<&Done>) -> Result<(), OpenError> {
        let path = self.files.live(kind, self.header);
        let changed = |what| OpenError::ResultsChanged {
            path: path.display().to_string(),
            what,
        };
        let bytes = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(changed("it is missing".to_owned()));
            }
            Err(error) => return Err(FileError::of("open", &path)(error).into()),
        };
        if bytes < end {
            return Err(changed(format!("it has {bytes} bytes instead of {end}")));
        }
        let Some(last) = last else { return Ok(()) };
        let file = File::open(&path).map_err(FileError::of("open", &path))?;
        let line = line_of(&file, last).map_err(FileError::of("read", &path))?;
        let edited = || changed(format!("it was edited before byte {end}"));
        line.map(|_| ()).ok_or_else(edited)
    }
}

impl History {
    /// A line's record in the journal that this was read from, by [`History::frames`].
    pub(crate) fn done_at(
        journal: &File,
        header: Header,
        at: u64,
    ) -> std::io::Result<Option<Done>> {
        let mut bytes = [0; 1024];
        let read = journal.read_at(&mut bytes, at)?;
        let mut frames = Frames::new(bytes.get(..read).unwrap_or_default(), header.generation);
        Ok(match frames.next()? {
            Some((_, content)) => match Record::read(content) {
                Some(Record::Done(done)) => Some(done),
                _ => None,
            },
            None => None,
        })
    }
}

/// The lines of an input while the journal is read.
struct Lines<'a> {
    input: &'a Input,
    retries_failed: bool,
    /// Lines that were sent in the run that is being told of.
    sent: Vec<LineId>,
    last: [Option<Done>; 2],
    history: History,
}

impl<'a> Lines<'a> {
    fn new(input: &'a Input, retries_failed: bool) -> Self {
        let index = &input.index;
        let state = |named| match named {
            Named::Invalid => State::INVALID,
            Named::Itself | Named::ByBody => State::default(),
        };
        let history = History {
            states: index
                .entries
                .iter()
                .map(|entry| state(entry.named()))
                .collect(),
            frames: vec![0; index.entries.len()],
            ..History::default()
        };
        Self {
            input,
            retries_failed,
            sent: Vec::new(),
            last: [None, None],
            history,
        }
    }

    fn take(&mut self, at: u64, record: Record) {
        match record {
            Record::Started(_) => {
                self.leave_behind();
                self.history.runs.push(record);
            }
            Record::Ended { .. } => self.history.runs.push(record),
            Record::Sent(sent) => self.take_sent(&sent),
            Record::Returned { name, content } => {
                if let Some((_, state)) = self.line(name, content) {
                    *state = state.returned();
                }
            }
            Record::Done(done) => self.take_done(at, done),
            Record::Flagged {
                name,
                content,
                flags,
            } => {
                if let Some((_, state)) = self.line(name, content) {
                    *state = state.with(flags);
                }
            }
            Record::Dropped {
                count,
                cost_nanousd,
            } => {
                self.history.dropped = count;
                self.history.dropped_nanousd = cost_nanousd;
            }
        }
    }

    /// The run has ended: what it sent and has no end may have been answered.
    fn leave_behind(&mut self) {
        for id in self.sent.drain(..) {
            if let Some(state) = self.history.states.get_mut(id.0 as usize) {
                *state = state.left_behind();
            }
        }
    }

    /// The line that a record is of, if it still says the same.
    fn line(&mut self, name: Hash, content: Hash) -> Option<(LineId, &mut State)> {
        let id = self.input.index.find(name)?;
        let entry = self.input.entry(id)?;
        let state = self.history.states.get_mut(id.0 as usize)?;
        (entry.content == content).then_some((id, state))
    }

    fn take_sent(&mut self, sent: &Sent) {
        let Some((id, state)) = self.line(sent.name, sent.content) else {
            return;
        };
        if state.is_done() || state.is_invalid() {
            return;
        }
        let was_sent = state.is_sent();
        *state = state.sent();
        if !was_sent {
            self.sent.push(id);
        }
    }

    fn take_done(&mut self, at: u64, done: Done) {
        let output = done.output() as usize;
        self.history.ends[output] =
            self.history.ends[output].max(done.offset.saturating_add(done.length));
        let is_again = self.retries_failed && done.kind == DoneKind::Failed;
        let counts = match self.line(done.name, done.content) {
            Some((id, state)) => {
                if done.maybe_twice {
                    *state = state.with(TWICE);
                }
                let is_of_its_kind = state.is_invalid() == (done.kind == DoneKind::Invalid);
                let is_new = !state.is_done() && is_of_its_kind && !is_again;
                if !state.is_invalid() && !state.is_done() {
                    // One that is to be tried again was not left behind: it has an end.
                    *state = if is_new {
                        state.done(done.kind == DoneKind::Ok)
                    } else {
                        state.ended()
                    };
                }
                is_new.then_some(id)
            }
            None => None,
        };
        let frame = counts.and_then(|id| self.history.frames.get_mut(id.0 as usize));
        match frame {
            Some(frame) if *frame == 0 => {
                *frame = at;
                self.history.sums.add(&done);
            }
            _ => {
                self.history.stale += 1;
                self.history.stale_nanousd += done.cost_nanousd.unwrap_or(0);
            }
        }
        self.last[output] = Some(done);
    }
}
