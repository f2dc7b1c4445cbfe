//! Keys: where they come from, and what each does to the state.

use std::io::{self, IsTerminal};
use std::time::Instant;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use super::state::{State, View};

/// What a key asks for beyond the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    Leave,
    /// Draw everything anew, whatever the terminal shows.
    Redraw,
    /// End the waits at this path of the gateway.
    End(String),
}

/// Every key and what it does, for people.
pub(super) const LIST: [(&str, &str); 13] = [
    ("q, Ctrl-C", "leave"),
    ("1, 2, Tab", "Now, Queue, the other"),
    ("↑ ↓, k j", "up and down"),
    ("PgUp PgDn", "a page up and down"),
    ("Home End, g G", "first and last"),
    ("/", "only those with words"),
    ("Enter", "keep these words"),
    ("Esc", "drop them, close"),
    ("c", "end this wait, asks"),
    ("C", "end its session's, asks"),
    ("p, space", "pause the display"),
    ("Ctrl-L", "draw everything anew"),
    ("?", "this list"),
];

/// Whether there are keys to press.
pub(super) fn are_there() -> bool {
    io::stdin().is_terminal()
}

/// Keys and changes of size, as long as there are any.
pub(super) fn listen() -> mpsc::UnboundedReceiver<Event> {
    let (sender, events) = mpsc::unbounded_channel();
    // It waits for a key when the command ends, and ends with the process.
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    events
}

/// Does to the state what a key asks for.
pub(super) fn press(state: &mut State, key: KeyEvent, at: Instant) -> Act {
    if key.kind == KeyEventKind::Release {
        return Act::Nothing;
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match (is_control, key.code) {
        (true, KeyCode::Char('c')) => return Act::Leave,
        (true, KeyCode::Char('l')) => return Act::Redraw,
        (true, KeyCode::Char('u')) if state.is_filtering => {
            state.filter.clear();
            state.settle();
            return Act::Nothing;
        }
        (true, _) => return Act::Nothing,
        (false, _) => {}
    }
    if let Some(question) = state.question.take() {
        return match key.code {
            KeyCode::Char('y' | 'Y') => Act::End(question.path),
            KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => Act::Nothing,
            // Another key is no answer.
            _ => {
                state.question = Some(question);
                Act::Nothing
            }
        };
    }
    if std::mem::take(&mut state.is_helping) {
        return Act::Nothing;
    }
    if moves(state, key.code) {
        return Act::Nothing;
    }
    if state.is_filtering {
        filter(state, key.code);
        return Act::Nothing;
    }
    command(state, key.code, at)
}

/// Keys that move; says whether it was one.
fn moves(state: &mut State, code: KeyCode) -> bool {
    let by_letter = !state.is_filtering;
    let page = state.seen.room.saturating_sub(1).max(1);
    let (now, max) = match state.view {
        View::Now => (state.scrolled, state.seen.scroll_max),
        View::Queue => (state.row(), usize::MAX),
    };
    let next = match code {
        KeyCode::Up => now.saturating_sub(1),
        KeyCode::Down => now.saturating_add(1),
        KeyCode::Char('k') if by_letter => now.saturating_sub(1),
        KeyCode::Char('j') if by_letter => now.saturating_add(1),
        KeyCode::PageUp => now.saturating_sub(page),
        KeyCode::PageDown => now.saturating_add(page),
        KeyCode::Home => 0,
        KeyCode::End => usize::MAX,
        KeyCode::Char('g') if by_letter => 0,
        KeyCode::Char('G') if by_letter => usize::MAX,
        _ => return false,
    };
    match state.view {
        View::Now => state.scrolled = next.min(max),
        View::Queue => state.select(next),
    }
    true
}

/// Keys while the filter is typed.
fn filter(state: &mut State, code: KeyCode) {
    match code {
        KeyCode::Char(c) if state.filter.chars().count() < 100 => state.filter.push(c),
        KeyCode::Backspace => drop(state.filter.pop()),
        KeyCode::Enter => state.is_filtering = false,
        KeyCode::Esc => {
            state.is_filtering = false;
            state.filter.clear();
        }
        _ => {}
    }
    state.settle();
}

fn command(state: &mut State, code: KeyCode, at: Instant) -> Act {
    match code {
        KeyCode::Char('q') => return Act::Leave,
        KeyCode::Char('1') => state.view = View::Now,
        KeyCode::Char('2') => state.view = View::Queue,
        KeyCode::Tab | KeyCode::BackTab => {
            state.view = match state.view {
                View::Now => View::Queue,
                View::Queue => View::Now,
            };
        }
        KeyCode::Char('/') => {
            state.view = View::Queue;
            state.is_filtering = true;
        }
        KeyCode::Esc => {
            state.filter.clear();
            state.settle();
        }
        KeyCode::Char('c') if state.view == View::Queue => state.ask_to_end_one(),
        KeyCode::Char('C') if state.view == View::Queue => {
            if let Err(why) = state.ask_to_end_session() {
                state.tell(Err(why), at);
            }
        }
        KeyCode::Char('p' | ' ') => state.toggle_hold(at),
        KeyCode::Char('?' | 'h') => state.is_helping = true,
        _ => {}
    }
    Act::Nothing
}

#[cfg(test)]
mod tests;
