//! How long questions take over ten million calls.
//!
//! `cargo run --release -p paceline-ledger --example queries [FILE|postgres://ADDRESS]`
//!
//! Fills a ledger as 10.4 million calls in 30 days would: 20 tenants with 4 keys each, 5 models, two outcomes,
//! 3 tags of which every call has one, each combination in each hour, sums by minute for a week, a record for
//! each call, and one call a day of a tenant, model and route that are seldom. Without an address an SQLite
//! file (4 GB) and then a Postgres database (12 GB) are made and removed; a ledger that is named is filled if
//! it is not there or empty, and kept.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement ends at the first thing that is not as it should be, and is read"
)]

mod fill;
mod questions;

use std::env;
use std::time::Instant;

use paceline_ledger::{CallId, Entry, Ledger, Location};
use paceline_testkit::PostgresServer;

use fill::{DAY_MS, HOUR_MS, START_MS, fill};

#[tokio::main]
async fn main() {
    match env::args().nth(1) {
        Some(address) if address.starts_with("postgres") => {
            measure(Location::Postgres(address)).await;
        }
        Some(file) => measure(Location::Sqlite(file.into())).await,
        None => {
            let folder = tempfile::tempdir().unwrap();
            measure(Location::Sqlite(folder.path().join("ledger.db"))).await;
            drop(folder);
            let server = PostgresServer::start().unwrap();
            let address = server.create_database("ledger").unwrap();
            measure(Location::Postgres(address)).await;
        }
    }
}

async fn measure(location: Location) {
    let ledger = Ledger::open(location.clone()).await.unwrap();
    if ledger.extent().await.unwrap().records == 0 {
        let start = Instant::now();
        fill(&location).await;
        seldom(&ledger).await;
        println!("filled in {} s", start.elapsed().as_secs());
    }
    ledger.close().await;
    let ledger = Ledger::open_to_read(location).await.unwrap();
    questions::ask(&ledger).await;
}

/// A call a day of somebody who seldom calls.
async fn seldom(ledger: &Ledger) {
    for day in 0..30 {
        let at_ms = START_MS + day * DAY_MS + 5 * HOUR_MS + 77_777;
        let id = CallId((1 << 100) + u128::try_from(day).unwrap());
        let mut entry = Entry::new(id, at_ms, "tenant-seldom");
        (entry.model, entry.route) = ("model-seldom".to_owned(), "embeddings".to_owned());
        (entry.provider, entry.input_tokens, entry.attempts) = ("openai".to_owned(), 50, 1);
        ledger.writer().record_durably(entry).await.unwrap();
    }
}
