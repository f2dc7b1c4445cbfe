//! A bound on requests in flight that doubles with each full round of successes.

use crate::snapshot::RampView;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ramp {
    concurrency: u32,
    successes: u32,
    /// Whether all slots were in use at some time in this round.
    needed: bool,
}

/// What a success did to a ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    /// It goes on.
    Open,
    /// It is over, and all slots were in use.
    Full,
    /// It is over, and there were slots to spare: the bound does not bind any more.
    Slack,
}

impl Ramp {
    pub(crate) fn from(concurrency: u32) -> Self {
        Self {
            concurrency: concurrency.max(1),
            successes: 0,
            needed: false,
        }
    }

    pub(crate) fn concurrency(&self) -> u32 {
        self.concurrency
    }

    /// Counts a success of one of `in_flight` requests.
    pub(crate) fn succeed(&mut self, in_flight: usize) -> Round {
        self.successes += 1;
        self.needed |= in_flight >= self.concurrency as usize;
        if self.successes < self.concurrency {
            return Round::Open;
        }
        let round = if self.needed {
            Round::Full
        } else {
            Round::Slack
        };
        *self = Self::from(self.concurrency.saturating_mul(2));
        round
    }

    pub(crate) fn halve(&mut self) {
        *self = Self::from(self.concurrency / 2);
    }

    pub(crate) fn view(&self) -> RampView {
        RampView {
            concurrency: self.concurrency,
            successes: self.successes,
        }
    }
}
