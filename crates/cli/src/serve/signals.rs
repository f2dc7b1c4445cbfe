//! The signals that a gateway obeys.

use std::io;

use tokio::signal::unix::{self, SignalKind};

use crate::exit;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Read the configuration again.
    HangUp,
    /// Come to an end; with the exit code for doing so at once.
    End(u8),
}

/// The signals that are waited for; from now on they do not end the process.
#[derive(Debug)]
pub(crate) struct Signals {
    hang_up: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Starts to catch them. Needs a runtime to be entered.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            hang_up: unix::signal(SignalKind::hangup())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hang_up.recv() => Signal::HangUp,
            _ = self.interrupt.recv() => Signal::End(exit::INTERRUPTED),
            _ = self.terminate.recv() => Signal::End(exit::TERMINATED),
        }
    }
}
