//! What is used of one limit, in arithmetic that every store can repeat to the last bit: doubles,
//! and the same operations in the same order.

use paceline_limiter::Metric;

use crate::message::{CountKind, Level, LimitId, Terms};

/// A sliding window is kept in about this many pieces.
const GRANULES: f64 = 128.0;

/// Low points of a bucket that are remembered.
const LOW_POINTS_MAX: usize = 8;

/// What was taken within a short time; all of it counts for one span after the latest part.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Granule {
    first: f64,
    last: f64,
    units: f64,
}

/// One limit's count. Times are microseconds, amounts are units.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Count {
    pub(crate) id: LimitId,
    amount: f64,
    window: f64,
    kind: CountKind,
    since: f64,
    /// The spread that a sliding window is longer by: the widest that was told.
    guard: f64,
    /// A bucket's content at `at`. Below nothing it tells how long the bucket has been empty.
    level: f64,
    at: f64,
    /// Times just before something was taken, with the content then, lowest first.
    low: Vec<(f64, f64)>,
    /// The present fixed window.
    used: f64,
    ends: Option<(f64, f64)>,
    granules: Vec<Granule>,
    /// The units of all granules.
    logged: f64,
    corrected: f64,
    generation: f64,
    /// When this generation began: nothing that was taken before is counted one by one.
    begun: f64,
    taken: f64,
}

impl Count {
    pub(crate) fn new(terms: &Terms, now: f64) -> Self {
        let mut count = Self {
            id: terms.id,
            amount: float(terms.amount),
            window: float(terms.id.window_ms) * 1_000.0,
            kind: terms.kind,
            since: float(terms.since_us).min(now),
            guard: float(terms.guard_us),
            level: 0.0,
            at: now,
            low: Vec::new(),
            used: 0.0,
            ends: None,
            granules: Vec::new(),
            logged: 0.0,
            corrected: 0.0,
            generation: 1.0,
            begun: now,
            taken: 0.0,
        };
        count.anchor(terms, now);
        count.put(float(terms.used), now);
        count
    }

    /// Takes up what the sender believes where that is younger.
    pub(crate) fn agree(&mut self, terms: &Terms, now: f64) {
        self.guard = self.guard.max(float(terms.guard_us));
        let since = float(terms.since_us).min(now);
        let younger = since > self.since;
        if younger && terms.kind != self.kind {
            let used = self.used(now);
            let (corrected, generation, taken) = (self.corrected, self.generation, self.taken);
            *self = Self::new(
                &Terms {
                    used: whole(used),
                    ..*terms
                },
                now,
            );
            (self.corrected, self.generation, self.taken) = (corrected, generation + 1.0, taken);
        } else if younger {
            self.drain(now);
            self.amount = float(terms.amount);
            self.since = since;
        }
        if terms.kind == self.kind {
            self.anchor(terms, now);
        }
    }

    /// Counts at least what the sender counts.
    pub(crate) fn restate(&mut self, used: u64, now: f64) {
        let missing = float(used) - self.used(now);
        if missing > 0.0 {
            self.put(missing, now);
        }
    }

    /// Counts what an instance has taken while it was out of touch, of which `allowed` is counted already:
    /// room was left for it at this part of the quota for so long.
    pub(crate) fn spend(&mut self, units: u64, (share, elapsed): (f64, f64), now: f64) {
        // How much of that was in the present window is not known.
        let allowed = if self.is_fixed() {
            0.0
        } else {
            self.per_us() * elapsed * share
        };
        let missing = float(units) - allowed;
        if missing > 0.0 {
            self.put(missing, now);
        }
    }

    fn anchor(&mut self, terms: &Terms, now: f64) {
        if let Some((earliest, latest)) = terms.ends_us {
            let known = self.ends;
            let next = (float(earliest), float(latest));
            // Further away than one window it is by another clock, as after a failover.
            let is_near = next.0 <= now + self.window && next.1 > now - self.window;
            // An end that was passed already is about the window before.
            if is_near && known.is_none_or(|(_, end)| next.1 > end - self.window / 2.0) {
                self.ends = Some(next);
            }
        }
    }

    fn per_us(&self) -> f64 {
        self.amount / self.window
    }

    fn level_at(&self, time: f64) -> f64 {
        (self.level - (time - self.at) * self.per_us()).max(-self.amount)
    }

    fn drain(&mut self, now: f64) {
        self.level = self.level_at(now);
        self.at = now;
    }

