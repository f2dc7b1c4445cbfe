//! The live view: drawn in place on a terminal, a line now and then elsewhere.

use std::time::Duration;

use super::report::Report;
use super::stage::Limits;
use super::view;
use crate::exit::Failure;
use crate::live::Live;
use crate::terminal::Terminal;

/// Time between two lines where nothing can be drawn in place.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A terminal smaller than this gets lines too: what is drawn in place must fit it.
const COLUMNS_MIN: usize = 76;
const ROWS_MIN: usize = 24;

/// Where the demonstration is shown.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal,
    /// What is drawn in place, where that is possible.
    live: Option<Live>,
    /// When the next line is due, where nothing is drawn in place.
    line_due: Duration,
}

impl Screen {
    pub(super) fn new(plain: bool) -> Self {
        let terminal = Terminal::stdout();
        let (columns, rows) = terminal.size();
        let fits = columns >= COLUMNS_MIN && rows >= ROWS_MIN;
        let can_be_live = terminal.is_interactive() && fits && !plain;
        Self {
            live: can_be_live.then(Live::default),
            terminal,
            line_due: LINE_EVERY,
        }
    }

    /// Says what is about to be seen; `page` is where a browser finds it.
    pub(super) fn begin(&mut self, limits: Limits, page: Option<&str>) -> Result<(), Failure> {
        let (columns, _) = self.terminal.size();
        let title = view::title(columns, limits, page, self.terminal.style());
        self.terminal.line(&title.join("\n"))
    }

    /// Shows how the race stands.
    pub(super) fn draw(&mut self, report: &Report) -> Result<(), Failure> {
        if let Some(live) = &mut self.live {
            let frame = view::frame(report, self.terminal.style());
            return live.draw(&mut self.terminal, &frame);
        }
        if report.elapsed < self.line_due && report.elapsed < report.length {
            return Ok(());
        }
        self.line_due += LINE_EVERY;
        self.terminal.line(&view::lines(report).join("\n"))
    }

    /// Puts what has been seen in place of the live view.
    pub(super) fn end(&mut self, report: &Report) -> Result<(), Failure> {
        if let Some(mut live) = self.live.take() {
            live.end(&mut self.terminal)?;
        }
        let conclusion = view::conclusion(report, self.terminal.style());
        self.terminal.line(&conclusion.join("\n"))
    }
}
