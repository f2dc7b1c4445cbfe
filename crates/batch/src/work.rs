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
    /// Of each group, the next line that is to be done.
    heads: Vec<Option<LineId>>,
    left: u32,
}

/// Requests that share a quota, as far as the input tells: those of the same model. They are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group(pub(crate) u8);

impl Work {
    pub(crate) fn new(input: Arc<Input>, states: Arc<States>, left: u32) -> Self {
        let count = input.index.groups.count();
        let mut work = Self {
            items: Items { input },
            states,
            heads: vec![None; count],
            left,
        };
        for group in work.groups() {
            work.advance(group, 0);
        }
        work
    }

    /// The groups that there are.
    pub fn groups(&self) -> impl Iterator<Item = Group> + use<> {
        (0..self.heads.len()).filter_map(|number| u8::try_from(number).ok().map(Group))
    }

    /// The next request of a group that is to be done, in the order of the input; each once.
    pub fn next_of(&mut self, group: Group) -> Option<LineId> {
        let id = (*self.heads.get(usize::from(group.0))?)?;
        self.advance(group, id.0 + 1);
        self.left = self.left.saturating_sub(1);
        Some(id)
    }

    /// The group of the next request of all.
    #[must_use]
    pub fn next_group(&self) -> Option<Group> {
        let heads = self.groups().zip(&self.heads);
        let heads = heads.filter_map(|(group, head)| Some(((*head)?, group)));
        heads.min_by_key(|(id, _)| *id).map(|(_, group)| group)
    }

    fn advance(&mut self, group: Group, from: u32) {
        let entries = &self.items.input.index.entries;
        let rest = entries.get(from as usize..).unwrap_or_default();
        let lines = rest.iter().zip((from..).map(LineId));
        let own = lines.filter(|(entry, _)| entry.group() == group.0);
        let to_do = |id: &LineId| {
            let state = self.states.get(*id).map(crate::states::State::shown);
            matches!(state, Some(LineState::ToDo | LineState::MaybeSent))
        };
        let next = own.map(|(_, id)| id).find(to_do);
        if let Some(head) = self.heads.get_mut(usize::from(group.0)) {
            *head = next;
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
        let group = self.next_group()?;
        self.next_of(group)
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
