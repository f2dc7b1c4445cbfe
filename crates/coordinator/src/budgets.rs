//! Budgets: amounts of money, tokens or requests that are never passed, however many calls run at once.
//!
//! A call reserves the worst it can cost in all of its budgets at once, or in none, and settles for what
//! it did cost. What is expected decides whether a call is refused; what is the worst decides how many
//! run at once. So as long as something is left for what a call is expected to cost, it waits for those
//! in flight and is not refused, and the last of a budget goes to one call at a time. A budget is passed
//! only by a call that costs more than was expected of it while it runs alone, never by concurrency, and
//! not at all where the worst is what is expected.
//!
//! [`Accounts`] has the rules, with the time as an argument; a [`BudgetStore`] is where accounts live,
//! and [`Budgets`] is what programs use.

mod account;
mod accounts;
mod away;
mod budget;
mod calendar;
mod desk;
mod in_process;
mod line;
mod message;
mod outcome;
mod store;

pub use account::{KEEP_MS, SHARE_MS};
pub use accounts::Accounts;
pub use budget::{AMOUNT_MAX, Budget, BudgetError, PERCENT_MAX, SCOPE_MAX, Spend, Unit};
pub use calendar::{Period, Window};
pub use desk::{Alert, Books, BudgetSettings, Budgets, NoBooks, WhenUnknown};
pub use in_process::InProcessBudgets;
pub use message::{
    BudgetAnswer, BudgetAsk, CallId, Crossing, Line, Receipt, Request, Standing, Verdict, Wake,
};
pub use outcome::{Outcome, Refusal, RefusalReason, Reserved};
pub use store::{BudgetStore, BudgetWakes};
