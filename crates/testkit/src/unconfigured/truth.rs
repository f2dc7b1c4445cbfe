//! What is true of the provider, to hold beliefs and results against.

use std::time::Duration;

use anyhow::Result;
use paceline_simulator::{JournalEntry, QuotaKind};

use super::MINUTE;
use crate::journal::{self, nanoseconds};

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use paceline_simulator::{Charge, Decision};

    use super::*;

    fn entry(second: u64, tokens: u64, decision: Decision) -> JournalEntry {
        let name: Arc<str> = "any".into();
        JournalEntry {
            sequence: 1,
            time_ns: second * 1_000_000_000,
            pool: Arc::clone(&name),
            key: Arc::clone(&name),
            model: name,
            charge: Charge::of_tokens(tokens),
            decision,
        }
    }

    fn admitted(second: u64, tokens: u64) -> JournalEntry {
        entry(second, tokens, Decision::Admitted { reservation: 1 })
    }

    #[test]
    fn a_window_from_first_use_opens_with_the_first_admission_after_the_last_one() {
        let journal = [admitted(10, 1), admitted(69, 1), admitted(75, 1)];
        let end = |kind| window_end(&journal, kind, 100_000_000_000);
        assert_eq!(end(QuotaKind::FixedFromFirstUse), Some(135_000_000_000));
        assert_eq!(end(QuotaKind::Fixed), Some(120_000_000_000));
        assert_eq!(end(QuotaKind::Sliding), None);
    }

    #[test]
    fn the_best_time_of_a_job_follows_from_what_fits_at_once() {
        let journal = [admitted(10, 1_000), admitted(90, 800)];
        let best = |kind| best_of_job(&journal, kind, 1_000).unwrap().as_millis();
        assert_eq!(best(QuotaKind::Bucket), 48_000);
        assert_eq!(best(QuotaKind::Quantised { quantum_ms: 6_000 }), 102_000);
        assert_eq!(best(QuotaKind::Fixed), 50_000);
        assert_eq!(best(QuotaKind::Sliding), 60_000);
    }

    #[test]
    fn what_is_given_back_is_taken_off_when_it_is() {
        let settled = Decision::Settled {
            reservation: 1,
            added: Charge::of_tokens(5),
        };
        let journal = [
            admitted(10, 100),
            entry(
                11,
                400,
                Decision::Refused {
                    limit: "TPM".to_owned(),
                    wait_ns: 1,
                },
            ),
            entry(20, 30, settled),
        ];
        let net = |to: u64| journal::net_tokens(&journal, 0, to * 1_000_000_000);
        assert_eq!((net(20), net(21)), (100, 75));
        assert_eq!(journal::refused(&journal, 0, u64::MAX), 1);
    }
}
