//! How far the provider's count has moved away from ours, and what others take.
//!
//! Each request that is admitted notes what we counted right after it, and its answer tells what
//! the provider counted right after it. Where requests reach the provider in the order in which they
//! were sent, the difference is exact, whenever the answer comes and whatever else is under way: what
//! was sent before is in both figures, what was sent after is in neither. Requests that overtake each
//! other blur it; so the highest of the recent differences is taken, which errs on the side of less
//! room, and the result is kept between what the provider must be counting and what it can be.

use std::collections::VecDeque;

use super::answer::{Answer, Mark};

/// Differences that are remembered.
const REMEMBERED: usize = 16;

/// Counts are remembered of requests sent this long before the latest that was answered, and twice
/// the spread of delays: long enough that all earlier ones are in the latest.
const PEAK_NS: u64 = 1_000_000_000;

/// And no more than this many.
const PEAKS_MAX: usize = 1_024;

/// The time over which the use of others is measured, in slots of a second.
const FOREIGN_SLOTS: usize = 32;

const SECOND_NS: u64 = 1_000_000_000;

/// What the provider counted at one answer.
#[derive(Clone, Copy, Debug)]
struct Point {
    used: u64,
    /// Between here ...
    sent: u64,
    /// ... and here.
    latest: u64,
}

/// How a count moves, and how much those who are counted can overtake each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Units that drain per nanosecond; 0 where nothing drains.
    pub(crate) per_ns: f64,
    /// The spread of delays.
    pub(crate) spread: u64,
}

/// Requests sent this much earlier than another have reached the provider before it.
pub(crate) const fn blur_ns(spread: u64) -> u64 {
    PEAK_NS.saturating_add(spread.saturating_mul(2))
}

/// The answer after which the provider has seen the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peak {
    /// What is left of what the provider counted then.
    pub(crate) used: u64,
    /// When its request was sent.
    pub(crate) sent: u64,
    /// The provider made up the figure no later than this.
    pub(crate) latest: u64,
}

/// How far the provider's count is from ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drift {
    /// The sum of all corrections so far, in units.
    corrected: i64,
    /// How far the provider was ahead of our count without corrections, at recent answers.
    ahead: VecDeque<i64>,
    /// Counts in the order of sending, each higher than all later ones after draining.
    points: VecDeque<Point>,
    /// The sum of corrections that others must have caused.
    foreign: i64,
    /// `foreign` at about the end of each of the last seconds.
    history: VecDeque<(u64, i64)>,
    /// The largest recent upward corrections, and when.
    surprises: VecDeque<(u64, u64)>,
    /// The sum of corrections is kept elsewhere, for others too.
    is_shared: bool,
    /// When nothing was under way last, with `foreign` then: until there, nothing was blurred.
    certain: (u64, i64),
}

impl Drift {
    /// The sum of all corrections so far.
    pub(crate) const fn corrected(&self) -> i64 {
        self.corrected
    }

    /// The sum of corrections, of which others make some.
    pub(crate) const fn set_corrected(&mut self, corrected: i64) {
        self.corrected = corrected;
        self.is_shared = true;
    }

    /// Takes in what the provider counted. `mark` is what we counted right after the same request, if
    /// that is comparable.
    pub(crate) fn observe(&mut self, answer: &Answer, mark: Option<&Mark>, pace: Pace) {
        self.add(answer, pace);
        let Some(mark) = mark else { return };
        let ahead = difference(answer.used, mark.used).saturating_add(mark.corrected);
        self.ahead.push_back(ahead);
        if self.ahead.len() > REMEMBERED {
            self.ahead.pop_front();
        }
    }

    /// By how much the provider is ahead of our count, as far as requests have not overtaken each other.
    pub(crate) fn step(&self) -> i64 {
        // How far requests of others have overtaken ours is not known, so that nothing would bound what
        // is too high; what must be true is corrected anyway.
        let sure = if !self.is_shared {
            self.ahead.iter().max()
        } else if self.ahead.len() == REMEMBERED {
            self.ahead.iter().min()
        } else {
            None
        };
        sure.map_or(0, |sure| sure.saturating_sub(self.corrected).max(0))
    }

    fn add(&mut self, answer: &Answer, pace: Pace) {
        let point = Point {
            used: answer.used,
            sent: answer.sent,
            latest: answer.latest,
        };
        let later = self
            .points
            .partition_point(|other| other.sent <= point.sent);
        // The same count at a later time is what would have drained until then.
        let height = |point: &Point| float(point.used) + float(point.sent) * pace.per_ns;
        let is_lower = |other: &Point| height(other) >= height(&point);
        if self.points.range(later..).any(is_lower) {
            return;
        }
        let kept = self
            .points
            .range(..later)
            .take_while(|p| is_lower(p))
            .count();
        self.points.drain(kept..later);
        self.points.insert(kept, point);
        let newest = self.points.back().map_or(0, |point| point.sent);
        let memory = blur_ns(pace.spread);
        while self.points.len() > 1
            && (self.points.len() > PEAKS_MAX
                || self
                    .points
                    .front()
                    .is_some_and(|first| first.sent.saturating_add(memory) < newest))
        {
            self.points.pop_front();
        }
    }

