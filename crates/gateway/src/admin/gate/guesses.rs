//! How fast tokens may be guessed.
//!
//! Each wrong token that was not seen before costs a turn, whoever sends it, and turns come back at a
//! bounded rate. A right one gets its turn back, so that nobody who knows the token ever waits unless
//! somebody guesses; and a program that sends the same wrong token over and over costs nothing, as it
//! finds nothing out.

use std::collections::VecDeque;
use std::time::Duration;

use paceline_limiter::Timestamp;

/// Wrong tokens that are looked at without delay.
const BURST: u32 = 20;

/// How long it takes until there is another turn.
const INTERVAL: Duration = Duration::from_millis(200);

/// The longest that a token waits to be looked at.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Wrong tokens that are remembered.
const REMEMBERED: usize = 64;

/// A hash of something secret.
pub(super) type Hash = [u8; 32];

/// Turns that were taken, and what they were taken for.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// When all turns that were taken will have come back.
    back_at: Timestamp,
    wrong: VecDeque<Hash>,
}

impl Guesses {
    /// Whether this was tried lately, and was wrong.
    pub(super) fn is_known(&self, token: &Hash) -> bool {
        self.wrong.contains(token)
    }

    /// Takes a turn: how long to wait before the token is looked at.
    ///
    /// # Errors
    /// How long it takes until asking again is of use.
    pub(super) fn take(&mut self, now: Timestamp) -> Result<Duration, Duration> {
        let taken = self.back_at.saturating_since(now) + INTERVAL;
        let wait = taken.saturating_sub(INTERVAL * BURST);
        if wait > WAIT_MAX {
            return Err(wait - WAIT_MAX);
        }
        self.back_at = self.back_at.max(now) + INTERVAL;
        Ok(wait)
    }

    /// Gives a turn back: the token was right.
    pub(super) fn give_back(&mut self) {
        let nanos = u64::try_from(INTERVAL.as_nanos()).unwrap_or(u64::MAX);
        self.back_at = Timestamp::from_nanos(self.back_at.as_nanos().saturating_sub(nanos));
    }

    /// Remembers a wrong token.
    pub(super) fn was_wrong(&mut self, token: Hash) {
        if self.wrong.len() == REMEMBERED {
            self.wrong.pop_front();
        }
        self.wrong.push_back(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(1_000) + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn whoever_knows_the_token_never_waits_while_nobody_guesses() {
        let mut guesses = Guesses::default();
        for _ in 0..10_000 {
            assert_eq!(guesses.take(at(0.0)), Ok(Duration::ZERO));
            guesses.give_back();
        }
    }

    #[test]
    fn guesses_of_all_together_are_bounded_and_over_in_seconds() {
        let mut guesses = Guesses::default();
        let mut looked_at = 0;
        for millisecond in 0..60_000 {
            let now = at(f64::from(millisecond) / 1_000.0);
            if guesses.take(now).is_ok() {
                looked_at += 1;
            }
        }
        // The burst, those that wait at the end, and five a second.
        assert!((320..=346).contains(&looked_at), "{looked_at}");
        let wait = guesses.take(at(60.0 + 0.3)).unwrap();
        assert!(wait <= WAIT_MAX, "the owner is looked at within {wait:?}");
        assert_eq!(guesses.take(at(60.0 + 5.5)), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_refused_says_when_to_ask_again() {
        let mut guesses = Guesses::default();
        let pause = loop {
            if let Err(pause) = guesses.take(at(0.0)) {
                break pause;
            }
        };
        assert!(!pause.is_zero() && pause <= INTERVAL, "{pause:?}");
        assert!(guesses.take(at(0.0) + pause).is_ok());
    }

    #[test]
    fn the_last_wrong_tokens_are_remembered() {
        let mut guesses = Guesses::default();
        for number in 0..=64 {
            guesses.was_wrong([number; 32]);
        }
        assert!(!guesses.is_known(&[0; 32]));
        assert!(guesses.is_known(&[1; 32]) && guesses.is_known(&[64; 32]));
    }
}
