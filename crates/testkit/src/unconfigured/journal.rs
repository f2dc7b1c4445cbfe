//! Figures that the provider's journal gives.

use std::time::Duration;

use anyhow::{Context, Result};
use paceline_simulator::{Decision, JournalEntry};

pub(super) fn is_admission(entry: &&JournalEntry) -> bool {
    matches!(entry.decision, Decision::Admitted { .. })
}

pub(super) fn first_admission(journal: &[JournalEntry]) -> Result<u64> {
    let first = journal.iter().find(is_admission);
    Ok(first.context("the provider admitted nothing")?.time_ns)
}

/// From the first admission to the last.
pub(super) fn span(journal: &[JournalEntry]) -> Result<Duration> {
    let first_ns = first_admission(journal)?;
    let last = journal.iter().rfind(is_admission);
    let last_ns = last.map_or(first_ns, |entry| entry.time_ns);
    Ok(Duration::from_nanos(last_ns - first_ns))
}

/// Refusals in a span of time.
pub(super) fn refused(journal: &[JournalEntry], from_ns: u64, to_ns: u64) -> u64 {
    let entries = journal.iter().filter(|entry| {
        matches!(entry.decision, Decision::Refused { .. })
            && (from_ns..to_ns).contains(&entry.time_ns)
    });
    entries.count() as u64
}

/// Tokens that were charged in a span of time, less what was given back in it.
pub(super) fn net_tokens(journal: &[JournalEntry], from_ns: u64, to_ns: u64) -> i64 {
    let entries = journal
        .iter()
        .filter(|entry| (from_ns..to_ns).contains(&entry.time_ns));
    entries
        .map(|entry| {
            let tokens = entry.charge.tokens.cast_signed();
            match &entry.decision {
                Decision::Admitted { .. } => tokens,
                Decision::Refused { .. } => 0,
                Decision::Corrected { added, .. } | Decision::Settled { added, .. } => {
                    added.tokens.cast_signed() - tokens
                }
            }
        })
        .sum()
}
