//! Turns that are had at once or not at all.
//!
//! Where the pool decides itself, that is known at once. Where a store does, who tries takes a place in
//! the queue and gives it up when the store has been asked with it in there and did not let it in.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use paceline_limiter::{Outlook, Request, Submission, WaiterId};
use tokio::sync::oneshot;

use super::{Ear, GONE, Lease, NotNow, Pool, Waiter};
use crate::Watch;

/// Who tries, each with the number of the exchange that had begun last when it came.
pub(super) type Tries = Vec<(u64, WaiterId)>;

/// What is known of a try when it is made.
enum Tried<W: Watch> {
    Done(Result<Lease<W>, NotNow>),
    Asked(Attempt<W>),
}

/// A try that the store is asked about. Dropping it gives the place up.
struct Attempt<W: Watch> {
    pool: Arc<Pool<W>>,
    id: WaiterId,
    receiver: oneshot::Receiver<Result<Lease<W>, NotNow>>,
}

impl<W: Watch> Drop for Attempt<W> {
    fn drop(&mut self) {
        self.pool.cancel(self.id);
    }
}

impl<W: Watch> Waiter<W> {
    pub(super) const fn goes_now_or_never(&self) -> bool {
        matches!(self.ear, Ear::Now(_))
    }

    /// Ends a try that did not succeed.
    pub(super) fn tell_not_now(self, outlook: Option<Outlook>) {
        if let Ear::Now(ear) = self.ear {
            drop(ear.send(Err(outlook.map_or(NotNow::Refused(GONE), NotNow::Waits))));
        }
    }
}

impl<W: Watch> Pool<W> {
    /// Asks for a turn without waiting for it: who would have to wait is told for how long.
    ///
    /// It does not go before those who wait already. Where the limits are counted in a store, that is
    /// asked, which takes its time box twice at the most.
    ///
    /// # Errors
    /// The limiter's refusal, or the place in the queue that was not kept.
    pub async fn try_acquire(
        self: &Arc<Self>,
        request: Request,
        who: W::Who,
    ) -> Result<Lease<W>, NotNow> {
        match self.attempt(request, who) {
            Tried::Done(done) => done,
            Tried::Asked(mut attempt) => {
                let told = (&mut attempt.receiver).await;
                told.unwrap_or(Err(NotNow::Refused(GONE)))
            }
        }
    }

    /// The same on a thread that drives no tokio runtime.
    ///
    /// # Errors
    /// As [`Self::try_acquire`].
    ///
    /// # Panics
    /// Inside an asynchronous task, where a store is asked.
    pub fn blocking_try_acquire(
        self: &Arc<Self>,
        request: Request,
        who: W::Who,
    ) -> Result<Lease<W>, NotNow> {
        match self.attempt(request, who) {
            Tried::Done(done) => done,
            Tried::Asked(mut attempt) => {
                let (_, nothing) = oneshot::channel();
                let told = mem::replace(&mut attempt.receiver, nothing).blocking_recv();
                told.unwrap_or(Err(NotNow::Refused(GONE)))
            }
        }
    }

    fn attempt(self: &Arc<Self>, request: Request, who: W::Who) -> Tried<W> {
        let answered = self.act(|state, now, _| {
            if self.heir.get().is_some() {
                return Err(who);
            }
            let submission = state.domain.submit(request, now);
            let Submission::Queued(ticket) = &submission else {
                return Ok((submission, None));
            };
            let asked = self.shared.get().and_then(|shared| shared.round());
            let Some(round) = asked else {
                state.domain.cancel(ticket.id, now);
                return Ok((submission, None));
            };
            let (sender, receiver) = oneshot::channel();
            let waiter = Waiter {
                ear: Ear::Now(sender),
                who,
                request,
                before: Duration::ZERO,
            };
            state.waiters.insert(ticket.id, waiter);
            state.tries.push((round, ticket.id));
            Ok((submission, Some(receiver)))
        });
        let (submission, receiver) = match (answered, self.heir.get()) {
            (Ok(answered), _) => answered,
            (Err(who), Some(heir)) => return heir.attempt(request, who),
            (Err(_), None) => (Submission::Refused(GONE), None),
        };
        self.watch.asked(request.charge, self.clock.now());
        Tried::Done(match (submission, receiver) {
            (Submission::Admitted(reservation), _) => {
                self.watch.reserved(reservation.charge);
                Ok(Lease::new(Arc::clone(self), reservation))
            }
            (Submission::Queued(ticket), Some(receiver)) => {
                return Tried::Asked(Attempt {
                    pool: Arc::clone(self),
                    id: ticket.id,
                    receiver,
                });
            }
            (Submission::Queued(ticket), None) => Err(NotNow::Waits(ticket.outlook)),
            (Submission::Refused(refusal), _) => Err(NotNow::Refused(refusal)),
        })
    }

    /// The store has decided on all that waited when the exchange of this number began: who tried and
    /// still waits is not let in now. Whether there was anybody.
    pub(crate) fn end_tries(self: &Arc<Self>, round: u64) -> bool {
        if self.state.lock().tries.is_empty() {
            return false;
        }
        let ended: Vec<_> = self.act(|state, now, _| {
            let tries = mem::take(&mut state.tries).into_iter();
            let (due, later): (Tries, Tries) = tries.partition(|(came, _)| *came < round);
            state.tries = later;
            let end = |(_, id)| {
                let waiter = state.waiters.remove(&id)?;
                let outlook = state.domain.outlook(id, now);
                state.domain.cancel(id, now);
                Some((waiter, outlook))
            };
            due.into_iter().filter_map(end).collect()
        });
        let is_news = !ended.is_empty();
        for (waiter, outlook) in ended {
            waiter.tell_not_now(outlook);
        }
        is_news
    }
}
