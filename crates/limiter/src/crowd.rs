//! How many requests may be in flight at once, found out from refusals of too many.
//!
//! A refusal shows that one more than what was in flight was too many, and often names the limit. The
//! bound is raised by one after some rounds of successes that it held back, and each time that turns
//! out too much it takes twice as long to the next try: a limit that stays is asked after less and less.

/// Rounds of successes before the bound is raised, at first.
const ROUNDS: u32 = 8;

/// And at most; of a limit that the provider has named, always.
const ROUNDS_MAX: u32 = 512;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    most: u32,
    rounds: u32,
    successes: u64,
}

impl Crowd {
    /// The bound after a refusal while `in_flight` others were on their way. `first`: it begins an
    /// episode; the others of one are about requests that were sent before the bound was known.
    pub(crate) fn refused(
        before: Option<Self>,
        named: Option<u64>,
        in_flight: usize,
        first: bool,
    ) -> Self {
        let seen = u32::try_from(in_flight).unwrap_or(u32::MAX).max(1);
        let named = named.filter(|limit| *limit > 0);
        let named = named.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
        if let Some(limit) = named {
            // Where less than the limit was too many, others take part in it.
            let others = before
                .filter(|_| !first)
                .map_or(limit, |before| before.most);
            let most = if first {
                limit.min(seen)
            } else {
                limit.min(others)
            };
            return Self {
                most,
                rounds: if most < limit { ROUNDS } else { ROUNDS_MAX },
                successes: 0,
            };
        }
        let most = before.map_or(seen, |before| before.most.min(seen));
        let rounds = match before {
            Some(before) if !first => before.rounds,
            // What was tried was one too many: what was before it holds.
            Some(before) if most.saturating_add(1) >= before.most => {
                (before.rounds * 2).min(ROUNDS_MAX)
            }
            _ => ROUNDS,
        };
        Self {
            most,
            rounds,
            successes: 0,
        }
    }

    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Counts a success, after which `in_flight` others were on their way; whether the bound is raised.
    pub(crate) fn succeed(&mut self, in_flight: usize) -> bool {
        if in_flight.saturating_add(1) < self.most as usize {
            return false;
        }
        self.successes += 1;
        if self.successes < u64::from(self.most) * u64::from(self.rounds) {
            return false;
        }
        self.most = self.most.saturating_add(1);
        self.successes = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_named_is_believed_unless_fewer_were_too_many() {
        let named = Crowd::refused(None, Some(20), 63, true);
        assert_eq!(named.most(), 20);
        // The rest of the burst says nothing new.
        assert_eq!(Crowd::refused(Some(named), Some(20), 12, false).most(), 20);
        // Others take five.
        assert_eq!(Crowd::refused(Some(named), Some(20), 15, true).most(), 15);
    }

    #[test]
    fn a_limit_that_is_not_named_is_what_was_left_of_the_burst() {
        let mut crowd = None;
        for in_flight in (20..=63).rev() {
            crowd = Some(Crowd::refused(crowd, None, in_flight, in_flight == 63));
        }
        assert_eq!(crowd.unwrap().most(), 20);
    }

    #[test]
    fn it_is_tried_again_after_twice_as_long() {
        let mut crowd = Crowd::refused(None, None, 4, true);
        let mut before = 0;
        for _ in 0..3 {
            let mut successes = 1;
            while !crowd.succeed(3) {
                successes += 1;
            }
            assert_eq!(crowd.most(), 5);
            assert!(
                successes >= 2 * before || before == 0,
                "{successes} after {before}"
            );
            before = successes;
            crowd = Crowd::refused(Some(crowd), None, 4, true);
            assert_eq!(crowd.most(), 4);
        }
        assert!(!crowd.succeed(0), "what it does not hold back says nothing");
    }
}
