//! When a pool turns out to be one with another, the other goes on for both: who waits moves to its
//! queue, and what is under way counts in its limits. Whoever holds a place or a lease notices nothing.

use std::collections::HashMap;
use std::sync::Arc;

use paceline_limiter::{
    Binding, Charge, ChargeParts, Outlook, ReservationId, Submission, WaiterId,
};

use super::{Pool, State, Turn, Waiter};
use crate::Watch;

/// Where places and reservations of a retired pool are now: in its heir.
#[derive(Debug, Default)]
pub(super) struct Moved {
    waiters: HashMap<WaiterId, WaiterId>,
    reservations: HashMap<ReservationId, ReservationId>,
}

impl<W: Watch> Pool<W> {
    /// Lets `heir` go on in this pool's place, with all that this one has and all that it is told.
    pub fn retire(&self, heir: &Arc<Self>) {
        let mut state = self.state.lock();
        // A pool is retired once, and never into one that was retired before: locks are taken in the
        // order of inheritance.
        if self.heir.set(Arc::clone(heir)).is_err() {
            return;
        }
        let now = self.clock.now();
        let queue = state.domain.waiting(now, usize::MAX);
        let State {
            domain,
            waiters,
            moved,
            ..
        } = &mut *state;
        // Nobody is left to go when what is under way seems to be given back.
        for place in &queue {
            domain.cancel(place.waiter, now);
        }
        for (reservation, parts) in domain.hand_over(now) {
            let adopted = heir.adopt(reservation.charge, parts);
            moved.reservations.insert(reservation.id, adopted);
        }
        for place in queue {
            let Some(mut waiter) = waiters.remove(&place.waiter) else {
                continue;
            };
            if waiter.goes_now_or_never() {
                let (position, eta, binding) = (place.position, place.eta, place.binding);
                waiter.tell_not_now(Some(Outlook {
                    position,
                    eta,
                    binding,
                }));
                continue;
            }
            waiter.before += place.waited;
            if let Some(id) = heir.take_in(waiter, place.binding) {
                moved.waiters.insert(place.waiter, id);
            }
        }
    }

    /// Counts what is under way for the limits of this pool by now.
    fn adopt(self: &Arc<Self>, charge: Charge, parts: Option<ChargeParts>) -> ReservationId {
        self.change(|domain, _, now| domain.adopt(charge, parts, now))
            .id
    }

    /// Lets someone who has waited elsewhere, for `binding`, wait here; the place, unless the wait is
    /// over.
    fn take_in(self: &Arc<Self>, waiter: Waiter<W>, binding: Binding) -> Option<WaiterId> {
        let request = waiter.request;
        self.watch.asked(request.charge, self.clock.now());
        let (submission, waiter) = self.change(|domain, waiters, now| {
            let submission = domain.submit(request, now);
            let waiter = match &submission {
                Submission::Queued(ticket) => {
                    waiters.insert(ticket.id, waiter);
                    None
                }
                Submission::Admitted(_) | Submission::Refused(_) => Some(waiter),
            };
            (submission, waiter)
        });
        match (submission, waiter) {
            (Submission::Queued(ticket), _) => return Some(ticket.id),
            (Submission::Admitted(reservation), Some(waiter)) => {
                let turn = self.go(reservation, waiter.before, binding);
                waiter.tell(turn);
            }
            (Submission::Refused(refusal), Some(waiter)) => waiter.tell(Turn::Refused(refusal)),
            (_, None) => {}
        }
        None
    }

    /// The pool and place where a waiter of this pool waits now, where it has moved.
    pub(super) fn moved_waiter(&self, id: WaiterId) -> Option<(&Arc<Self>, WaiterId)> {
        let heir = self.heir.get()?;
        let moved = *self.state.lock().moved.waiters.get(&id)?;
        Some((heir, moved))
    }

    /// The same of one who gives up.
    pub(super) fn forget_waiter(&self, id: WaiterId) -> Option<(&Arc<Self>, WaiterId)> {
        let heir = self.heir.get()?;
        let moved = self.state.lock().moved.waiters.remove(&id)?;
        Some((heir, moved))
    }

    /// The pool and reservation to close in place of one of this pool, where that has moved; it is
    /// asked for once.
    pub(super) fn forget_reservation(
        &self,
        id: ReservationId,
    ) -> Option<(&Arc<Self>, ReservationId)> {
        let heir = self.heir.get()?;
        let moved = self.state.lock().moved.reservations.remove(&id)?;
        Some((heir, moved))
    }
}

#[cfg(test)]
mod tests;
