//! From submission to admission.

use std::time::Duration;

use super::Domain;
use crate::charge::{Charge, METRICS};
use crate::elsewhere::News;
use crate::formula::ChargeParts;
use crate::gate::Passage;
use crate::learning::answer::Mark;
use crate::queue::{Account, Arrival};
use crate::request::{
    Event, Refusal, Request, Reservation, ReservationId, Submission, Ticket, Tier, WaiterId,
};
use crate::reservation::Open;
use crate::slab::Key;
use crate::time::Timestamp;

/// When to try again where nothing better is known.
const RETRY_AFTER_UNKNOWN: Duration = Duration::from_secs(1);

/// A request that is to be sent now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arriving {
    pub(super) charge: Charge,
    pub(super) parts: Option<ChargeParts>,
    /// Whose virtual time pays for it.
    pub(super) account: Option<Account>,
    /// The number that it waited under.
    pub(super) ticket: Option<u64>,
}

impl Arriving {
    pub(super) const fn new(charge: Charge, parts: Option<ChargeParts>) -> Self {
        Self {
            charge,
            parts,
            account: None,
            ticket: None,
        }
    }
}

impl Domain {
    /// Admits a request at once, queues it, or refuses it.
    pub fn submit(&mut self, request: Request, now: Timestamp) -> Submission {
        let now = self.advance(now);
        let request = Request {
            charge: self.charge_of(&request.charge, request.parts.as_ref()),
            ..request
        };
        let submission = self.decide(&request, now);
        match submission {
            Submission::Admitted(_) => {}
            Submission::Queued(_) => self.totals.queued += 1,
            Submission::Refused(_) => self.totals.refused += 1,
        }
        submission
    }

    fn decide(&mut self, request: &Request, now: u64) -> Submission {
        if self.draining {
            return Submission::Refused(Refusal::Draining {
                retry_after: RETRY_AFTER_UNKNOWN,
            });
        }
        let decides = self.elsewhere.decides_here();
        let (charge, tier) = (&request.charge, request.tier);
        if decides && self.queue.is_empty() && self.passes(charge, tier, now) {
            self.expected.note(tier, charge, now);
            let taken = self.take(Arriving::new(request.charge, request.parts), now);
            return Submission::Admitted(taken);
        }
        if let Some(refusal) = self.limits.too_large(&request.charge) {
            return Submission::Refused(refusal);
        }
        match self.queue_full(request, now) {
            Some(refusal) => Submission::Refused(refusal),
            None => self.enqueue(request, now),
        }
    }

    fn queue_full(&self, request: &Request, now: u64) -> Option<Refusal> {
        let settings = &self.settings.queue;
        let waiting = self.queue.len();
        let until = |key: Option<Key>| {
            let outlook = key.and_then(|key| self.outlook_at(key, now));
            outlook
                .and_then(|outlook| outlook.eta)
                .unwrap_or(RETRY_AFTER_UNKNOWN)
        };
        if waiting >= settings.waiting_max {
            return Some(Refusal::QueueFull {
                waiting,
                retry_after: until(self.queue.head()),
            });
        }
        let waiting = self.queue.waiting_of(request.tenant);
        if waiting >= settings.waiting_per_tenant_max {
            let retry_after = until(self.queue.first_of(request.tenant));
            return Some(Refusal::TenantQueueFull {
                waiting,
                retry_after,
            });
        }
        None
    }

    fn enqueue(&mut self, request: &Request, now: u64) -> Submission {
        self.expected.note(request.tier, &request.charge, now);
        let key = self.queue.push(
            Arrival {
                tenant: request.tenant,
                weight: request.weight,
                tier: request.tier,
                charge: request.charge,
                parts: request.parts,
                cost: self.limits.cost(&request.charge),
                deadline: request.deadline.map(Timestamp::as_nanos),
                front: request.retry,
            },
            now,
        );
        if let Some(reservation) = self.admit_arrival(key, request, now) {
            return Submission::Admitted(reservation);
        }
        let Some(outlook) = self.outlook_at(key, now) else {
            return Submission::Refused(Refusal::Draining {
                retry_after: RETRY_AFTER_UNKNOWN,
            });
        };
        if let (Some(deadline), Some(eta)) = (request.deadline, outlook.eta) {
            let late = (Timestamp::from_nanos(now) + eta).saturating_since(deadline);
            if !late.is_zero() {
                self.queue.remove(key);
                if self.plans_for(key) {
                    self.plan_head(now);
                    self.touch();
                }
                let binding = outlook.binding;
                let refusal = Refusal::DeadlineUnmeetable {
                    retry_after: late,
                    eta,
                    binding,
                };
                return Submission::Refused(refusal);
            }
        }
        self.queue.bind(key, outlook.binding);
        self.deadline = self.queue.first_deadline();
        let cost = self.queue.get(key).map_or(0, |waiter| waiter.cost);
        self.elsewhere.asked(cost, outlook.position);
        Submission::Queued(Ticket {
            id: WaiterId(key),
            outlook,
        })
    }

