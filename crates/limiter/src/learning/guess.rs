//! The amount of a limit that nobody names, from what went before refusals.
//!
//! Whatever kind of window it is, all that a limit holds was let in within one window before a refusal:
//! the amount is not above what was let in then. It may be as little as half of it, because that window
//! can have held parts of two. So the first refusal gives the amount to begin with, a window that was
//! used up without one shows that it holds, and a refusal that it does not. Every try costs refusals: the
//! two are left as they are when they are an eighth apart, and more is tried after longer and longer.
//! Where that holds, tries become bolder: the window may be much shorter than was thought.

/// The amount is known when what holds and what does not are no further apart than this part of it.
const KNOWN_PART: u64 = 8;

/// Where nothing is known to be too much, the first try is higher by this part, and each that follows
/// one that held by twice as much.
const STEP_PART: u64 = 8;

/// A try is at most higher by this many times what holds.
const STEPS_MAX: u64 = STEP_PART;

/// A window shows that an amount holds when all of it but this part was used.
const UNUSED_PART: u64 = 8;

/// Windows after which what was too much is tried again, at first and at most.
const QUIET: u32 = 16;
const QUIET_MAX: u32 = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guess {
    /// The largest amount that a window has shown to hold; 0: none.
    holds: u64,
    /// The least that was refused; `None`: nothing lately.
    refused: Option<u64>,
    /// The next try, in steps.
    steps: u64,
    /// When the present amount came to be believed.
    since: u64,
    /// It still is the first.
    is_first: bool,
    /// Windows since the amount was known.
    quiet: u32,
    quiet_max: u32,
}

impl Guess {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            holds: 0,
            refused: None,
            steps: 1,
            since: now,
            is_first: true,
            quiet: 0,
            quiet_max: QUIET,
        }
    }

    /// Whether a refusal of what was sent at `sent` belongs to the one that gave the first amount: what
    /// was in flight then was taken to be let in.
    pub(crate) fn is_of_first(&self, sent: u64) -> bool {
        self.is_first && sent <= self.since
    }

    /// The amount after a refusal under `amount`. One that comes before `amount` was tried for a
    /// window says nothing about it.
    pub(crate) fn refused(&mut self, amount: u64, (window, now): (u64, u64)) -> Option<u64> {
        if now.saturating_sub(self.since) < window {
            return None;
        }
        if self.holds >= amount {
            // It held before: less is allowed now, or others take part.
            self.holds = 0;
        }
        self.refused = Some(amount);
        (self.since, self.steps) = (now, 1);
        self.is_first = false;
        Some(self.between(amount))
    }

    /// The amount after a time in which nothing was refused, `used` of `amount` being used within a
    /// window; `None`: as before.
    pub(crate) fn held(
        &mut self,
        amount: u64,
        used: u64,
        (window, now): (u64, u64),
    ) -> Option<u64> {
        let tried = now.saturating_sub(self.since);
        if tried < 2 * window || used < amount - amount / UNUSED_PART {
            return None;
        }
        self.since = now - window;
        self.holds = self.holds.max(amount);
        let next = self.between(amount);
        if next > amount {
            (self.since, self.is_first) = (now, false);
            self.steps = (self.steps * 2).min(STEPS_MAX);
            return Some(next);
        }
        self.quiet += 1;
        if self.quiet >= self.quiet_max {
            self.quiet = 0;
            self.quiet_max = (self.quiet_max * 2).min(QUIET_MAX);
            self.refused = None;
        }
        None
    }

    /// What to try between what holds and what does not.
    fn between(&self, amount: u64) -> u64 {
        match (self.holds, self.refused) {
            (holds, None) => {
                let step = holds.div_ceil(STEP_PART).saturating_mul(self.steps);
                holds.max(1).saturating_add(step)
            }
            (0, Some(refused)) => (refused - refused / STEP_PART).max(1),
            (holds, Some(refused)) => {
                let gap = refused.saturating_sub(holds);
                if gap <= 1 || gap <= amount.div_ceil(KNOWN_PART) {
                    holds
                } else {
                    holds + gap / 2
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last amount, and how many windows had a refusal.
    fn found(truth: u64, first: u64, windows: u64) -> (u64, u32) {
        let (mut guess, mut amount, mut refusals) = (Guess::new(0), first, 0);
        for number in 1..=windows {
            let at = (10, number * 10);
            let next = if amount > truth {
                refusals += 1;
                guess.refused(amount, at)
            } else {
                guess.held(amount, amount, at)
            };
            amount = next.unwrap_or(amount);
        }
        (amount, refusals)
    }

    #[test]
    fn the_amount_is_found_from_either_side_with_few_refusals() {
        for first in [1_000, 1_400, 2_000] {
            let (amount, refusals) = found(1_000, first, 40);
            assert!((870..=1_000).contains(&amount), "{first}: {amount}");
            assert!(refusals <= 8, "{first}: {refusals}");
        }
        for first in [30, 500] {
            let (amount, refusals) = found(1_000, first, 60);
            assert!((870..=1_000).contains(&amount), "{first}: {amount}");
            assert!(refusals <= 6, "{first}: {refusals}");
        }
    }

    #[test]
    fn a_limit_that_stays_is_refused_less_and_less_often() {
        let (_, early) = found(1_000, 1_000, 100);
        let (_, late) = found(1_000, 1_000, 1_000);
        assert!(late <= 8 * early && late < 40, "{early} {late}");
    }

    #[test]
    fn what_was_not_tried_for_a_window_is_not_refuted() {
        let mut guess = Guess::new(100);
        assert_eq!(guess.refused(1_000, (60, 159)), None);
        assert_eq!(guess.refused(1_000, (60, 160)), Some(875));
        assert_eq!(guess.refused(875, (60, 170)), None);
    }

    #[test]
    fn a_quota_that_is_not_used_up_shows_nothing() {
        let mut guess = Guess::new(0);
        assert_eq!(guess.held(1_000, 800, (60, 600)), None);
        assert_eq!(guess.held(1_000, 950, (60, 600)), Some(1_125));
    }
}
