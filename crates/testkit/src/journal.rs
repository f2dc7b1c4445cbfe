//! Figures that the provider's journal gives.

use std::time::Duration;

use anyhow::{Context, Result};
use paceline_simulator::{Decision, JournalEntry};

pub(crate) fn is_admission(entry: &&JournalEntry) -> bool {
    matches!(entry.decision, Decision::Admitted { .. })
}

pub(crate) fn is_refusal(entry: &&JournalEntry) -> bool {
    matches!(entry.decision, Decision::Refused { .. })
}

pub(crate) fn first_admission(journal: &[JournalEntry]) -> Result<u64> {
    let first = journal.iter().find(is_admission);
    Ok(first.context("the provider admitted nothing")?.time_ns)
}

/// From the first admission to the last.
pub(crate) fn span(journal: &[JournalEntry]) -> Result<Duration> {
    let first_ns = first_admission(journal)?;
    let last = journal.iter().rfind(is_admission);
    let last_ns = last.map_or(first_ns, |entry| entry.time_ns);
    Ok(Duration::from_nanos(last_ns - first_ns))
}

/// What was judged in a span of time, and what of it was refused.
pub(crate) fn judged(journal: &[JournalEntry], from_ns: u64, to_ns: u64) -> (u64, u64) {
    let within = journal
        .iter()
        .filter(|entry| (from_ns..to_ns).contains(&entry.time_ns));
    let admitted = within.filter(is_admission).count() as u64;
    let refused = refused(journal, from_ns, to_ns);
    (admitted + refused, refused)
}

/// Refusals in a span of time.
pub(crate) fn refused(journal: &[JournalEntry], from_ns: u64, to_ns: u64) -> u64 {
    let within = journal
        .iter()
        .filter(|entry| (from_ns..to_ns).contains(&entry.time_ns));
    within.filter(is_refusal).count() as u64
}

/// Tokens that were charged in a span of time, less what was given back in it.
pub(crate) fn net_tokens<'a>(
    journal: impl IntoIterator<Item = &'a JournalEntry>,
    from_ns: u64,
    to_ns: u64,
) -> i64 {
    let entries = journal
        .into_iter()
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

/// A time as the journal has it.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
