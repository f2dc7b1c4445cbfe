//! Buckets that hold less than a window's amount and say so.
//!
//! What is left and what is used together are what a bucket holds. Where a provider tells what is left of
//! the bucket, and a reset that follows from the use, the sum of both is the same in every answer; if it is
//! below the amount, the bucket holds no more than that.

use super::answer::Answer;

/// Answers in a row that must agree.
const AGREEING: u32 = 3;

/// A bucket that holds more than this part of the amount, in percent, is a whole one.
const PART_MAX_PERCENT: u64 = 98;

/// What a bucket was seen to hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Brim {
    held: u64,
    answers: u32,
}

impl Brim {
    /// Takes in an answer about a limit with this window, and reads its use by what the bucket holds.
    pub(crate) fn read(&mut self, answer: &mut Answer, window: u64) {
        let Some(reset) = answer.reset.filter(|reset| *reset > 0) else {
            return;
        };
        let level = scaled(reset, answer.limit, window);
        let left = answer.limit.saturating_sub(answer.used);
        let held = left.saturating_add(level);
        let slack = 2 + answer.grain + scaled(answer.resolution, answer.limit, window);
        if answer.used == 0 || held >= answer.limit / 100 * PART_MAX_PERCENT {
            *self = Self::default();
            return;
        }
        let agrees = held.abs_diff(self.held) <= slack;
        self.answers = if agrees { self.answers + 1 } else { 1 };
        self.held = if agrees { self.held.max(held) } else { held };
        if let Some(held) = self.held() {
            answer.used = held.saturating_sub(left);
        }
    }

    /// What the bucket holds, where that is less than the amount.
    pub(crate) fn held(&self) -> Option<u64> {
        (self.answers >= AGREEING).then_some(self.held)
    }
}

/// `time * limit / window`, saturated.
fn scaled(time: u64, limit: u64, window: u64) -> u64 {
    let units = u128::from(time) * u128::from(limit) / u128::from(window.max(1));
    u64::try_from(units).unwrap_or(u64::MAX)
}
