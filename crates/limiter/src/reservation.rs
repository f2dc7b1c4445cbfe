//! Open reservations, in the order in which their leases end.

use crate::charge::{Charge, METRICS};
use crate::formula::ChargeParts;
use crate::learning::answer::Mark;
use crate::queue::Account;
use crate::slab::{Key, NONE, Slab};

/// Quota that was taken and is not settled.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) charge: Charge,
    pub(crate) taken_at: u64,
    /// Whose virtual time paid for it; `None` if nothing waited then.
    pub(crate) account: Option<Account>,
    /// What was counted by metric after it, where answers are compared with that.
    pub(crate) marks: Option<Box<[Mark; METRICS]>>,
    /// What its token charge was made from.
    pub(crate) parts: Option<ChargeParts>,
    /// Tokens that it may be charged on top once it has ended.
    pub(crate) debt_max: u64,
    /// The number that it waited under, which it has where it was let in elsewhere.
    pub(crate) ticket: Option<u64>,
}

#[derive(Debug)]
struct Node {
    open: Open,
    earlier: u32,
    later: u32,
}

/// All open reservations. All live equally long, so the oldest ends first.
#[derive(Debug)]
pub(crate) struct Reservations {
    nodes: Slab<Node>,
    oldest: u32,
    latest: u32,
}

impl Reservations {
    pub(crate) const fn new() -> Self {
        Self {
            nodes: Slab::new(),
            oldest: NONE,
            latest: NONE,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn next_serial(&self) -> u64 {
        self.nodes.next_serial()
    }

    pub(crate) fn open(&mut self, open: Open) -> Key {
        let earlier = self.latest;
        let key = self.nodes.insert(Node {
            open,
            earlier,
            later: NONE,
        });
        match self.nodes.at_mut(earlier) {
            Some(node) => node.later = key.slot,
            None => self.oldest = key.slot,
        }
        self.latest = key.slot;
        key
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Open> {
        if self.nodes.contains(key) {
            self.nodes.at(key.slot).map(|node| &node.open)
        } else {
            None
        }
    }

    pub(crate) fn close(&mut self, key: Key) -> Option<Open> {
        let Node {
            open,
            earlier,
            later,
        } = self.nodes.remove(key)?;
        match self.nodes.at_mut(earlier) {
            Some(node) => node.later = later,
            None => self.oldest = later,
        }
        match self.nodes.at_mut(later) {
            Some(node) => node.earlier = earlier,
            None => self.latest = earlier,
        }
        Some(open)
    }

    /// The reservation that was taken first.
    pub(crate) fn oldest(&self) -> Option<(Key, u64)> {
        let node = self.nodes.at(self.oldest)?;
        Some((self.nodes.key_at(self.oldest)?, node.open.taken_at))
    }
}
