//! How much the delay to the provider varies.
//!
//! The time to an answer's headers, less the time that the provider says it worked, is the way there and
//! back. Its spread bounds the spread of the way there, which is what guards must cover.

use std::time::Duration;

use crate::time::nanos;

/// Answers per half of the memory.
const HALF: u32 = 256;

/// Answers before the spread is relied on.
const ANSWERS_MIN: u64 = 20;

/// How much of the spread of both ways the way there has at most, in percent: half of it where both
/// vary alike, and more where they do not.
const WAY_THERE_PERCENT: u64 = 65;

/// Allowed for on top.
const MARGIN_NS: u64 = 20_000_000;

/// No guard grows beyond this: delays that vary more are stalls.
const GUARD_MAX_NS: u64 = 2_000_000_000;

#[derive(Clone, Copy, Debug)]
struct Half {
    least: u64,
    most: u64,
    answers: u32,
}

const EMPTY: Half = Half {
    least: u64::MAX,
    most: 0,
    answers: 0,
};

/// The spread of recent delays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DelaySpread {
    present: Half,
    before: Half,
    answers: u64,
}

impl Default for DelaySpread {
    fn default() -> Self {
        Self {
            present: EMPTY,
            before: EMPTY,
            answers: 0,
        }
    }
}

impl DelaySpread {
    /// Takes in a time to headers and the time that the provider worked.
    pub(crate) fn observe(&mut self, answer_ns: u64, processing: Option<Duration>) {
        let Some(processing) = processing.map(nanos).filter(|time| *time <= answer_ns) else {
            return;
        };
        let delay = answer_ns - processing;
        let half = &mut self.present;
        (half.least, half.most) = (half.least.min(delay), half.most.max(delay));
        half.answers += 1;
        self.answers += 1;
        if half.answers >= HALF {
            self.before = self.present;
            self.present = EMPTY;
        }
    }

    /// The guard that the delays seen ask for; `None` before there are enough of them.
    pub(crate) fn guard(&self) -> Option<Duration> {
        if self.answers < ANSWERS_MIN {
            return None;
        }
        let least = self.present.least.min(self.before.least);
        let most = self.present.most.max(self.before.most);
        let spread = most.saturating_sub(least);
        let guard = spread / 100 * WAY_THERE_PERCENT + MARGIN_NS;
        Some(Duration::from_nanos(guard.min(GUARD_MAX_NS)))
    }
}
