//! What an instance and the store tell each other about budgets. Times are milliseconds since 1970 on the
//! store's clock.

use std::fmt;

use super::budget::{Budget, Spend};
use crate::message::{Epoch, InstanceId};

/// One call, drawn at random; no two calls have the same. Whatever is said twice of a call counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u128);

impl fmt::Display for CallId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

/// How a call that has ended was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// By the store, in this life of the account and this window. Where the account was lost since, what
    /// the call cost is counted now.
    Held {
        /// The account's life.
        epoch: Epoch,
        /// The window's start.
        window_ms: u64,
    },
    /// By the instance itself while the store was away, in this window.
    Elsewhere {
        /// The window's start.
        window_ms: u64,
    },
    /// Not known: the reservation was not answered. Should it arrive later, it is not made any more.
    Unsure,
}

/// One budget in a message. No two lines of a message are about the same budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which budget, and how it is defined now.
    pub budget: Budget,
    /// What the sender has to have of its share at the least: what it has taken of it and not told yet.
    pub keeps: u64,
    /// How the call was let in; looked at when a call is closed.
    pub receipt: Receipt,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// May this call go?
    Reserve {
        /// When the call counts as spent in full unless something is heard of it, from now.
        lease_ms: u64,
        /// What it is expected to cost.
        expected: Spend,
        /// What it can cost; at least what is expected counts.
        worst: Spend,
    },
    /// The call has ended.
    Close {
        /// What it did cost: nothing where it was not sent.
        actual: Spend,
        /// How long ago that was.
        ended_ago_ms: u64,
    },
    /// This much was spent in a window, says who keeps the books: taken where the account knows less.
    Seed {
        /// The window's start.
        window_ms: u64,
        /// What was spent in it.
        spent: u64,
    },
    /// How do things stand?
    Look,
}

/// One message. Every one of them also says that its sender is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetAsk {
    /// Who asks.
    pub instance: InstanceId,
    /// The sender's messages in their order.
    pub sequence: u64,
    /// Whether the sender gives back what it does not keep of its shares: from before it said so it does
    /// not use it. Nothing else makes a share smaller, and not an older message after a younger one.
    pub gives_back: bool,
    /// About which call; any number where it is about none.
    pub call: CallId,
    /// In which budgets.
    pub lines: Vec<Line>,
    /// What.
    pub request: Request,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call may go: its worst is held in all budgets.
    Reserved,
    /// It does not fit because of what is in flight. Nothing is held.
    Wait {
        /// The line that holds it back.
        line: usize,
        /// When to ask again if nothing is heard; `None`: only when told.
        until_ms: Option<u64>,
    },
    /// It would not fit if everything in flight cost nothing. Nothing is held.
    Refused {
        /// The line that refuses it; of several the one that is free last.
        line: usize,
        /// What the call is expected to cost there.
        need: u64,
        /// When the budget starts anew; `None`: it will never fit.
        free_at_ms: Option<u64>,
    },
    /// Some accounts know nothing of their present windows, see [`Standing::is_known`]: seed them and ask
    /// again.
    Unseeded,
    /// This call has ended already.
    Ended,
    /// Done, where nothing was to be decided.
    Done,
}

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the account knows what was spent. If not, only the window means anything.
    pub is_known: bool,
    /// The account's life.
    pub epoch: Epoch,
    /// The present window's start.
    pub window_ms: u64,
    /// Its end, if it has one.
    pub window_end_ms: Option<u64>,
    /// What was spent in it.
    pub spent: u64,
    /// What calls in flight can cost at most.
    pub held: u64,
    /// What other instances may spend if the store goes away.
    pub elsewhere: u64,
    /// What the sender may spend if the store goes away, until [`super::SHARE_MS`] after it asked.
    pub share: u64,
    /// Instances that use the budget.
    pub instances: u64,
}

/// A threshold that was reached. Each is told once a period, to whoever's message reached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// The line.
    pub line: usize,
    /// The threshold, in percent of the amount.
    pub percent: u16,
}

/// What instances are told, without being asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// There may be room in the budget of this key: whoever waits for it asks again.
    Room(String),
    /// Somebody waits for what shares hold in the budget of this key: give yours back.
    Return(String),
    /// Something may have been missed: look at everything.
    All,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetAnswer {
    /// The store's clock.
    pub now_ms: u64,
    /// What follows from the message.
    pub verdict: Verdict,
    /// How each line's budget stands after it.
    pub standings: Vec<Standing>,
    /// Thresholds that it reached.
    pub crossings: Vec<Crossing>,
    /// Who is to be told; stores that tell themselves leave it empty.
    pub wakes: Vec<Wake>,
}