    /// The answer after which the provider had seen the most, drained since at `per_ns`.
    pub(crate) fn peak(&self, per_ns: f64, now: u64) -> Option<Peak> {
        Self::left_of(self.points.front()?, per_ns, now)
    }

    /// The answer to the latest request, drained since at `per_ns`.
    pub(crate) fn newest(&self, per_ns: f64, now: u64) -> Option<Peak> {
        Self::left_of(self.points.back()?, per_ns, now)
    }

    fn left_of(best: &Point, per_ns: f64, now: u64) -> Option<Peak> {
        let drained = float(now.saturating_sub(best.sent)) * per_ns;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and no more than a count was"
        )]
        Some(Peak {
            used: (float(best.used) - drained).max(0.0).ceil() as u64,
            sent: best.sent,
            latest: best.latest,
        })
    }

    /// The correction that was made. `by_others`: it tells of what others use.
    pub(crate) fn apply(&mut self, step: i64, by_others: bool, now: u64) {
        self.corrected = self.corrected.saturating_add(step);
        for ahead in self.ahead.iter_mut().filter(|_| !self.is_shared) {
            // What was higher was blurred.
            *ahead = (*ahead).min(self.corrected);
        }
        if by_others {
            self.foreign = self.foreign.saturating_add(step);
            if let Ok(up) = u64::try_from(step)
                && up > 0
            {
                self.surprises.push_back((now, up));
            }
        }
        self.note(now);
    }

    /// Forgets answers to requests of windows that are over.
    pub(crate) fn retain(&mut self, is_current: impl Fn(u64) -> bool) {
        let before = self.points.len();
        self.points.retain(|point| is_current(point.sent));
        if self.points.is_empty() && before > 0 {
            self.ahead.clear();
            self.doubt();
        }
    }

    /// Nothing is under way: what the provider counts is exactly what is known.
    pub(crate) const fn settle(&mut self, now: u64) {
        self.certain = (now, self.foreign);
    }

    /// What was put down to others while requests were under way would have been corrected by their
    /// answers, and is not any more.
    fn doubt(&mut self) {
        let (at, foreign) = self.certain;
        self.foreign = foreign;
        self.history.retain(|(time, _)| *time <= at);
        self.surprises.retain(|(time, _)| *time <= at);
    }

    /// What was counted before now is counted in another way.
    pub(crate) fn restart(&mut self) {
        self.points.clear();
        self.ahead.clear();
        self.forget_others();
    }

    /// What was put down to others can have been our own requests, counted wrongly.
    pub(crate) fn forget_others(&mut self) {
        self.history.clear();
        self.surprises.clear();
    }

    fn note(&mut self, now: u64) {
        match self.history.back_mut() {
            Some((at, foreign)) if now.saturating_sub(*at) < SECOND_NS => {
                *foreign = self.foreign;
            }
            _ => self.history.push_back((now, self.foreign)),
        }
        if self.history.len() > FOREIGN_SLOTS {
            self.history.pop_front();
        }
        let oldest = now.saturating_sub(SECOND_NS * FOREIGN_SLOTS as u64);
        while self
            .surprises
            .front()
            .is_some_and(|(at, _)| *at < oldest || self.surprises.len() > FOREIGN_SLOTS * 8)
        {
            self.surprises.pop_front();
        }
    }

    /// What others take, in units per second, averaged over the last half minute.
    pub(crate) fn foreign_per_second(&self, now: u64) -> f64 {
        let oldest = now.saturating_sub(SECOND_NS * FOREIGN_SLOTS as u64);
        let Some((at, then)) = self.history.iter().find(|(at, _)| *at >= oldest) else {
            return 0.0;
        };
        let seconds = (float(now.saturating_sub(*at)) / 1e9).max(5.0);
        let taken = self.foreign.saturating_sub(*then).max(0);
        float(taken.unsigned_abs()) / seconds
    }

    /// The largest step by which others were ahead of us lately.
    pub(crate) fn largest_surprise(&self, now: u64) -> u64 {
        let oldest = now.saturating_sub(SECOND_NS * FOREIGN_SLOTS as u64);
        let recent = self.surprises.iter().filter(|(at, _)| *at >= oldest);
        recent.map(|(_, units)| *units).max().unwrap_or(0)
    }
}

fn difference(theirs: u64, ours: u64) -> i64 {
    i64::try_from(i128::from(theirs) - i128::from(ours)).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "units and times for estimates")]
fn float(value: u64) -> f64 {
    value as f64
}
