//! A pool's timer, which runs as long as the pool lives.

use std::sync::{Arc, Weak};

use crate::keep::{TimerError, Work, keep, present_runtime};
use crate::{Pool, Watch};

/// Runs the timer of `pool` until the pool is dropped: in the tokio runtime that this is called in,
/// and where there is none, or that one ends before the pool, on a thread of the process's own.
///
/// # Errors
/// If that thread is needed and cannot be started.
pub fn keep_time<W: Watch>(pool: &Arc<Pool<W>>) -> Result<(), TimerError> {
    keep(Timer(Arc::downgrade(pool)), &present_runtime()?);
    Ok(())
}

struct Timer<W: Watch>(Weak<Pool<W>>);

impl<W: Watch> Work for Timer<W> {
    async fn run(&mut self) {
        Pool::run_timer(Weak::clone(&self.0)).await;
    }

    fn is_wanted(&self) -> bool {
        self.0.strong_count() > 0
    }
}
