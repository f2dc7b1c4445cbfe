//! Requests that are still to go, in the order of the input, group by group.

use std::collections::VecDeque;

use super::super::course::Entry;
use crate::Group;
use crate::run::Lines;

/// What has yet to be handed over.
#[derive(Debug)]
pub(super) struct Queue<'a> {
    entries: &'a [Entry],
    groups: Vec<Rest>,
}

/// What is left of a group.
#[derive(Debug, Default)]
struct Rest {
    /// Goes before the places: parts of the entry that was taken last.
    parts: VecDeque<Entry>,
    /// Where that entry is.
    taken: usize,
    /// Where those after it are.
    places: VecDeque<u32>,
}

impl Rest {
    /// Where the next entry is.
    fn head(&self) -> Option<usize> {
        match self.parts.is_empty() {
            true => self.places.front().map(|place| *place as usize),
            false => Some(self.taken),
        }
    }
}

impl<'a> Queue<'a> {
    pub(super) fn of(entries: &'a [Entry]) -> Self {
        let count = entries.iter().map(|entry| usize::from(entry.group.0) + 1);
        let mut groups = Vec::new();
        groups.resize_with(count.max().unwrap_or_default(), Rest::default);
        for (place, entry) in (0..).zip(entries) {
            if let Some(rest) = groups.get_mut(usize::from(entry.group.0)) {
                rest.places.push_back(place);
            }
        }
        Self { entries, groups }
    }

    /// All groups that there are.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group> + use<> {
        (0..self.groups.len()).filter_map(|number| u8::try_from(number).ok().map(Group))
    }

    /// Puts a part of the entry that was taken last from its group before all others of that group.
    pub(super) fn put_back(&mut self, part: Entry) {
        if let Some(rest) = self.groups.get_mut(usize::from(part.group.0)) {
            rest.parts.push_front(part);
        }
    }
}

impl Lines for Queue<'_> {
    type Line = Entry;

    fn next_group(&self) -> Option<Group> {
        let heads = self.groups().zip(&self.groups);
        let heads = heads.filter_map(|(group, rest)| Some((rest.head()?, group)));
        heads
            .min_by_key(|(place, _)| *place)
            .map(|(_, group)| group)
    }

    fn next_of(&mut self, group: Group) -> Option<Entry> {
        let rest = self.groups.get_mut(usize::from(group.0))?;
        if let Some(part) = rest.parts.pop_front() {
            return Some(part);
        }
        rest.taken = rest.places.pop_front()? as usize;
        self.entries.get(rest.taken).copied()
    }
}
