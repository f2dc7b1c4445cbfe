//! What can go wrong.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An operation on a file that failed. It can be told to many.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// What was to be done, as in `write`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system says.
    pub source: Arc<io::Error>,
}

impl FileError {
    /// Makes one of what the system says.
    pub(crate) fn of(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self {
            action,
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }
}

/// A line of the input that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it begins in the input, counted from 1.
    pub line: u64,
    /// Its name, as far as it could be read.
    pub custom_id: Option<String>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, message, .. } = self;
        write!(formatter, "line {line}: {message}")
    }
}

/// The lines of an input that cannot be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// The file, as it is shown.
    pub path: String,
    /// The first of them, 20 at most, in the order of the input.
    pub first: Vec<Problem>,
    /// How many there are.
    pub total: u64,
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.first {
            write!(formatter, "\n  {}, {problem}", self.path)?;
        }
        match self.total.saturating_sub(self.first.len() as u64) {
            0 => Ok(()),
            more => write!(formatter, "\n  and {more} more"),
        }
    }
}

/// Why an input cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InputError {
    /// No such file, a folder, no permission, or a disk that fails.
    #[error(transparent)]
    File(#[from] FileError),
    /// A folder was given.
    #[error("{0} is a folder: give the file with the requests")]
    IsFolder(String),
    /// There is nothing in it.
    #[error("{0} holds no requests: it is empty")]
    Empty(String),
    /// More lines than are counted.
    #[error("{0} has more than 4,294,967,294 lines: split it")]
    TooLong(String),
    /// A table without a template, a template without a table, a bad template, a column that is not there.
    #[error("{0}")]
    Options(String),
    /// Lines that cannot be sent.
    #[error("{} cannot be sent (correct them, or skip them with --skip-invalid):{problems}", lines(problems.total))]
    Invalid {
        /// Which, and why.
        problems: Problems,
    },
}

/// Why a batch cannot be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// The input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A file of the batch.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody else runs it.
    #[error(
        "{folder} is in use by process {pid}, which began {since}: wait for it to end, stop it, or write to another file"
    )]
    Locked {
        /// The batch's folder.
        folder: String,
        /// Process id of the other run, or `?`.
        pid: String,
        /// When the other run began, as in `42 s ago`.
        since: String,
    },
    /// The journal is not one, or not of a version that is known.
    #[error(
        "{path} is not a journal that this version reads ({what}): use the version that wrote it, or begin anew with --restart"
    )]
    Journal {
        /// The journal.
        path: String,
        /// What was found.
        what: String,
    },
    /// The input was edited while it was read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Results are there, and no journal says whose.
    #[error(
        "{0} exists already and belongs to no batch: write to another file, or replace it with --restart"
    )]
    Foreign(String),
    /// Results are not what the journal says.
    #[error(
        "{path} is not as the journal has it ({what}): put it back as it was, or begin anew with --restart"
    )]
    ResultsChanged {
        /// The file.
        path: String,
        /// What differs.
        what: String,
    },
}

/// Why a request cannot be read again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The file was edited since the batch was opened.
    #[error(
        "line {line} of {path} is not what it was when the batch began: run the batch again, which goes on with the new lines"
    )]
    Changed {
        /// The input.
        path: String,
        /// Where the line begins, counted from 1.
        line: u64,
    },
    /// The disk fails.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why something is not in the journal.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk did not take it; nothing more may be sent. What was acknowledged before is safe.
    #[error("{0}: the batch stops here; when that is mended, the same command goes on")]
    File(#[from] FileError),
    /// The results cannot be put in order: somebody changed them.
    #[error("{0}")]
    Results(String),
    /// The line is not one that is to be done, or goes by another name.
    #[error("line {} is not to be done as {custom_id}", .id.0)]
    NotToDo {
        /// The line.
        id: crate::LineId,
        /// The name it was given.
        custom_id: String,
    },
    /// The run has ended.
    #[error("the run has ended")]
    Closed,
}

pub(crate) fn lines(count: u64) -> String {
    match count {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    }
}
