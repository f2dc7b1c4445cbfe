//! Finds lines by the hashes of their names: a table of line numbers, 6 bytes a line.
//!
//! Names are hashes already, and are kept with the lines; a map of its own would hold them once more.

use crate::LineId;
use crate::hash::Hash;

use super::index::Entry;

/// No line.
const EMPTY: u32 = u32::MAX;

/// Lines by name, with open addressing; two thirds full at most, so that searches end soon.
#[derive(Debug)]
pub(super) struct Names {
    slots: Vec<u32>,
}

impl Default for Names {
    fn default() -> Self {
        Self::with_room_for(0)
    }
}

impl Names {
    /// For so many lines.
    pub(super) fn with_room_for(lines: usize) -> Self {
        let slots = lines + lines / 2 + 1;
        Self {
            slots: vec![EMPTY; slots],
        }
    }

    /// The line of a name.
    pub(super) fn find(&self, entries: &[Entry], name: Hash) -> Option<LineId> {
        self.place(entries, name).err()
    }

    /// Enters a line by its name; the line that has this name already is handed back.
    pub(super) fn enter(&mut self, entries: &[Entry], id: LineId, name: Hash) -> Option<LineId> {
        match self.place(entries, name) {
            Ok(slot) => {
                if let Some(slot) = self.slots.get_mut(slot) {
                    *slot = id.0;
                }
                None
            }
            Err(other) => Some(other),
        }
    }

    /// The slot where a name is to go, or the line that has it.
    fn place(&self, entries: &[Entry], name: Hash) -> Result<usize, LineId> {
        let slots = self.slots.len();
        // Hashes are spread evenly, and so are these.
        let mut slot = ((u128::from(name.high) * slots as u128) >> 64) as usize;
        loop {
            let id = self.slots.get(slot).copied().unwrap_or(EMPTY);
            match entries.get(id as usize) {
                None => return Ok(slot),
                Some(entry) if entry.name == name => return Err(LineId(id)),
                Some(_) => slot = (slot + 1) % slots,
            }
        }
    }
}
