//! Values under keys that are never reused.

/// A key: a slot and the serial number of its tenant. Serial numbers only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) slot: u32,
    pub(crate) serial: u64,
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.serial, self.slot).cmp(&(other.serial, other.slot))
    }
}

/// Where a list ends.
pub(crate) const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot<T> {
    serial: u64,
    value: Option<T>,
}

/// A vector with holes that are filled again under new serial numbers.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    vacant: Vec<u32>,
    next_serial: u64,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            vacant: Vec::new(),
            next_serial: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// The serial number that the next insertion will get.
    pub(crate) fn next_serial(&self) -> u64 {
        self.next_serial
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        let serial = self.next_serial;
        self.next_serial += 1;
        let filled = Slot {
            serial,
            value: Some(value),
        };
        if let Some(slot) = self.vacant.pop() {
            self.slots[slot as usize] = filled;
            return Key { slot, serial };
        }
        // A slot number fits in 32 bits: four billion live values do not fit in memory.
        let slot = u32::try_from(self.slots.len()).unwrap_or(NONE);
        self.slots.push(filled);
        Key { slot, serial }
    }

    pub(crate) fn contains(&self, key: Key) -> bool {
        self.slots
            .get(key.slot as usize)
            .is_some_and(|slot| slot.serial == key.serial && slot.value.is_some())
    }

    /// The value in a slot that the caller knows to be filled.
    pub(crate) fn at(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.value.as_ref()
    }

    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.value.as_mut()
    }

    /// The full key of a filled slot.
    pub(crate) fn key_at(&self, slot: u32) -> Option<Key> {
        let serial = self
            .slots
            .get(slot as usize)
            .filter(|entry| entry.value.is_some())?
            .serial;
        Some(Key { slot, serial })
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self
            .slots
            .get_mut(key.slot as usize)
            .filter(|entry| entry.serial == key.serial)?;
        let value = entry.value.take()?;
        self.vacant.push(key.slot);
        Some(value)
    }

    /// Filled slots in the order of their numbers.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..)
            .zip(&self.slots)
            .filter(|(_, entry)| entry.value.is_some())
            .map(|(slot, _)| slot)
    }
}