    const fn is_fixed(&self) -> bool {
        matches!(self.kind, CountKind::Fixed | CountKind::FixedFromFirstUse)
    }

    const fn has_bucket(&self) -> bool {
        matches!(self.kind, CountKind::Bucket | CountKind::Unknown)
    }

    const fn has_log(&self) -> bool {
        matches!(self.kind, CountKind::Sliding | CountKind::Unknown)
    }

    /// Closes fixed windows that are over, and forgets what has expired.
    pub(crate) fn advance(&mut self, now: f64) {
        if let Some((earliest, latest)) = self.ends
            && self.is_fixed()
            && now >= latest
        {
            let over = ((now - latest) / self.window).floor() + 1.0;
            self.used = (self.used - over * self.amount).max(0.0);
            let opens = self.kind == CountKind::Fixed || self.used > 0.0;
            let later = over * self.window;
            self.ends = opens.then_some((earliest + later, latest + later));
        }
        let span = self.window + self.guard;
        let expired = |granule: &Granule| granule.last + span <= now;
        let expired = self.granules.iter().take_while(|granule| expired(granule));
        let expired = expired.count();
        for granule in self.granules.drain(..expired) {
            self.logged -= granule.units;
        }
        if self.granules.is_empty() {
            self.logged = 0.0;
        }
    }

    /// Counts units that were not let in here.
    fn put(&mut self, units: f64, now: f64) {
        self.advance(now);
        if self.has_bucket() {
            self.drain(now);
            self.level = self.level.max(0.0) + units;
        }
        if self.is_fixed() {
            if self.ends.is_none() {
                self.ends = Some((now + self.window, now + self.window + self.guard));
            }
            self.used += units;
        }
        if self.has_log() {
            self.log(units, now);
        }
    }

    fn log(&mut self, units: f64, now: f64) {
        self.logged += units;
        let width = self.window / GRANULES;
        match self.granules.last_mut() {
            Some(last) if now <= last.first + width => {
                last.last = now;
                last.units += units;
            }
            _ => self.granules.push(Granule {
                first: now,
                last: now,
                units,
            }),
        }
    }

    pub(crate) fn take(&mut self, units: f64, now: f64) {
        if self.has_bucket() {
            self.drain(now);
            self.note_low_point(now);
        }
        self.taken += units;
        self.put(units, now);
    }

    fn note_low_point(&mut self, now: f64) {
        let level = self.level.max(0.0);
        while self.low.last().is_some_and(|last| last.1 >= level) {
            self.low.pop();
        }
        if self.low.len() == LOW_POINTS_MAX {
            // The latest of them stands for both: a refund gets smaller by it.
            if let Some(last) = self.low.last_mut() {
                last.0 = now;
            }
        } else {
            self.low.push((now, level));
        }
    }

    /// Gives back units that were taken at `taken_at`, as far as they still count.
    pub(crate) fn refund(&mut self, units: f64, taken_at: f64, now: f64) {
        self.advance(now);
        if taken_at < self.begun {
            return;
        }
        if self.has_bucket() {
            self.drain(now);
            let since = self.low.iter().position(|(time, _)| *time > taken_at);
            let lowest = since.and_then(|index| self.low.get(index));
            let lowest = lowest.map_or(self.level, |(_, low)| low.min(self.level));
            let refund = units.min(lowest).max(0.0);
            self.level -= refund;
            for (_, low) in self.low.iter_mut().skip(since.unwrap_or(usize::MAX)) {
                *low -= refund;
            }
        }
        if self.is_fixed()
            && let Some((_, latest)) = self.ends
            && taken_at >= latest - self.window - self.guard
        {
            self.used = (self.used - units).max(0.0);
        }
        if self.has_log() {
            let held = |g: &&mut Granule| g.first <= taken_at && taken_at <= g.last;
            if let Some(granule) = self.granules.iter_mut().find(held) {
                let left = (granule.units - units).max(0.0);
                self.logged -= granule.units - left;
                granule.units = left;
            }
        }
    }

    /// Corrects the count by `step`, as far as nobody has since `corrected` was the sum.
    pub(crate) fn correct(&mut self, step: f64, corrected: f64, now: f64) {
        let since = self.corrected - corrected;
        let left = if step > 0.0 {
            (step - since.max(0.0)).max(0.0)
        } else {
            (step - since.min(0.0)).min(0.0)
        };
        if left > 0.0 {
            self.put(left, now);
        } else if left < 0.0 {
            self.lower(-left, now);
        }
        self.corrected += left;
    }

