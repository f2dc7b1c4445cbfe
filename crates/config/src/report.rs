//! Collects what is wrong while everything else is still being looked at.

use std::collections::BTreeSet;

use crate::problem::SHOWN_MAX;
use crate::{Notice, Origin, Problem, Problems};

/// What is wrong with one value, its place not yet known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) hint: String,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        let (what, hint) = (what.into(), hint.into());
        Self { what, hint }
    }
}

/// Problems and notices so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
    notices: Vec<Notice>,
    /// Lines of the file that are not TOML: what was salvaged from them says nothing.
    broken_lines: BTreeSet<usize>,
    /// The first broken line after which keys may have landed in a wrong table.
    doubtful_after: Option<usize>,
}

impl Report {
    /// Notes that a line is not TOML; `header` when it decides where the keys below it belong.
    pub(crate) fn syntax(&mut self, origin: Origin, fault: Fault, header: bool) {
        if let Origin::File { line, .. } = origin {
            if !self.broken_lines.insert(line) || self.is_doubtful(line) {
                return;
            }
            if header {
                self.doubtful_after = Some(line);
            }
        }
        self.push(origin, String::new(), fault);
    }

    /// Notes a problem, unless its place is broken already or its path has one.
    pub(crate) fn problem(&mut self, origin: Origin, path: impl Into<String>, fault: Fault) {
        let path = path.into();
        if let Origin::File { line, .. } = origin
            && (self.broken_lines.contains(&line) || self.is_doubtful(line))
        {
            return;
        }
        self.push(origin, path, fault);
    }

    /// Whether there are more problems than are shown, so that hints are no longer worth a search.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.problems.len() > SHOWN_MAX
    }

    pub(crate) fn notice(&mut self, origin: Origin, path: impl Into<String>, what: String) {
        let path = path.into();
        self.notices.push(Notice { origin, path, what });
    }

    /// The problems, where it is known that there are some.
    pub(crate) fn fail(self) -> Problems {
        Problems::new(self.problems)
    }

    /// The notices if there is no problem, else the problems.
    pub(crate) fn finish(mut self) -> Result<Vec<Notice>, Problems> {
        if self.problems.is_empty() {
            self.notices.sort();
            return Ok(self.notices);
        }
        Err(Problems::new(self.problems))
    }

    fn is_doubtful(&self, line: usize) -> bool {
        self.doubtful_after.is_some_and(|after| line > after)
    }

    fn push(&mut self, origin: Origin, path: String, fault: Fault) {
        let Fault { what, hint } = fault;
        self.problems.push(Problem {
            origin,
            path,
            what,
            hint,
        });
    }
}
