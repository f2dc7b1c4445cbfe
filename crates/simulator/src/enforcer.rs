//! The judge: decides what a provider admits, with `now` as an argument and no clock of its own.
//!
//! The arithmetic is the one that OpenAI's headers and messages obey. With the limit `L`, the
//! window `W`, the level `U` and a request of `R`: admit iff `U + R <= L`; the wait is
//! `(U + R - L) * W / L`; the remainder is `floor(L - U)`; the time until full is `U * W / L`.
//! All of it is done in integers, without rounding.

mod bucket;
mod counter;
mod decision;
mod foreign;
mod log;
mod ramp;
mod window;

#[cfg(test)]
mod tests;

pub use self::{
    decision::{Admission, Outcome, QuotaLevel, Refusal, Reservation},
    foreign::ForeignTraffic,
    ramp::RampLimit,
};

use serde::{Deserialize, Serialize};

use self::{foreign::Foreign, ramp::Ramp, window::Window};
use crate::{charge::Charge, quota::Quota};

/// The rules of one limit pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EnforcerSettings {
    /// The limits. All must have room for a request to be admitted.
    pub quotas: Vec<Quota>,
    /// The most requests in flight at once.
    pub max_in_flight: Option<u64>,
    /// The limit on how fast traffic may grow.
    pub ramp: Option<RampLimit>,
    /// Whether a refused request still counts against the limits on requests, up to their amount.
    pub refusals_count: bool,
    /// Whether the charge is corrected to the actual use when a request ends.
    pub refund: bool,
    /// Whether a request that failed after admission keeps its charge.
    pub failures_are_free: bool,
    /// Other consumers of the same limits.
    pub foreign: Vec<ForeignTraffic>,
}

/// A limit pool: several limits decided at once, all or nothing.
///
/// Times are nanoseconds of the provider's clock since the Unix epoch. A time earlier than one
/// seen before is taken as that one.
#[derive(Debug, Clone)]
pub struct Enforcer {
    settings: EnforcerSettings,
    windows: Vec<Window>,
    ramp: Option<Ramp>,
    foreign: Vec<Foreign>,
    in_flight: u64,
    next_reservation: u64,
    latest_ns: u64,
}

impl Enforcer {
    /// A pool that nothing has been taken from.
    #[must_use]
    pub fn new(settings: EnforcerSettings) -> Self {
        Self {
            windows: settings.quotas.iter().map(Window::new).collect(),
            ramp: settings.ramp.map(Ramp::new),
            foreign: settings.foreign.iter().copied().map(Foreign::new).collect(),
            settings,
            in_flight: 0,
            next_reservation: 1,
            latest_ns: 0,
        }
    }

    /// The rules in force.
    #[must_use]
    pub const fn settings(&self) -> &EnforcerSettings {
        &self.settings
    }

    /// Requests that were admitted and have not ended.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Decides a request. An admitted one has taken its charge from every limit; a refused one
    /// has taken nothing, unless refusals count.
    pub fn admit(&mut self, now_ns: u64, charge: &Charge) -> Admission {
        let now_ns = self.advance(now_ns);
        if let Some(refusal) = self.refusal(now_ns, charge) {
            if self.settings.refusals_count {
                self.count_refusal(now_ns);
            }
            return Admission::Refused(refusal);
        }
        for (quota, window) in self.settings.quotas.iter().zip(&mut self.windows) {
            window.take(now_ns, charge.of(quota.metric));
        }
        if let Some(ramp) = &mut self.ramp {
            ramp.take(now_ns, charge);
        }
        self.in_flight += 1;
        let id = self.next_reservation;
        self.next_reservation += 1;
        Admission::Admitted(Reservation {
            id,
            admitted_ns: now_ns,
            charge: *charge,
        })
    }

