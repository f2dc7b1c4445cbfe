//! The race as a page: served while it is run, or written to a file when it is over.

mod document;
mod server;

use std::path::Path;

pub(super) use server::Page;

use super::report::Report;
use crate::exit::Failure;

/// Writes the race as a page that needs nothing else.
pub(super) fn write(file: &Path, report: &Report) -> Result<(), Failure> {
    let page = document::finished(&report.json()?);
    std::fs::write(file, page)
        .map_err(|error| Failure::other(format!("cannot write {}: {error}", file.display())))
}
