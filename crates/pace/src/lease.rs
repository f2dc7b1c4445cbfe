//! The guard of one reservation: whatever happens to a request, it is settled exactly once.

use std::sync::Arc;

use paceline_limiter::{ActualTokens, Charge, Outcome, Reservation, ReservationId, Settlement};

use crate::{Pool, Watch};

/// A reservation in a pool. Dropping it settles it: as never taken while nothing was sent, as spent
/// from the moment of dispatch on.
#[derive(Debug)]
pub struct Lease<W: Watch> {
    pool: Arc<Pool<W>>,
    reservation: Reservation,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reserved,
    Dispatched,
    Settled,
}

impl<W: Watch> Lease<W> {
    pub(crate) fn new(pool: Arc<Pool<W>>, reservation: Reservation) -> Self {
        Self {
            pool,
            reservation,
            state: State::Reserved,
        }
    }

    /// What to tell the pool of an answer by.
    #[must_use]
    pub fn id(&self) -> ReservationId {
        self.reservation.id
    }

    /// What was reserved.
    #[must_use]
    pub fn charge(&self) -> Charge {
        self.reservation.charge
    }

    /// The pool that was reserved in.
    #[must_use]
    pub fn pool(&self) -> &Arc<Pool<W>> {
        &self.pool
    }

    /// Notes that the provider may have seen the request: from here on it counts as spent.
    pub fn dispatched(&mut self) {
        if self.state == State::Reserved {
            self.state = State::Dispatched;
        }
    }

    /// Settles with what is known; `charged` is `None` where the reservation stands as it is, or as
    /// the formula that was learned says.
    pub fn settle(
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

    /// Gives everything back: the request was never sent.
    pub fn release(mut self) {
        self.state = State::Settled;
        self.pool.abandon(self.reservation);
    }
}

impl<W: Watch> Drop for Lease<W> {
    fn drop(&mut self) {
        match self.state {
            State::Settled => {}
            State::Reserved => self.pool.abandon(self.reservation),
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
