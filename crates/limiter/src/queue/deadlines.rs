//! The deadlines of waiters. Those who have left are skipped when they come up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::slab::Key;

/// Up to this many entries are kept without asking whether their waiters are still there.
const ENTRIES_MIN: usize = 64;

#[derive(Debug)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(u64, Key)>>,
    /// The number of entries at which those who have left are thrown out.
    sweep_at: usize,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            sweep_at: ENTRIES_MIN,
        }
    }
}

impl Deadlines {
    pub(crate) fn add(&mut self, deadline: u64, key: Key, waits: impl Fn(Key) -> bool) {
        self.heap.push(Reverse((deadline, key)));
        if self.heap.len() >= self.sweep_at {
            self.heap.retain(|Reverse((_, key))| waits(*key));
            self.sweep_at = (2 * self.heap.len()).max(ENTRIES_MIN);
        }
    }

    /// The earliest deadline of a waiter that is still there.
    pub(crate) fn first(&mut self, waits: impl Fn(Key) -> bool) -> Option<(u64, Key)> {
        while let Some(Reverse((deadline, key))) = self.heap.peek() {
            if waits(*key) {
                return Some((*deadline, *key));
            }
            self.heap.pop();
        }
        None
    }
}
