//! The story of a run, and one number that stands for all of it.

/// FNV-1a's offset basis and prime for 64 bits.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Happening {
    /// A request arrives at its sender.
    Arrived = 1,
    /// It is sent; the detail is the sender's number.
    Sent = 2,
    /// The provider admits it; the detail is the charge in tokens.
    Admitted = 3,
    /// The provider refuses it; the detail is the stated wait in nanoseconds.
    Refused = 4,
    /// The provider settles it.
    Finished = 5,
    /// The head of an answer arrives.
    Headed = 6,
    /// An attempt ends.
    Ended = 7,
    /// Its caller has an answer; the detail tells which.
    Answered = 8,
    /// The limits change; the subject is the number of the change.
    Changed = 9,
    /// A clock jumps; the subject is the number of the fault.
    Jumped = 10,
    /// Other consumers come all at once; the subject is the number of the rule.
    Burst = 11,
    /// The provider is short of capacity, whatever the limits; the detail is the stated wait.
    Overloaded = 12,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in nanoseconds of virtual time.
    pub at_ns: u64,
    /// What.
    pub happening: Happening,
    /// To which request, where it happens to one.
    pub subject: u64,
    /// A detail, or 0.
    pub detail: u64,
}

/// All events, as a hash and, where they are wanted, one by one.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    count: u64,
    kept: Option<Vec<Event>>,
}

impl Trace {
    pub(crate) fn new(keep: bool) -> Self {
        Self {
            hash: BASIS,
            count: 0,
            kept: keep.then(Vec::new),
        }
    }

    pub(crate) fn record(&mut self, event: Event) {
        self.count += 1;
        self.add(event.at_ns);
        self.add(event.happening as u64);
        self.add(event.subject);
        self.add(event.detail);
        if let Some(kept) = &mut self.kept {
            kept.push(event);
        }
    }

    fn add(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn into_events(self) -> Vec<Event> {
        self.kept.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(events: &[(u64, u64)]) -> u64 {
        let mut trace = Trace::new(false);
        for (at_ns, subject) in events {
            trace.record(Event {
                at_ns: *at_ns,
                happening: Happening::Sent,
                subject: *subject,
                detail: 0,
            });
        }
        trace.hash()
    }

    #[test]
    fn the_hash_tells_order_and_time() {
        let hash = hash_of(&[(1, 7), (2, 8)]);
        assert_eq!(hash, hash_of(&[(1, 7), (2, 8)]));
        assert_ne!(hash, hash_of(&[(1, 8), (2, 7)]));
        assert_ne!(hash, hash_of(&[(1, 7), (3, 8)]));
    }
}
