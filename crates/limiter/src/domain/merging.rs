//! When two domains turn out to stand for one pool of limits: one goes on with what the other has.

use super::Domain;
use super::admission::Arriving;
use crate::charge::Charge;
use crate::formula::ChargeParts;
use crate::request::{Reservation, ReservationId};
use crate::time::Timestamp;

impl Domain {
    /// Gives away every open reservation, in the order in which they were taken, with what its token
    /// charge was made from. Here they count as never taken; [`Self::adopt`] takes them elsewhere.
    pub fn hand_over(&mut self, now: Timestamp) -> Vec<(Reservation, Option<ChargeParts>)> {
        let mut given = Vec::with_capacity(self.reservations.len());
        while let Some((key, _)) = self.reservations.oldest() {
            if let Some(open) = self.reservations.get(key) {
                let parts = open.parts;
                let id = ReservationId(key);
                let charge = open.charge;
                given.push((Reservation { id, charge }, parts));
            }
            self.abandon(ReservationId(key), now);
        }
        given
    }

    /// Counts a request that is under way already, whether it fits or not.
    pub fn adopt(
        &mut self,
        charge: Charge,
        parts: Option<ChargeParts>,
        now: Timestamp,
    ) -> Reservation {
        let now = self.advance(now);
        let reservation = self.take(Arriving::new(charge, parts), now);
        self.tell_taken(&charge);
        self.plan.clear();
        self.touch();
        reservation
    }
}
