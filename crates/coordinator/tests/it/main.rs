//! Shared state as instances see it, in virtual time.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod budgets;
mod crowd;
mod in_process;
