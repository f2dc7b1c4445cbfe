//! Waiting for a turn.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use paceline_limiter::Binding;
use paceline_pace::{Acquired, Wait};

use crate::{Call, Pacer, Refused, Reservation};

/// The wait of a call for its turn, made by [`Pacer::reserve`].
#[derive(Debug)]
#[must_use = "a call that does not wait gets no turn"]
pub struct Reserve {
    pacer: Pacer,
    call: Call,
    wait: Option<Wait<()>>,
}

/// What a waiting call can expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outlook {
    /// The expected place in the order of service, from 1.
    pub position: usize,
    /// The expected time until the turn; `None` where it depends on calls in flight.
    pub eta: Option<Duration>,
    /// What it waits for.
    pub limited_by: Binding,
}

impl Reserve {
    pub(crate) const fn new(pacer: Pacer, call: Call) -> Self {
        Self {
            pacer,
            call,
            wait: None,
        }
    }

    /// Where the call stands in the queue; `None` before it was polled first, and once its wait is
    /// over.
    #[must_use]
    pub fn outlook(&self) -> Option<Outlook> {
        let outlook = self.pacer.pool().outlook(self.wait.as_ref()?.id())?;
        Some(Outlook {
            position: outlook.position,
            eta: outlook.eta,
            limited_by: outlook.binding,
        })
    }
}

impl Future for Reserve {
    type Output = Result<Reservation, Refused>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { pacer, call, wait } = self.get_mut();
        let waiting = match wait {
            Some(waiting) => waiting,
            None => match pacer.pool().acquire(pacer.request(call), ()) {
                Acquired::Now(lease) => {
                    return Poll::Ready(Ok(Reservation::new(pacer, call, lease)));
                }
                Acquired::Refused(refusal) => return Poll::Ready(Err(refusal.into())),
                Acquired::Later(waiting, _) => wait.insert(waiting),
            },
        };
        Pin::new(waiting).poll(context).map(|turn| {
            *wait = None;
            pacer.turn(call, turn)
        })
    }
}
