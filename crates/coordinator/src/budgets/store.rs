//! What every store of budgets does.

use std::future::Future;
use std::pin::Pin;

use super::message::{BudgetAnswer, BudgetAsk, Wake};
use crate::store::Later;

/// What instances are told of, one after the other.
pub trait BudgetWakes: Send {
    /// Waits for the next; `None`: the store is gone, and will not tell any more.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Wake>> + Send + '_>>;
}

/// A place where accounts live that instances share.
///
/// Every implementation follows the rules of [`super::Accounts`], and passes the same tests.
pub trait BudgetStore: Send + Sync {
    /// One message and its answer. A message may be repeated: it counts once.
    ///
    /// # Errors
    /// The store is away or refuses; whether it has heard the message is not known then.
    fn exchange<'a>(&'a self, ask: &'a BudgetAsk) -> Later<'a, BudgetAnswer>;

    /// What all instances are told from now on.
    ///
    /// # Errors
    /// The store is away or refuses.
    fn wakes(&self) -> Later<'_, Box<dyn BudgetWakes>>;
}
