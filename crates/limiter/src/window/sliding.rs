//! At most an amount over any interval of one span (the window and the guard).

use std::collections::VecDeque;

use super::even::Evenness;
use crate::expected::{Claim, HORIZON_NS, whole};

/// A span is kept in about this many granules, so that a day takes no more memory than a second.
const GRANULES: u64 = 1024;

/// Where a window is counted elsewhere, what is taken expires within this part of a window of when it
/// does here.
const EXPIRES_ABOUT: u64 = 64;

/// Of what is kept for more urgent requests, at most this part of the amount is left unused on
/// average, and this one at any time.
const UNUSED: f64 = 60.0;
const KEPT: f64 = 40.0;

/// Part of the largest surge that is under way on average.
const SURGE_MEAN: f64 = 4.0;

/// Expired granules that are remembered for answers which still count them.
const EXPIRED_KEPT: usize = 1024;

/// What was taken within one granule. All of it counts until a span after the latest part.
#[derive(Clone, Debug)]
struct Granule {
    first: u64,
    last: u64,
    units: u128,
}

#[derive(Clone, Debug)]
pub(crate) struct Sliding {
    amount: u64,
    span: u64,
    granules: VecDeque<Granule>,
    sum: u128,
    /// What expired last, oldest first: answers under way may still count it.
    expired: VecDeque<Granule>,
    /// What expired before this time is not known any more.
    expired_since: u64,
    evenness: Evenness,
}

impl Sliding {
    pub(crate) const fn new(amount: u64, span: u64) -> Self {
        Self {
            amount,
            span,
            granules: VecDeque::new(),
            sum: 0,
            expired: VecDeque::new(),
            expired_since: 0,
            evenness: Evenness::new(amount, span),
        }
    }

    fn expires(&self, granule: &Granule) -> u64 {
        granule.last.saturating_add(self.span)
    }

    /// Whether something taken at `now` joins this granule.
    fn joins(&self, granule: &Granule, now: u64) -> bool {
        now <= granule.first.saturating_add(self.span / GRANULES)
    }

    fn forget_expired(&mut self, now: u64) {
        while let Some(front) = self.granules.front()
            && self.expires(front) <= now
        {
            self.sum -= front.units;
            let Some(granule) = self.granules.pop_front() else {
                return;
            };
            self.expired.push_back(granule);
            if self.expired.len() > EXPIRED_KEPT
                && let Some(lost) = self.expired.pop_front()
            {
                self.expired_since = self.expires(&lost);
            }
        }
    }

    pub(crate) fn fits(&mut self, units: u64, now: u64) -> bool {
        self.forget_expired(now);
        self.sum + u128::from(units) <= u128::from(self.amount)
    }

    pub(crate) fn take(&mut self, units: u64, now: u64) {
        self.forget_expired(now);
        self.evenness.take(units, now);
        let units = u128::from(units);
        self.sum += units;
        let joins = self
            .granules
            .back()
            .is_some_and(|back| self.joins(back, now));
        match self.granules.back_mut() {
            Some(back) if joins => {
                back.last = now;
                back.units += units;
            }
            _ => self.granules.push_back(Granule {
                first: now,
                last: now,
                units,
            }),
        }
    }

    pub(crate) fn refund(&mut self, units: u64, taken_at: u64) {
        self.evenness.refund(units);
        let index = self
            .granules
            .partition_point(|granule| granule.last < taken_at);
        if let Some(granule) = self.granules.get_mut(index)
            && granule.first <= taken_at
        {
            let refund = granule.units.min(u128::from(units));
            granule.units -= refund;
            self.sum -= refund;
        }
    }

    /// What expired after `as_of` may have been counted too.
    pub(crate) fn reconcile(&mut self, used: u64, as_of: u64, now: u64) {
        self.forget_expired(now);
        if as_of < self.expired_since {
            return;
        }
        let expired = self.expired.iter().rev();
        let since: u128 = expired
            .take_while(|granule| self.expires(granule) > as_of)
            .map(|granule| granule.units)
            .sum();
        let own = self.sum.saturating_add(since);
        if let Ok(missing) = u64::try_from(u128::from(used).saturating_sub(own))
            && missing > 0
        {
            self.take(missing, now);
        }
    }

