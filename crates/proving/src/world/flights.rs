//! Attempts that are under way.

use crate::sender::{CallId, End, Head};
use crate::upstream::Work;

/// One attempt.
pub(super) struct Flight {
    pub(super) call: CallId,
    pub(super) sent_ns: u64,
    /// What the provider works on.
    pub(super) work: Option<Work>,
    pub(super) head: Option<Head>,
    pub(super) end: Option<End>,
    /// Whether its sender has heard the last of it.
    pub(super) landed: bool,
}

impl Flight {
    pub(super) const fn new(call: CallId, sent_ns: u64) -> Self {
        Self {
            call,
            sent_ns,
            work: None,
            head: None,
            end: None,
            landed: false,
        }
    }
}

/// All attempts under way; the places of those that ended are used again.
#[derive(Default)]
pub(super) struct Flights {
    places: Vec<Option<Flight>>,
    free: Vec<usize>,
}

impl Flights {
    pub(super) fn add(&mut self, flight: Flight) -> usize {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.places.get_mut(index)
        {
            *place = Some(flight);
            return index;
        }
        self.places.push(Some(flight));
        self.places.len() - 1
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Flight> {
        self.places.get_mut(index)?.as_mut()
    }

    /// Frees the place of an attempt that has ended on both sides.
    pub(super) fn tidy(&mut self, index: usize) {
        if let Some(place) = self.places.get_mut(index)
            && place
                .as_ref()
                .is_some_and(|flight| flight.landed && flight.work.is_none())
        {
            *place = None;
            self.free.push(index);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }
}
