//! Where work goes on that must not end with the runtime that it was started in.

use std::{io, thread};

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

/// Why there is no thread to work on.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the thread for timers: {0}; allow the process one more thread")]
pub struct TimerError(#[from] io::Error);

/// Something that is done for as long as somebody wants it.
pub(crate) trait Work: Send + 'static {
    /// Does it; called again, it goes on after it was cut off.
    fn run(&mut self) -> impl Future<Output = ()> + Send;

    /// Whether somebody still wants it.
    fn is_wanted(&self) -> bool;
}

/// Does the work on `runtime`, and where that ends before, on a thread of the process's own.
pub(crate) fn keep(work: impl Work, runtime: &Handle) {
    // Made here, as the runtime may end before it begins.
    let kept = Kept(Some(work));
    runtime.spawn(async move {
        let mut kept = kept;
        if let Some(work) = &mut kept.0 {
            work.run().await;
        }
        drop(kept.0.take());
    });
}

/// Work while it is done. Dropped with the runtime that it is done in, it goes on elsewhere.
struct Kept<T: Work>(Option<T>);

impl<T: Work> Drop for Kept<T> {
    fn drop(&mut self) {
        let Some(mut work) = self.0.take().filter(Work::is_wanted) else {
            return;
        };
        if let Ok(runtime) = own_runtime() {
            runtime.spawn(async move { work.run().await });
        }
    }
}

/// The tokio runtime that this is called in, and where there is none that of [`own_runtime`].
///
/// # Errors
/// If a thread is needed and cannot be started.
pub fn present_runtime() -> Result<Handle, TimerError> {
    Handle::try_current().or_else(|_| own_runtime())
}

/// The runtime of the thread that timers run on where there is no other, and whatever else has to
/// outlive the runtimes of a program; it is started once and sleeps while there is nothing to do.
///
/// # Errors
/// If it cannot be started.
pub fn own_runtime() -> Result<Handle, TimerError> {
    static OWN: Mutex<Option<Handle>> = Mutex::new(None);
    let mut own = OWN.lock();
    if let Some(handle) = &*own {
        return Ok(handle.clone());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("paceline-timer".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(own.insert(handle).clone())
}
