//! The limiter as its callers see it, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends at the first thing that is not as it should be, and may report"
)]

mod backfill;
mod beside;
mod conservation;
mod deadlines;
mod episodes;
mod extremes;
mod fairness;
mod growth;
mod learning;
mod lifecycle;
mod models;
mod outlook;
mod pacing;
mod provider;
mod reset;
mod settlement;
mod silent;
mod unconfigured;
mod world;
