//! Shared state on real servers.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod budgets;
mod conformance;
mod examine;
mod faults;
mod plain;
mod servers;
mod setups;
mod talk;
