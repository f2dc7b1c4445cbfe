//! The live view: drawn in place on a terminal, a line now and then elsewhere.

use std::time::Duration;

use super::report::Report;
use super::stage::Limits;
use super::view;
use crate::exit::Failure;
use crate::terminal::Terminal;

/// Time between two lines where nothing can be drawn in place.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A terminal smaller than this gets lines too: what is drawn in place must fit it.
const COLUMNS_MIN: usize = 76;
const ROWS_MIN: usize = 24;

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Where the demonstration is shown.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal,
    live: bool,
    /// Lines that are drawn now and will be drawn over.
    drawn: usize,
    /// When the next line is due, where nothing is drawn in place.
    line_due: Duration,
}

impl Screen {
    pub(super) fn new(plain: bool) -> Self {
        let terminal = Terminal::stdout();
        let (columns, rows) = terminal.size();
        let fits = columns >= COLUMNS_MIN && rows >= ROWS_MIN;
        Self {
            live: terminal.is_interactive() && fits && !plain,
            terminal,
            drawn: 0,
            line_due: LINE_EVERY,
        }
    }

    /// Says what is about to be seen; `page` is where a browser finds it.
    pub(super) fn begin(&mut self, limits: Limits, page: Option<&str>) -> Result<(), Failure> {
        let (columns, _) = self.terminal.size();
        let title = view::title(columns, limits, page, self.terminal.style());
        self.terminal.line(&title.join("\n"))?;
        if self.live {
            self.terminal.write(HIDE_CURSOR)
        } else {
            Ok(())
        }
    }

    /// Shows how the race stands.
    pub(super) fn draw(&mut self, report: &Report) -> Result<(), Failure> {
        if self.live {
            return self.redraw(&view::frame(report, self.terminal.style()));
        }
        if report.elapsed < self.line_due && report.elapsed < report.length {
            return Ok(());
        }
        self.line_due += LINE_EVERY;
        self.terminal.line(&view::lines(report).join("\n"))
    }

    /// Puts what has been seen in place of the live view.
    pub(super) fn end(&mut self, report: &Report) -> Result<(), Failure> {
        if self.live {
            let over = self.over();
            self.live = false;
            self.terminal
                .write(&format!("{over}{CLEAR_BELOW}{SHOW_CURSOR}"))?;
        }
        let conclusion = view::conclusion(report, self.terminal.style());
        self.terminal.line(&conclusion.join("\n"))
    }

    fn redraw(&mut self, lines: &[String]) -> Result<(), Failure> {
        let mut text = self.over();
        for line in lines {
            text.push_str(line);
            text.push_str(CLEAR_LINE);
            text.push('\n');
        }
        text.push_str(CLEAR_BELOW);
        self.drawn = lines.len();
        self.terminal.write(&text)
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
impl Drop for Screen {
    fn drop(&mut self) {
        if self.live {
            // Nobody is left to tell when even this cannot be written.
            let _ = self.terminal.write(SHOW_CURSOR);
        }
    }
}
