//! Lines that are drawn over again and again, in place.

use crate::exit::Failure;
use crate::terminal::Terminal;

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Lines that are drawn now and will be drawn over.
#[derive(Debug, Default)]
pub(crate) struct Live {
    drawn: usize,
    begun: bool,
}

impl Live {
    /// Draws lines in place of those before. They must fit the terminal.
    pub(crate) fn draw(
        &mut self,
        terminal: &mut Terminal,
        lines: &[String],
    ) -> Result<(), Failure> {
        let mut text = self.over();
        if !self.begun {
            self.begun = true;
            text.push_str(HIDE_CURSOR);
        }
        for line in lines {
            text.push_str(line);
            text.push_str(CLEAR_LINE);
            text.push('\n');
        }
        text.push_str(CLEAR_BELOW);
        self.drawn = lines.len();
        terminal.write(&text)
    }

    /// Takes away what is drawn.
    pub(crate) fn end(&mut self, terminal: &mut Terminal) -> Result<(), Failure> {
        if !std::mem::take(&mut self.begun) {
            return Ok(());
        }
        let over = self.over();
        self.drawn = 0;
        terminal.write(&format!("{over}{CLEAR_BELOW}{SHOW_CURSOR}"))
    }

    /// Moves to the first line that was drawn.
    fn over(&self) -> String {
        match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r"),
        }
    }
}

/// However it ends, the cursor comes back.
impl Drop for Live {
    fn drop(&mut self) {
        if self.begun {
            // Nobody is left to tell when even this cannot be written.
            drop(Terminal::stderr().write(SHOW_CURSOR));
        }
    }
}
