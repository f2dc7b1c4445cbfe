//! The figures of both phases as a file.

use std::path::Path;

use serde::Serialize;

use super::score::Score;
use super::stage::{Limits, PIECE, REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE};
use crate::exit::Failure;

#[derive(Serialize)]
struct Summary<'a> {
    quota: Quota,
    /// How the gateway knows the quota.
    limits: &'static str,
    without: &'a Score,
    with: &'a Score,
}

#[derive(Serialize)]
struct Quota {
    tokens_per_minute: u64,
    requests_per_minute: u64,
    enforced_in_pieces_of_s: u64,
}

/// Writes the figures.
pub(super) fn write(
    file: &Path,
    limits: Limits,
    without: &Score,
    with: &Score,
) -> Result<(), Failure> {
    let summary = Summary {
        quota: Quota {
            tokens_per_minute: TOKENS_PER_MINUTE,
            requests_per_minute: REQUESTS_PER_MINUTE,
            enforced_in_pieces_of_s: PIECE.as_secs(),
        },
        limits: limits.name(),
        without,
        with,
    };
    let cannot =
        |reason: String| Failure::other(format!("cannot write {}: {reason}", file.display()));
    let text = serde_json::to_string_pretty(&summary).map_err(|error| cannot(error.to_string()))?;
    std::fs::write(file, text + "\n").map_err(|error| cannot(error.to_string()))
}
