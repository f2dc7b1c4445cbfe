//! The queue of one tier, and what the tier is owed.

use super::Waiter;
use super::list::List;
use super::load::Load;
use super::order::Order;
use crate::settings::TierSettings;
use crate::slab::{Key, Slab};
use crate::time::nanos;

pub(crate) const PPM: u64 = 1_000_000;

/// Aging doubles a share at most this often.
const DOUBLINGS_MAX: u64 = 2;

/// A tier owes or is owed at most this many times the largest recent cost.
const CREDIT_COSTS_MAX: i128 = 2;

/// The largest recent cost is forgotten in about as many such costs of service.
const SCALE_COSTS: u64 = 32;

#[derive(Debug)]
pub(crate) struct TierQueue {
    pub(crate) settings: TierSettings,
    /// Tenants with something to go, by virtual time.
    pub(crate) backlog: Order,
    /// Tenants with nothing to go whose virtual time is ahead of the tier's.
    pub(crate) remembered: Order,
    /// Where tenants start that come back from idleness.
    pub(crate) virtual_time: u128,
    /// Service that the tier is owed (or has had in advance), in cost times [`PPM`].
    pub(crate) credit: i128,
    pub(crate) load: Load,
    pub(crate) arrivals: List,
    pub(crate) waiting: usize,
    /// The waiter that room is being kept for.
    pub(crate) promised: Option<Key>,
}

/// The largest recent cost after a service of `cost`. It is forgotten slowly enough that a tier which
/// is served seldom, but much at once, makes up for that first.
pub(crate) fn scale_after(scale: u64, cost: u64) -> u64 {
    cost.max(scale.saturating_sub(cost / SCALE_COSTS)).max(1)
}

/// Which tier goes next, given how many wait in each and its credit: of those that have had less
/// than their share of recent service the one that is owed most, else the most urgent.
pub(crate) fn next(tiers: &[(usize, i128); 3]) -> Option<usize> {
    let waiting = |index: &usize| tiers[*index].0 > 0;
    let behind = (0..tiers.len())
        .filter(waiting)
        .filter(|index| tiers[*index].1 > 0);
    // Of equals the last is the maximum, so the most urgent must come last.
    let most_behind = behind.rev().max_by_key(|index| tiers[*index].1);
    most_behind.or_else(|| (0..tiers.len()).find(waiting))
}

/// A backlogged tier's credit after a service of `cost`, its `own` or another tier's. `scale` is
/// the largest recent cost.
pub(crate) fn credit_after(credit: i128, share_ppm: u64, cost: u64, own: bool, scale: u64) -> i128 {
    let cost = i128::from(cost);
    let earned = i128::from(share_ppm) * cost;
    let spent = if own { i128::from(PPM) * cost } else { 0 };
    let bound = CREDIT_COSTS_MAX * i128::from(PPM) * i128::from(scale);
    (credit + earned - spent).clamp(-bound, bound)
}

impl TierQueue {
    pub(crate) fn new(settings: TierSettings) -> Self {
        Self {
            settings,
            backlog: Order::default(),
            remembered: Order::default(),
            virtual_time: 0,
            credit: 0,
            load: Load::default(),
            arrivals: List::default(),
            waiting: 0,
            promised: None,
        }
    }

    /// The guaranteed share in parts per million, with the age of the oldest waiter.
    pub(crate) fn share_ppm(&self, waiters: &Slab<Waiter>, now: u64) -> u64 {
        let share = u64::from(self.settings.guaranteed_share_ppm);
        let aging = nanos(self.settings.aging);
        let Some(oldest) = waiters.at(self.arrivals.first) else {
            return share;
        };
        if aging == 0 {
            return share;
        }
        let doublings = (now.saturating_sub(oldest.since) / aging).min(DOUBLINGS_MAX);
        share.max((share << doublings).min(PPM / 2))
    }

    /// With nobody left to compare with, history is of no use.
    pub(crate) fn forget(&mut self) {
        self.virtual_time = 0;
        self.credit = self.credit.min(0);
        self.remembered.clear();
        self.promised = None;
    }
}
