//! The requests in the order of the input, as far as their pace depends on them.

use std::collections::HashMap;

use paceline_limiter::{Charge, Metric};

use super::sizes::Sized;
use crate::Group;

/// The most entries that are kept: 17 MB. Of more requests than that, neighbours are added up.
const ENTRIES_MAX: usize = 1 << 18;

/// One request, or some of the same pool and group that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pool: u32,
    /// With whom it shares a number of requests at once.
    pub(super) group: Group,
    /// Requests.
    pub(super) count: u32,
    /// What they are charged at admission.
    pub(super) tokens: u64,
    pub(super) output_reserved: u64,
    pub(super) images: u64,
    /// What they use.
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) output_high: u64,
}

impl Entry {
    pub(super) fn new(pool: u32, group: Group, sized: &Sized, charge: &Charge) -> Self {
        Self {
            pool,
            group,
            count: 1,
            tokens: charge.get(Metric::Tokens),
            output_reserved: charge.get(Metric::OutputTokens),
            images: charge.get(Metric::Images),
            input: sized.input_tokens,
            output: sized.output.expected,
            output_high: sized.output.high,
        }
    }

    /// What has to be the same in those that are added up.
    const fn kind(&self) -> (u32, Group) {
        (self.pool, self.group)
    }

    pub(super) fn charge(&self) -> Charge {
        Charge::ZERO
            .with(Metric::Requests, u64::from(self.count))
            .with(Metric::Tokens, self.tokens)
            .with(Metric::InputTokens, self.input)
            .with(Metric::OutputTokens, self.output_reserved)
            .with(Metric::Images, self.images)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        for (mine, other) in [
            (&mut self.tokens, other.tokens),
            (&mut self.output_reserved, other.output_reserved),
            (&mut self.images, other.images),
            (&mut self.input, other.input),
            (&mut self.output, other.output),
            (&mut self.output_high, other.output_high),
        ] {
            *mine = mine.saturating_add(other);
        }
    }

    /// The first of its requests, `count` of them, taken out; they are taken to be all alike.
    pub(super) fn split(&mut self, count: u32) -> Self {
        let count = count.min(self.count);
        let (part, whole) = (u128::from(count), u128::from(self.count.max(1)));
        let taken = |units: &mut u64| {
            let first = u64::try_from(u128::from(*units) * part / whole).unwrap_or(*units);
            *units -= first;
            first
        };
        let first = Self {
            pool: self.pool,
            group: self.group,
            count,
            tokens: taken(&mut self.tokens),
            output_reserved: taken(&mut self.output_reserved),
            images: taken(&mut self.images),
            input: taken(&mut self.input),
            output: taken(&mut self.output),
            output_high: taken(&mut self.output_high),
        };
        self.count -= count;
        first
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    pub(super) entries: Vec<Entry>,
    /// So many requests become one entry.
    each: u32,
    /// Entries that have not got as many yet, by pool and group.
    growing: HashMap<(u32, Group), usize>,
}

impl Entries {
    pub(super) fn push(&mut self, entry: Entry) {
        if let Some(place) = self.growing.get(&entry.kind()).copied()
            && let Some(known) = self.entries.get_mut(place)
        {
            known.add(&entry);
            if known.count >= self.each {
                self.growing.remove(&entry.kind());
            }
            return;
        }
        if self.entries.len() >= ENTRIES_MAX {
            self.halve();
        }
        if self.each > 1 {
            self.growing.insert(entry.kind(), self.entries.len());
        }
        self.entries.push(entry);
    }

    /// Adds up each entry and the next one of its kind.
    fn halve(&mut self) {
        let mut first: HashMap<(u32, Group), usize> = HashMap::new();
        let mut halved: Vec<Entry> = Vec::with_capacity(ENTRIES_MAX);
        for entry in &self.entries {
            let known = first.remove(&entry.kind());
            match known.and_then(|place| halved.get_mut(place)) {
                Some(known) => known.add(entry),
                None => {
                    first.insert(entry.kind(), halved.len());
                    halved.push(*entry);
                }
            }
        }
        self.entries = halved;
        self.each = self.each.max(1) * 2;
        self.growing = first;
    }
}
