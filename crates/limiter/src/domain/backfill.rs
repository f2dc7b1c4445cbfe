//! Room kept for the head of the queue, and what may be used meanwhile (EASY backfill).
//!
//! A head that cannot go yet has a planned start. Others may go before it only into room that
//! it will not need then, so that nothing idles and the head is never delayed.

use super::Domain;
use crate::charge::Charge;
use crate::expected::Claims;
use crate::gate::Passage;
use crate::limits::Start;
use crate::request::{Binding, Event, Tier};
use crate::slab::Key;

/// Waiters that are looked at in one pass.
const CANDIDATES_MAX: usize = 64;

/// Charges remembered as having no chance, to spare looking at larger ones.
const HOPELESS_MAX: usize = 8;

/// What the head of the queue waits for.
#[derive(Debug, Default)]
pub(super) struct Plan {
    head: Option<Key>,
    /// When the head can go; `None` if that depends on something in flight.
    start: Option<u64>,
    /// Whether only limits hold up the head, so that others may have room.
    open: bool,
    /// When `room` was measured.
    at: u64,
    /// Per limit, what may be taken without delaying the head.
    room: Vec<u64>,
    /// When a waiter that could not go out of turn at `at` can.
    next_chance: Option<u64>,
    /// Charges that cannot go out of turn in a tier or in those below it, not before `next_chance`
    /// at any rate.
    hopeless: Vec<(Charge, Tier)>,
}

impl Plan {
    pub(super) fn clear(&mut self) {
        (self.head, self.start, self.open, self.next_chance) = (None, None, false, None);
        self.hopeless.clear();
    }

    /// When there is something to do for the head or for those behind it.
    pub(super) fn wake(&self) -> Option<u64> {
        [self.start, self.next_chance].into_iter().flatten().min()
    }
}

impl Domain {
    /// Works out what the head waits for, and keeps room for it.
    pub(super) fn plan_head(&mut self, now: u64) {
        self.plan.clear();
        let Some(key) = self.queue.head() else { return };
        let Some((charge, tier)) = self.queue.get(key).map(|w| (w.charge, w.tier)) else {
            return;
        };
        let (start, binding) = match self.start_of(&charge, tier, now) {
            Ok(start) => (Some(start.at), start.binding),
            Err(binding) => (None, binding),
        };
        let passage = self.gate.passage(&charge, self.reservations.len(), now);
        self.plan.head = Some(key);
        self.plan.start = start;
        // A throttle holds up only what counts in it.
        let others_may = match passage {
            Passage::Open => true,
            Passage::At(_, binding) => binding.is_throttle(),
            Passage::Slot(_) => false,
        };
        self.plan.open = others_may && start.is_some_and(|start| start > now);
        if let (Passage::At(at, _), Some(start)) = (passage, start)
            && at < start
        {
            // Others may have room between the end of the pause and the head's start.
            self.plan.next_chance = Some(at);
        }
        self.gate.holds(binding, now);
        self.queue.promise(key);
        self.queue.bind(key, binding);
        self.measure_room(now);
    }

    /// When `charge` can go if it is next; `Err` if that depends on something in flight.
    fn start_of(&self, charge: &Charge, tier: Tier, now: u64) -> Result<Start, Binding> {
        let held = self.gate_start(charge, now)?;
        let start = self.earliest(charge, tier, held.at).ok_or(held.binding)?;
        Ok(if start.at > held.at { start } else { held })
    }

    /// The first time from `from` on at which the limits have room for a request of a tier.
    pub(super) fn earliest(&self, charge: &Charge, tier: Tier, from: u64) -> Option<Start> {
        let (mut from, mut binding) = (from, None);
        loop {
            let claims = self.claims_on(tier, from);
            let start = self.limits.earliest(charge, claims.as_ref(), from)?;
            match claims {
                // Less is claimed by then.
                Some(claims) if start.at > claims.until => {
                    from = claims.until;
                    binding = Some(start.binding);
                }
                _ if start.at == from => {
                    let binding = binding.unwrap_or(start.binding);
                    return Some(Start { binding, ..start });
                }
                _ => return Some(start),
            }
        }
    }

    /// What more urgent tiers than `tier` are expected to ask for, as far as it has to leave room
    /// for that: not while it is owed a part of its guaranteed share.
    pub(super) fn claims_on(&self, tier: Tier, at: u64) -> Option<Claims> {
        if self.queue.is_owed(tier) || !self.elsewhere.decides_here() {
            return None;
        }
        let guaranteed = self.settings.queue.tiers.iter().skip(tier.index());
        let guaranteed = guaranteed.map(|tier| u64::from(tier.guaranteed_share_ppm));
        let part_ppm = 1_000_000_u64.saturating_sub(guaranteed.sum());
        self.expected.above(tier, part_ppm, at)
    }

