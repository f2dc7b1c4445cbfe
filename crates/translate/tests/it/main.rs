//! Tests of the crate through its public face.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "functions that tests share fail the test"
)]

mod answers;
mod checks;
mod errors;
mod mutations;
mod refused;
mod requests;
mod responses;
mod round_trips;
mod streams;
mod translated;