    fn lower(&mut self, units: f64, now: f64) {
        self.advance(now);
        if self.kind == CountKind::Bucket {
            self.drain(now);
            if self.level > 0.0 {
                let lowered = (self.level - units).max(0.0);
                let by = self.level - lowered;
                self.level = lowered;
                for (_, low) in &mut self.low {
                    *low = (*low - by).max(0.0);
                }
            }
        }
        self.used = (self.used - units).max(0.0);
        // Of a log the oldest go: what was taken later counts for longer, and must not be too low then.
        let mut left = units;
        for granule in &mut self.granules {
            if left <= 0.0 {
                break;
            }
            let lowered = granule.units.min(left);
            granule.units -= lowered;
            self.logged -= lowered;
            left -= lowered;
        }
    }

    pub(crate) fn used(&self, now: f64) -> f64 {
        match self.kind {
            CountKind::Bucket => self.level_at(now).max(0.0),
            CountKind::Fixed | CountKind::FixedFromFirstUse => self.used,
            CountKind::Sliding | CountKind::Unknown => self.logged,
        }
    }

    /// Whether the window can ever hold so many units.
    pub(crate) fn holds(&self, units: f64) -> bool {
        units <= self.amount
    }

    /// When `units` fit by these terms after `ahead` were taken, from `now` on; infinite: never.
    pub(crate) fn earliest(&self, terms: &Terms, ahead: f64, units: f64, now: f64) -> f64 {
        let units = (units + float(terms.reserve)).min(self.amount.max(units));
        let mut at = now;
        if units > self.amount {
            return f64::INFINITY;
        }
        if self.has_bucket() {
            let burst = float(terms.burst);
            let guard = float(terms.guard_us) * self.per_us();
            let most = if units <= burst {
                burst - units - guard
            } else {
                -guard
            };
            let excess = self.level_at(now).max(-guard) + ahead - most;
            if excess > 0.0 {
                at = at.max(now + excess / self.per_us());
            }
        }
        if self.is_fixed() {
            at = at.max(self.earliest_fixed(terms, ahead + units, now));
        }
        if self.has_log() {
            at = at.max(self.earliest_logged(ahead + units, now));
        }
        at
    }

    fn earliest_fixed(&self, terms: &Terms, units: f64, now: f64) -> f64 {
        let Some((earliest, latest)) = self.ends else {
            return now;
        };
        let fits = self.used + units <= self.amount;
        if fits && now < earliest - float(terms.guard_us) {
            return now;
        }
        let left = if fits {
            0.0
        } else {
            self.used + units - self.amount
        };
        let over = (left / self.amount).ceil().max(1.0) - 1.0;
        latest + over * self.window
    }

    fn earliest_logged(&self, units: f64, now: f64) -> f64 {
        let span = self.window + self.guard;
        let excess = self.logged + units - self.amount;
        if excess <= 0.0 {
            return now;
        }
        let (mut freed, mut at) = (0.0, now);
        for granule in &self.granules {
            freed += granule.units;
            at = now.max(granule.last + span);
            if freed >= excess {
                return at;
            }
        }
        // More is ahead than one window holds.
        at + span
    }

    pub(crate) fn view(&self, in_flight: u64, now: f64) -> Level {
        Level {
            id: self.id,
            amount: whole(self.amount),
            kind: self.kind,
            used: whole(self.used(now).ceil()),
            corrected: signed(self.corrected),
            generation: whole(self.generation),
            taken: whole(self.taken),
            in_flight,
        }
    }

    pub(crate) fn is_generation(&self, generation: u64) -> bool {
        whole(self.generation) == generation
    }

    /// Microseconds of window that a unit stands for.
    pub(crate) fn cost(&self, units: f64) -> f64 {
        units * self.window / self.amount.max(1.0)
    }

    pub(crate) const fn metric(&self) -> Metric {
        self.id.metric
    }

    /// What an instance that is out of touch may be taking with its share of the quota.
    pub(crate) fn allow_for(&mut self, share: f64, elapsed: f64, now: f64) {
        self.put(self.per_us() * elapsed * share, now);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "units and microseconds are below 2^53"
)]
pub(crate) const fn float(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is not negative"
)]
pub(crate) const fn whole(value: f64) -> u64 {
    value as u64
}

#[expect(clippy::cast_possible_truncation, reason = "saturates")]
const fn signed(value: f64) -> i64 {
    value as i64
}
