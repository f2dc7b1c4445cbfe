//! What a window lets go while more urgent requests are expected beside it.
//!
//! Room is kept so that these, too, can go when they come; what is kept is what they may ask for
//! before the window gives back enough by itself:
//!
//! - A bucket refills all the time: it keeps the most that requests may get ahead of the refill.
//!   The quota loses that once and no more, since the refill goes on.
//! - A fixed window gives nothing back before its end: it keeps what may be asked for until then,
//!   which gets less, and lets go of it in the end.
//! - A sliding window gives back what was used one window ago: it keeps what is asked for until
//!   then, as far as that is more, and a margin as a bucket does. Of the margin, what is not
//!   drawn upon is lost, so it is small.
//!
//! Never is so much kept that a request would not go when nothing is used.

use super::Window;
use crate::expected::Claim;

impl Window {
    /// Whether `units` may be taken at `now` beside what is claimed.
    pub(crate) fn fits_beside(&mut self, units: u64, claim: Option<&Claim>, now: u64) -> bool {
        self.fits(units, now)
            && claim.is_none_or(|_| self.earliest_beside(units, claim, now) == Some(now))
    }

    /// [`Self::earliest`] beside what is claimed.
    pub(crate) fn earliest_beside(
        &self,
        units: u64,
        claim: Option<&Claim>,
        from: u64,
    ) -> Option<u64> {
        let Some(claim) = claim else {
            return self.earliest(units, from);
        };
        match self {
            Self::Bucket(bucket) => bucket.earliest(bucket.with_kept(units, claim), from),
            Self::Fixed(fixed) => fixed.earliest_beside(units, claim, from),
            Self::Sliding(sliding) => sliding.earliest_beside(units, claim, from),
            Self::Unknown(bucket, sliding) => {
                let refilled = bucket.earliest(bucket.with_kept(units, claim), from)?;
                Some(refilled.max(sliding.earliest_beside(units, claim, from)?))
            }
        }
    }

    /// [`Self::estimate`] beside what is claimed.
    pub(crate) fn estimate_beside(
        &self,
        ahead: u64,
        units: u64,
        claim: Option<&Claim>,
        now: u64,
    ) -> Option<u64> {
        let estimate = match (self, claim) {
            (Self::Bucket(bucket), Some(claim)) => {
                return bucket.estimate(ahead, bucket.with_kept(units, claim), now);
            }
            _ => self.estimate(ahead, units, now)?,
        };
        // What goes before is of the same tier as a rule, and leaves as much.
        let estimate = match self {
            Self::Sliding(sliding) if claim.is_some() => {
                sliding.even_from(ahead, now).max(estimate)
            }
            _ => estimate,
        };
        let most = ahead.saturating_add(units).min(self.capacity()).max(units);
        Some(estimate.max(self.earliest_beside(most, claim, now)?))
    }

    /// [`Self::headroom`] for `units` that go beside what is claimed.
    pub(crate) fn headroom_beside(
        &self,
        units: u64,
        claim: Option<&Claim>,
        (at, now): (u64, u64),
    ) -> u64 {
        let Some(claim) = claim else {
            return self.headroom(units, at, now);
        };
        match self {
            Self::Bucket(bucket) => bucket.headroom(bucket.with_kept(units, claim), at, now),
            Self::Fixed(fixed) => fixed.headroom_beside(units, claim, at, now),
            Self::Sliding(sliding) => sliding.headroom_beside(units, claim, at, now),
            Self::Unknown(bucket, sliding) => bucket
                .headroom(bucket.with_kept(units, claim), at, now)
                .min(sliding.headroom_beside(units, claim, at, now)),
        }
    }

    /// Units that fit when nothing is used.
    fn capacity(&self) -> u64 {
        match self {
            Self::Bucket(bucket) => bucket.capacity(),
            Self::Fixed(fixed) => fixed.capacity(),
            Self::Sliding(sliding) => sliding.capacity(),
            Self::Unknown(bucket, sliding) => bucket.capacity().min(sliding.capacity()),
        }
    }
}
