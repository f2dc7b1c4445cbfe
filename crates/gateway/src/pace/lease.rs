//! The guard of one reservation: whatever happens to a request, it is settled exactly once.

use std::sync::Arc;

use paceline_limiter::{Charge, Outcome, Reservation, Settlement};

use super::Pool;

/// A reservation in a pool. Dropping it settles it: as never taken while nothing was sent, as spent
/// from the moment of dispatch on.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    reservation: Reservation,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reserved,
    Dispatched,
    Settled,
}

impl Lease {
    pub(super) fn new(pool: Arc<Pool>, reservation: Reservation) -> Self {
        Self {
            pool,
            reservation,
            state: State::Reserved,
        }
    }

    /// What was reserved.
    pub(crate) fn charge(&self) -> Charge {
        self.reservation.charge
    }

    /// The pool that was reserved in.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Notes that the provider may have seen the request: from here on it counts as spent.
    pub(crate) fn dispatched(&mut self) {
        if self.state == State::Reserved {
            self.state = State::Dispatched;
        }
    }

    /// Settles with what is known; `charged` is `None` where the reservation stands as it is.
    pub(crate) fn settle(mut self, charged: Option<Charge>, outcome: Outcome) {
        self.state = State::Settled;
        self.pool
            .settle(self.reservation, Settlement { charged, outcome });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.state {
            State::Settled => {}
            State::Reserved => self.pool.abandon(self.reservation.id),
            State::Dispatched => self.pool.settle(
                self.reservation,
                Settlement {
                    charged: None,
                    outcome: Outcome::Failed,
                },
            ),
        }
    }
}
