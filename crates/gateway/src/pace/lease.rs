//! The guard of one reservation: whatever happens to a request, it is settled exactly once.

use std::sync::Arc;

use paceline_limiter::{ActualTokens, Charge, Outcome, Reservation, ReservationId, Settlement};

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

    /// What to tell the pool of an answer by.
    pub(crate) fn id(&self) -> ReservationId {
        self.reservation.id
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

    /// Settles with what is known; `charged` is `None` where the reservation stands as it is, or as
    /// the formula that was learned says.
    pub(crate) fn settle(
        mut self,
        charged: Option<Charge>,
        actual: Option<ActualTokens>,
        outcome: Outcome,
    ) {
        self.state = State::Settled;
        let settlement = Settlement {
            charged,
            actual,
            outcome,
        };
        self.pool.settle(self.reservation, settlement);
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
                    actual: None,
                    outcome: Outcome::Failed,
                },
            ),
        }
    }
}
