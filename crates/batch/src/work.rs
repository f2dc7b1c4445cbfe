//! The requests of a batch and where each of them stands.

use std::sync::Arc;

use crate::input::Input;
use crate::states::States;
use crate::{Item, LineId, ReadError};

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LineState {
    /// It was never sent.
    ToDo = 0,
    /// It was sent by a run that ended before the answer was on disk; it is to be done again.
    MaybeSent = 1,
    /// It was sent by this run.
    Sent = 2,
    /// Its answer is in the results.
    DoneOk = 3,
    /// It failed, and that is in the errors.
    DoneFailed = 4,
    /// The line cannot be sent, and that is in the errors.
    Invalid = 5,
}

/// The requests of a batch, for the one that hands them out.
#[derive(Debug)]
pub struct Work {
    items: Items,
    states: Arc<States>,
    next: u32,
    left: u32,
}

impl Work {
    pub(crate) fn new(input: Arc<Input>, states: Arc<States>, left: u32) -> Self {
        Self {
            items: Items { input },
            states,
            next: 0,
            left,
        }
    }

    /// How many lines the input has, invalid ones among them.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.items.input.len()
    }

    /// Whether the input has no lines, which an input that could be opened never has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many requests [`Work::next`] has yet to give.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left
    }

    /// See [`Items::read`].
    ///
    /// # Errors
    ///
    /// As [`Items::read`].
    pub fn read(&self, id: LineId) -> Result<Item, ReadError> {
        self.items.read(id)
    }

    /// Every line and where it stands now, in the order of the input.
    pub fn all(&self) -> impl Iterator<Item = (LineId, LineState)> + '_ {
        self.states.all().map(|(id, state)| (id, state.shown()))
    }

    /// Whether the input is another file than it was, by its size, its time of change and its inode.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.items.input.is_changed()
    }

    /// A handle to read requests with, for many tasks at once.
    #[must_use]
    pub fn items(&self) -> Items {
        self.items.clone()
    }
}

/// The requests that are to be done, in the order of the input; each once.
impl Iterator for Work {
    type Item = LineId;

    fn next(&mut self) -> Option<LineId> {
        while self.next < self.len() {
            let id = LineId(self.next);
            self.next += 1;
            let state = self.states.get(id).map(crate::states::State::shown);
            if matches!(state, Some(LineState::ToDo | LineState::MaybeSent)) {
                self.left = self.left.saturating_sub(1);
                return Some(id);
            }
        }
        None
    }
}

/// Reads requests out of the input; cheap to clone.
#[derive(Clone, Debug)]
pub struct Items {
    input: Arc<Input>,
}

impl Items {
    /// A request, read from the file at this moment: one short blocking read.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the line is not any more what it was when the batch was opened.
    pub fn read(&self, id: LineId) -> Result<Item, ReadError> {
        self.input.read(id)
    }
}
