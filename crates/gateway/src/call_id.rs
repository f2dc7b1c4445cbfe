//! What a call is known by: to its caller, in the log, and in the ledger.

use std::sync::atomic::{AtomicU32, Ordering};

use paceline_ledger::CallId;

/// What the text of an id begins with where callers see it.
const PREFIX: &str = "pl-";

/// Bits of an id that tell processes apart.
const PROCESS_BITS: u32 = 48;

/// Makes ids: the time in milliseconds (48 bits), what tells processes apart (48 bits, by chance), and a
/// count (32 bits). They are unique over all instances and restarts, and rise with time.
#[derive(Debug)]
pub(crate) struct CallIds {
    process: u64,
    count: AtomicU32,
}

impl CallIds {
    /// For a process.
    pub(crate) fn new() -> Self {
        let chance = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        Self {
            process: chance & ((1 << PROCESS_BITS) - 1),
            count: AtomicU32::new(0),
        }
    }

    /// A fresh id.
    pub(crate) fn next(&self, now_ms: i64) -> CallId {
        let time = u128::from(now_ms.unsigned_abs()) << (PROCESS_BITS + u32::BITS);
        let process = u128::from(self.process) << u32::BITS;
        let count = u128::from(self.count.fetch_add(1, Ordering::Relaxed));
        CallId(time | process | count)
    }

    /// The name of the process in records.
    pub(crate) fn instance(&self) -> String {
        format!("{:08x}", self.process & u64::from(u32::MAX))
    }
}

/// An id as callers see it.
pub(crate) fn shown(id: CallId) -> String {
    format!("{PREFIX}{id}")
}

/// Reads an id as callers see it, or as it stands in the ledger.
pub(crate) fn parse(text: &str) -> Option<CallId> {
    text.strip_prefix(PREFIX).unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_with_time_and_differ_in_the_same_millisecond_and_between_processes() {
        let (ours, theirs) = (CallIds::new(), CallIds::new());
        let first = ours.next(1_795_000_000_000);
        let second = ours.next(1_795_000_000_000);
        let later = ours.next(1_795_000_000_001);
        assert!(first < second && second < later);
        let elsewhere = theirs.next(1_795_000_000_000);
        assert_ne!(first, elsewhere);
        assert!(elsewhere < later);
    }

    #[test]
    fn what_callers_see_is_read_as_the_same_id() {
        let id = CallIds::new().next(1_795_000_000_000);
        assert!(shown(id).starts_with("pl-01a1"), "{}", shown(id));
        assert_eq!(parse(&shown(id)), Some(id));
        assert_eq!(parse(&id.to_string()), Some(id));
        for wrong in [
            "",
            "pl-",
            "pl-1",
            &format!("pl-pl-{id}"),
            &format!("pl-{id}0"),
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
