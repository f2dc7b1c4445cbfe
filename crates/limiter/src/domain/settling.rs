//! The end of admitted requests.

use super::Domain;
use crate::charge::{Charge, Metric};
use crate::formula::Combine;
use crate::limits::Taken;
use crate::queue::Account;
use crate::request::ReservationId;
use crate::reservation::Open;
use crate::settlement::{Outcome, Settled, Settlement};
use crate::time::Timestamp;

/// About so many settlements later, a large debt is forgotten.
const DEBT_FADES_IN: u64 = 200;

impl Domain {
    /// Closes a reservation with what the provider finally deducted.
    ///
    /// What was reserved and not charged goes back where it was taken from, as far as it still
    /// counts there; what was charged on top is debt from now on. Repeating a settlement, or
    /// settling what has expired, does nothing.
    pub fn settle(&mut self, id: ReservationId, settlement: Settlement, now: Timestamp) -> Settled {
        let now = self.advance(now);
        let bounded = self.gate.has_slots();
        let Some(open) = self.reservations.close(id.0) else {
            return Settled::Already;
        };
        self.expect_debts(self.debts_max.saturating_sub(open.debt_max));
        let in_flight = self.reservations.len();
        self.gate.ended(settlement.outcome, in_flight, now);
        if settlement.outcome == Outcome::Refused {
            self.gate.not_let_in(&open.charge, open.taken_at);
        }
        self.totals.settlements += 1;
        let learned = self.charged_by_formula(&open, &settlement, now);
        let charged = settlement.charged.or(learned).unwrap_or(open.charge);
        let refunded = open.charge.saturating_sub(charged);
        let debt = charged.saturating_sub(open.charge);
        self.totals.close(open.charge, refunded, debt);
        let not_spent = match settlement.outcome {
            Outcome::Refused => open.charge,
            Outcome::Success | Outcome::Failed => refunded,
        };
        self.spent.take_back(&not_spent, open.taken_at, now);
        self.spent.add(&debt, open.taken_at, now);
        self.flight.answered(id.0.serial);
        if settlement.outcome == Outcome::Success {
            self.try_more(now);
        }
        let taken = Taken {
            serial: id.0.serial,
            at: open.taken_at,
        };
        if self.elsewhere.decides_here() {
            if charged != open.charge {
                self.limits.correct(&refunded, &debt, taken, now);
            }
            self.tell_closed(&open, Some(charged), taken);
        } else {
            self.close_elsewhere(&open, (refunded, debt), taken, now);
        }
        if charged != open.charge {
            self.correct_account(open.account, &open.charge, &charged);
        }
        // What was kept for its debt is room again too.
        if bounded || charged != open.charge || open.debt_max > 0 {
            self.touch();
        }
        Settled::Applied { refunded, debt }
    }

    /// Closes a reservation whose request was never sent: everything goes back, as if it had
    /// never been admitted.
    pub fn abandon(&mut self, id: ReservationId, now: Timestamp) -> Settled {
        let now = self.advance(now);
        let Some(open) = self.reservations.close(id.0) else {
            return Settled::Already;
        };
        self.totals.abandoned += 1;
        self.expect_debts(self.debts_max.saturating_sub(open.debt_max));
        self.flight.answered(id.0.serial);
        if let Some(parts) = &open.parts {
            self.charges.undo(parts, now);
        }
        self.totals.close(open.charge, open.charge, Charge::ZERO);
        self.spent.take_back(&open.charge, open.taken_at, now);
        let taken = Taken {
            serial: id.0.serial,
            at: open.taken_at,
        };
        self.limits.undo(&open.charge, taken, now);
        self.tell_closed(&open, None, taken);
        self.correct_account(open.account, &open.charge, &Charge::ZERO);
        self.touch();
        Settled::Applied {
            refunded: open.charge,
            debt: Charge::ZERO,
        }
    }

    /// What the provider is believed to have charged in the end, and a lesson from it.
    fn charged_by_formula(
        &mut self,
        open: &Open,
        settlement: &Settlement,
        now: u64,
    ) -> Option<Charge> {
        let parts = open.parts.as_ref()?;
        let tokens = open.charge.get(Metric::Tokens);
        let failed = settlement.outcome == Outcome::Failed;
        match (settlement.outcome, &settlement.actual) {
            (Outcome::Refused, _) => self.charges.undo(parts, now),
            (Outcome::Failed, _) => self.charges.settle(parts, None, open.taken_at, now),
            (Outcome::Success, None) => {}
            (Outcome::Success, actual) => {
                self.charges
                    .settle(parts, actual.as_ref(), open.taken_at, now);
            }
        }
        match (self.charges.believed(), settlement.actual) {
            (Some(formula), _) if failed && formula.failures_free => {
                Some(open.charge.with(Metric::Tokens, 0))
            }
            (Some(formula), Some(actual)) if formula.refunds => {
                let charged = actual.charged(formula.combine);
                let debt = charged.saturating_sub(tokens);
                let faded = self.debts.get(Metric::Tokens);
                let faded = faded - faded.div_ceil(DEBT_FADES_IN);
                self.debts = self.debts.with(Metric::Tokens, faded.max(debt));
                Some(open.charge.with(Metric::Tokens, charged))
            }
            // With nothing known, and no answers that would tell, what is dearer counts.
            (None, Some(actual)) if !self.limits.is_observed(Metric::Tokens) => {
                let used = actual.charged(Combine::Sum);
                Some(open.charge.with(Metric::Tokens, tokens.max(used)))
            }
            _ => None,
        }
    }

    fn correct_account(&mut self, account: Option<Account>, reserved: &Charge, charged: &Charge) {
        if let Some(account) = account {
            let (reserved, charged) = (self.limits.cost(reserved), self.limits.cost(charged));
            self.queue.correct(&account, reserved, charged);
        }
    }

    /// Closes reservations at the end of their lifetime, as spent.
    pub(super) fn expire_leases(&mut self, now: u64) {
        while let Some((key, taken_at)) = self.reservations.oldest()
            && self.lease_end(taken_at) <= now
        {
            if let Some(open) = self.reservations.close(key) {
                self.totals.expired_reservations += 1;
                self.expect_debts(self.debts_max.saturating_sub(open.debt_max));
                self.totals.close(open.charge, Charge::ZERO, Charge::ZERO);
                let taken = Taken {
                    serial: key.serial,
                    at: open.taken_at,
                };
                self.tell_closed(&open, Some(open.charge), taken);
            }
        }
    }

    /// Units of one metric in flight.
    pub(super) fn outstanding(&self, metric: Metric) -> u64 {
        u64::try_from(self.totals.outstanding().get(metric)).unwrap_or(u64::MAX)
    }
}