    /// The sum is too high by `units`. Which entries were is not known: all shrink alike.
    pub(crate) fn lower_by(&mut self, units: u64, now: u64) {
        self.forget_expired(now);
        let sum = self.sum;
        let left = sum.saturating_sub(u128::from(units));
        if sum == 0 || left == sum {
            return;
        }
        for granule in &mut self.granules {
            // No more than a window's charges of 64 bits each are ever in a sum.
            granule.units = granule
                .units
                .checked_mul(left)
                .map_or(granule.units, |scaled| scaled.div_ceil(sum));
        }
        self.sum = self.granules.iter().map(|granule| granule.units).sum();
    }

    /// Counts what is counted elsewhere: `used` units, of which `taken` are new. What expires there a
    /// little sooner or later than here is no difference; else the log would be written anew each time.
    pub(crate) fn mirror(&mut self, used: u64, taken: Option<u64>, now: u64) {
        self.forget_expired(now);
        if let Some(taken) = taken.filter(|taken| *taken > 0) {
            self.take(taken, now);
        }
        let used = u128::from(used);
        if used < self.sum {
            self.drop_oldest(self.sum - used);
            return;
        }
        let since = now.saturating_sub(self.span / EXPIRES_ABOUT);
        let expired = self.expired.iter().rev();
        let lately = expired.take_while(|granule| self.expires(granule) > since);
        let lately: u128 = lately.map(|granule| granule.units).sum();
        if let Ok(missing) = u64::try_from((used - self.sum).saturating_sub(lately))
            && missing > 0
        {
            self.take(missing, now);
        }
    }

    /// What is counted elsewhere no longer is what was taken first.
    fn drop_oldest(&mut self, units: u128) {
        let mut left = units;
        for granule in &mut self.granules {
            let dropped = granule.units.min(left);
            granule.units -= dropped;
            self.sum -= dropped;
            left -= dropped;
            if left == 0 {
                return;
            }
        }
    }

    pub(crate) fn scale(&mut self, (part, whole): (u64, u64)) {
        for granule in self.granules.iter_mut().chain(&mut self.expired) {
            // No more than a window's charges of 64 bits each are ever in a sum.
            let scaled = granule.units.saturating_mul(u128::from(part));
            granule.units = scaled / u128::from(whole.max(1));
        }
        self.sum = self.granules.iter().map(|granule| granule.units).sum();
    }

