//! A bound on requests in flight that doubles with each full round of successes.

use crate::snapshot::RampView;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ramp {
    concurrency: u32,
    successes: u32,
}

impl Ramp {
    pub(crate) fn from(concurrency: u32) -> Self {
        Self {
            concurrency: concurrency.max(1),
            successes: 0,
        }
    }

    pub(crate) fn concurrency(&self) -> u32 {
        self.concurrency
    }

    /// Counts a success.
    pub(crate) fn succeed(&mut self) {
        self.successes += 1;
        if self.successes >= self.concurrency {
            *self = Self::from(self.concurrency.saturating_mul(2));
        }
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
