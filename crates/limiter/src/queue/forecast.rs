//! What goes before whom, as far as it can be told.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::load::{Estimate, Load};
use super::tier::{PPM, TierQueue, credit_after, next, scale_after};
use super::{Queue, VIRTUAL_BITS, Waiter, virtual_cost};
use crate::request::TenantId;
use crate::slab::Key;

/// Tenants that are looked at one by one; of more, an even sample stands for all.
const SAMPLE_MAX: usize = 32;

/// The cost that a weight is served while virtual time passes.
fn cost_of(virtual_time: u128, weight: u32) -> f64 {
    let virtual_time = u64::try_from(virtual_time).unwrap_or(u64::MAX);
    virtual_time as f64 / f64::from(1u32 << VIRTUAL_BITS) * f64::from(weight.max(1))
}

impl Queue {
    /// What is expected to go before a waiter: what is in front of it in its tenant's queue, the
    /// other tenants' fair share meanwhile, higher tiers as far as this tier's own guarantee
    /// lets them, and the guarantees of lower tiers.
    pub(crate) fn ahead(&self, key: Key, now: u64) -> Option<Load> {
        let waiter = self.get(key)?;
        if self.head() == Some(key) {
            return Some(Load::default());
        }
        let index = waiter.tier.index();
        let tenant = self.tenants.at(waiter.tenant)?;
        let flow = &tenant.flows[index];
        let own = flow.ahead_of(&self.waiters, waiter);
        let start = flow
            .virtual_time
            .saturating_add(virtual_cost(own.cost, tenant.weight));
        let mut sum = Estimate::default();
        sum.add(&own);
        self.add_others(waiter, start, &mut sum);
        let share = |tier: &TierQueue| tier.share_ppm(&self.waiters, now) as f64 / PPM as f64;
        let (higher, rest) = self.tiers.split_at(index);
        let guaranteed = rest.first().map_or(0.0, share);
        let tier_cost = sum.cost + waiter.cost as f64;
        for tier in higher.iter().filter(|tier| tier.waiting > 0) {
            // The division by nothing leaves no bound, as it should.
            sum.add_part(&tier.load, tier_cost * (1.0 - guaranteed) / guaranteed);
        }
        let before = sum.cost;
        for lower in rest.iter().skip(1).filter(|tier| tier.waiting > 0) {
            let share = share(lower);
            sum.add_part(&lower.load, before * share / (1.0 - share).max(0.1));
        }
        Some(sum.rounded())
    }

    /// Adds what other tenants of the tier are served before the virtual time `start`.
    fn add_others(&self, waiter: &Waiter, start: u128, sum: &mut Estimate) {
        let index = waiter.tier.index();
        let tier = &self.tiers[index];
        let step = tier.backlog.len().div_ceil(SAMPLE_MAX);
        let own_tie = tier.backlog.tie_of(waiter.tenant).unwrap_or(u64::MAX);
        let (mut sample, mut seen) = (Estimate::default(), 0u32);
        for (virtual_time, tie, slot) in tier.backlog.every(step) {
            if slot == waiter.tenant {
                continue;
            }
            seen += 1;
            if (virtual_time, tie) < (start, own_tie)
                && let Some(tenant) = self.tenants.at(slot)
            {
                // A request that starts in time is served whole.
                let load = &tenant.flows[index].load;
                let one = load.cost as f64 / load.count.max(1) as f64;
                sample.add_part(load, cost_of(start - virtual_time, tenant.weight) + one);
            }
        }
        let others = tier.backlog.len() as f64 - 1.0;
        sum.add_scaled(&sample, others / f64::from(seen.max(1)));
        // Whoever room is being kept for goes first, whatever its tenant has had since.
        if let Some(promised) = tier.promised.and_then(|key| self.get(key))
            && promised.tenant != waiter.tenant
            && let Some(tenant) = self.tenants.at(promised.tenant)
            && tenant.flows[index].virtual_time > start
        {
            sum.add(&promised.load());
        }
    }

    /// The first `max` waiters in the order in which they would go if nobody else came, each
    /// with what goes before it.
    pub(crate) fn in_order(&self, now: u64, max: usize) -> Vec<(Key, Load)> {
        let mut simulated = [0, 1, 2].map(|index| self.simulation(index));
        let shares = self
            .tiers
            .each_ref()
            .map(|tier| tier.share_ppm(&self.waiters, now));
        let (mut order, mut ahead, mut scale) = (Vec::new(), Load::default(), self.cost_scale);
        while order.len() < max {
            let states = simulated.each_ref().map(|tier| (tier.waiting, tier.credit));
            let Some(index) = next(&states) else { break };
            let Some(slot) = self.simulate_one(&mut simulated[index]) else {
                break;
            };
            let (Some(waiter), Some(key)) = (self.waiters.at(slot), self.waiters.key_at(slot))
            else {
                break;
            };
            order.push((key, ahead));
            ahead = ahead.plus(&waiter.load());
            scale = scale_after(scale, waiter.cost);
            for (other, tier) in simulated
                .iter_mut()
                .enumerate()
                .filter(|(_, t)| t.waiting > 0)
            {
                tier.credit = credit_after(
                    tier.credit,
                    shares[other],
                    waiter.cost,
                    other == index,
                    scale,
                );
            }
            simulated[index].waiting -= 1;
        }
        order
    }

    fn simulation(&self, index: usize) -> Simulation {
        let tier = &self.tiers[index];
        let promised = tier.promised.filter(|key| self.contains(*key));
        let mut simulation = Simulation {
            waiting: tier.waiting,
            credit: tier.credit,
            promised,
            skip: promised,
            flows: BinaryHeap::with_capacity(tier.backlog.len()),
        };
        for (virtual_time, tie, slot) in tier.backlog.every(1) {
            if let Some(tenant) = self.tenants.at(slot) {
                let flow = &tenant.flows[index];
                simulation
                    .flows
                    .push(Reverse((virtual_time, tie, flow.list.first)));
            }
        }
        simulation
    }

    /// Takes the next waiter of a tier.
    fn simulate_one(&self, tier: &mut Simulation) -> Option<u32> {
        if let Some(promised) = tier.promised.take() {
            return Some(promised.slot);
        }
        loop {
            let Reverse((virtual_time, tie, waiting)) = tier.flows.pop()?;
            let waiter = self.waiters.at(waiting)?;
            let after = waiter.tenant_links.after;
            let weight = self.tenants.at(waiter.tenant)?.weight;
            let served = virtual_time.saturating_add(virtual_cost(waiter.cost, weight));
            if self.waiters.at(after).is_some() {
                tier.flows.push(Reverse((served, tie, after)));
            }
            if tier.skip.is_none_or(|key| key.slot != waiting) {
                return Some(waiting);
            }
        }
    }

    pub(crate) fn tenant_of(&self, waiter: &Waiter) -> Option<TenantId> {
        self.tenants.at(waiter.tenant).map(|tenant| tenant.id)
    }
}

/// A tier while its future is played through.
struct Simulation {
    waiting: usize,
    credit: i128,
    promised: Option<Key>,
    /// Whom to pass over, because it has gone first.
    skip: Option<Key>,
    /// Virtual time, tie and first waiter of each tenant.
    flows: BinaryHeap<Reverse<(u128, u64, u32)>>,
}
