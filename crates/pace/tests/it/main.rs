//! Pools of several processes that share their limits, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod faults;
mod provider;
mod sharing;
mod store;
mod trying;
mod world;
