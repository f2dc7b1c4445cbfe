//! Running totals of a domain: every unit reserved is settled, refunded or outstanding.

use crate::charge::{Charge, METRICS, Metric};

/// Units per metric, summed without overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    units: [u128; METRICS],
}

impl Sum {
    /// The sum for one metric.
    #[must_use]
    pub const fn get(&self, metric: Metric) -> u128 {
        self.units[metric as usize]
    }

    pub(crate) fn add(&mut self, charge: Charge) {
        for metric in Metric::ALL {
            let sum = &mut self.units[metric.index()];
            *sum += u128::from(charge.get(metric));
        }
    }

    pub(crate) fn sub(&mut self, charge: Charge) {
        for metric in Metric::ALL {
            let sum = &mut self.units[metric.index()];
            *sum = sum.saturating_sub(u128::from(charge.get(metric)));
        }
    }
}

/// What has happened in a domain since it was made.
///
/// Per metric, always: `reserved = settled + refunded + outstanding`. Debt, which is what was
/// charged beyond the reservation, is counted on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Units taken at admission.
    pub reserved: Sum,
    /// The part of the reservations that was really spent.
    pub settled: Sum,
    /// The part of the reservations that was given back.
    pub refunded: Sum,
    /// Units charged beyond the reservations.
    pub debt: Sum,
    outstanding: Sum,
    /// Requests admitted, at once or after a wait.
    pub admitted: u64,
    /// Requests that were put in the queue.
    pub queued: u64,
    /// Requests refused at submission.
    pub refused: u64,
    /// Waiters that were cancelled.
    pub cancelled: u64,
    /// Waiters whose wait ended without admission.
    pub expired_waiters: u64,
    /// Admissions out of turn, into room that the head of the queue could not use.
    pub backfilled: u64,
    /// Reservations closed by a settlement.
    pub settlements: u64,
    /// Reservations closed by [`crate::Domain::abandon`].
    pub abandoned: u64,
    /// Reservations closed by the end of their lifetime.
    pub expired_reservations: u64,
    /// Refusals by the provider for quota.
    pub quota_refusals: u64,
    /// Refusals by the provider for lack of capacity.
    pub overload_refusals: u64,
    /// Refusals by the provider for too many requests at once.
    pub concurrency_refusals: u64,
    /// Refusals by the provider for growing too fast.
    pub acceleration_refusals: u64,
}

impl Totals {
    /// Units of reservations that are still open.
    #[must_use]
    pub const fn outstanding(&self) -> &Sum {
        &self.outstanding
    }

    pub(crate) fn open(&mut self, charge: Charge) {
        self.admitted += 1;
        self.reserved.add(charge);
        self.outstanding.add(charge);
    }

    pub(crate) fn close(&mut self, reserved: Charge, refunded: Charge, debt: Charge) {
        self.outstanding.sub(reserved);
        self.settled.add(reserved.saturating_sub(refunded));
        self.refunded.add(refunded);
        self.debt.add(debt);
    }
}
