//! Runtimes for commands that wait for the network or for signals.

use tokio::runtime::{Builder, Runtime};

use crate::exit::Failure;

/// A runtime on the calling thread.
pub(crate) fn on_this_thread() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start a runtime: {error}")))
}

/// A runtime with threads of its own.
pub(crate) fn with_threads(threads: usize) -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start a runtime: {error}")))
}
