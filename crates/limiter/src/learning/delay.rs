//! How much the delay to the provider varies.
//!
//! The time to an answer's headers, less the time that the provider says it worked, is the way there
//! and back. Its spread bounds the spread of the way there, which is what guards must cover.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::nanos;

/// Delays that are remembered.
const REMEMBERED: usize = 256;

/// Delays before their spread is relied on.
const DELAYS_MIN: usize = 20;

/// The spread is worked out anew after this many answers.
const RENEWED_AFTER: u32 = 16;

/// How much of the spread of both ways the way there has at most, in percent: half of it where both
/// vary alike, and more where they do not.
const WAY_THERE_PERCENT: u64 = 65;

/// Allowed for on top.
const MARGIN_NS: u64 = 20_000_000;

/// The longest tenth of the delays counts up to this many times the spread of the others, in percent:
/// answers that come much later were held up on the way back, or by a stall.
const TAIL_PERCENT: u64 = 250;

/// No guard grows beyond this.
const GUARD_MAX_NS: u64 = 2_000_000_000;

/// The spread of recent delays.
#[derive(Clone, Debug, Default)]
pub(crate) struct DelaySpread {
    delays: VecDeque<u64>,
    since_renewed: u32,
    guard: Option<Duration>,
    usual: Option<u64>,
}

impl DelaySpread {
    /// Takes in a time to headers and the time that the provider worked.
    pub(crate) fn observe(&mut self, answer_ns: u64, processing: Option<Duration>) {
        let Some(processing) = processing.map(nanos).filter(|time| *time <= answer_ns) else {
            return;
        };
        self.delays.push_back(answer_ns - processing);
        if self.delays.len() > REMEMBERED {
            self.delays.pop_front();
        }
        self.since_renewed += 1;
        if self.delays.len() >= DELAYS_MIN
            && (self.guard.is_none() || self.since_renewed >= RENEWED_AFTER)
        {
            self.since_renewed = 0;
            self.measure();
        }
    }

    /// The guard that the delays seen ask for; `None` before there are enough of them.
    pub(crate) const fn guard(&self) -> Option<Duration> {
        self.guard
    }

    /// The usual time there and back; `None` before there are enough delays.
    pub(crate) const fn usual(&self) -> Option<u64> {
        self.usual
    }

    fn measure(&mut self) {
        let mut delays: Vec<u64> = self.delays.iter().copied().collect();
        delays.sort_unstable();
        let at = |part: usize| delays.get(delays.len() * part / 10).copied();
        let (least, most) = (delays.first().copied(), delays.last().copied());
        let least = least.unwrap_or(0);
        let whole = most.unwrap_or(0).saturating_sub(least);
        let usual = at(9).unwrap_or(0).saturating_sub(least);
        let spread = whole.min(usual.saturating_mul(TAIL_PERCENT) / 100);
        let guard = spread / 100 * WAY_THERE_PERCENT + MARGIN_NS;
        self.guard = Some(Duration::from_nanos(guard.min(GUARD_MAX_NS)));
        self.usual = at(5);
    }
}
