//! One tenant's requests in one tier.

use super::Waiter;
use super::list::{List, Thread};
use super::load::Load;
use crate::slab::Slab;

/// Departures from the middle that are remembered before everyone is counted anew.
const DEPARTURES_MAX: usize = 64;

/// Where a tenant stands in a tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Unknown to the tier.
    #[default]
    Absent,
    /// Something waits.
    Backlogged,
    /// Nothing waits, but the tenant has had more than those that wait.
    Remembered,
}

/// A first-in-first-out queue that knows how much is in front of any waiter.
///
/// Each waiter holds the running sum of what was queued before it. What is in front of it is
/// the difference to the first waiter's sum, less what has left from in between.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) list: List,
    pub(crate) load: Load,
    pub(crate) virtual_time: u128,
    pub(crate) standing: Standing,
    departures: Vec<(i64, Load)>,
}

impl Flow {
    pub(crate) fn push(&mut self, waiters: &mut Slab<Waiter>, slot: u32, front: bool) {
        let Some(load) = waiters.at(slot).map(Waiter::load) else {
            return;
        };
        let neighbour = if front {
            self.list.first
        } else {
            self.list.last
        };
        let (rank, place) = match waiters.at(neighbour) {
            Some(first) if front => (first.rank - 1, first.place.minus(&load)),
            Some(last) => (last.rank + 1, last.place.plus(&last.load())),
            None => (0, Load::default()),
        };
        if let Some(waiter) = waiters.at_mut(slot) {
            (waiter.rank, waiter.place) = (rank, place);
        }
        if front {
            self.list.push_front(waiters, slot, Thread::Tenant);
        } else {
            self.list.push_back(waiters, slot, Thread::Tenant);
        }
        self.load = self.load.plus(&load);
    }

    /// Takes out a waiter that has just left the slab.
    pub(crate) fn unlink(&mut self, waiters: &mut Slab<Waiter>, gone: &Waiter) {
        let load = gone.load();
        self.list.unlink(waiters, gone.tenant_links, Thread::Tenant);
        self.load = self.load.minus(&load);
        let first = waiters.at(self.list.first).map(|first| first.rank);
        let last = waiters.at(self.list.last).map(|last| last.rank);
        let (Some(first), Some(last)) = (first, last) else {
            self.departures.clear();
            return;
        };
        if gone.rank > first && gone.rank < last {
            self.departures.push((gone.rank, load));
            if self.departures.len() > DEPARTURES_MAX {
                self.recount(waiters);
            }
        } else if !self.departures.is_empty() {
            self.departures
                .retain(|(rank, _)| (first..=last).contains(rank));
        }
    }

    fn recount(&mut self, waiters: &mut Slab<Waiter>) {
        self.departures.clear();
        let (mut slot, mut place, mut rank) = (self.list.first, Load::default(), 0);
        while let Some(waiter) = waiters.at_mut(slot) {
            (waiter.place, waiter.rank) = (place, rank);
            place = place.plus(&waiter.load());
            rank += 1;
            slot = waiter.tenant_links.after;
        }
    }

    /// What waits in front of a waiter.
    pub(crate) fn ahead_of(&self, waiters: &Slab<Waiter>, waiter: &Waiter) -> Load {
        let Some(first) = waiters.at(self.list.first) else {
            return Load::default();
        };
        let gone = self
            .departures
            .iter()
            .filter(|(rank, _)| *rank < waiter.rank)
            .fold(Load::default(), |sum, (_, load)| sum.plus(load));
        waiter.place.minus(&first.place).minus(&gone)
    }

    /// Gives every waiter a new cost.
    pub(crate) fn reprice(&mut self, waiters: &mut Slab<Waiter>) {
        let mut slot = self.list.first;
        self.load = Load::default();
        while let Some(waiter) = waiters.at(slot) {
            self.load = self.load.plus(&waiter.load());
            slot = waiter.tenant_links.after;
        }
        self.recount(waiters);
    }
}
