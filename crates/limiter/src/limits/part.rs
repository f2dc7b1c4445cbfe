//! Limits that are shared with other domains: counted elsewhere, or, out of touch with that, counted
//! here as far as a part of them goes.

use std::collections::VecDeque;

use super::{LimitState, Limits};
use crate::charge::{Charge, METRICS, Metric};
use crate::elsewhere::{Level, Terms};
use crate::learning::Own;
use crate::learning::answer::{Answer, Mark};
use crate::settings::{Limit, WindowModel};
use crate::time::{Timestamp, nanos};
use crate::window::Window;

/// All of a limit, in parts per million.
pub(crate) const WHOLE_PPM: u32 = 1_000_000;

/// Counts are remembered for so long, to tell what others took since.
const MEMORY_NS: u64 = 10_000_000_000;

/// Answers that are remembered until the next count is told.
const PENDING_MAX: usize = 64;

/// What is known of a count that is kept elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) generation: u64,
    /// Units of requests in flight, of everyone.
    pub(crate) in_flight: u64,
    /// All units ever taken by everyone, with the times at which that was told.
    taken: VecDeque<(u64, u64)>,
    /// All units ever taken by others, with the times at which that was told.
    others: VecDeque<(u64, u64)>,
    /// Answers that have not been compared with a count yet.
    pub(crate) pending: Vec<(Answer, Option<Own>)>,
}

/// What was taken here while nobody elsewhere counted it.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    /// The window as it would be without: there while it is counted here.
    idle: Option<Box<Window>>,
    /// What still counts of it, from when it was counted here no longer until it is told.
    units: u64,
}

impl Counted {
    fn note(&mut self, taken: u64, now: u64) {
        self.taken.push_back((now, taken));
        while self.taken.len() > 2
            && (self.taken.get(1)).is_some_and(|(at, _)| at.saturating_add(MEMORY_NS) < now)
        {
            self.taken.pop_front();
        }
    }

    /// Units that were taken since that was told last; `None`: it was not.
    fn new_since(&self, taken: u64) -> Option<u64> {
        let (_, before) = self.taken.back()?;
        Some(taken.saturating_sub(*before))
    }

    /// Units that everyone took after `time`; `None`: that was not told.
    pub(crate) fn taken_since(&self, time: u64) -> Option<u64> {
        let (_, latest) = self.taken.back()?;
        let before = self.taken.iter().rev().find(|(at, _)| *at <= time)?;
        Some(latest.saturating_sub(before.1))
    }

    /// Others have taken so many units of all that was taken.
    pub(crate) fn note_others(&mut self, own: u64, now: u64) {
        let Some((_, taken)) = self.taken.back() else {
            return;
        };
        self.others.push_back((now, taken.saturating_sub(own)));
        while self.others.len() > 2
            && (self.others.get(1)).is_some_and(|(at, _)| at.saturating_add(MEMORY_NS) < now)
        {
            self.others.pop_front();
        }
    }

    /// What others had taken at `time`: what was told then, or, as they take it evenly as far as
    /// anyone knows, what lies between the times at which it was told.
    fn others_at(&self, time: u64) -> u64 {
        let later = self.others.partition_point(|(at, _)| *at <= time);
        let before = later
            .checked_sub(1)
            .and_then(|index| self.others.get(index));
        match (before, self.others.get(later)) {
            (Some((from, least)), Some((to, most))) => {
                let more = u128::from(most.saturating_sub(*least)) * u128::from(time - from)
                    / u128::from((to - from).max(1));
                least.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
            }
            (Some((_, others)), None) | (None, Some((_, others))) => *others,
            (None, None) => 0,
        }
    }

    pub(crate) fn remember(&mut self, answer: &Answer, own: Option<&Own>) {
        if self.pending.len() == PENDING_MAX {
            self.pending.remove(0);
        }
        self.pending.push((*answer, own.copied()));
    }
}

impl Limit {
    /// A limit of which this is the part; a pace stays one.
    pub(crate) fn part(self, part_ppm: u32) -> Self {
        if part_ppm == WHOLE_PPM || self.amount == 0 {
            return self;
        }
        self.with_amount(part_of(self.amount, part_ppm).max(1))
    }
}

fn part_of(units: u64, part_ppm: u32) -> u64 {
    let part = u128::from(units) * u128::from(part_ppm) / u128::from(WHOLE_PPM);
    u64::try_from(part).unwrap_or(u64::MAX)
}

impl LimitState {
    pub(crate) const fn is_whole(&self) -> bool {
        self.part_ppm == WHOLE_PPM
    }

    /// The part of `units` that is counted here.
    pub(super) fn part_of(&self, units: u64) -> u64 {
        if self.is_whole() {
            return units;
        }
        part_of(units, self.part_ppm).max(1)
    }

    /// What `units` of the part are of the whole.
    fn whole_of(&self, units: u64) -> u64 {
        let whole = u128::from(units) * u128::from(WHOLE_PPM) / u128::from(self.part_ppm.max(1));
        u64::try_from(whole).unwrap_or(u64::MAX)
    }

    /// A request that is larger than the part, but not than the limit, goes when nothing else of the
    /// part is used: it is made up for afterwards.
    pub(super) fn at_most_the_part(&self, units: u64) -> u64 {
        if self.is_whole() || units > self.limit.amount {
            return units;
        }
        units.min(self.part_of(self.limit.amount))
    }

