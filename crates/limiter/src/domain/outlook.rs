//! What those who wait can expect, and views of the whole.

use std::time::Duration;

use super::Domain;
use crate::charge::{Charge, Metric};
use crate::limits::Start;
use crate::queue::Load;
use crate::request::{Binding, Outlook, Tier, WaiterId};
use crate::slab::Key;
use crate::snapshot::{DomainSnapshot, WaitingView};
use crate::time::Timestamp;

impl Domain {
    /// What a waiter can expect; `None` if it does not wait.
    #[must_use]
    pub fn outlook(&self, waiter: WaiterId, now: Timestamp) -> Option<Outlook> {
        self.outlook_at(waiter.0, self.now.max(now.as_nanos()))
    }

    pub(super) fn outlook_at(&self, key: Key, now: u64) -> Option<Outlook> {
        let ahead = self.queue.ahead(key, now)?;
        self.outlook_behind(key, &ahead, now)
    }

    /// The outlook of a waiter with `ahead` in front of it.
    fn outlook_behind(&self, key: Key, ahead: &Load, now: u64) -> Option<Outlook> {
        let waiter = self.queue.get(key)?;
        let position = usize::try_from(ahead.count)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let held = match self.gate_start(&waiter.charge, now) {
            Ok(start) => start,
            Err(binding) => {
                return Some(Outlook {
                    position,
                    eta: None,
                    binding,
                });
            }
        };
        let ahead = &self.elsewhere.with_others(ahead);
        let start = if ahead.count == 0 {
            let from = held.at.max(self.elsewhere.not_before());
            self.earliest(&waiter.charge, waiter.tier, from)
        } else {
            self.start_behind(ahead, (&waiter.charge, waiter.tier), held.at)
        };
        let Some(start) = start else {
            return Some(Outlook {
                position,
                eta: None,
                binding: Binding::Turn,
            });
        };
        let before = Metric::ALL.into_iter().fold(Charge::ZERO, |sum, metric| {
            sum.with(metric, ahead.units[metric.index()])
        });
        let (spaced, spacing) = self
            .gate
            .spaced(ahead.count, &before, &self.limits, held.at);
        let (at, binding) = if spaced > start.at {
            (spaced, spacing)
        } else if start.at > held.at {
            (start.at, start.binding)
        } else {
            (held.at, held.binding)
        };
        let eta = Some(Duration::from_nanos(at - now));
        Some(Outlook {
            position,
            eta,
            binding,
        })
    }

    /// When a request that others go before should go.
    pub(super) fn start_behind(
        &self,
        ahead: &Load,
        (charge, tier): (&Charge, Tier),
        from: u64,
    ) -> Option<Start> {
        let units = |metric: Metric| ahead.units[metric.index()];
        // While more urgent ones wait, it goes by its tier's guaranteed share.
        let contended = self.queue.is_waiting_above(tier);
        let mut claimed_at = from;
        loop {
            let claims = self.claims_on(tier, claimed_at).filter(|_| !contended);
            let start = self
                .limits
                .estimate(units, (charge, claims.as_ref()), from)?;
            let at = start.at.max(claimed_at);
            match claims {
                // Less is claimed by then.
                Some(claims) if at > claims.until => claimed_at = claims.until,
                _ => return Some(Start { at, ..start }),
            }
        }
    }

    /// The first `max` waiters in the expected order of service.
    #[must_use]
    pub fn waiting(&self, now: Timestamp, max: usize) -> Vec<WaitingView> {
        let now = self.now.max(now.as_nanos());
        let view = |(key, ahead): &(Key, Load)| {
            let waiter = self.queue.get(*key)?;
            let outlook = self.outlook_behind(*key, ahead, now)?;
            Some(WaitingView {
                waiter: WaiterId(*key),
                tenant: self.queue.tenant_of(waiter)?,
                tier: waiter.tier,
                position: outlook.position,
                eta: outlook.eta,
                binding: outlook.binding,
                waited: Duration::from_nanos(now.saturating_sub(waiter.since)),
                charge: waiter.charge,
            })
        };
        self.queue
            .in_order(now, max)
            .iter()
            .filter_map(view)
            .collect()
    }

    /// The whole domain at one moment.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> DomainSnapshot {
        let now = Timestamp::from_nanos(self.now).max(now);
        let cool_down = Timestamp::from_nanos(self.gate.cool_down_until());
        DomainSnapshot {
            limits: self.limits.views(now),
            in_flight: self.reservations.len(),
            concurrency_max: self.settings.concurrency_max,
            concurrency_learned: self.gate.crowd_max(),
            spacing: self.settings.spacing,
            cool_down_until: (cool_down > now).then_some(cool_down),
            waiting: self.queue.waiting_per_tier(),
            probe: self.gate.probe_view(),
            episode: self.gate.episode(),
            throttles: self.gate.throttle_views(&self.limits, now),
            draining: self.draining,
            charge: self.charge_belief(),
            totals: self.totals,
        }
    }
}
