//! How the process ends: the exit codes, and the one place that prints an error.

use std::io;
use std::process::ExitCode;

use crate::terminal::Terminal;

/// Everything went well.
pub(crate) const OK: u8 = 0;
/// Something failed that has no code of its own.
pub(crate) const FAILURE: u8 = 1;
/// The configuration is invalid; nothing was started. (Wrong usage of the command line is 2.)
pub(crate) const CONFIGURATION: u8 = 3;
/// An address is in use or may not be listened on.
pub(crate) const ADDRESS: u8 = 4;
/// The upstream does not answer.
pub(crate) const UPSTREAM: u8 = 5;
/// No gateway answers at the address.
pub(crate) const GATEWAY: u8 = 6;
/// The admin token is missing or wrong.
pub(crate) const TOKEN: u8 = 7;
/// Lines of a batch failed.
pub(crate) const FAILED_LINES: u8 = 8;
/// Lines of a batch are left.
pub(crate) const LEFT: u8 = 9;
/// Ended by Ctrl-C, as a shell reports SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM, as a shell reports it.
pub(crate) const TERMINATED: u8 = 143;

/// Why a command ends early: its exit code and what is said about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    code: u8,
    /// Empty when everything has been said already.
    message: String,
}

impl Failure {
    /// A failure with a message: what is wrong, and what helps.
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A failure without a code of its own.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::new(FAILURE, message)
    }

    /// What is said about it.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// An end about which nothing is left to say.
    pub(crate) fn quiet(code: u8) -> Self {
        Self::new(code, "")
    }
}

/// For writing to the terminal: when the reader of a pipe has gone there is nobody left to write
/// to, and that is no error.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::quiet(OK),
            _ => Self::other(format!("cannot write: {error}")),
        }
    }
}

/// Says what went wrong and turns it into an exit code.
pub(crate) fn finish(outcome: Result<(), Failure>) -> ExitCode {
    let Err(failure) = outcome else {
        return ExitCode::from(OK);
    };
    if !failure.message.is_empty() {
        let mut terminal = Terminal::stderr();
        let label = terminal.style().red("error:");
        // Where even this cannot be written, the exit code says it.
        let _ = terminal.line(&format!("{label} {}", failure.message));
    }
    ExitCode::from(failure.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        let gone = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(gone, Failure::quiet(OK));
        let full = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.code, FAILURE);
        assert!(full.message.starts_with("cannot write: "));
    }
}
