//! Where each line stands, for all threads to see: a byte a line.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::work::LineState;
use crate::{Found, LineId};

/// A run ended after it sent the line and before the answer was on disk.
pub(crate) const MAYBE: u8 = 0x80;

/// It was sent again although what it was sent for before may be billed.
pub(crate) const TWICE: u8 = 0x40;

const TO_DO: u8 = 0;
const SENT: u8 = 1;
const DONE_OK: u8 = 2;
const DONE_FAILED: u8 = 3;
const INVALID: u8 = 4;

/// What is known of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State(u8);

impl State {
    pub(crate) const INVALID: Self = Self(INVALID);

    pub(crate) fn is_done(self) -> bool {
        matches!(self.0 & 0x0F, DONE_OK | DONE_FAILED)
    }

    pub(crate) fn is_invalid(self) -> bool {
        self.0 & 0x0F == INVALID
    }

    pub(crate) fn is_sent(self) -> bool {
        self.0 & 0x0F == SENT
    }

    pub(crate) fn flags(self) -> u8 {
        self.0 & (MAYBE | TWICE)
    }

    pub(crate) fn is_twice(self) -> bool {
        self.flags() & TWICE != 0
    }

    pub(crate) fn with(self, flags: u8) -> Self {
        Self(self.0 | flags & (MAYBE | TWICE))
    }

    pub(crate) fn sent(self) -> Self {
        // A request of this run that neither came back nor has an end may be billed as well.
        let may_be_billed = self.flags() & MAYBE != 0 || self.is_sent();
        let twice = if may_be_billed { TWICE } else { 0 };
        Self(self.0 & 0xF0 | SENT | twice)
    }

    pub(crate) fn done(self, is_ok: bool) -> Self {
        Self(self.0 & 0xF0 | if is_ok { DONE_OK } else { DONE_FAILED })
    }

    /// It came back without being billed.
    pub(crate) fn returned(self) -> Self {
        match self.is_sent() {
            true => Self(self.0 & 0xF0 | TO_DO),
            false => self,
        }
    }

    /// It has an end that does not count: it is to be done again.
    pub(crate) fn ended(self) -> Self {
        Self(self.0 & TWICE | TO_DO)
    }

    /// Its run has ended.
    pub(crate) fn left_behind(self) -> Self {
        match self.is_sent() {
            true => Self(self.0 & 0xF0 | TO_DO | MAYBE),
            false => self,
        }
    }

    pub(crate) fn shown(self) -> LineState {
        match self.0 & 0x0F {
            SENT => LineState::Sent,
            DONE_OK => LineState::DoneOk,
            DONE_FAILED => LineState::DoneFailed,
            INVALID => LineState::Invalid,
            _ if self.flags() & MAYBE != 0 => LineState::MaybeSent,
            _ => LineState::ToDo,
        }
    }
}

/// The states of all lines.
#[derive(Debug)]
pub(crate) struct States(Vec<AtomicU8>);

impl From<Vec<State>> for States {
    fn from(states: Vec<State>) -> Self {
        Self(
            states
                .into_iter()
                .map(|state| AtomicU8::new(state.0))
                .collect(),
        )
    }
}

impl States {
    pub(crate) fn get(&self, id: LineId) -> Option<State> {
        let state = self.0.get(id.0 as usize)?;
        Some(State(state.load(Ordering::Relaxed)))
    }

    pub(crate) fn set(&self, id: LineId, state: State) {
        if let Some(place) = self.0.get(id.0 as usize) {
            place.store(state.0, Ordering::Relaxed);
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (LineId, State)> + '_ {
        let states = self
            .0
            .iter()
            .map(|state| State(state.load(Ordering::Relaxed)));
        (0..).map(LineId).zip(states)
    }
}

/// Counts lines by where they stand.
pub(crate) fn count(states: &[State]) -> Found {
    let mut found = Found {
        total: states.len() as u32,
        ..Found::default()
    };
    for state in states {
        match state.shown() {
            LineState::DoneOk => found.done_ok += 1,
            LineState::DoneFailed => found.done_failed += 1,
            LineState::Invalid => found.invalid += 1,
            LineState::MaybeSent => {
                found.to_do += 1;
                found.maybe_sent.count += 1;
            }
            LineState::ToDo | LineState::Sent => found.to_do += 1,
        }
    }
    found
}
