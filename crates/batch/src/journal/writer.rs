//! The thread that writes: results first, and the journal only when they are on disk.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};

use crate::error::{FileError, OpenError};
use crate::files::{Files, Kind, open_to_write};
use crate::history::{History, Reading};
use crate::input::Input;
use crate::rewrite::{is_in_order, rewrite};
use crate::states::{State, States};
use crate::{Failure, JournalError, LineId, Manifest, Order, RunEnd, answer_line};

use super::frame::{Header, Place, push_frame};
use super::record::{Done, DoneKind, Record, Sent};

/// A round is closed when it has this much to write.
const ROUND_BYTES_MAX: usize = 8 * 1024 * 1024;

type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

/// What the thread is told.
pub(super) enum Message {
    Sent {
        id: LineId,
        attempt: u32,
        reply: Reply<()>,
    },
    Returned {
        id: LineId,
        reply: Reply<()>,
    },
    Done {
        id: LineId,
        line: Vec<u8>,
        done: Box<Done>,
        reply: Reply<()>,
    },
    Finish {
        end: RunEnd,
        reply: Reply<Manifest>,
    },
}

/// What a writer works on.
pub(crate) struct Target {
    pub(crate) files: Files,
    pub(crate) header: Header,
    pub(crate) input: Arc<Input>,
    pub(crate) states: Arc<States>,
    pub(crate) order: Order,
    /// Held as long as the writer lives.
    pub(crate) _lock: File,
}

/// Writes journal and results.
pub(crate) struct Writer {
    target: Target,
    journal: Appended,
    outputs: [Appended; 2],
    broken: Arc<OnceLock<FileError>>,
}

/// A file that is only appended to.
struct Appended {
    path: PathBuf,
    file: File,
    /// Up to where all is well.
    end: u64,
}

impl Appended {
    /// Opens a file and cuts off what is beyond its end.
    fn open(path: PathBuf, end: u64) -> Result<Self, FileError> {
        let file = open_to_write(&path)?;
        let cut = file
            .metadata()
            .and_then(|metadata| match metadata.len() > end {
                true => {
                    let bytes = metadata.len() - end;
                    tracing::info!(bytes, path = %path.display(), "cut off what was not finished");
                    file.set_len(end).and_then(|()| file.sync_all())
                }
                false => Ok(()),
            });
        cut.map_err(FileError::of("cut", &path))?;
        Ok(Self { path, file, end })
    }

