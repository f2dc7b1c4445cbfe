//! Who waits, and who goes next: tiers, in them tenants, in them first in, first out.
//!
//! Tenants of a tier share by start-time fair queueing: each has a virtual time that grows by
//! the cost of what it is served, over its weight, and the lowest goes next. A tenant that
//! comes back from idleness starts at the tier's virtual time, so that idleness earns nothing.
//!
//! The queue knows nothing of limits: costs are given, and who may go is decided elsewhere.

mod deadlines;
mod flow;
mod forecast;
mod list;
mod load;
mod order;
mod spread;
mod tier;

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::charge::{Charge, METRICS, Metric};
use crate::formula::ChargeParts;
use crate::request::{Binding, TenantId, Tier};
use crate::settings::QueueSettings;
use crate::slab::{Key, Slab};
use deadlines::Deadlines;
use flow::{Flow, Standing};
use list::{Links, Thread};
pub(crate) use load::Load;
use spread::Spread;
use tier::TierQueue;

/// Fraction bits of virtual time, so that large weights do not round small costs away.
const VIRTUAL_BITS: u32 = 20;

/// One waiting request.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) tier: Tier,
    pub(crate) charge: Charge,
    /// What its token charge is made from.
    pub(crate) parts: Option<ChargeParts>,
    pub(crate) cost: u64,
    /// When it came.
    pub(crate) since: u64,
    pub(crate) deadline: Option<u64>,
    /// What it was last seen to wait for.
    pub(crate) binding: Binding,
    tenant: u32,
    tenant_links: Links,
    arrival_links: Links,
    rank: i64,
    place: Load,
}

impl Waiter {
    fn load(&self) -> Load {
        Load::of(&self.charge, self.cost)
    }

    /// The place of the tenant.
    pub(crate) const fn owner(&self) -> u32 {
        self.tenant
    }

    fn links_mut(&mut self, thread: Thread) -> &mut Links {
        match thread {
            Thread::Tenant => &mut self.tenant_links,
            Thread::Arrival => &mut self.arrival_links,
        }
    }
}

/// A request that is to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) tenant: TenantId,
    pub(crate) weight: u32,
    pub(crate) tier: Tier,
    pub(crate) charge: Charge,
    pub(crate) parts: Option<ChargeParts>,
    pub(crate) cost: u64,
    pub(crate) deadline: Option<u64>,
    pub(crate) front: bool,
}

/// Whose virtual time paid for a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    tenant: TenantId,
    weight: u32,
    tier: Tier,
}

#[derive(Debug)]
struct Tenant {
    id: TenantId,
    weight: u32,
    waiting: usize,
    flows: [Flow; 3],
}

/// Everyone who waits in a domain.
#[derive(Debug)]
pub(crate) struct Queue {
    waiters: Slab<Waiter>,
    tenants: Slab<Tenant>,
    by_id: HashMap<TenantId, Key, BuildHasherDefault<Spread>>,
    tiers: [TierQueue; 3],
    deadlines: Deadlines,
    /// The largest recent cost.
    cost_scale: u64,
    /// How many waiters use each metric.
    users: [usize; METRICS],
}

fn virtual_cost(cost: u64, weight: u32) -> u128 {
    let weight = weight.max(1);
    if cost < 1 << (64 - VIRTUAL_BITS) {
        return u128::from((cost << VIRTUAL_BITS) / u64::from(weight));
    }
    (u128::from(cost) << VIRTUAL_BITS) / u128::from(weight)
}

impl Queue {
    pub(crate) fn new(settings: &QueueSettings) -> Self {
        Self {
            waiters: Slab::new(),
            tenants: Slab::new(),
            by_id: HashMap::default(),
            tiers: settings.tiers.map(TierQueue::new),
            deadlines: Deadlines::default(),
            cost_scale: 1,
            users: [0; METRICS],
        }
    }

