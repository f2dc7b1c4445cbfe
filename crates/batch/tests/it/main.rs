//! Integration tests of the batch runner.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod bench;
mod faults;
mod model;
mod outputs;
mod plan;
mod process;
mod run;
