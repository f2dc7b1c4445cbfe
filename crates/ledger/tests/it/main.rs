//! The ledger over real stores: a file, and a real Postgres server.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod cases;
mod faults;
mod files;
mod generate;
mod kill;
mod migration;
mod model;
mod postgres;
mod sqlite;
