//! The journal: what was sent and what came back, safe from every kind of crash.

pub(crate) mod frame;
pub(crate) mod record;
pub(crate) mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::error::FileError;
use crate::hash::Hash;
use crate::input::Input;
use crate::{Finished, JournalError, LineId, Manifest, RunEnd, answer_line};

use record::{Done, DoneKind};
use writer::{Message, Writer};

/// How many calls may wait for the disk; more wait for these.
const QUEUE_MAX: usize = 1024;

/// The journal of a batch that is open; cheap to clone. A thread of its own writes: all that comes in while
/// it waits for the disk goes to disk together. When the last clone is dropped, what was begun is written and the
/// lock is free; the next run goes on from there.
#[derive(Clone)]
pub struct Journal {
    // Dropped before the thread is waited for, which ends when the last sender is gone.
    sender: mpsc::Sender<Message>,
    _thread: Arc<Thread>,
    input: Arc<Input>,
    broken: Arc<OnceLock<FileError>>,
    folder: Arc<Path>,
}

/// The writing thread; it is waited for.
struct Thread(Option<JoinHandle<()>>);

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread panicked");
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Journal");
        debug
            .field("broken", &self.broken.get())
            .finish_non_exhaustive()
    }
}

impl Journal {
    pub(crate) fn start(writer: Writer, input: Arc<Input>) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let broken = writer.broken();
        let folder = Arc::from(writer.folder());
        let thread = std::thread::Builder::new().name("batch-journal".to_owned());
        let thread = thread.spawn(move || writer.run(receiver))?;
        Ok(Self {
            sender,
            _thread: Arc::new(Thread(Some(thread))),
            input,
            broken,
            folder,
        })
    }

    /// Tells that a request is about to be sent, for the `attempt`-th time (from 1). Complete when that is on
    /// disk: only then may it be sent. Dropping the future does not take it back.
    ///
    /// # Errors
    ///
    /// The disk did not take it, now or earlier: nothing more may be sent. Or the line is not to be done.
    pub async fn sent(&self, id: LineId, attempt: u32) -> Result<(), JournalError> {
        self.tell(|reply| Message::Sent { id, attempt, reply })
            .await
    }

    /// Tells that a request came back without being billed and is still to be done: the next run need not take
    /// it for one that may be billed twice.
    ///
    /// # Errors
    ///
    /// As [`Journal::sent`].
    pub async fn returned(&self, id: LineId) -> Result<(), JournalError> {
        self.tell(|reply| Message::Returned { id, reply }).await
    }

    /// Puts a request's end into results or errors, and into the journal. Complete when that is on disk. Dropping
    /// the future does not take it back.
    ///
    /// # Errors
    ///
    /// As [`Journal::sent`]; or `custom_id` is not this line's, or the line is done already.
    pub async fn done(&self, id: LineId, finished: Finished) -> Result<(), JournalError> {
        let entry = self.input.entry(id).copied();
        let entry = entry.filter(|entry| entry.name == Hash::of_name(&finished.custom_id));
        let Some(entry) = entry else {
            let custom_id = finished.custom_id;
            return Err(JournalError::NotToDo { id, custom_id });
        };
        let line = answer_line::finished(entry.name, entry.content, &finished);
        let line = line
            .map_err(|error| JournalError::Results(format!("{}: {error}", finished.custom_id)))?;
        let done = Box::new(done(entry.name, entry.content, finished));
        self.tell(|reply| Message::Done {
            id,
            line,
            done,
            reply,
        })
        .await
    }

    /// Ends the run: puts results into the order of the input where that is asked for and nothing is left to
    /// do, and writes the manifest. The lock is free then, and every later call fails.
    ///
    /// # Errors
    ///
    /// As [`Journal::sent`]. What is on disk stays good for the next run.
    pub async fn finish(&self, end: RunEnd) -> Result<Manifest, JournalError> {
        self.tell(|reply| Message::Finish { end, reply }).await
    }

    /// The folder of the batch, which this holds the lock of.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Why nothing can be written any more; `None`: all is well.
    #[must_use]
    pub fn broken(&self) -> Option<JournalError> {
        self.broken.get().cloned().map(JournalError::File)
    }

    async fn tell<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<Result<T, JournalError>>) -> Message,
    ) -> Result<T, JournalError> {
        let (reply, answer) = oneshot::channel();
        let over = || self.broken().unwrap_or(JournalError::Closed);
        self.sender.send(message(reply)).await.map_err(|_| over())?;
        answer.await.map_err(|_| over())?
    }
}

/// The record of a request's end, but for its place.
fn done(name: Hash, content: Hash, finished: Finished) -> Done {
    let is_ok = finished.is_ok();
    Done {
        name,
        content,
        kind: if is_ok {
            DoneKind::Ok
        } else {
            DoneKind::Failed
        },
        status: finished.answer.map_or(0, |answer| answer.status),
        tokens: finished.tokens,
        cost_nanousd: finished.cost_nanousd,
        attempts: finished.attempts,
        wait_ms: finished.wait_ms,
        duration_ms: finished.duration_ms,
        code: finished
            .failure
            .map(|failure| failure.code)
            .or(finished.error_code),
        model: finished.model,
        ..Done::default()
    }
}
