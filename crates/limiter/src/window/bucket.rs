//! A bucket that refills continuously, in exact integers.
//!
//! The level is what is used, in units times nanoseconds of window, so that it leaks exactly
//! `amount` per nanosecond: no division, no rounding and no drift on the way to an admission.
//!
//! With a guard the level may sink below zero, down to the refill of one guard. That part is
//! no room to spend: it only tells how long the bucket has certainly been empty at the
//! provider too, however late earlier launches arrived. A request that does not fit in the
//! capacity less the guard waits for it.

use crate::expected::{Claim, whole};
use crate::settings::WINDOW_MAX;

const WINDOW_MAX_NS: u64 = WINDOW_MAX.as_secs() * 1_000_000_000;

/// Low points told apart in the capacity of a bucket.
const LOW_POINTS: i128 = 64;

/// Low points remembered at most; with debt there can be more than the capacity has.
const LOW_POINTS_MAX: usize = 128;

/// What is kept for more urgent requests is at most this part of the amount, and at most this part
/// of what is left of the capacity: a bucket that is nearly full soon overflows.
const KEPT_OF_AMOUNT: u64 = 4;
const KEPT_OF_CAPACITY: u64 = 2;

/// Surges are no longer than this.
const SURGE_NS: u64 = 300_000_000_000;

/// No level gets higher, so that sums of scaled numbers, each below a half of this, fit.
/// It takes an amount and a charge near `u64::MAX` and a window near the longest to get there.
const LEVEL_MAX: i128 = i128::MAX / 2;

#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    amount: u64,
    window: u64,
    /// Capacity, scaled.
    burst: i128,
    /// The refill of one guard, scaled.
    guard: i128,
    /// The scaled level at `at`.
    level: i128,
    at: u64,
    /// Low points whose levels differ by less are not told apart.
    close: i128,
    /// Times just before something was taken, with the level then: only those below all later
    /// ones, oldest and lowest first.
    low_points: Vec<(u64, i128)>,
}

/// Units times nanoseconds, neither of a duration beyond the longest window.
fn scaled(units: u64, nanos: u64) -> i128 {
    (u128::from(units) * u128::from(nanos)).cast_signed()
}

impl Bucket {
    /// A bucket that refills `amount` per `window` and, until told otherwise, holds one amount.
    pub(crate) fn new(amount: u64, window: u64, guard: u64, now: u64) -> Self {
        let (window, guard) = (window.min(WINDOW_MAX_NS), guard.min(WINDOW_MAX_NS));
        let guard = scaled(amount, guard);
        let burst = scaled(amount, window);
        Self {
            amount,
            window,
            burst,
            guard,
            close: burst / LOW_POINTS,
            level: -guard,
            at: now,
            low_points: Vec::new(),
        }
    }

    /// The same bucket with a capacity of `units` times `nanos` over the window.
    pub(crate) fn holding(mut self, units: u64, nanos: u64) -> Self {
        self.burst = scaled(units, nanos.min(WINDOW_MAX_NS));
        self.close = self.burst / LOW_POINTS;
        self
    }

    fn level_at(&self, time: u64) -> i128 {
        let leaked = u128::from(self.amount) * u128::from(time.saturating_sub(self.at));
        // The level is never below the floor, nor so high that the difference overflows.
        let above_floor = (self.level + self.guard).cast_unsigned();
        if leaked < above_floor {
            self.level - leaked.cast_signed()
        } else {
            -self.guard
        }
    }

    /// The highest level at which `units` may go.
    fn threshold(&self, units: u64) -> i128 {
        let need = scaled(units, self.window);
        if need <= self.burst {
            self.burst - need - self.guard
        } else {
            -self.guard
        }
    }

    /// Lets leak what has leaked since the last time.
    fn leak(&mut self, now: u64) {
        if now != self.at {
            self.level = self.level_at(now);
            self.at = now;
        }
    }

    pub(crate) fn fits(&mut self, units: u64, now: u64) -> bool {
        self.leak(now);
        self.level <= self.threshold(units) && (self.amount > 0 || units == 0)
    }

    pub(crate) fn take(&mut self, units: u64, now: u64) {
        self.leak(now);
        let level = self.level.max(0);
        self.remember_low_point(now, level);
        self.level = (level + scaled(units, self.window)).min(LEVEL_MAX);
    }

    /// Points whose levels are close share one, at the latest time and the lowest level, which
    /// makes refunds smaller rather than larger.
    fn remember_low_point(&mut self, now: u64, level: i128) {
        if let Some(last) = self.low_points.last_mut()
            && level >= last.1
            && level - last.1 < self.close
        {
            last.0 = now;
            return;
        }
        while self.low_points.last().is_some_and(|last| last.1 >= level) {
            self.low_points.pop();
        }
        let full = self.low_points.len() == LOW_POINTS_MAX;
        match self.low_points.last_mut() {
            Some(last) if full || level - last.1 < self.close => last.0 = now,
            _ => self.low_points.push((now, level)),
        }
    }

