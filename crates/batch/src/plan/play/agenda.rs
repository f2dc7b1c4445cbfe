//! What happens when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use paceline_limiter::Timestamp;

/// Things that happen, the soonest first; of those at the same time, what was planned first.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    times: BinaryHeap<Reverse<(Timestamp, u64, usize)>>,
    things: Vec<Option<T>>,
    free: Vec<usize>,
    planned: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            times: BinaryHeap::new(),
            things: Vec::new(),
            free: Vec::new(),
            planned: 0,
        }
    }
}

impl<T> Agenda<T> {
    pub(super) fn plan(&mut self, at: Timestamp, thing: T) {
        let place = self.free.pop().unwrap_or(self.things.len());
        match self.things.get_mut(place) {
            Some(free) => *free = Some(thing),
            None => self.things.push(Some(thing)),
        }
        self.planned += 1;
        self.times.push(Reverse((at, self.planned, place)));
    }

    /// When the next thing happens.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.times.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next thing, if it happens by then.
    pub(super) fn pop_until(&mut self, now: Timestamp) -> Option<T> {
        if self.first().is_none_or(|at| at > now) {
            return None;
        }
        let Reverse((_, _, place)) = self.times.pop()?;
        self.free.push(place);
        self.things.get_mut(place)?.take()
    }
}
