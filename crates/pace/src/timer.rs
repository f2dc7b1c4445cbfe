//! Where a pool's timer runs, so that it runs as long as the pool lives.

use std::sync::{Arc, Weak};
use std::{io, thread};

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

use crate::{Pool, Watch};

/// Why a pool got no timer.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the thread for timers: {0}; allow the process one more thread")]
pub struct TimerError(#[from] io::Error);

/// Runs the timer of `pool` until the pool is dropped: in the tokio runtime that this is called in,
/// and where there is none, or that one ends before the pool, on a thread of the process's own.
///
/// # Errors
/// If that thread is needed and cannot be started.
pub fn keep_time<W: Watch>(pool: &Arc<Pool<W>>) -> Result<(), TimerError> {
    let runtime = match Handle::try_current() {
        Ok(current) => current,
        Err(_) => own_thread()?,
    };
    let kept = Kept(Arc::downgrade(pool));
    runtime.spawn(async move {
        let kept = kept;
        Pool::run_timer(Weak::clone(&kept.0)).await;
    });
    Ok(())
}

/// A timer while it runs. Dropped with the runtime that it runs in, it goes on elsewhere.
struct Kept<W: Watch>(Weak<Pool<W>>);

impl<W: Watch> Drop for Kept<W> {
    fn drop(&mut self) {
        if self.0.strong_count() == 0 {
            return;
        }
        if let Ok(runtime) = own_thread() {
            runtime.spawn(Pool::run_timer(Weak::clone(&self.0)));
        }
    }
}

/// The runtime of the thread that timers run on where there is no other; it is started once and
/// sleeps between alarms.
fn own_thread() -> Result<Handle, TimerError> {
    static OWN: Mutex<Option<Handle>> = Mutex::new(None);
    let mut own = OWN.lock();
    if let Some(handle) = &*own {
        return Ok(handle.clone());
    }
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("paceline-timer".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(own.insert(handle).clone())
}
