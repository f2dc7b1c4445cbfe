//! Where a run is shown: drawn in place on a terminal, a line now and then elsewhere, events for programs.

use std::time::{Duration, Instant};

use paceline_admin_api::RateLimits;
use paceline_batch::{Found, Listener, Manifest, Progress, Report};

use super::run::json_listener;
use super::{summary, view};
use crate::exit::Failure;
use crate::live::Live;
use crate::terminal::Terminal;

/// Time between two lines where nothing can be drawn in place.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A terminal smaller than this gets lines too.
const COLUMNS_MIN: usize = 60;
const ROWS_MIN: usize = 16;

/// What is to be seen.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) progress: &'a Progress,
    pub(super) limits: Option<&'a RateLimits>,
}

/// The way in which a run is shown.
#[derive(Debug)]
enum Mode {
    Live(Live),
    Lines { due: Instant },
    Json { due: Instant },
}

/// Where a run is shown.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal,
    mode: Mode,
    title: String,
}

impl Screen {
    pub(super) fn new(json: bool, plain: bool, title: String) -> Self {
        let terminal = match json {
            true => Terminal::stdout(),
            false => Terminal::stderr(),
        };
        let (columns, rows) = terminal.size();
        let fits = columns >= COLUMNS_MIN && rows >= ROWS_MIN;
        let due = Instant::now() + LINE_EVERY;
        let mode = if json {
            Mode::Json {
                due: Instant::now(),
            }
        } else if terminal.is_interactive() && fits && !plain {
            Mode::Live(Live::default())
        } else {
            Mode::Lines { due }
        };
        Self {
            terminal,
            mode,
            title,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.mode, Mode::Live(_))
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self.mode, Mode::Json { .. })
    }

    /// Whether limits are shown.
    pub(super) fn wants_limits(&self) -> bool {
        self.is_live()
    }

    /// Who is to be told of events.
    pub(super) fn listener(&self) -> Option<Listener> {
        self.is_json().then(json_listener)
    }

    /// Says what was found.
    pub(super) fn opened(&mut self, found: &Found) -> Result<(), Failure> {
        if self.is_json() {
            return self.event("opened", &summary::found_json(found));
        }
        self.terminal
            .line(&summary::found(&self.title, found).join("\n"))
    }

    /// Shows where the run stands, when it is time to.
    pub(super) fn draw(&mut self, seen: &Seen<'_>) -> Result<(), Failure> {
        let now = Instant::now();
        match &mut self.mode {
            Mode::Live(live) => {
                let (columns, _) = self.terminal.size();
                let style = self.terminal.style();
                let lines = view::frame(&self.title, seen.progress, seen.limits, (columns, style));
                live.draw(&mut self.terminal, &lines)
            }
            Mode::Lines { due } if now >= *due => {
                *due = now + LINE_EVERY;
                self.terminal.line(&view::line(seen.progress))
            }
            Mode::Json { due } if now >= *due => {
                *due = now + Duration::from_secs(1);
                let progress = serde_json::to_value(seen.progress).unwrap_or_default();
                self.event("progress", &progress)
            }
            Mode::Lines { .. } | Mode::Json { .. } => Ok(()),
        }
    }

    /// Says how the run ended.
    pub(super) fn ended(&mut self, report: &Report) -> Result<(), Failure> {
        if let Mode::Live(live) = &mut self.mode {
            live.end(&mut self.terminal)?;
        }
        if self.is_json() {
            return self.event("ended", &summary::report_json(report));
        }
        let style = self.terminal.style();
        self.terminal
            .line(&summary::report(report, style).join("\n"))
    }

    /// Says that all was done before.
    pub(super) fn nothing_to_do(&mut self, manifest: &Manifest) -> Result<(), Failure> {
        if self.is_json() {
            let manifest = serde_json::to_value(manifest).unwrap_or_default();
            return self.event(
                "ended",
                &serde_json::json!({ "end": "complete", "manifest": manifest }),
            );
        }
        self.terminal.line("nothing is left to do")
    }

    fn event(&mut self, name: &str, value: &serde_json::Value) -> Result<(), Failure> {
        let mut line = serde_json::json!({ "event": name });
        if let (Some(line), Some(value)) = (line.as_object_mut(), value.as_object()) {
            line.extend(value.clone());
        }
        self.terminal.line(&line.to_string())
    }
}
