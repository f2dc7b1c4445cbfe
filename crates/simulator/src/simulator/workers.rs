//! Where connections are served: on the runtime of the caller, or on threads of their own.

use std::{io, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

#[derive(Debug)]
pub(super) struct Workers {
    handles: Vec<Handle>,
    /// Dropped, they end the threads.
    _stops: Vec<oneshot::Sender<()>>,
    next: usize,
}

impl Workers {
    /// Starts threads; with a count of 0, the current runtime serves.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        if count == 0 {
            return Ok(Self {
                handles: vec![Handle::current()],
                _stops: Vec::new(),
                next: 0,
            });
        }
        let mut handles = Vec::with_capacity(count);
        let mut stops = Vec::with_capacity(count);
        for index in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (stop, stopped) = oneshot::channel::<()>();
            handles.push(runtime.handle().clone());
            stops.push(stop);
            let name = format!("simulator-{index}");
            thread::Builder::new().name(name).spawn(move || {
                // The sender is never used, only dropped.
                let _ = runtime.block_on(stopped);
            })?;
        }
        Ok(Self {
            handles,
            _stops: stops,
            next: 0,
        })
    }

    /// The runtime for the next connection, in turn.
    pub(super) fn next(&mut self) -> Option<&Handle> {
        let index = self.next;
        self.next = (self.next + 1) % self.handles.len().max(1);
        self.handles.get(index)
    }
}