    pub(crate) fn reconfigure(&mut self, settings: &QueueSettings) {
        for (tier, settings) in self.tiers.iter_mut().zip(settings.tiers) {
            tier.settings = settings;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.len() == 0
    }

    pub(crate) fn waiting_per_tier(&self) -> [usize; 3] {
        Tier::ALL.map(|tier| self.tiers[tier.index()].waiting)
    }

    pub(crate) fn waiting_of(&self, tenant: TenantId) -> usize {
        let key = self.by_id.get(&tenant);
        key.and_then(|key| self.tenants.at(key.slot))
            .map_or(0, |tenant| tenant.waiting)
    }

    pub(crate) fn contains(&self, key: Key) -> bool {
        self.waiters.contains(key)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Waiter> {
        if self.contains(key) {
            self.waiters.at(key.slot)
        } else {
            None
        }
    }

    /// The tenant's first waiter, and if it has none in a tier, the first of the next tier.
    pub(crate) fn first_of(&self, tenant: TenantId) -> Option<Key> {
        let tenant = self.tenants.at(self.by_id.get(&tenant)?.slot)?;
        tenant
            .flows
            .iter()
            .find_map(|flow| self.waiters.key_at(flow.list.first))
    }

    /// Notes what a waiter waits for.
    pub(crate) fn bind(&mut self, key: Key, binding: Binding) {
        if self.contains(key)
            && let Some(waiter) = self.waiters.at_mut(key.slot)
        {
            waiter.binding = binding;
        }
    }

    fn tenant_slot(&mut self, id: TenantId, weight: u32) -> u32 {
        if let Some(key) = self.by_id.get(&id) {
            return key.slot;
        }
        let key = self.tenants.insert(Tenant {
            id,
            weight,
            waiting: 0,
            flows: Default::default(),
        });
        self.by_id.insert(id, key);
        key.slot
    }

    pub(crate) fn push(&mut self, arrival: Arrival, now: u64) -> Key {
        let slot = self.tenant_slot(arrival.tenant, arrival.weight);
        let key = self.waiters.insert(Waiter {
            tier: arrival.tier,
            charge: arrival.charge,
            parts: arrival.parts,
            cost: arrival.cost,
            since: now,
            deadline: arrival.deadline,
            binding: Binding::Turn,
            tenant: slot,
            tenant_links: Links::ALONE,
            arrival_links: Links::ALONE,
            rank: 0,
            place: Load::default(),
        });
        let Some(tenant) = self.tenants.at_mut(slot) else {
            return key;
        };
        tenant.weight = arrival.weight;
        tenant.waiting += 1;
        let tier = &mut self.tiers[arrival.tier.index()];
        let flow = &mut tenant.flows[arrival.tier.index()];
        if flow.standing != Standing::Backlogged {
            if flow.standing == Standing::Remembered {
                tier.remembered.remove(slot);
            } else {
                flow.virtual_time = 0;
            }
            flow.virtual_time = flow.virtual_time.max(tier.virtual_time);
            flow.standing = Standing::Backlogged;
            tier.backlog.push(slot, flow.virtual_time);
        }
        if arrival.front {
            // In front of its tenant's requests, even of one that room is being kept for.
            let promised = tier.promised.and_then(|key| self.waiters.at(key.slot));
            if promised.is_some_and(|promised| promised.tenant == slot) {
                tier.promised = None;
            }
        }
        flow.push(&mut self.waiters, key.slot, arrival.front);
        tier.load = tier.load.plus(&Load::of(&arrival.charge, arrival.cost));
        tier.waiting += 1;
        for metric in Metric::ALL {
            self.users[metric.index()] += usize::from(arrival.charge.get(metric) > 0);
        }
        tier.arrivals
            .push_back(&mut self.waiters, key.slot, Thread::Arrival);
        if let Some(deadline) = arrival.deadline {
            self.deadlines
                .add(deadline, key, |key| self.waiters.contains(key));
        }
        key
    }

    /// Who goes next, whether it can or not.
    pub(crate) fn head(&self) -> Option<Key> {
        let states = self
            .tiers
            .each_ref()
            .map(|tier| (tier.waiting, tier.credit));
        let index = tier::next(&states)?;
        let tier = &self.tiers[index];
        if let Some(promised) = tier.promised.filter(|key| self.contains(*key)) {
            return Some(promised);
        }
        let (_, tenant) = tier.backlog.first()?;
        self.waiters
            .key_at(self.tenants.at(tenant)?.flows[index].list.first)
    }

    /// Whether a tier has had less than its guaranteed share.
    pub(crate) fn is_owed(&self, tier: Tier) -> bool {
        self.tiers[tier.index()].credit > 0
    }

    /// Whether anybody waits in a more urgent tier.
    pub(crate) fn is_waiting_above(&self, tier: Tier) -> bool {
        let mut above = self.tiers.iter().take(tier.index());
        above.any(|tier| tier.waiting > 0)
    }

    /// Everyone who waits in `tier` or a more urgent one.
    pub(crate) fn load_until(&self, tier: Tier) -> Load {
        let tiers = self.tiers.iter().take(tier.index() + 1);
        tiers.fold(Load::default(), |load, tier| load.plus(&tier.load))
    }

    /// From now on the waiter is the head of its tier until it leaves the queue.
    pub(crate) fn promise(&mut self, key: Key) {
        if let Some(tier) = self.get(key).map(|waiter| waiter.tier) {
            self.tiers[tier.index()].promised = Some(key);
        }
    }

    /// Takes a waiter out without serving it.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Waiter> {
        self.depart(key, false)
    }

    /// Takes a waiter out and charges its tenant and its tier for the service.
    pub(crate) fn serve(&mut self, key: Key, now: u64) -> Option<(Waiter, Account)> {
        let (tier, cost) = self.get(key).map(|waiter| (waiter.tier, waiter.cost))?;
        self.cost_scale = tier::scale_after(self.cost_scale, cost);
        for index in 0..self.tiers.len() {
            if self.tiers[index].waiting > 0 {
                let share_ppm = self.tiers[index].share_ppm(&self.waiters, now);
                let (own, credit) = (index == tier.index(), self.tiers[index].credit);
                self.tiers[index].credit =
                    tier::credit_after(credit, share_ppm, cost, own, self.cost_scale);
            }
        }
        let slot = self.waiters.at(key.slot)?.tenant;
        let tenant = self.tenants.at(slot)?;
        let account = Account {
            tenant: tenant.id,
            weight: tenant.weight,
            tier,
        };
        Some((self.depart(key, true)?, account))
    }

    fn depart(&mut self, key: Key, served: bool) -> Option<Waiter> {
        let waiter = self.waiters.remove(key)?;
        let index = waiter.tier.index();
        let tier = &mut self.tiers[index];
        let tenant = self.tenants.at_mut(waiter.tenant)?;
        let flow = &mut tenant.flows[index];
        tenant.waiting -= 1;
        flow.unlink(&mut self.waiters, &waiter);
        tier.arrivals
            .unlink(&mut self.waiters, waiter.arrival_links, Thread::Arrival);
        tier.waiting -= 1;
        for metric in Metric::ALL {
            self.users[metric.index()] -= usize::from(waiter.charge.get(metric) > 0);
        }
        tier.load = tier.load.minus(&waiter.load());
        let start = flow.virtual_time;
        if served {
            flow.virtual_time = start.saturating_add(virtual_cost(waiter.cost, tenant.weight));
        }
        if flow.list.is_empty() {
            tier.backlog.remove(waiter.tenant);
            flow.standing = Standing::Remembered;
            tier.remembered.push(waiter.tenant, flow.virtual_time);
        } else if served {
            tier.backlog.update(waiter.tenant, flow.virtual_time);
        }
        if served {
            let lowest = tier
                .backlog
                .first()
                .map_or(start, |(lowest, _)| lowest.min(start));
            tier.virtual_time = tier.virtual_time.max(lowest);
        }
        self.forget_idle(index);
        Some(waiter)
    }

    /// Forgets idle tenants whose history makes no difference any more.
    fn forget_idle(&mut self, index: usize) {
        let tier = &mut self.tiers[index];
        let all = tier.waiting == 0;
        while let Some((virtual_time, slot)) = tier.remembered.first()
            && (all || virtual_time <= tier.virtual_time)
        {
            tier.remembered.remove(slot);
            let Some(tenant) = self.tenants.at_mut(slot) else {
                continue;
            };
            tenant.flows[index].standing = Standing::Absent;
            if tenant
                .flows
                .iter()
                .all(|flow| flow.standing == Standing::Absent)
            {
                let key = self.by_id.remove(&tenant.id);
                key.and_then(|key| self.tenants.remove(key));
            }
        }
        if all {
            tier.forget();
        }
    }

    /// Corrects a tenant's virtual time once it is known what a service really cost.
    pub(crate) fn correct(&mut self, account: &Account, reserved: u64, charged: u64) {
        let index = account.tier.index();
        if self.tiers[index].waiting == 0 || reserved == charged {
            return;
        }
        let before = virtual_cost(reserved, account.weight);
        let after = virtual_cost(charged, account.weight);
        let known = self.by_id.contains_key(&account.tenant);
        if !known && after <= before {
            return;
        }
        let slot = self.tenant_slot(account.tenant, account.weight);
        let tier = &mut self.tiers[index];
        let Some(tenant) = self.tenants.at_mut(slot) else {
            return;
        };
        let flow = &mut tenant.flows[index];
        let start = match flow.standing {
            Standing::Absent => tier.virtual_time,
            Standing::Backlogged | Standing::Remembered => flow.virtual_time,
        };
        flow.virtual_time = start.saturating_add(after).saturating_sub(before);
        match flow.standing {
            Standing::Backlogged => tier.backlog.update(slot, flow.virtual_time),
            Standing::Remembered => tier.remembered.update(slot, flow.virtual_time),
            Standing::Absent => {
                flow.standing = Standing::Remembered;
                tier.remembered.push(slot, flow.virtual_time);
            }
        }
        self.forget_idle(index);
    }

    /// Gives every waiter the cost of its charge anew. Virtual times in old costs mean nothing
    /// then, so all tenants start level.
    pub(crate) fn reprice(
        &mut self,
        price: impl Fn(&Charge, Option<&ChargeParts>) -> (Charge, u64),
    ) {
        let slots: Vec<u32> = self.waiters.slots().collect();
        for slot in slots {
            if let Some(waiter) = self.waiters.at_mut(slot) {
                (waiter.charge, waiter.cost) = price(&waiter.charge, waiter.parts.as_ref());
            }
        }
        let tenants: Vec<u32> = self.tenants.slots().collect();
        for (index, tier) in self.tiers.iter_mut().enumerate() {
            tier.load = Load::default();
            tier.credit = 0;
            for &slot in &tenants {
                let Some(tenant) = self.tenants.at_mut(slot) else {
                    continue;
                };
                let flow = &mut tenant.flows[index];
                flow.reprice(&mut self.waiters);
                flow.virtual_time = tier.virtual_time;
                tier.load = tier.load.plus(&flow.load);
                tier.backlog.update(slot, tier.virtual_time);
                tier.remembered.update(slot, tier.virtual_time);
            }
        }
        self.cost_scale = 1;
        (0..self.tiers.len()).for_each(|index| self.forget_idle(index));
    }

    /// Appends candidates for going out of turn: the next tenants' first requests in fair
    /// order, the most urgent tier first, then later requests of the same tenants.
    pub(crate) fn candidates(&self, head: Key, max: usize, candidates: &mut Vec<u32>) {
        let mut tenants = Vec::new();
        let mut nexts = Vec::new();
        for (index, tier) in self.tiers.iter().enumerate() {
            tenants.clear();
            tier.backlog
                .smallest(max.saturating_sub(nexts.len()), &mut tenants);
            let flows = tenants.iter().filter_map(|slot| self.tenants.at(*slot));
            nexts.extend(flows.map(|tenant| tenant.flows[index].list.first));
        }
        while candidates.len() < max && !nexts.is_empty() {
            let room = max - candidates.len();
            candidates.extend(nexts.iter().filter(|slot| **slot != head.slot).take(room));
            nexts.retain_mut(|slot| {
                let after = self
                    .waiters
                    .at(*slot)
                    .map(|waiter| waiter.tenant_links.after);
                after
                    .inspect(|after| *slot = *after)
                    .is_some_and(|after| self.waiters.at(after).is_some())
            });
        }
    }

    /// Whose request somebody's is, and what that tenant weighs.
    pub(crate) fn owner_of(&self, waiter: &Waiter) -> Option<(TenantId, u32)> {
        let tenant = self.tenants.at(waiter.tenant)?;
        Some((tenant.id, tenant.weight))
    }

    /// All that waits of a tenant in a tier.
    pub(crate) fn load_of(&self, owner: u32, tier: usize) -> Load {
        let flow = (self.tenants.at(owner)).and_then(|tenant| tenant.flows.get(tier));
        flow.map_or(Load::default(), |flow| flow.load)
    }

    pub(crate) fn key_at(&self, slot: u32) -> Option<Key> {
        self.waiters.key_at(slot)
    }

    /// Whether everyone who waits uses a metric.
    pub(crate) fn all_use(&self, metric: Metric) -> bool {
        self.users[metric.index()] == self.len()
    }

    /// All waiters, in no particular order.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.waiters
            .slots()
            .filter_map(|slot| self.waiters.key_at(slot))
            .collect()
    }

    /// A waiter whose deadline is before `now`, or at `now` if that is to count.
    pub(crate) fn overdue(&mut self, now: u64, inclusive: bool) -> Option<Key> {
        let (deadline, key) = self.deadlines.first(|key| self.waiters.contains(key))?;
        (deadline < now || (inclusive && deadline == now)).then_some(key)
    }

    /// The earliest deadline of any waiter.
    pub(crate) fn first_deadline(&mut self) -> Option<u64> {
        self.deadlines
            .first(|key| self.waiters.contains(key))
            .map(|(deadline, _)| deadline)
    }
}
