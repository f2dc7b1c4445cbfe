//! What a process has printed, in a file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::GLANCE;

/// How much of a log an error message carries.
const TOLD_BYTES: usize = 4000;

/// The output of a process, both streams in one, through all its starts.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    pub(super) fn open(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of it so far; empty when there is none.
    pub fn text(&self) -> String {
        let bytes = fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether `words` occur in it.
    pub fn contains(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    /// The lines in which `words` occur.
    pub fn lines_with(&self, words: &str) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(words));
        lines.map(str::to_owned).collect()
    }

    /// Waits for a line in which `words` occur.
    ///
    /// # Errors
    /// When none comes within `patience`; with the log.
    pub fn wait_for(&self, words: &str, patience: Duration) -> Result<String> {
        let end = Instant::now() + patience;
        loop {
            if let Some(line) = self.lines_with(words).into_iter().next() {
                return Ok(line);
            }
            if Instant::now() > end {
                bail!("no line has `{words}`; {}", self.told());
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// The end of it, for an error message.
    pub(crate) fn told(&self) -> String {
        let text = self.text();
        let start = text.ceil_char_boundary(text.len().saturating_sub(TOLD_BYTES));
        match text[start..].trim() {
            "" => "its log is empty".to_owned(),
            end => format!("its log:\n{end}"),
        }
    }
}
