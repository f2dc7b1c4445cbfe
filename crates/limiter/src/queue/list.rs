//! First-in-first-out lists threaded through the waiters, so that anyone can leave at once.

use super::Waiter;
use crate::slab::{NONE, Slab};

/// Which of the two lists that a waiter is in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Thread {
    /// The requests of one tenant in one tier, in the order of service.
    Tenant,
    /// The requests of one tier, in the order of arrival.
    Arrival,
}

/// A waiter's neighbours in one list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    pub(crate) before: u32,
    pub(crate) after: u32,
}

impl Links {
    pub(crate) const ALONE: Self = Self {
        before: NONE,
        after: NONE,
    };
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Default for List {
    fn default() -> Self {
        Self {
            first: NONE,
            last: NONE,
        }
    }
}

impl List {
    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    pub(crate) fn push_back(&mut self, waiters: &mut Slab<Waiter>, slot: u32, thread: Thread) {
        match waiters.at_mut(self.last) {
            Some(last) => last.links_mut(thread).after = slot,
            None => self.first = slot,
        }
        if let Some(waiter) = waiters.at_mut(slot) {
            *waiter.links_mut(thread) = Links {
                before: self.last,
                after: NONE,
            };
        }
        self.last = slot;
    }

    pub(crate) fn push_front(&mut self, waiters: &mut Slab<Waiter>, slot: u32, thread: Thread) {
        match waiters.at_mut(self.first) {
            Some(first) => first.links_mut(thread).before = slot,
            None => self.last = slot,
        }
        if let Some(waiter) = waiters.at_mut(slot) {
            *waiter.links_mut(thread) = Links {
                before: NONE,
                after: self.first,
            };
        }
        self.first = slot;
    }

    /// Takes out a waiter that had these `links`.
    pub(crate) fn unlink(&mut self, waiters: &mut Slab<Waiter>, links: Links, thread: Thread) {
        match waiters.at_mut(links.before) {
            Some(before) => before.links_mut(thread).after = links.after,
            None => self.first = links.after,
        }
        match waiters.at_mut(links.after) {
            Some(after) => after.links_mut(thread).before = links.before,
            None => self.last = links.before,
        }
    }
}