    /// Units that were taken before `time` and still count.
    pub(crate) fn taken_before(&self, time: u64) -> u64 {
        let older = self
            .granules
            .iter()
            .take_while(|granule| granule.first < time);
        let units: u128 = older.map(|granule| granule.units).sum();
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    pub(crate) fn raise_to(&mut self, used: u64, now: u64) {
        self.forget_expired(now);
        let missing = u128::from(used).saturating_sub(self.sum);
        if let Ok(missing) = u64::try_from(missing)
            && missing > 0
        {
            self.take(missing, now);
        }
    }

    /// The sum at `time`, and the granules that still count then.
    fn alive_at(&self, time: u64) -> (u128, impl Iterator<Item = &Granule>) {
        let mut sum = self.sum;
        let mut granules = self.granules.iter().peekable();
        while let Some(front) = granules.next_if(|granule| self.expires(granule) <= time) {
            sum -= front.units;
        }
        (sum, granules)
    }

    /// When the sum has sunk to `target`.
    fn sunk(&self, target: u128, from: u64) -> u64 {
        let (mut sum, granules) = self.alive_at(from);
        let mut time = from;
        for granule in granules {
            if sum <= target {
                break;
            }
            sum -= granule.units;
            time = self.expires(granule);
        }
        time
    }

    pub(crate) fn earliest(&self, units: u64, from: u64) -> Option<u64> {
        if units == 0 {
            return Some(from);
        }
        let target = self.amount.checked_sub(units)?;
        Some(self.sunk(u128::from(target), from))
    }

    /// What comes back on average, in units per nanosecond.
    fn refill(&self) -> f64 {
        self.amount as f64 / self.span.max(1) as f64
    }

    /// `units` with one more urgent request, and what at most is kept for an uneven demand.
    fn with_margin(&self, units: u64, claim: &Claim) -> (u64, f64) {
        let surge = claim.surge(self.refill(), HORIZON_NS);
        let amount = self.amount as f64;
        let most = (amount / UNUSED + surge / SURGE_MEAN).min(amount / KEPT);
        let one = claim.size().min(most);
        let need = units.saturating_add(whole(one).min(self.amount.saturating_sub(units)));
        (need, most - one)
    }

    pub(crate) fn earliest_beside(&self, units: u64, claim: &Claim, from: u64) -> Option<u64> {
        let (need, spread_max) = self.with_margin(units, claim);
        if need > self.amount {
            return None;
        }
        let claim = claim.served_by(self.refill());
        let mut start = self.evenness.earliest(0, from);
        let mut since = from;
        // Until each expiry, what is free by then has to last for what is claimed by then.
        for (free, until) in self.frees(from) {
            let spare = free.saturating_sub(u128::from(need));
            let lasts = claim.lasts(u64::try_from(spare).unwrap_or(u64::MAX), spread_max);
            if since > start.saturating_add(HORIZON_NS) || lasts >= HORIZON_NS {
                break;
            }
            start = start.max(until.saturating_sub(lasts));
            since = until;
        }
        Some(start)
    }

    /// When use that is to be even may go on after `ahead` more.
    pub(crate) fn even_from(&self, ahead: u64, from: u64) -> u64 {
        self.evenness.earliest(ahead, from)
    }

    /// Units that are free from `time` on if nothing more is taken, each until when.
    fn frees(&self, time: u64) -> impl Iterator<Item = (u128, u64)> {
        let (mut sum, granules) = self.alive_at(time);
        granules.map(move |granule| {
            let free = u128::from(self.amount).saturating_sub(sum);
            sum -= granule.units;
            (free, self.expires(granule))
        })
    }

    pub(crate) fn headroom_beside(&self, units: u64, claim: &Claim, at: u64, now: u64) -> u64 {
        let (need, spread_max) = self.with_margin(units, claim);
        let mut room = self.headroom(need, at, now);
        if room == u64::MAX {
            return room;
        }
        let claim = claim.served_by(self.refill());
        room = room.min(self.evenness.headroom(at, now));
        for (free, until) in self.frees(at) {
            let time = until.saturating_sub(at).min(HORIZON_NS);
            let claimed = u128::from(claim.within(time, spread_max));
            let left = free.saturating_sub(u128::from(need).saturating_add(claimed));
            room = room.min(u64::try_from(left).unwrap_or(u64::MAX));
            if room == 0 || time == HORIZON_NS {
                break;
            }
        }
        room
    }

    pub(crate) const fn capacity(&self) -> u64 {
        self.amount
    }

    pub(crate) fn estimate(&self, ahead: u64, units: u64, now: u64) -> Option<u64> {
        if ahead == 0 || units == 0 {
            return self.earliest(units, now);
        }
        if self.amount == 0 {
            return None;
        }
        // Saturated, every span sees the same admissions at the same places.
        let need = u128::from(ahead) + u128::from(units);
        let amount = u128::from(self.amount);
        let spans = (need - 1) / amount;
        let in_last = need - spans * amount;
        let time = self.sunk(amount - in_last, now);
        let spans = u64::try_from(spans).unwrap_or(u64::MAX);
        Some(time.saturating_add(self.span.saturating_mul(spans)))
    }

    pub(crate) fn headroom(&self, units: u64, at: u64, now: u64) -> u64 {
        if units == 0 || now.saturating_add(self.span) <= at {
            return u64::MAX;
        }
        let (mut alive, _) = self.alive_at(at);
        // What joins the latest granule makes all of it count as long as itself.
        if let Some(back) = self.granules.back()
            && self.expires(back) <= at
            && self.joins(back, now)
        {
            alive += back.units;
        }
        let taken = alive + u128::from(units);
        let room = u128::from(self.amount).saturating_sub(taken);
        u64::try_from(room).unwrap_or(u64::MAX)
    }

    pub(crate) fn used(&self, now: u64) -> u64 {
        u64::try_from(self.alive_at(now).0).unwrap_or(u64::MAX)
    }

    pub(crate) fn clear_at(&self, now: u64) -> u64 {
        self.sunk(0, now)
    }

    /// Takes over the log of a window that may have had another length.
    pub(crate) fn inherit(&mut self, old: &mut Self, now: u64) {
        self.granules = std::mem::take(&mut old.granules);
        self.sum = old.sum;
        self.expired = std::mem::take(&mut old.expired);
        self.expired_since = old.expired_since;
        while let Some(granule) = self.expired.pop_back() {
            if self.expires(&granule) <= now {
                self.expired.push_back(granule);
                break;
            }
            self.sum += granule.units;
            self.granules.push_front(granule);
        }
        self.forget_expired(now);
    }
}
