//! The check against the enforcer, and against journals that break a limit.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    charge::Charge,
    enforcer::{Admission, Enforcer, EnforcerSettings, Outcome},
};

const START: u64 = 1_790_812_812_345_678_901;
const SECOND: u64 = 1_000_000_000;

fn entry(sequence: u64, time_ns: u64, tokens: u64, decision: Decision) -> JournalEntry {
    let name: Arc<str> = Arc::from("x");
    JournalEntry {
        sequence,
        time_ns,
        pool: Arc::clone(&name),
        key: Arc::clone(&name),
        model: name,
        charge: Charge {
            tokens,
            ..Charge::default()
        },
        decision,
    }
}

fn admitted(sequence: u64, time_ns: u64, tokens: u64) -> JournalEntry {
    entry(
        sequence,
        time_ns,
        tokens,
        Decision::Admitted {
            reservation: sequence,
        },
    )
}

/// Times and amounts that a kind allows up to the last, which it does not.
fn broken(kind: QuotaKind) -> Vec<(u64, u64)> {
    let minute_start = 60 * SECOND - START % (60 * SECOND);
    match kind {
        QuotaKind::Bucket => vec![(0, 600), (10 * SECOND - 1, 100)],
        QuotaKind::BucketBurst { .. } => vec![(0, 50), (SECOND - 1, 10)],
        QuotaKind::Fixed => {
            vec![
                (minute_start - 1, 600),
                (minute_start, 600),
                (minute_start + SECOND, 1),
            ]
        }
        QuotaKind::FixedFromFirstUse => vec![(0, 1), (59 * SECOND, 599), (60 * SECOND - 1, 1)],
        QuotaKind::Sliding => vec![(0, 300), (30 * SECOND, 300), (60 * SECOND - 1, 1)],
        QuotaKind::Quantised { .. } => vec![(0, 200), (20 * SECOND - 1, 200)],
    }
}

const KINDS: [QuotaKind; 6] = [
    QuotaKind::Bucket,
    QuotaKind::BucketBurst { burst: 50 },
    QuotaKind::Fixed,
    QuotaKind::FixedFromFirstUse,
    QuotaKind::Sliding,
    QuotaKind::Quantised { quantum_ms: 1_000 },
];

#[test]
fn a_journal_that_breaks_a_limit_is_found_out_at_the_very_entry() {
    for kind in KINDS {
        let quota = Quota::tokens_per_minute(600).kept_as(kind);
        let mut entries = Vec::new();
        for (index, (after, tokens)) in broken(kind).into_iter().enumerate() {
            entries.push(admitted(index as u64 + 1, START + after, tokens));
        }
        let last = entries.len() as u64;
        let violation = verify(&entries, &quota).unwrap_err();
        assert_eq!(violation.sequence, last, "{kind:?}");
        // A moment later (a minute for the fixed windows), the same is allowed.
        let moved = entries.last_mut().unwrap();
        moved.time_ns += if kind == QuotaKind::Fixed {
            59 * SECOND
        } else {
            1
        };
        assert_eq!(verify(&entries, &quota).err(), None, "{kind:?}");
    }
}

#[test]
fn use_is_reported_minute_by_minute() {
    let quota = Quota::tokens_per_minute(600);
    let minute_start = START - START % (60 * SECOND);
    let entries = [
        admitted(1, minute_start + SECOND, 300),
        entry(
            2,
            minute_start + 2 * SECOND,
            9,
            Decision::Refused {
                limit: "RPM".to_owned(),
                wait_ns: 1,
            },
        ),
        admitted(3, minute_start + 121 * SECOND, 150),
        entry(
            4,
            minute_start + 125 * SECOND,
            100,
            Decision::Settled {
                reservation: 1,
                added: Charge::default(),
            },
        ),
    ];
    let found = verify(&entries, &quota).unwrap();
    assert_eq!((found.total, found.admitted, found.refused), (350, 2, 1));
    let shares: Vec<(u64, f64)> = found
        .minutes
        .iter()
        .map(|minute| (minute.used, minute.share))
        .collect();
    assert_eq!(shares, [(200, 200.0 / 600.0), (0, 0.0), (150, 0.25)]);
}

proptest! {
    /// The enforcer and the check agree, refunds and debts included: what the enforcer admits is
    /// never a violation, and what it refuses would have been one.
    #[test]
    fn the_check_agrees_with_the_enforcer(
        kind in prop::sample::select(&KINDS[..]),
        steps in proptest::collection::vec((0_u64..20, 1_u64..300, 0_u64..350), 1..50),
    ) {
        let quota = Quota::tokens_per_minute(600).kept_as(kind);
        let settings = EnforcerSettings { quotas: vec![quota], refund: true, ..Default::default() };
        let mut pool = Enforcer::new(settings);
        let mut entries: Vec<JournalEntry> = Vec::new();
        let mut open = Vec::new();
        let mut now = START;
        for (elapsed, amount, actual) in steps {
            now += elapsed * SECOND / 3;
            let sequence = entries.len() as u64 + 1;
            let charge = Charge { tokens: amount, ..Charge::default() };
            match pool.admit(now, &charge) {
                Admission::Admitted(held) => {
                    let decision = Decision::Admitted { reservation: held.id() };
                    entries.push(entry(sequence, now, amount, decision));
                    open.push((held, actual));
                }
                Admission::Refused(_) => {
                    let mut wrong = entries.clone();
                    wrong.push(entry(sequence, now, amount, Decision::Admitted { reservation: 0 }));
                    prop_assert!(verify(&wrong, &quota).is_err());
                }
            }
            if open.len() > 2 {
                let (held, actual) = open.remove(0);
                let reservation = held.id();
                let used = Outcome::Used(Charge { tokens: actual, ..Charge::default() });
                let (returned, added) = pool.settle(now, held, &used);
                let sequence = entries.len() as u64 + 1;
                let decision = Decision::Settled { reservation, added };
                entries.push(entry(sequence, now, returned.tokens, decision));
            }
        }
        let verdict = verify(&entries, &quota);
        prop_assert!(verdict.is_ok(), "{:?}", verdict);
    }
}
