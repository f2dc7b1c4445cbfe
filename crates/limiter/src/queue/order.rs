//! Tenants in the order of their virtual time: a binary heap that knows where everyone is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::slab::NONE;

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: u128,
    /// Equal keys go in the order in which they came.
    tie: u64,
    item: u32,
}

impl Entry {
    fn before(&self, other: &Self) -> bool {
        (self.key, self.tie) < (other.key, other.tie)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Order {
    heap: Vec<Entry>,
    /// Where each item is in the heap.
    positions: Vec<u32>,
    next_tie: u64,
}

impl Order {
    pub(crate) fn push(&mut self, item: u32, key: u128) {
        let index = item as usize;
        if self.positions.len() <= index {
            self.positions.resize(index + 1, NONE);
        }
        let entry = Entry {
            key,
            tie: self.next_tie,
            item,
        };
        self.next_tie += 1;
        self.heap.push(entry);
        self.rise(self.heap.len() - 1, entry);
    }

    pub(crate) fn remove(&mut self, item: u32) {
        let Some(position) = self.position(item) else {
            return;
        };
        self.positions[item as usize] = NONE;
        if let Some(last) = self.heap.pop()
            && position < self.heap.len()
        {
            self.settle(position, last);
        }
    }

    /// Changes the key of an item that is in the heap.
    pub(crate) fn update(&mut self, item: u32, key: u128) {
        if let Some(position) = self.position(item) {
            let entry = Entry {
                key,
                ..self.heap[position]
            };
            self.settle(position, entry);
        }
    }

    pub(crate) fn first(&self) -> Option<(u128, u32)> {
        self.heap.first().map(|entry| (entry.key, entry.item))
    }

    /// What decides between this item and others with an equal key.
    pub(crate) fn tie_of(&self, item: u32) -> Option<u64> {
        self.position(item).map(|position| self.heap[position].tie)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Each `step`th, in no particular order, with the key and what decides between equal keys.
    pub(crate) fn every(&self, step: usize) -> impl Iterator<Item = (u128, u64, u32)> + '_ {
        self.heap
            .iter()
            .step_by(step.max(1))
            .map(|entry| (entry.key, entry.tie, entry.item))
    }

    pub(crate) fn clear(&mut self) {
        self.heap.clear();
        self.positions.clear();
    }

    /// Appends the first `count` items in order.
    pub(crate) fn smallest(&self, count: usize, items: &mut Vec<u32>) {
        let candidate = |position: usize| {
            let entry = self.heap.get(position)?;
            Some(Reverse((entry.key, entry.tie, position)))
        };
        let mut frontier: BinaryHeap<_> = candidate(0).into_iter().collect();
        for _ in 0..count {
            let Some(Reverse((_, _, position))) = frontier.pop() else {
                break;
            };
            items.push(self.heap[position].item);
            frontier.extend(
                [2 * position + 1, 2 * position + 2]
                    .into_iter()
                    .filter_map(candidate),
            );
        }
    }

    fn position(&self, item: u32) -> Option<usize> {
        let position = *self.positions.get(item as usize)?;
        (position != NONE).then_some(position as usize)
    }

    fn place(&mut self, position: usize, entry: Entry) {
        self.heap[position] = entry;
        // The heap is no longer than there are 32-bit item numbers.
        self.positions[entry.item as usize] = u32::try_from(position).unwrap_or(NONE);
    }

    fn settle(&mut self, position: usize, entry: Entry) {
        let rises = position > 0 && entry.before(&self.heap[(position - 1) / 2]);
        if rises {
            self.rise(position, entry);
        } else {
            self.sink(position, entry);
        }
    }

    fn rise(&mut self, mut position: usize, entry: Entry) {
        while position > 0 {
            let parent = (position - 1) / 2;
            if !entry.before(&self.heap[parent]) {
                break;
            }
            self.place(position, self.heap[parent]);
            position = parent;
        }
        self.place(position, entry);
    }

    fn sink(&mut self, mut position: usize, entry: Entry) {
        loop {
            let left = 2 * position + 1;
            let right = left + 1;
            let Some(mut child) = self.heap.get(left) else {
                break;
            };
            let mut next = left;
            if let Some(other) = self.heap.get(right)
                && other.before(child)
            {
                (child, next) = (other, right);
            }
            if !child.before(&entry) {
                break;
            }
            self.place(position, *child);
            position = next;
        }
        self.place(position, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(order: &mut Order) -> Vec<u32> {
        std::iter::from_fn(|| {
            let (_, item) = order.first()?;
            order.remove(item);
            Some(item)
        })
        .collect()
    }

    #[test]
    fn items_come_out_by_key_and_then_by_arrival() {
        let mut order = Order::default();
        for (item, key) in [(4, 30), (1, 10), (2, 20), (3, 10), (0, 40)] {
            order.push(item, key);
        }
        order.update(0, 15);
        order.update(1, 35);
        order.remove(2);
        let mut smallest = Vec::new();
        order.smallest(3, &mut smallest);
        assert_eq!(smallest, [3, 0, 4]);
        assert_eq!(drained(&mut order), [3, 0, 4, 1]);
    }

    #[test]
    fn any_mix_of_changes_keeps_the_order_of_a_sorted_list() {
        let mut order = Order::default();
        let mut keys = std::collections::BTreeMap::new();
        let mut state = 7u64;
        for _ in 0..20_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let item = u32::try_from((state >> 33) % 50).unwrap();
            let key = u128::from((state >> 40) % 1000);
            let known = keys.contains_key(&item);
            match (state >> 60, known) {
                (0..=3, true) => {
                    order.remove(item);
                    keys.remove(&item);
                }
                (_, true) => {
                    order.update(item, key);
                    keys.insert(item, key);
                }
                (_, false) => {
                    order.push(item, key);
                    keys.insert(item, key);
                }
            }
            assert_eq!(
                order.first().map(|(key, _)| key),
                keys.values().min().copied()
            );
        }
    }
}
