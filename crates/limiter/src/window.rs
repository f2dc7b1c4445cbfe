//! One limit's count of what is used, under any of the window models.
//!
//! All times in here are nanoseconds on the domain's clock, and never go backwards.

mod beside;
pub(crate) mod bucket;
mod even;
pub(crate) mod fixed;
pub(crate) mod sliding;

use crate::settings::{Limit, WindowModel};
use crate::time::nanos;
use bucket::Bucket;
use fixed::Fixed;
use sliding::Sliding;

/// What is used of one limit.
#[derive(Clone, Debug)]
pub(crate) enum Window {
    Bucket(Bucket),
    Fixed(Fixed),
    Sliding(Sliding),
    /// Both must agree, and both count everything.
    Unknown(Bucket, Sliding),
}

impl Window {
    /// An unused window.
    pub(crate) fn new(limit: &Limit, now: u64) -> Self {
        let (amount, window) = (limit.amount, nanos(limit.window));
        let guard = nanos(limit.guard);
        match limit.model {
            WindowModel::Bucket { burst } => {
                Self::Bucket(Bucket::new(amount, window, guard, now).holding(burst, window))
            }
            WindowModel::Quantised { quantum } => Self::Bucket(
                Bucket::new(amount, window, guard, now).holding(amount, nanos(quantum)),
            ),
            WindowModel::Fixed { phase } => Self::Fixed(Fixed::anchored(
                amount,
                window,
                guard,
                (phase.as_nanos(), now),
            )),
            WindowModel::FixedFromFirstUse => {
                Self::Fixed(Fixed::from_first_use(amount, window, guard))
            }
            WindowModel::Sliding => {
                Self::Sliding(Sliding::new(amount, window.saturating_add(guard)))
            }
            WindowModel::Unknown { burst } => Self::Unknown(
                Bucket::new(amount, window, guard, now).holding(burst, window),
                Sliding::new(amount, window.saturating_add(guard)),
            ),
        }
    }

    /// Whether `units` may be taken at `now`.
    pub(crate) fn fits(&mut self, units: u64, now: u64) -> bool {
        match self {
            Self::Bucket(bucket) => bucket.fits(units, now),
            Self::Fixed(fixed) => fixed.fits(units, now),
            Self::Sliding(sliding) => sliding.fits(units, now),
            Self::Unknown(bucket, sliding) => bucket.fits(units, now) && sliding.fits(units, now),
        }
    }

    /// Counts `units` as used, whether they fit or not.
    pub(crate) fn take(&mut self, units: u64, now: u64) {
        match self {
            Self::Bucket(bucket) => bucket.take(units, now),
            Self::Fixed(fixed) => fixed.take(units, now),
            Self::Sliding(sliding) => sliding.take(units, now),
            Self::Unknown(bucket, sliding) => {
                bucket.take(units, now);
                sliding.take(units, now);
            }
        }
    }

    /// Gives back `units` of what was taken at `taken_at`, as far as that still matters.
    pub(crate) fn refund(&mut self, units: u64, taken_at: u64, now: u64) {
        match self {
            Self::Bucket(bucket) => bucket.refund(units, taken_at, now),
            Self::Fixed(fixed) => fixed.refund(units, taken_at, now),
            Self::Sliding(sliding) => sliding.refund(units, taken_at),
            Self::Unknown(bucket, sliding) => {
                bucket.refund(units, taken_at, now);
                sliding.refund(units, taken_at);
            }
        }
    }

    /// What was taken at `taken_at` never reached the provider.
    pub(crate) fn undo(&mut self, units: u64, taken_at: u64, now: u64) {
        self.refund(units, taken_at, now);
        if let Self::Fixed(fixed) = self {
            fixed.doubt_opening(taken_at);
        }
    }

    /// Takes in that the provider counted `used` at some time between `as_of` and `now`: raises the
    /// level to the least that must be true now. It never lowers it.
    pub(crate) fn reconcile(&mut self, used: u64, as_of: u64, now: u64) {
        match self {
            Self::Bucket(bucket) => bucket.reconcile(used, as_of, now),
            Self::Fixed(fixed) => fixed.reconcile(used, as_of, now),
            // The small bucket only smooths: the provider's own count has nothing to say to it.
            Self::Sliding(sliding) | Self::Unknown(_, sliding) => {
                sliding.reconcile(used, as_of, now);
            }
        }
    }

    /// Whether what is taken counts until it expires, instead of draining.
    pub(crate) const fn is_log(&self) -> bool {
        matches!(self, Self::Sliding(_) | Self::Unknown(..))
    }

    /// Counts at least `used` units as used at `now`.
    pub(crate) fn raise_to(&mut self, used: u64, now: u64) {
        match self {
            Self::Bucket(bucket) => bucket.raise_to(used, now),
            Self::Fixed(fixed) => fixed.raise_to(used, now),
            Self::Sliding(sliding) | Self::Unknown(_, sliding) => sliding.raise_to(used, now),
        }
    }

    /// Others have taken `units` of which nothing was known.
    pub(crate) fn raise_by(&mut self, units: u64, now: u64) {
        match self {
            Self::Bucket(bucket) => bucket.raise_by(units, now),
            Self::Fixed(fixed) => fixed.raise_by(units, now),
            // The small bucket only smooths: what others take has nothing to say to it.
            Self::Sliding(sliding) | Self::Unknown(_, sliding) => sliding.take(units, now),
        }
    }

