//! What a program gets when it asks for a call's budgets.

use std::sync::Arc;

use tokio::time::Instant;

use super::budget::{Budget, Spend};
use super::desk::Desk;
use super::message::{CallId, Receipt};

/// Whether a call may go.
#[derive(Debug)]
pub enum Outcome {
    /// It may: settle this when it has ended.
    Go(Reserved),
    /// It may not.
    Refused(Box<Refusal>),
}

impl Outcome {
    /// For those who return early where a call may not go.
    ///
    /// # Errors
    /// Where it may not.
    pub fn into_result(self) -> Result<Reserved, Box<Refusal>> {
        match self {
            Self::Go(reserved) => Ok(reserved),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

/// Why a budget refuses a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// Too little is left.
    Spent,
    /// The call is expected to cost more than the whole budget.
    TooLarge,
    /// The store is away, and what this process may spend without it is used up or too little.
    StoreAway,
}

/// Which budget refuses a call, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The budget.
    pub budget: Budget,
    /// Why.
    pub reason: RefusalReason,
    /// What is spent of it, as far as is known.
    pub spent: u64,
    /// What the call is expected to cost.
    pub need: u64,
    /// When the budget starts anew, in milliseconds since 1970. `None`: never, or that is not known.
    pub free_at_ms: Option<u64>,
}

/// One budget in which something is held for a call.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) budget: Budget,
    pub(super) key: String,
    pub(super) receipt: Receipt,
    /// What is held of this process' share, where the store was away.
    pub(super) of_share: u64,
}

/// A call that has ended, or is about to.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) call: CallId,
    pub(super) holds: Vec<Hold>,
    pub(super) actual: Spend,
    pub(super) at: Instant,
}

/// What is held for a call until it is settled. Dropped without that, it counts as the worst that the call
/// could cost.
#[derive(Debug)]
pub struct Reserved {
    pub(super) desk: Arc<Desk>,
    pub(super) call: CallId,
    pub(super) holds: Vec<Hold>,
    pub(super) worst: Spend,
}

impl Reserved {
    /// The worst that the call could cost, as it was said when room was asked for.
    #[must_use]
    pub fn worst(&self) -> Spend {
        self.worst
    }

    /// The call has ended, and did cost this.
    pub fn settle(mut self, actual: Spend) {
        self.end(actual);
    }

    /// The call was not sent, and costs nothing.
    pub fn release(self) {
        self.settle(Spend::default());
    }

    fn end(&mut self, actual: Spend) {
        let holds = std::mem::take(&mut self.holds);
        if !holds.is_empty() {
            self.desk.close(Ended {
                call: self.call,
                holds,
                actual,
                at: Instant::now(),
            });
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.end(self.worst);
    }
}
