//! The whole screen of a terminal: taken, drawn on, and given back however the command ends.

use std::io::Stdout;
use std::time::Instant;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::draw::{self, Theme};
use super::state::State;
use crate::exit::Failure;

/// The screen. It is as before once this is dropped, and before a panic is told.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    theme: Theme,
}

impl Screen {
    pub(super) fn open(is_coloured: bool) -> Result<Self, Failure> {
        let theme = Theme::new(is_coloured);
        let terminal = ratatui::try_init();
        let terminal = terminal.inspect_err(|_| restore())?;
        Ok(Self { terminal, theme })
    }

    /// Draws what has changed.
    pub(super) fn draw(&mut self, state: &mut State, at: Instant) -> Result<(), Failure> {
        let mut seen = state.seen;
        let theme = self.theme;
        self.terminal
            .draw(|frame| seen = draw::draw(frame, state, theme, at))?;
        state.seen = seen;
        state.scrolled = state.scrolled.min(seen.scroll_max);
        Ok(())
    }

    /// Forgets what the terminal shows, so that everything is drawn next.
    pub(super) fn forget(&mut self) -> Result<(), Failure> {
        Ok(self.terminal.clear()?)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    // Nothing is left to do where the terminal is gone.
    drop(ratatui::try_restore());
}