    /// Lowers the level to where it would be had `units` not been taken at `taken_at`.
    ///
    /// What has leaked away is not there to be given back: the level cannot have been lower
    /// than empty at any time since, so the lowest level since then bounds the refund.
    pub(crate) fn refund(&mut self, units: u64, taken_at: u64, now: u64) {
        self.leak(now);
        let level = self.level;
        let since = self
            .low_points
            .partition_point(|&(time, _)| time <= taken_at);
        let lowest = self
            .low_points
            .get(since)
            .map_or(level, |&(_, low)| low.min(level));
        let refund = scaled(units, self.window).min(lowest);
        if refund <= 0 {
            return;
        }
        for (_, low) in &mut self.low_points[since..] {
            *low -= refund;
        }
        // Earlier points that are no longer below all later ones say nothing any more.
        if let Some(&(_, low)) = self.low_points.get(since) {
            let below = self.low_points[..since].partition_point(|&(_, point)| point < low);
            self.low_points.drain(below..since);
        }
        self.level -= refund;
    }

    /// What was counted drains from `as_of` on.
    pub(crate) fn reconcile(&mut self, used: u64, as_of: u64, now: u64) {
        let age = i128::from(now.saturating_sub(as_of));
        let drained = age.saturating_mul(i128::from(self.amount));
        let least = scaled(used, self.window)
            .saturating_sub(drained)
            .min(self.burst);
        if least > self.level_at(now) {
            self.level = least;
            self.at = now;
        }
    }

    pub(crate) fn raise_to(&mut self, used: u64, now: u64) {
        let raised = scaled(used, self.window).min(self.burst);
        if raised > self.level_at(now) {
            self.level = raised;
            self.at = now;
        }
    }

    pub(crate) fn raise_by(&mut self, units: u64, now: u64) {
        self.leak(now);
        let level = self.level.max(0);
        self.level = (level + scaled(units, self.window)).min(LEVEL_MAX);
    }

    /// The level was too high by `units`. It does not get lower than empty: since when the bucket
    /// has been empty is not known.
    pub(crate) fn lower_by(&mut self, units: u64, now: u64) {
        self.leak(now);
        if self.level <= 0 {
            return;
        }
        let lowered = (self.level - scaled(units, self.window)).max(0);
        let by = self.level - lowered;
        self.level = lowered;
        for (_, low) in &mut self.low_points {
            *low = (*low - by).max(0);
        }
    }

    pub(crate) fn scale(&mut self, (part, whole): (u64, u64)) {
        let whole = i128::from(whole.max(1));
        let scaled = |level: i128| (level / whole).saturating_mul(i128::from(part));
        if self.level > 0 {
            self.level = scaled(self.level).min(LEVEL_MAX);
        }
        for (_, low) in &mut self.low_points {
            *low = scaled(*low);
        }
    }

    /// When a level of `level` at `from` has sunk to `target`; rounds up.
    fn sunk(&self, level: i128, target: i128, from: u64) -> Option<u64> {
        let excess = level.saturating_sub(target);
        if excess <= 0 {
            return Some(from);
        }
        let wait = excess
            .unsigned_abs()
            .checked_add(u128::from(self.amount.checked_sub(1)?))?;
        let wait = wait / u128::from(self.amount);
        Some(from.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX)))
    }

    pub(crate) fn earliest(&self, units: u64, from: u64) -> Option<u64> {
        if units == 0 {
            return Some(from);
        }
        if self.amount == 0 {
            return None;
        }
        self.sunk(self.level_at(from), self.threshold(units), from)
    }

    pub(crate) fn estimate(&self, ahead: u64, units: u64, now: u64) -> Option<u64> {
        if ahead == 0 || units == 0 {
            return self.earliest(units, now);
        }
        let level = self
            .level_at(now)
            .max(0)
            .saturating_add(scaled(ahead, self.window));
        self.sunk(level, self.threshold(units), now)
    }

    pub(crate) fn headroom(&self, units: u64, at: u64, now: u64) -> u64 {
        if units == 0 {
            return u64::MAX;
        }
        let leaked = u128::from(self.amount) * u128::from(at.saturating_sub(now));
        let leaked = i128::try_from(leaked).unwrap_or(i128::MAX);
        let room = self
            .threshold(units)
            .saturating_add(leaked)
            .saturating_sub(self.level_at(now).max(0));
        let room = u128::try_from(room).unwrap_or(0) / u128::from(self.window.max(1));
        u64::try_from(room).unwrap_or(u64::MAX)
    }

    /// Units that it holds.
    pub(crate) fn capacity(&self) -> u64 {
        let units = self.burst.unsigned_abs() / u128::from(self.window.max(1));
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    /// `units` with what is kept for more urgent requests when they go.
    pub(crate) fn with_kept(&self, units: u64, claim: &Claim) -> u64 {
        let refill = self.amount as f64 / self.window.max(1) as f64;
        let kept = whole(claim.size() + claim.surge(refill, SURGE_NS));
        let of_capacity = self.capacity().saturating_sub(units) / KEPT_OF_CAPACITY;
        units.saturating_add(kept.min(self.amount / KEPT_OF_AMOUNT).min(of_capacity))
    }

    pub(crate) fn used(&self, now: u64) -> u64 {
        let level = u128::try_from(self.level_at(now)).unwrap_or(0);
        u64::try_from(level.div_ceil(u128::from(self.window.max(1)))).unwrap_or(u64::MAX)
    }

    pub(crate) fn clear_at(&self, now: u64) -> u64 {
        self.sunk(self.level_at(now), 0, now).unwrap_or(u64::MAX)
    }

    pub(crate) fn inherit(&mut self, old: &mut Self) -> bool {
        if self.window != old.window {
            return false;
        }
        self.level = old.level_at(self.at);
        // What was banked as certainly empty counts only up to the new guard.
        self.level = self.level.max(-self.guard);
        self.low_points = std::mem::take(&mut old.low_points);
        true
    }
}
