//! What is true of the provider, to hold beliefs and results against.

use std::time::Duration;

use anyhow::Result;
use paceline_simulator::{JournalEntry, QuotaKind};

use super::{MINUTE, journal, nanoseconds};

/// When the present window ends, where windows are fixed.
pub(super) fn window_end(journal: &[JournalEntry], kind: QuotaKind, now_ns: u64) -> Option<u64> {
    let minute_ns = nanoseconds(MINUTE);
    match kind {
        QuotaKind::Fixed => Some((now_ns / minute_ns + 1) * minute_ns),
        QuotaKind::FixedFromFirstUse => {
            let mut end_ns = None;
            for entry in journal.iter().filter(journal::is_admission) {
                if end_ns.is_none_or(|end_ns| entry.time_ns >= end_ns) {
                    end_ns = Some(entry.time_ns + minute_ns);
                }
            }
            end_ns
        }
        _ => None,
    }
}

/// The earliest time from the first admission to the last of all that was admitted, had nobody
/// waited for anything but the quota of tokens.
pub(super) fn best_of_job(
    journal: &[JournalEntry],
    kind: QuotaKind,
    tokens_per_minute: u64,
) -> Result<Duration> {
    let first_ns = journal::first_admission(journal)?;
    let minute_ns = nanoseconds(MINUTE);
    let tokens: u64 = journal
        .iter()
        .filter(journal::is_admission)
        .map(|entry| entry.charge.tokens)
        .sum();
    // What does not fit at once, in minutes of refill.
    let refilled = |at_once: f64| {
        let rest = (tokens as f64 / tokens_per_minute as f64 - at_once).max(0.0);
        MINUTE.mul_f64(rest)
    };
    // Windows that have to begin after the first.
    let windows = tokens.div_ceil(tokens_per_minute).saturating_sub(1);
    let windows_ns = windows * minute_ns;
    Ok(match kind {
        QuotaKind::Bucket => refilled(1.0),
        QuotaKind::BucketBurst { burst } => refilled(burst as f64 / tokens_per_minute as f64),
        QuotaKind::Quantised { quantum_ms } => refilled(quantum_ms as f64 / 60_000.0),
        QuotaKind::Fixed => Duration::from_nanos(windows_ns.saturating_sub(first_ns % minute_ns)),
        QuotaKind::FixedFromFirstUse | QuotaKind::Sliding => Duration::from_nanos(windows_ns),
    })
}
