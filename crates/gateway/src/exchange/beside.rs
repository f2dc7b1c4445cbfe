//! Two attempts of one call at a time: what each of them tells of the other.
//!
//! The second attempt has an [`Exchange`] of its own, since both are told of as they go. When one of
//! them is over without having answered, it leaves here what is to be told of it, and the call's own
//! story takes that up in the end, however that comes about.

use std::sync::{Arc, OnceLock};

use super::{Ending, Exchange};
use crate::budget;
use crate::lanes::Lane;
use crate::trace::Trace;

/// An attempt that was sent beside the one whose answer the caller has, and is over.
#[derive(Debug)]
pub(super) struct Other {
    lane: Option<Arc<Lane>>,
    /// Billionths of a dollar; `None`: not known.
    cost_nanousd: Option<u64>,
    trace: Trace,
}

/// Which of two attempts it is.
#[derive(Debug)]
pub(super) enum Part {
    /// The call itself, which has `answered_second` where the answer is that of the second attempt.
    Call {
        other: Arc<OnceLock<Other>>,
        answered_second: bool,
    },
    /// An attempt beside it.
    Attempt(Arc<OnceLock<Other>>),
}

/// That a call was sent a second time beside the first, for its record.
#[derive(Debug)]
pub(crate) struct Hedged {
    /// The lane of the second attempt.
    pub(crate) lane: Arc<Lane>,
    /// What the attempt cost whose answer the caller does not have; `None`: not known.
    other_cost_nanousd: Option<u64>,
    answered_second: bool,
}

impl Hedged {
    /// The costs of the first and of the second attempt, where that of the answer is `answered`.
    pub(crate) fn costs(&self, answered: Option<u64>) -> (Option<u64>, Option<u64>) {
        match self.answered_second {
            true => (self.other_cost_nanousd, answered),
            false => (answered, self.other_cost_nanousd),
        }
    }
}

impl Exchange {
    /// The story of an attempt beside that of this call. It tells nothing but to this one.
    pub(crate) fn beside(&mut self) -> Self {
        let other = Arc::new(OnceLock::new());
        let mut beside = Self::of_call(
            (self.call_id, Arc::clone(&self.request_id)),
            Arc::clone(&self.shared),
            self.endpoint,
            self.caller.clone(),
            self.received,
        );
        beside.model.clone_from(&self.model);
        beside.stream = self.stream;
        beside.lanes.clone_from(&self.lanes);
        beside.expected_output_tokens = self.expected_output_tokens;
        beside.estimated_input_tokens = self.estimated_input_tokens;
        beside.output_bound = self.output_bound;
        beside.images = self.images;
        beside.service_tier.clone_from(&self.service_tier);
        beside.trace = self.trace.beside();
        beside.part = Some(Part::Attempt(Arc::clone(&other)));
        self.part = Some(Part::Call {
            other,
            answered_second: false,
        });
        beside
    }

    /// Goes on with the attempt that was made beside that of this call, which ended so.
    pub(crate) fn go_on_with(&mut self, mut second: Self, ending: Ending) {
        if let Some(Part::Call {
            answered_second, ..
        }) = &mut self.part
        {
            *answered_second = true;
        }
        self.trace.overtaken();
        self.trace.join(std::mem::take(&mut second.trace));
        self.unsent += std::mem::take(&mut second.unsent);
        self.passed.append(&mut second.passed);
        let first_attempts = self.attempts;
        self.attempts += std::mem::replace(&mut second.attempts, first_attempts);
        // From here on `second` is the story of the first attempt.
        std::mem::swap(&mut self.lane, &mut second.lane);
        std::mem::swap(&mut self.own_key, &mut second.own_key);
        std::mem::swap(&mut self.pool, &mut second.pool);
        std::mem::swap(&mut self.asks, &mut second.asks);
        std::mem::swap(&mut self.estimated_tokens, &mut second.estimated_tokens);
        std::mem::swap(&mut self.sent, &mut second.sent);
        std::mem::swap(&mut self.first_byte, &mut second.first_byte);
        std::mem::swap(&mut self.status, &mut second.status);
        second.finish(ending);
    }

    /// That the call was sent a second time beside the first, if it was.
    pub(crate) fn hedged(&self) -> Option<Hedged> {
        let Some(Part::Call {
            other,
            answered_second,
        }) = &self.part
        else {
            return None;
        };
        let other = other.get()?;
        let second = match answered_second {
            true => &self.lane,
            false => &other.lane,
        };
        Some(Hedged {
            lane: Arc::clone(second.as_ref()?),
            other_cost_nanousd: other.cost_nanousd,
            answered_second: *answered_second,
        })
    }

    /// Whether this is no call, but an attempt beside that of one.
    pub(super) fn is_beside(&self) -> bool {
        matches!(self.part, Some(Part::Attempt(_)))
    }

    /// Leaves to the call what is to be told of an attempt beside its own.
    pub(super) fn leave_word(&mut self, ending: Ending) {
        let Some(Part::Attempt(other)) = &self.part else {
            return;
        };
        let other = Arc::clone(other);
        let account = self.shared.recorder.account(self, ending);
        if let Some(reserved) = self.reserved.take() {
            budget::settle_beside(reserved, self.attempts, &account);
        }
        if self.attempts == 0 {
            return;
        }
        // Once for each call: nobody else is told to leave a word here.
        let _ = other.set(Other {
            lane: self.lane.take(),
            cost_nanousd: account.cost_nanousd(),
            trace: std::mem::take(&mut self.trace),
        });
    }

    /// Takes up what an attempt beside that of this call has left.
    pub(super) fn take_word(&mut self) {
        if let Some(Part::Call { other, .. }) = &mut self.part
            && let Some(left) = Arc::get_mut(other).and_then(OnceLock::get_mut)
        {
            self.trace.join(std::mem::take(&mut left.trace));
        }
    }
}