    /// `units` less are used than was thought.
    pub(crate) fn lower_by(&mut self, units: u64, now: u64) {
        match self {
            Self::Bucket(bucket) => bucket.lower_by(units, now),
            Self::Fixed(fixed) => fixed.lower_by(units, now),
            Self::Sliding(sliding) | Self::Unknown(_, sliding) => sliding.lower_by(units, now),
        }
    }

    /// Counts `used` units as used at `now`, of which `taken` were taken since it was told last.
    pub(crate) fn mirror(&mut self, used: u64, taken: Option<u64>, now: u64) {
        match self {
            Self::Sliding(sliding) | Self::Unknown(_, sliding) => {
                sliding.mirror(used, taken, now);
            }
            Self::Bucket(_) | Self::Fixed(_) => {
                let before = self.used(now);
                if used > before {
                    self.raise_by(used - before, now);
                } else {
                    self.lower_by(before - used, now);
                }
            }
        }
    }

    /// Counts only `part` (a numerator and a denominator) of what is counted.
    pub(crate) fn scale(&mut self, part: (u64, u64)) {
        match self {
            Self::Bucket(bucket) => bucket.scale(part),
            Self::Fixed(fixed) => fixed.scale(part),
            Self::Sliding(sliding) => sliding.scale(part),
            Self::Unknown(bucket, sliding) => {
                bucket.scale(part);
                sliding.scale(part);
            }
        }
    }

    /// The end of the present window where windows follow each other.
    pub(crate) fn anchored_end(&self, now: u64) -> Option<u64> {
        match self {
            Self::Fixed(fixed) => fixed.anchored_end(now),
            Self::Bucket(_) | Self::Sliding(_) | Self::Unknown(..) => None,
        }
    }

    /// Units that were taken before `time` and still count.
    pub(crate) fn taken_before(&self, time: u64) -> u64 {
        match self {
            Self::Sliding(sliding) | Self::Unknown(_, sliding) => sliding.taken_before(time),
            Self::Bucket(_) | Self::Fixed(_) => 0,
        }
    }

    /// The provider's present window ends between `earliest` and `latest`.
    pub(crate) fn anchor(&mut self, earliest: u64, latest: u64, now: u64) {
        if let Self::Fixed(fixed) = self {
            fixed.anchor(earliest, latest, now);
        }
    }

    /// The first time from `from` on at which `units` fit if nothing else is taken; `None`: never.
    pub(crate) fn earliest(&self, units: u64, from: u64) -> Option<u64> {
        match self {
            Self::Bucket(bucket) => bucket.earliest(units, from),
            Self::Fixed(fixed) => fixed.earliest(units, from),
            Self::Sliding(sliding) => sliding.earliest(units, from),
            Self::Unknown(bucket, sliding) => Some(
                bucket
                    .earliest(units, from)?
                    .max(sliding.earliest(units, from)?),
            ),
        }
    }

    /// The expected time at which `units` fit after `ahead` more have been taken as soon as
    /// they fitted.
    pub(crate) fn estimate(&self, ahead: u64, units: u64, now: u64) -> Option<u64> {
        match self {
            Self::Bucket(bucket) => bucket.estimate(ahead, units, now),
            Self::Fixed(fixed) => fixed.estimate(ahead, units, now),
            Self::Sliding(sliding) => sliding.estimate(ahead, units, now),
            Self::Unknown(bucket, sliding) => Some(
                bucket
                    .estimate(ahead, units, now)?
                    .max(sliding.estimate(ahead, units, now)?),
            ),
        }
    }

    /// How much may be taken at `now` so that `units`, which would fit at `at`, still do.
    pub(crate) fn headroom(&self, units: u64, at: u64, now: u64) -> u64 {
        match self {
            Self::Bucket(bucket) => bucket.headroom(units, at, now),
            Self::Fixed(fixed) => fixed.headroom(units, at, now),
            Self::Sliding(sliding) => sliding.headroom(units, at, now),
            Self::Unknown(bucket, sliding) => bucket
                .headroom(units, at, now)
                .min(sliding.headroom(units, at, now)),
        }
    }

    /// Units that count as used at `now`.
    pub(crate) fn used(&self, now: u64) -> u64 {
        match self {
            Self::Bucket(bucket) => bucket.used(now),
            Self::Fixed(fixed) => fixed.used(now),
            Self::Sliding(sliding) | Self::Unknown(_, sliding) => sliding.used(now),
        }
    }

    /// When nothing counts as used any more.
    pub(crate) fn clear_at(&self, now: u64) -> u64 {
        match self {
            Self::Bucket(bucket) => bucket.clear_at(now),
            Self::Fixed(fixed) => fixed.clear_at(now),
            Self::Sliding(sliding) => sliding.clear_at(now),
            Self::Unknown(bucket, sliding) => bucket.clear_at(now).max(sliding.clear_at(now)),
        }
    }

    /// Takes over what `old` counts, where both count alike but for the amount and the sizes
    /// that follow from it. `false`: they do not.
    pub(crate) fn inherit(&mut self, old: &mut Self, now: u64) -> bool {
        match (self, old) {
            (Self::Bucket(new), Self::Bucket(old)) => new.inherit(old),
            (Self::Fixed(new), Self::Fixed(old)) => new.inherit(old),
            (Self::Sliding(new), Self::Sliding(old) | Self::Unknown(_, old)) => {
                new.inherit(old, now);
                true
            }
            (Self::Unknown(bucket, sliding), Self::Unknown(old_bucket, old_sliding)) => {
                sliding.inherit(old_sliding, now);
                bucket.inherit(old_bucket)
            }
            _ => false,
        }
    }
}