    /// Ends a request and corrects its charge as the rules say. Returns what was given back and
    /// what was added.
    pub fn settle(
        &mut self,
        now_ns: u64,
        reservation: Reservation,
        outcome: &Outcome,
    ) -> (Charge, Charge) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let final_charge = match outcome {
            Outcome::Used(actual) if self.settings.refund => *actual,
            Outcome::Failed if self.settings.failures_are_free => Charge::default(),
            Outcome::Used(_) | Outcome::Failed => reservation.charge,
        };
        let mut reservation = reservation;
        self.correct(now_ns, &mut reservation, &final_charge)
    }

    /// Sets the charge of a request under way right. Returns what was given back and what was added;
    /// what is added is taken even where a limit has no room for it.
    pub fn correct(
        &mut self,
        now_ns: u64,
        reservation: &mut Reservation,
        charge: &Charge,
    ) -> (Charge, Charge) {
        let now_ns = self.advance(now_ns);
        let returned = reservation.charge.saturating_sub(charge);
        let added = charge.saturating_sub(&reservation.charge);
        reservation.charge = *charge;
        for (quota, window) in self.settings.quotas.iter().zip(&mut self.windows) {
            window.give_back(now_ns, reservation.admitted_ns, returned.of(quota.metric));
            window.take(now_ns, added.of(quota.metric));
        }
        (returned, added)
    }

    /// The level of every limit, in the order of the rules.
    pub fn levels(&mut self, now_ns: u64) -> Vec<QuotaLevel> {
        let now_ns = self.advance(now_ns);
        let quotas = self.settings.quotas.iter().zip(&mut self.windows);
        quotas
            .map(|(quota, window)| window.level(quota, now_ns))
            .collect()
    }

    /// The level of the limit on growth at present: a window of one step, with what it may hold now.
    pub fn dynamic_level(&mut self, now_ns: u64) -> Option<QuotaLevel> {
        let now_ns = self.advance(now_ns);
        self.ramp.as_mut().map(|ramp| ramp.level(now_ns))
    }

    /// Changes the limits from `now_ns` on. A limit that matches an old one in metric, window and
    /// kind keeps its level; the others start empty.
    pub fn set_quotas(&mut self, now_ns: u64, quotas: Vec<Quota>) {
        let now_ns = self.advance(now_ns);
        let mut old: Vec<(Quota, Window)> = self
            .settings
            .quotas
            .drain(..)
            .zip(self.windows.drain(..))
            .collect();
        for quota in &quotas {
            let same = old
                .iter()
                .position(|(before, _)| is_same_limit(before, quota));
            let window = match same.map(|index| old.swap_remove(index)) {
                Some((_, mut window)) => {
                    window.change(now_ns, quota);
                    window
                }
                None => Window::new(quota),
            };
            self.windows.push(window);
        }
        self.settings.quotas = quotas;
    }

    /// Forgets everything that was taken, as if the pool were new. Requests in flight stay counted.
    pub fn reset(&mut self) {
        self.windows = self.settings.quotas.iter().map(Window::new).collect();
        self.ramp = self.settings.ramp.map(Ramp::new);
    }

    /// Units that other consumers have taken so far, per foreign consumer in the order of the rules.
    #[must_use]
    pub fn foreign_taken(&self) -> Vec<u64> {
        self.foreign.iter().map(Foreign::taken).collect()
    }

    /// Brings the pool up to a time: time never runs backwards, and other consumers take their part.
    fn advance(&mut self, now_ns: u64) -> u64 {
        self.latest_ns = self.latest_ns.max(now_ns);
        let longest = self
            .settings
            .quotas
            .iter()
            .map(Quota::window_ns)
            .max()
            .unwrap_or(0);
        for foreign in &mut self.foreign {
            foreign.advance(
                self.latest_ns,
                longest,
                &self.settings.quotas,
                &mut self.windows,
            );
        }
        self.latest_ns
    }

    /// Why a request cannot be admitted now: what can never pass is named first, then the limit
    /// with the longest wait.
    fn refusal(&mut self, now_ns: u64, charge: &Charge) -> Option<Refusal> {
        let mut longest: Option<Refusal> = None;
        for (quota, window) in self.settings.quotas.iter().zip(&mut self.windows) {
            match window.refusal(quota, now_ns, charge.of(quota.metric)) {
                Some(never @ Refusal::TooLarge { .. }) => return Some(never),
                Some(refusal)
                    if longest.is_none_or(|found| found.wait_ns() < refusal.wait_ns()) =>
                {
                    longest = Some(refusal);
                }
                _ => {}
            }
        }
        longest.or_else(|| self.concurrency_refusal()).or_else(|| {
            let ramp = self.ramp.as_mut()?;
            ramp.refusal(now_ns, charge)
        })
    }

    fn concurrency_refusal(&self) -> Option<Refusal> {
        let limit = self.settings.max_in_flight?;
        (self.in_flight >= limit).then_some(Refusal::Concurrency { limit })
    }

    fn count_refusal(&mut self, now_ns: u64) {
        for (quota, window) in self.settings.quotas.iter().zip(&mut self.windows) {
            if quota.metric == crate::quota::Metric::Requests
                && window.refusal(quota, now_ns, 1).is_none()
            {
                window.take(now_ns, 1);
            }
        }
    }
}

fn is_same_limit(before: &Quota, after: &Quota) -> bool {
    before.metric == after.metric
        && before.window_ms == after.window_ms
        && std::mem::discriminant(&before.kind) == std::mem::discriminant(&after.kind)
}
