//! Integration tests.

mod crowd;
mod exchange;
