//! The log of decisions that a judge of the judge needs: bounded, newest last.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::charge::Charge;

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Decision {
    /// The request was admitted; its charge was taken.
    Admitted {
        /// A number that its settlement names again, unique within the pool.
        reservation: u64,
    },
    /// The request was refused.
    Refused {
        /// Which limit refused it: its abbreviation, `too_large`, `concurrency` or `slow_down`.
        limit: String,
        /// The exact wait in nanoseconds; `u64::MAX` for a request that can never pass.
        wait_ns: u64,
    },
    /// The charge of a request under way was set right; the entry's charge was given back.
    Corrected {
        /// The reservation whose charge it is.
        reservation: u64,
        /// What was taken beyond the charge until then.
        added: Charge,
    },
    /// An admitted request ended; the entry's charge was given back.
    Settled {
        /// The reservation that ended.
        reservation: u64,
        /// What was taken beyond the charge at admission.
        added: Charge,
    },
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Numbers all entries since the start, from 1, without gaps.
    pub sequence: u64,
    /// Nanoseconds of the provider's clock since the Unix epoch; never decreasing.
    pub time_ns: u64,
    /// The limit pool that decided.
    pub pool: Arc<str>,
    /// The caller's key, shortened so that it cannot be used.
    pub key: Arc<str>,
    /// The model asked for.
    pub model: Arc<str>,
    /// What was taken (admitted), asked for (refused) or given back (corrected and settled).
    pub charge: Charge,
    /// What was decided.
    pub decision: Decision,
}

/// A journal that forgets its oldest entries.
#[derive(Debug)]
pub(crate) struct Journal {
    capacity: usize,
    entries: VecDeque<JournalEntry>,
    next_sequence: u64,
}

impl Journal {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: VecDeque::new(),
            next_sequence: 1,
        }
    }

    pub(crate) const fn is_kept(&self) -> bool {
        self.capacity > 0
    }

    /// Writes an entry, whose sequence number is set here.
    pub(crate) fn write(&mut self, mut entry: JournalEntry) {
        entry.sequence = self.next_sequence;
        self.next_sequence += 1;
        if self.entries.len() >= self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// All kept entries with a sequence number above `since`.
    pub(crate) fn since(&self, since: u64) -> Vec<JournalEntry> {
        let first = self
            .entries
            .partition_point(|entry| entry.sequence <= since);
        self.entries.range(first..).cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
