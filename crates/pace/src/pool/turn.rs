//! What is answered to those who ask for a turn, and the wait for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use paceline_limiter::{Binding, Outlook, Refusal, Ticket, WaiterId};
use tokio::sync::oneshot;

use super::{GONE, Pool};
use crate::{Lease, Watch};

/// What a waiting request is told in the end.
#[derive(Debug)]
pub enum Turn<W: Watch> {
    /// It may go.
    Go {
        /// The permission.
        lease: Lease<W>,
        /// How long it waited.
        waited: Duration,
        /// What it waited for last.
        binding: Binding,
    },
    /// It will not.
    Refused(Refusal),
}

/// Answer to [`Pool::acquire`].
#[derive(Debug)]
pub enum Acquired<W: Watch> {
    /// It may go at once.
    Now(Lease<W>),
    /// It waits; see [`Wait`].
    Later(Wait<W>, Ticket),
    /// It will not go.
    Refused(Refusal),
}

/// Why [`Pool::try_acquire`] gave no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// It would have to wait.
    Waits(Outlook),
    /// It would not go at all.
    Refused(Refusal),
}

/// A place in the queue. Dropping it gives the place up.
#[derive(Debug)]
pub struct Wait<W: Watch> {
    pub(super) pool: Arc<Pool<W>>,
    pub(super) id: WaiterId,
    pub(super) receiver: oneshot::Receiver<Turn<W>>,
}

impl<W: Watch> Wait<W> {
    /// Waits on this thread, which must not be one that drives a tokio runtime.
    ///
    /// # Panics
    /// Inside an asynchronous task, where it would keep the runtime from working.
    pub fn block(mut self) -> Turn<W> {
        let (_, nothing) = oneshot::channel();
        let receiver = std::mem::replace(&mut self.receiver, nothing);
        let turn = receiver.blocking_recv();
        turn.unwrap_or(Turn::Refused(GONE))
    }

    /// The waiter's id in its pool.
    pub fn id(&self) -> WaiterId {
        self.id
    }
}

impl<W: Watch> Future for Wait<W> {
    type Output = Turn<W>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn<W>> {
        Pin::new(&mut self.receiver)
            .poll(context)
            .map(|received| received.unwrap_or(Turn::Refused(GONE)))
    }
}

impl<W: Watch> Drop for Wait<W> {
    fn drop(&mut self) {
        self.pool.cancel(self.id);
    }
}
