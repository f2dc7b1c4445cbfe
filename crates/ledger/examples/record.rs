//! Hands records to a ledger and tells which are acknowledged, until it has handed in all or is
//! killed: `record LOCATION [FIRST [COUNT [QUEUE]]]`.
//!
//! LOCATION is a file or the address of a Postgres database; FIRST the number of the first call; COUNT
//! how many; QUEUE how many may wait in memory. The folder for what the store does not take is the
//! current one.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use paceline_ledger::{CallId, Entry, Ledger, LedgerSettings, Location, Writer, WriterSettings};
use tokio::sync::Semaphore;

/// How many records wait for their acknowledgement at once.
const IN_FLIGHT: u32 = 1_000;

/// How long each holds up the next ones.
const PATIENCE: Duration = Duration::from_millis(200);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let location = arguments.next().context("a location is needed")?;
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |word| word.parse());
    let (first, count, queue) = (number(0)?, number(u64::MAX / 2)?, number(65_536)?);
    let location = match location.starts_with("postgres://") {
        true => Location::Postgres(location),
        false => Location::Sqlite(location.into()),
    };
    let settings = LedgerSettings {
        writer: WriterSettings {
            queue_max: usize::try_from(queue)?,
            spill_after: Duration::from_millis(100),
            retry_max: Duration::from_millis(100),
            ..WriterSettings::default()
        },
        spill_folder: Some(PathBuf::from(".")),
        must_be_there: false,
    };
    let ledger = Ledger::open_with(location, settings).await?;
    let watched = ledger.clone();
    tokio::spawn(async move {
        loop {
            tell(&watched, "health");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    record(&ledger.writer(), first, count).await?;
    // Those who wait are told after the records are durable.
    tokio::time::sleep(2 * PATIENCE).await;
    while !ledger.health().is_well() || ledger.health().spilled > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ledger.close().await;
    tell(&ledger, "closed");
    Ok(())
}

fn tell(ledger: &Ledger, what: &str) {
    if let Ok(health) = serde_json::to_string(&ledger.health()) {
        println!("{what} {health}");
    }
}

async fn record(writer: &Writer, first: u64, count: u64) -> Result<()> {
    let places = Arc::new(Semaphore::new(IN_FLIGHT as usize));
    for id in first..first + count {
        let place = places.clone().acquire_owned().await?;
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let mut entry = Entry::new(CallId(id.into()), i64::try_from(now_ms)?, "tenant");
        (entry.model, entry.input_tokens, entry.attempts) = ("gpt-4o".to_owned(), 1, 1);
        let durable = writer.record_durably(entry);
        tokio::spawn(async move {
            let told = async {
                match durable.await {
                    Ok(()) => println!("acknowledged {id}"),
                    Err(_) => {
                        println!("lost {id}");
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            };
            let mut told = std::pin::pin!(told);
            let in_time = tokio::time::timeout(PATIENCE, &mut told).await;
            drop(place);
            if in_time.is_err() {
                told.await;
            }
        });
    }
    writer.flush().await;
    Ok(())
}