    /// Counts another part of the limit from now on, of which as much is used as was of the one
    /// before. What was taken before is not given back any more.
    pub(crate) fn count_part(&mut self, part_ppm: u32, next_serial: u64, now: u64) {
        let part_ppm = part_ppm.clamp(1, WHOLE_PPM);
        if part_ppm == self.part_ppm {
            return;
        }
        let mut part = Self::of_part(self.limit, self.source, next_serial, (part_ppm, now));
        part.generation = self.generation.wrapping_add(1).max(1);
        let ratio = (u64::from(part_ppm), u64::from(self.part_ppm));
        let used = self.window.used(now);
        if part.window.inherit(&mut self.window, now) {
            part.window.scale(ratio);
        } else {
            part.window.raise_to(used, now);
        }
        self.become_like(part);
    }

    /// All units that others who share the limit had taken at `time`, and what they took within `spread`
    /// of it.
    pub(crate) fn taken_by_others(&self, time: u64, spread: u64) -> (u64, u64) {
        let Some(counted) = &self.shared else {
            return (0, 0);
        };
        let before = counted.others_at(time.saturating_sub(spread));
        let after = counted.others_at(time.saturating_add(spread));
        (counted.others_at(time), after.saturating_sub(before))
    }

    /// From now on what is taken is not counted elsewhere.
    pub(crate) fn part_ways(&mut self) {
        self.untold.idle = Some(Box::new(self.window.clone()));
    }

    /// From now on what is taken is counted elsewhere; what was taken until now is to be told.
    pub(crate) fn rejoin(&mut self, now: u64) {
        self.untold.units = self.untold_units(now);
        self.untold.idle = None;
    }

    /// What was taken while it was not counted elsewhere, as far as it still counts.
    fn untold_units(&self, now: u64) -> u64 {
        let Some(idle) = &self.untold.idle else {
            return self.untold.units;
        };
        let units = self.window.used(now).saturating_sub(idle.used(now));
        units.saturating_add(self.untold.units)
    }

    /// That is counted elsewhere by now.
    pub(crate) const fn is_told(&mut self) {
        self.untold.units = 0;
    }

    /// Whether a count that is kept elsewhere is about this limit.
    pub(crate) fn is_of(&self, level: &Level) -> bool {
        self.limit.metric == level.metric && self.limit.window == level.window
    }

    /// Takes over what is counted elsewhere.
    pub(crate) fn mirror(&mut self, level: &Level, now: u64) {
        let counted = self.shared.get_or_insert_default();
        let taken = counted.new_since(level.taken);
        counted.note(level.taken, now);
        counted.in_flight = level.in_flight;
        if counted.generation != level.generation {
            counted.generation = level.generation;
            counted.pending.clear();
            self.generation = self.generation.wrapping_add(1).max(1);
        }
        self.learner.counts_corrections(level.corrected);
        self.window.mirror(level.used, taken, now);
    }

    /// The limit as it is believed here.
    pub(crate) fn terms(&self, debts: u64, now: u64) -> Terms {
        let learned_end = self.learner.window_end(now);
        let end = self.window.anchored_end(now).map(|end| (end, end));
        let is_vague = matches!(self.limit.model, WindowModel::Unknown { .. });
        let time = |(from, to)| (Timestamp::from_nanos(from), Timestamp::from_nanos(to));
        Terms {
            limit: self.limit,
            since: (!is_vague).then(|| Timestamp::from_nanos(self.since)),
            kept: self.reserve.saturating_add(debts),
            ends: end.or(learned_end).map(time),
            used: self.whole_of(self.window.used(now)),
            spent: self.untold_units(now),
        }
    }
}

impl Limit {
    /// Units that may go at once when nothing is used.
    #[must_use]
    pub fn at_once(&self) -> u64 {
        match self.model {
            WindowModel::Bucket { burst } | WindowModel::Unknown { burst } => burst,
            WindowModel::Quantised { quantum } => {
                let held = u128::from(self.amount) * u128::from(nanos(quantum));
                let held = held / u128::from(nanos(self.window).max(1));
                u64::try_from(held).unwrap_or(u64::MAX).max(1)
            }
            WindowModel::Fixed { .. } | WindowModel::FixedFromFirstUse | WindowModel::Sliding => {
                self.amount
            }
        }
    }
}

impl Limits {
    /// What a request that was let in elsewhere leaves to be compared with its answer.
    pub(crate) fn marks_of(&self, levels: &[Level], used: &[u64]) -> Option<Box<[Mark; METRICS]>> {
        let mut marks: Option<Box<[Mark; METRICS]>> = None;
        for (level, used) in levels.iter().zip(used) {
            let state = self.states.iter().find(|state| state.is_of(level));
            if let Some(state) = state.filter(|state| state.learner.is_observed()) {
                let marks = marks.get_or_insert_default();
                marks[level.metric.index()] = Mark {
                    generation: state.generation,
                    used: *used,
                    corrected: level.corrected,
                };
            }
        }
        marks
    }

    /// What of a refund the provider's counts have not shown before.
    pub(crate) fn refund_due(&mut self, refund: &Charge, now: u64) -> Charge {
        Metric::ALL.into_iter().fold(*refund, |due, metric| {
            let of_metric = self.states.iter_mut().filter(|s| s.limit.metric == metric);
            let units = refund.get(metric);
            let left = of_metric.map(|state| state.not_refunded_yet(units, now));
            due.with(metric, left.min().unwrap_or(units))
        })
    }
}