    /// Admits a waiter that has just come, if its turn has come too or if it uses what the head
    /// cannot. The others are left to the next poll.
    fn admit_arrival(&mut self, key: Key, request: &Request, now: u64) -> Option<Reservation> {
        let (charge, tier) = (&request.charge, request.tier);
        if !self.elsewhere.decides_here() {
            return None;
        }
        if self.queue.head() == Some(key) {
            if self.passes(charge, tier, now) {
                let reservation = self.admit(key, now);
                self.plan_later(now);
                return reservation;
            }
            self.plan_head(now);
            if self.queue.len() > 1 {
                self.touch();
            }
            return None;
        }
        if self.wake().is_some_and(|wake| wake <= now) {
            return None;
        }
        self.renew_plan(now);
        if !self.goes_out_of_turn(charge, tier, now) {
            return None;
        }
        self.totals.backfilled += 1;
        self.admit(key, now)
    }

    /// Admits all that can go, and ends the waits of those whose time is over.
    pub fn poll(&mut self, now: Timestamp, events: &mut Vec<Event>) {
        let now = self.advance(now);
        if self.wake().is_none_or(|wake| wake > now) {
            return;
        }
        self.expire_leases(now);
        self.calm_down(now);
        self.expire_waiters(now, false, events);
        if std::mem::take(&mut self.shrunk) {
            self.expire_too_large(events);
        }
        self.admit_all(now, events);
        if self.expire_waiters(now, true, events) {
            self.admit_all(now, events);
        }
        self.elsewhere.let_go(now);
        self.stale = false;
        self.deadline = self.queue.first_deadline();
    }

    /// Lets go of throttles that are over.
    fn calm_down(&mut self, now: u64) {
        if self.gate.next_change().is_none_or(|at| at > now) {
            return;
        }
        // A long wait is still a wait.
        let head = self.queue.head().and_then(|key| self.queue.get(key));
        if let Some(binding) = head.map(|waiter| waiter.binding) {
            self.gate.holds(binding, now);
        }
        self.gate.calm_down(now);
    }

    fn admit_all(&mut self, now: u64, events: &mut Vec<Event>) {
        while self.elsewhere.decides_here() {
            while let Some(key) = self.queue.head() {
                let Some((charge, tier)) = self.queue.get(key).map(|w| (w.charge, w.tier)) else {
                    break;
                };
                if !self.passes(&charge, tier, now) {
                    break;
                }
                self.admit_waiter(key, now, events);
            }
            self.plan_head(now);
            if !self.fill_behind_head(now, events) {
                break;
            }
        }
    }

    pub(super) fn admit_waiter(&mut self, key: Key, now: u64, events: &mut Vec<Event>) {
        let Some((since, binding)) = self.queue.get(key).map(|w| (w.since, w.binding)) else {
            return;
        };
        if let Some(reservation) = self.admit(key, now) {
            let waited = Duration::from_nanos(now.saturating_sub(since));
            events.push(Event::Admitted {
                waiter: WaiterId(key),
                reservation,
                waited,
                binding,
            });
        }
    }

    /// Whether everything has room for `charge` now.
    fn passes(&mut self, charge: &Charge, tier: Tier, now: u64) -> bool {
        if self.gate.passage(charge, self.reservations.len(), now) != Passage::Open {
            return false;
        }
        let claims = self.claims_on(tier, now);
        self.limits.fit(charge, claims.as_ref(), now)
    }

