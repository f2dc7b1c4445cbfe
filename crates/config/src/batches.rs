//! `[batches]`: what batches are asked before they start, and OpenAI's batch API served here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::Checker;
use crate::quantity::{ByteSize, Span};

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Batches: the question beforehand, and OpenAI's batch API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batches {
    /// Whether `/v1/files` and `/v1/batches` are served here; else they go to the provider.
    pub enabled: bool,
    /// Folder of files and batches.
    pub folder: PathBuf,
    /// The largest file that is taken, in bytes.
    pub file_bytes_max: u64,
    /// Bytes of all files of all callers, results among them.
    pub files_bytes_total: u64,
    /// Lines of one batch.
    pub requests_max: u32,
    /// Days for which files and batches are kept.
    pub retention_days: u32,
    /// Requests of one batch at once.
    pub concurrency: u32,
    /// Batches of all callers that run at once; others wait.
    pub running_max: u32,
    /// In which time a batch has to be through that says nothing else when it asks beforehand.
    pub preflight_within: Duration,
}

/// Batches: OpenAI's files and batches served here, and the question before a batch starts.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawBatches {
    /// Whether `/v1/files` and `/v1/batches` are served here, and batches executed at once. Otherwise
    /// these paths go to the provider.
    enabled: bool,
    /// Folder of files and batches. Left out: `batches` in the state folder.
    #[schemars(extend("x-kind" = "path", "examples" = ["/var/lib/paceline/batches"]))]
    folder: Option<PathBuf>,
    /// Largest file that is taken.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "64GiB"))]
    file_bytes_max: ByteSize,
    /// Bytes of all files of all callers together, results among them.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "1024GiB"))]
    files_bytes_total: ByteSize,
    /// Lines of one batch.
    #[schemars(range(min = 1, max = 10_000_000))]
    requests_max: u32,
    /// Days for which files and batches are kept.
    #[schemars(range(min = 1, max = 36_500))]
    retention: u32,
    /// Requests of one batch under way or waiting for their turn at once.
    #[schemars(range(min = 1, max = 10_000))]
    concurrency: u32,
    /// Batches of all callers that run at once; others wait.
    #[schemars(range(min = 1, max = 1_000))]
    running_max: u32,
    /// In which time a batch has to be through that asks beforehand and names no time.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "30d"))]
    preflight_within: Span,
}

impl Default for RawBatches {
    fn default() -> Self {
        Self {
            enabled: false,
            folder: None,
            file_bytes_max: ByteSize(200 << 20),
            files_bytes_total: ByteSize(10 << 30),
            requests_max: 50_000,
            retention: 30,
            concurrency: 64,
            running_max: 16,
            preflight_within: Span(Duration::from_hours(1)),
        }
    }
}

impl RawBatches {
    pub(crate) fn check(self, state_dir: &Path, checker: &mut Checker<'_>) -> Batches {
        const FOLDER: &str = "batches.folder";
        let folder = match &self.folder {
            Some(folder) => {
                if folder.as_os_str().is_empty() {
                    checker.problem(FOLDER, "must not be empty", "");
                }
                checker.resolve(FOLDER, folder)
            }
            None => state_dir.join("batches"),
        };
        let (one, all) = (self.file_bytes_max.0, self.files_bytes_total.0);
        if one > all {
            checker.problem(
                "batches.files_bytes_total",
                "must be at least batches.file_bytes_max",
                "",
            );
        }
        Batches {
            enabled: self.enabled,
            folder,
            file_bytes_max: one,
            files_bytes_total: all,
            requests_max: self.requests_max,
            retention_days: self.retention,
            concurrency: self.concurrency,
            running_max: self.running_max,
            preflight_within: self.preflight_within.0,
        }
    }
}
