//! One pool of limits: what is decided, and in what order.

mod admission;
mod backfill;
mod elsewhere;
mod guessing;
mod learning;
mod merging;
mod outlook;
mod prospect;
mod reset;
mod settling;

use crate::charge::{Charge, Metric};
use crate::elsewhere::News;
use crate::expected::Expected;
use crate::formula::ChargeParts;
use crate::gate::Gate;
use crate::learning::charges::Charges;
use crate::learning::delay::DelaySpread;
use crate::learning::flight::Flight;
use crate::learning::spent::Spent;
use crate::limits::{LimitState, Limits};
use crate::queue::Queue;
use crate::reservation::Reservations;
use crate::settings::{DomainSettings, SettingsError};
use crate::snapshot::{Episode, LimitSource};
use crate::time::{Timestamp, nanos};
use crate::totals::Totals;
use backfill::Plan;
use elsewhere::Elsewhere;
pub use prospect::Prospect;

/// One pool of limits at a provider, with the queue in front of it.
///
/// All limits, the bound on requests in flight, the spacing and the pauses are decided at once:
/// a request takes from all of them or from none. Between two calls nothing happens; the caller
/// calls [`Self::poll`] at [`Self::next_wake`], and after anything that may have made room
/// ([`Self::settle`], [`Self::abandon`], [`Self::cancel`]).
#[derive(Debug)]
pub struct Domain {
    settings: DomainSettings,
    /// The latest time seen.
    now: u64,
    /// When the domain was made.
    started: u64,
    limits: Limits,
    gate: Gate,
    reservations: Reservations,
    queue: Queue,
    expected: Expected,
    charges: Charges,
    delay: DelaySpread,
    flight: Flight,
    spent: Spent,
    /// Whether answers are compared with what was sent: since the first that told of a limit, or
    /// from the start where limits are to be found out.
    learning: bool,
    /// The largest recent charge on top of a reservation.
    debts: Charge,
    /// What requests in flight may be charged on top when they end, in tokens.
    debts_max: u64,
    totals: Totals,
    /// What the head of the queue waits for.
    plan: Plan,
    /// The earliest deadline of a waiter.
    deadline: Option<u64>,
    /// Something has changed since the last poll that may let a waiter go.
    stale: bool,
    /// A limit has become smaller: a waiter may have become too large.
    shrunk: bool,
    draining: bool,
    elsewhere: Elsewhere,
}

impl Domain {
    /// A domain with nothing used and nobody waiting.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn new(settings: DomainSettings, now: Timestamp) -> Result<Self, SettingsError> {
        settings.check()?;
        let now = now.as_nanos();
        let states = settings
            .limits
            .iter()
            .map(|limit| LimitState::new(*limit, LimitSource::Configured, 0, now))
            .collect();
        let mut domain = Self {
            now,
            started: now,
            limits: Limits { states },
            gate: Gate::new(&settings, now),
            reservations: Reservations::new(),
            queue: Queue::new(&settings.queue),
            expected: Expected::default(),
            charges: Charges::default(),
            delay: DelaySpread::default(),
            flight: Flight::default(),
            spent: Spent::new(now),
            learning: settings.probe_concurrency.is_some(),
            debts: Charge::ZERO,
            debts_max: 0,
            totals: Totals::default(),
            plan: Plan::default(),
            deadline: None,
            stale: false,
            shrunk: false,
            draining: false,
            elsewhere: Elsewhere::default(),
            settings,
        };
        domain.end_probe_if_known();
        Ok(domain)
    }

    /// When [`Self::poll`] has something to do at the latest; `None`: nothing to wait for.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wake().map(Timestamp::from_nanos)
    }

    /// The present episode of refusals by the provider, or the last one.
    #[must_use]
    pub fn episode(&self) -> Option<Episode> {
        self.gate.episode()
    }

    /// The running totals.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Changes the settings. What is used, who waits and what is in flight stay.
    ///
    /// Waiters that no window can hold any more are refused by the next poll.
    ///
    /// # Errors
    /// The first setting that cannot work; nothing has changed then.
    pub fn reconfigure(
        &mut self,
        settings: DomainSettings,
        now: Timestamp,
    ) -> Result<(), SettingsError> {
        settings.check()?;
        let now = self.advance(now);
        let mut old = std::mem::take(&mut self.limits.states);
        let serial = self.reservations.next_serial();
        for limit in &settings.limits {
            let same = old.iter().position(|state| {
                state.limit.metric == limit.metric && state.limit.window == limit.window
            });
            let state = if let Some(index) = same {
                let mut state = old.swap_remove(index);
                (state.source, state.configured_amount) = (LimitSource::Configured, None);
                let before = state.limit;
                state.resize(*limit, serial, now);
                state.note_belief(&before, now);
                state
            } else {
                let mut state = LimitState::new(*limit, LimitSource::Configured, serial, now);
                state.window.raise_to(self.outstanding(limit.metric), now);
                state
            };
            self.limits.states.push(state);
        }
        let configured: Vec<_> = settings.limits.iter().map(|limit| limit.metric).collect();
        old.retain(|state| {
            state.source == LimitSource::Learned && !configured.contains(&state.limit.metric)
        });
        self.limits.states.append(&mut old);
        self.gate.reconfigure(&settings);
        self.queue.reconfigure(&settings.queue);
        self.settings = settings;
        self.end_probe_if_known();
        self.limits_changed();
        Ok(())
    }

    /// The latest time seen, which `now` may be.
    fn advance(&mut self, now: Timestamp) -> u64 {
        self.now = self.now.max(now.as_nanos());
        self.now
    }

    fn wake(&self) -> Option<u64> {
        if (self.stale || self.shrunk) && !self.queue.is_empty() {
            return Some(self.now);
        }
        let lease = self
            .reservations
            .oldest()
            .map(|(_, taken_at)| self.lease_end(taken_at));
        let calm = self.gate.next_change();
        let held = self.elsewhere.held_until();
        [self.plan.wake(), self.deadline, lease, calm, held]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whoever waits has to be looked at again.
    fn touch(&mut self) {
        self.stale |= !self.queue.is_empty();
    }

    fn lease_end(&self, taken_at: u64) -> u64 {
        taken_at.saturating_add(nanos(self.settings.reservation_lifetime))
    }

    /// Costs follow from the limits, and so do plans.
    fn limits_changed(&mut self) {
        let limits = &self.limits;
        let charges = &self.charges;
        self.queue.reprice(|charge, parts| {
            let charge = recharged(charges, charge, parts);
            (charge, limits.cost(&charge))
        });
        self.plan.clear();
        (self.stale, self.shrunk) = (true, true);
        self.elsewhere.tell(News::Soon);
    }
}

/// The charge of a waiter by the formula that is believed now.
fn recharged(charges: &Charges, charge: &Charge, parts: Option<&ChargeParts>) -> Charge {
    let tokens = charge.get(Metric::Tokens);
    match (charges.believed(), parts) {
        // A waiter that uses a metric goes on to, and one that does not, does not begin to.
        (Some(formula), Some(parts)) if tokens > 0 => {
            charge.with(Metric::Tokens, formula.tokens(parts).max(1))
        }
        _ => *charge,
    }
}