    fn admit(&mut self, key: Key, now: u64) -> Option<Reservation> {
        let (waiter, account) = self.queue.serve(key, now)?;
        let arriving = Arriving {
            account: Some(account),
            ticket: self.elsewhere.ticket(key.serial),
            ..Arriving::new(waiter.charge, waiter.parts)
        };
        Some(self.take(arriving, now))
    }

    /// Counts a request as sent.
    pub(super) fn take(&mut self, arriving: Arriving, now: u64) -> Reservation {
        self.limits.take(&arriving.charge, now);
        let marks = self.learning.then(|| self.limits.marks(now)).flatten();
        self.open(arriving, marks, now)
    }

    /// Opens a reservation for a request that is counted already.
    pub(super) fn open(
        &mut self,
        arriving: Arriving,
        marks: Option<Box<[Mark; METRICS]>>,
        now: u64,
    ) -> Reservation {
        let Arriving {
            charge,
            parts,
            account,
            ticket,
        } = arriving;
        self.gate.launch(&charge, &self.limits, now);
        self.totals.open(charge);
        self.spent.add(&charge, now, now);
        let debt_max = self.debt_max(&charge, parts.as_ref());
        self.expect_debts(self.debts_max.saturating_add(debt_max));
        if let Some(parts) = &parts {
            self.charges.admit(parts, now);
        }
        let key = self.reservations.open(Open {
            charge,
            taken_at: now,
            account,
            marks,
            parts,
            debt_max,
            ticket,
        });
        if self.learning {
            self.flight.send(key.serial, charge, now);
        } else {
            self.flight.miss(now);
        }
        Reservation {
            id: ReservationId(key),
            charge,
        }
    }

    /// Ends the waits whose deadline is before `now`, or at `now` if that is to count.
    fn expire_waiters(&mut self, now: u64, inclusive: bool, events: &mut Vec<Event>) -> bool {
        let before = events.len();
        while let Some(key) = self.queue.overdue(now, inclusive) {
            let outlook = self.outlook_at(key, now);
            let Some(waiter) = self.queue.remove(key) else {
                break;
            };
            let eta = outlook.and_then(|outlook| outlook.eta);
            let patience = waiter.deadline.unwrap_or(now).saturating_sub(waiter.since);
            let refusal = Refusal::DeadlineUnmeetable {
                retry_after: eta.map_or(RETRY_AFTER_UNKNOWN, |eta| {
                    eta.saturating_sub(Duration::from_nanos(patience))
                }),
                eta: eta.unwrap_or(RETRY_AFTER_UNKNOWN),
                binding: outlook.map_or(waiter.binding, |outlook| outlook.binding),
            };
            self.expire(key, refusal, events);
        }
        events.len() > before
    }

    fn expire_too_large(&mut self, events: &mut Vec<Event>) {
        for key in self.queue.keys() {
            let waiter = self.queue.get(key);
            if let Some(refusal) = waiter.and_then(|w| self.limits.too_large(&w.charge)) {
                self.queue.remove(key);
                self.expire(key, refusal, events);
            }
        }
    }

    fn expire(&mut self, key: Key, refusal: Refusal, events: &mut Vec<Event>) {
        self.totals.expired_waiters += 1;
        events.push(Event::Expired {
            waiter: WaiterId(key),
            refusal,
        });
    }

    /// Takes a waiter out of the queue; `false` if it is not in it.
    pub fn cancel(&mut self, waiter: WaiterId, now: Timestamp) -> bool {
        self.advance(now);
        let found = self.queue.remove(waiter.0).is_some();
        if found {
            self.totals.cancelled += 1;
            self.plan.clear();
            self.touch();
            self.elsewhere.tell(News::Soon);
        }
        found
    }

    /// Stops admitting for good: all waits end, and whatever is submitted later is refused.
    /// Reservations can still be settled, and their leases still end.
    pub fn drain(&mut self, now: Timestamp, events: &mut Vec<Event>) {
        self.advance(now);
        self.draining = true;
        let mut keys = self.queue.keys();
        keys.sort_unstable();
        for key in keys {
            self.queue.remove(key);
            let refusal = Refusal::Draining {
                retry_after: RETRY_AFTER_UNKNOWN,
            };
            self.expire(key, refusal, events);
        }
        self.plan.clear();
        self.deadline = None;
    }
}
