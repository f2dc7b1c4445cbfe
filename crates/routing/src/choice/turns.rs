//! Whose turn it is among lanes that are equally good: smooth weighted round robin.
//!
//! At each choice every candidate earns its share of a turn, and the one that is taken pays a whole
//! one. So each is taken in proportion to its weight, and those of a heavy lane are spread out
//! instead of one after the other. A lane that is no candidate earns nothing.

use crate::lane::{Lane, LaneId};

/// How many turns a lane can be ahead, or behind.
const TURNS_MAX: f64 = 16.0;

/// What lanes have earned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    earned: Vec<(LaneId, f64)>,
}

impl Turns {
    /// Forgets lanes that are not among `lanes`.
    pub(crate) fn keep_only(&mut self, lanes: &[Lane]) {
        self.earned
            .retain(|(id, _)| lanes.iter().any(|lane| lane.id == *id));
    }

    /// The candidate whose turn it is; the first of several. Each comes with its share of turns.
    pub(crate) fn next(&self, lanes: &[Lane], candidates: &[(usize, f64)]) -> Option<usize> {
        let due = |(index, share): (usize, f64)| self.earned(lanes[index].id) + share;
        let ahead = |best, candidate| {
            // A turn is not lost to rounding.
            if due(candidate) > due(best) + 1e-9 {
                candidate
            } else {
                best
            }
        };
        let next = candidates.iter().copied().reduce(ahead);
        next.map(|(index, _)| index)
    }

    /// One of the candidates, perhaps another than whose turn it was, was taken.
    pub(crate) fn taken(&mut self, lanes: &[Lane], candidates: &[(usize, f64)], taken: usize) {
        for (index, share) in candidates {
            let lane = lanes[*index].id;
            let paid = if *index == taken { 1.0 } else { 0.0 };
            let earned = self.earned(lane) + share - paid;
            self.set(lane, earned.clamp(-TURNS_MAX, TURNS_MAX));
        }
    }

    fn earned(&self, lane: LaneId) -> f64 {
        self.earned
            .iter()
            .find(|(id, _)| *id == lane)
            .map_or(0.0, |(_, earned)| *earned)
    }

    fn set(&mut self, lane: LaneId, earned: f64) {
        match self.earned.iter_mut().find(|(id, _)| *id == lane) {
            Some((_, before)) => *before = earned,
            None => self.earned.push((lane, earned)),
        }
    }
}