    /// Puts bytes at the end, on disk.
    fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all_at(bytes, self.end);
        written.map_err(FileError::of("write", &self.path))?;
        // An error here says that nobody knows what is on disk; it is not tried again.
        self.file
            .sync_data()
            .map_err(FileError::of("sync", &self.path))?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// What goes to disk together.
#[derive(Default)]
struct Round {
    journal: Vec<u8>,
    outputs: [Vec<u8>; 2],
    /// Who is told when it is.
    replies: Vec<Reply<()>>,
    /// Where lines stand then.
    states: HashMap<LineId, State>,
}

impl Round {
    /// Answers now what is wrong, and else when the round is on disk.
    fn answer(&mut self, reply: Reply<()>, result: Result<(), JournalError>) {
        match result {
            Ok(()) => self.replies.push(reply),
            // Who does not wait for the answer does without it.
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn bytes(&self) -> usize {
        self.journal.len() + self.outputs.iter().map(Vec::len).sum::<usize>()
    }
}

impl Writer {
    /// Opens the files of a history, and cuts off what a crash left unfinished.
    pub(crate) fn open(target: Target, history: &History) -> Result<Self, FileError> {
        let (files, header) = (&target.files, target.header);
        let output = |kind| Appended::open(files.live(kind, header), history.ends[kind as usize]);
        let outputs = [output(Kind::Results)?, output(Kind::Errors)?];
        let journal = Appended::open(files.journal(), history.end)?;
        Ok(Self {
            target,
            journal,
            outputs,
            broken: Arc::default(),
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.target.files.folder
    }

    pub(super) fn broken(&self) -> Arc<OnceLock<FileError>> {
        self.broken.clone()
    }

    /// Begins a run: tells of it, and of lines that cannot be sent and are not told of yet.
    pub(crate) fn begin(&mut self, started: Record, history: &History) -> Result<(), OpenError> {
        let mut round = Round::default();
        self.push(&mut round, &started);
        let input = self.target.input.clone();
        for (state, (at, id)) in history.states.iter().zip(history.frames.iter().zip(0..)) {
            if state.is_invalid() && *at == 0 {
                self.push_invalid(&mut round, &input, LineId(id))?;
            }
            if round.bytes() > ROUND_BYTES_MAX {
                self.write(&round)?;
                round = Round::default();
            }
        }
        Ok(self.write(&round)?)
    }

    fn push_invalid(&self, round: &mut Round, input: &Input, id: LineId) -> Result<(), OpenError> {
        let Some(entry) = input.entry(id) else {
            return Ok(());
        };
        let (name, content) = (entry.name, entry.content);
        let problem = input.problem(id)?;
        let failure = Failure {
            code: "invalid_line".to_owned(),
            message: problem.to_string(),
        };
        let line = answer_line::invalid(name, content, problem.custom_id.as_deref(), &failure);
        let path = self.target.files.output(Kind::Errors);
        let line = line.map_err(|error| FileError::of("write", path)(error.into()))?;
        let kind = DoneKind::Invalid;
        let code = Some(failure.code);
        self.push_done(
            round,
            &line,
            Done {
                name,
                content,
                kind,
                code,
                ..Done::default()
            },
        );
        Ok(())
    }

    fn push(&self, round: &mut Round, record: &Record) {
        let generation = self.target.header.generation;
        push_frame(&mut round.journal, generation, |bytes| record.write(bytes));
    }

    /// Gives a result its place.
    fn push_done(&self, round: &mut Round, line: &[u8], mut done: Done) {
        let output = done.output() as usize;
        done.offset = self.outputs[output].end + round.outputs[output].len() as u64;
        done.length = line.len() as u64;
        done.sum = Done::sum_of(line);
        done.at_ms = now_ms();
        round.outputs[output].extend_from_slice(line);
        self.push(round, &Record::Done(done));
    }

    /// Writes until the run is finished or all who could tell something are gone.
    pub(super) fn run(mut self, mut receiver: mpsc::Receiver<Message>) {
        while let Some(first) = receiver.blocking_recv() {
            let mut round = Round::default();
            let mut finish = self.take(&mut round, first);
            while finish.is_none() && round.bytes() < ROUND_BYTES_MAX {
                let Ok(message) = receiver.try_recv() else {
                    break;
                };
                finish = self.take(&mut round, message);
            }
            let written = self.write_or_break(&round);
            if written.is_ok() {
                round
                    .states
                    .iter()
                    .for_each(|(id, state)| self.target.states.set(*id, *state));
            }
            for reply in round.replies {
                drop(reply.send(written.clone()));
            }
            if let Some((end, reply)) = finish {
                let manifest = self.finish(end);
                drop(self);
                drop(reply.send(manifest));
                return;
            }
        }
    }

    /// Adds a message to a round, or answers it at once; an end of the run is handed back.
    fn take(&self, round: &mut Round, message: Message) -> Option<(RunEnd, Reply<Manifest>)> {
        match message {
            Message::Finish { end, reply } => return Some((end, reply)),
            Message::Sent { id, attempt, reply } => {
                let result = self.take_sent(round, id, attempt);
                round.answer(reply, result);
            }
            Message::Returned { id, reply } => {
                let result = self.take_returned(round, id);
                round.answer(reply, result);
            }
            Message::Done {
                id,
                line,
                done,
                reply,
            } => {
                let result = self.take_done(round, id, &line, *done);
                round.answer(reply, result);
            }
        }
        None
    }

    /// Where a line that is to be done stands, with what the round is about to change.
    fn to_do(&self, round: &Round, id: LineId) -> Result<State, JournalError> {
        if let Some(error) = self.broken.get() {
            return Err(error.clone().into());
        }
        let state = round
            .states
            .get(&id)
            .copied()
            .or_else(|| self.target.states.get(id));
        let state = state.filter(|state| !state.is_done() && !state.is_invalid());
        state.ok_or_else(|| JournalError::NotToDo {
            id,
            custom_id: self.target.input.name(id),
        })
    }

    fn take_sent(&self, round: &mut Round, id: LineId, attempt: u32) -> Result<(), JournalError> {
        let state = self.to_do(round, id)?;
        let entry = self.target.input.entry(id).copied().unwrap_or_default();
        let sent = Sent {
            name: entry.name,
            content: entry.content,
            attempt,
            at_ms: now_ms(),
        };
        self.push(round, &Record::Sent(sent));
        round.states.insert(id, state.sent());
        Ok(())
    }

    fn take_returned(&self, round: &mut Round, id: LineId) -> Result<(), JournalError> {
        let state = self.to_do(round, id)?;
        let entry = self.target.input.entry(id).copied().unwrap_or_default();
        let (name, content) = (entry.name, entry.content);
        self.push(round, &Record::Returned { name, content });
        round.states.insert(id, state.returned());
        Ok(())
    }

    fn take_done(
        &self,
        round: &mut Round,
        id: LineId,
        line: &[u8],
        mut done: Done,
    ) -> Result<(), JournalError> {
        let state = self.to_do(round, id)?;
        done.maybe_twice = state.is_twice();
        round
            .states
            .insert(id, state.done(done.kind == DoneKind::Ok));
        self.push_done(round, line, done);
        Ok(())
    }

    fn write_or_break(&mut self, round: &Round) -> Result<(), JournalError> {
        if let Some(error) = self.broken.get() {
            return Err(error.clone().into());
        }
        self.write(round).map_err(|error| {
            tracing::error!(%error, "the batch cannot go on");
            // It is empty: this thread alone sets it, and once.
            self.broken.get_or_init(|| error).clone().into()
        })
    }

    fn write(&mut self, round: &Round) -> Result<(), FileError> {
        let ends = [self.outputs[0].end, self.outputs[1].end];
        let mut outputs = self.outputs.iter_mut().zip(&round.outputs);
        let results = outputs.try_for_each(|(output, bytes)| output.append(bytes));
        let written = results.and_then(|()| self.journal.append(&round.journal));
        if written.is_err() {
            self.take_back(ends);
        }
        written
    }

    /// Takes away what nobody was told of, so that no reader of the results sees half a line. Where that fails,
    /// the next start does it. The journal goes first: it must not tell of what is not there.
    fn take_back(&self, ends: [u64; 2]) {
        let mut cut = self.journal.file.set_len(self.journal.end);
        for (output, end) in self.outputs.iter().zip(ends) {
            cut = cut.and_then(|()| output.file.set_len(end));
        }
        if let Err(error) = cut {
            tracing::debug!(%error, "what was not written whole stays until the next start");
        }
    }

    fn finish(&mut self, end: RunEnd) -> Result<Manifest, JournalError> {
        let mut round = Round::default();
        let at_ms = now_ms();
        self.push(&mut round, &Record::Ended { at_ms, end });
        self.write_or_break(&round)?;
        self.put_together().map_err(|error| match error {
            OpenError::File(error) => error.into(),
            error => JournalError::Results(error.to_string()),
        })
    }

    fn put_together(&mut self) -> Result<Manifest, OpenError> {
        let target = &self.target;
        let reading = Reading {
            files: &target.files,
            header: target.header,
            input: &target.input,
            retries_failed: false,
            is_over: false,
        };
        let history = reading.history()?;
        let manifest = Manifest::of(&history, &target.input);
        let is_ordered = target.header.place == Place::Output && is_in_order(&history);
        if target.order == Order::Input && manifest.lines.left == 0 && !is_ordered {
            rewrite(&reading, &history, Place::Output, true)?;
        }
        manifest.write(&target.files)?;
        Ok(manifest)
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests;