    /// The same as far as the limits are not concerned.
    pub(super) fn gate_start(&self, charge: &Charge, now: u64) -> Result<Start, Binding> {
        match self.gate.passage(charge, self.reservations.len(), now) {
            Passage::Open => Ok(Start {
                at: now,
                binding: Binding::Turn,
            }),
            Passage::At(at, binding) => Ok(Start { at, binding }),
            Passage::Slot(binding) => Err(binding),
        }
    }

    fn measure_room(&mut self, now: u64) {
        let head = self.plan.head.and_then(|key| self.queue.get(key));
        if let (Some(head), Some(start), true) = (head, self.plan.start, self.plan.open) {
            let claims = self.claims_on(head.tier, start);
            let charge = (&head.charge, claims.as_ref());
            self.limits
                .headroom(charge, (start, now), &mut self.plan.room);
            self.plan.at = now;
        }
    }

    /// Brings the plan up to date after time has passed or the head has changed.
    pub(super) fn renew_plan(&mut self, now: u64) {
        if self.plan.head.is_none() || self.plan.head != self.queue.head() {
            self.plan_head(now);
        } else if self.plan.at != now {
            self.measure_room(now);
        }
    }

    /// Whether `charge` may go now although it is not its turn. If so, the room shrinks by it.
    pub(super) fn goes_out_of_turn(&mut self, charge: &Charge, tier: Tier, now: u64) -> bool {
        let Some(start) = self.plan.start.filter(|_| self.plan.open) else {
            return false;
        };
        match self.gate.passage(charge, self.reservations.len(), now) {
            Passage::Open => {}
            Passage::At(at, _) => {
                // What went before this one has closed the gate for a while.
                let chance = Some(at).filter(|at| *at < start);
                self.plan.next_chance = [self.plan.next_chance, chance].into_iter().flatten().min();
                return false;
            }
            Passage::Slot(_) => return false,
        }
        let in_flight = self.reservations.len();
        let leaves_room = self
            .gate
            .leaves_room(charge, &self.limits, in_flight, (now, start));
        let mut hopeless = self.plan.hopeless.iter();
        if !leaves_room || hopeless.any(|(small, above)| tier >= *above && charge.covers(small)) {
            return false;
        }
        if self.limits.within(charge, &self.plan.room) {
            let claims = self.claims_on(tier, now);
            if self.limits.fit(charge, claims.as_ref(), now) {
                self.limits.reduce(charge, &mut self.plan.room);
                return true;
            }
            let chance = self.earliest(charge, tier, now).map(|chance| chance.at);
            let chance = chance.filter(|chance| *chance < start);
            self.plan.next_chance = [self.plan.next_chance, chance].into_iter().flatten().min();
        }
        if self.plan.hopeless.len() < HOPELESS_MAX {
            self.plan.hopeless.push((*charge, tier));
        }
        false
    }

    /// Lets those behind the head use what it cannot; `true` if another is the head after that.
    pub(super) fn fill_behind_head(&mut self, now: u64, events: &mut Vec<Event>) -> bool {
        let Some(head) = self.plan.head.filter(|_| self.plan.open) else {
            return false;
        };
        if self.nobody_has_room() {
            return false;
        }
        let mut candidates = Vec::new();
        self.queue.candidates(head, CANDIDATES_MAX, &mut candidates);
        for slot in candidates {
            let Some(key) = self.queue.key_at(slot) else {
                continue;
            };
            let Some((charge, tier)) = self.queue.get(key).map(|w| (w.charge, w.tier)) else {
                continue;
            };
            if self.goes_out_of_turn(&charge, tier, now) {
                self.totals.backfilled += 1;
                self.admit_waiter(key, now, events);
            }
        }
        // What went may have brought another tier's guarantee to bear.
        self.queue.head() != Some(head)
    }

    /// Whether a limit that everyone needs has no room at all behind the head.
    fn nobody_has_room(&self) -> bool {
        let mut rooms = self.limits.states.iter().zip(&self.plan.room);
        rooms.any(|(state, room)| *room == 0 && self.queue.all_use(state.limit.metric))
    }

    /// Plans anew after something was taken: the head may have to wait longer, and those behind
    /// it have no better chances than before.
    pub(super) fn plan_later(&mut self, now: u64) {
        let next_chance = self.plan.next_chance;
        self.plan_head(now);
        self.plan.next_chance = [self.plan.next_chance, next_chance]
            .into_iter()
            .flatten()
            .min();
    }

    /// Whether the plan is about this waiter.
    pub(super) fn plans_for(&self, key: Key) -> bool {
        self.plan.head == Some(key)
    }
}
