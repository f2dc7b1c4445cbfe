//! How long questions take when ten million calls are in the sums.
//!
//! `cargo run --release -p paceline-ledger --example queries`
//!
//! Fills the roll-ups of an SQLite ledger as 10 million calls in 30 days would have: 20 tenants with 4 keys
//! each, 5 models, two outcomes, 3 tags of which every call has one, and each combination in each hour; the
//! last day by minute too. Records are left out: questions read them for parts of minutes alone.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement ends at the first thing that is not as it should be, and is read"
)]

use std::path::Path;
use std::time::Instant;

use paceline_ledger::{Dimension, Filter, Ledger, Location, Order, Period, Query};
use rusqlite::Connection;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
const START_MS: i64 = 20_000 * DAY_MS;
const END_MS: i64 = START_MS + 30 * DAY_MS;

/// Calls of a combination in an hour.
const CALLS: i64 = 17;

const SERIES: &str = "\
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 3199)
INSERT INTO paceline_series SELECT randomblob(16),
    CASE WHEN i < 800 THEN '' ELSE 'tag-' || (i / 800) END,
    'tenant-' || (i % 20), 'key-' || (i % 20) || '-' || (i / 20 % 4), 'model-' || (i / 80 % 5),
    'openai', 'chat_completions', i / 400 % 2, 0 FROM n";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let location = Location::Sqlite(file.clone());
    Ledger::open(location.clone()).await.unwrap().close().await;
    let start = Instant::now();
    fill(&file);
    let size = std::fs::metadata(&file).unwrap().len() / 1_000_000;
    println!("filled in {} s, {size} MB", start.elapsed().as_secs());
    let ledger = Ledger::open_to_read(location).await.unwrap();
    let total = ledger.query(&Query::default()).await.unwrap();
    println!("{} calls", total.groups[0].usage.calls);
    for (name, query) in questions() {
        let mut times = Vec::new();
        for _ in 0..4 {
            let start = Instant::now();
            drop(ledger.query(&query).await.unwrap());
            times.push(start.elapsed().as_millis());
        }
        let again = times[1..].iter().min().unwrap();
        println!("  {name}: {} ms, again {again} ms", times[0]);
    }
}

fn fill(file: &Path) {
    let connection = Connection::open(file).unwrap();
    connection
        .execute_batch("PRAGMA synchronous = OFF")
        .unwrap();
    connection.execute_batch(SERIES).unwrap();
    rollups(&connection, (2, DAY_MS), START_MS, 24 * CALLS, 1);
    rollups(&connection, (1, HOUR_MS), START_MS, CALLS, 1);
    // A combination does not occur in every minute.
    rollups(&connection, (0, MINUTE_MS), END_MS - DAY_MS, 1, 4);
}

/// Rows of a period for every combination, or every so-many-th, from a time to the end.
fn rollups(connection: &Connection, period: (i64, i64), from_ms: i64, calls: i64, every: i64) {
    let mut columns = connection
        .prepare("SELECT name FROM pragma_table_info('paceline_rollup')")
        .unwrap();
    let names = columns
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let measures: Vec<String> = names
        .skip(3)
        .map(|name| {
            let per_call = match name.unwrap().as_str() {
                "input_tokens" | "estimate_tokens" | "estimated_input_tokens" | "duration_ms" => {
                    2_000
                }
                "output_tokens" | "first_byte_ms" | "charge_tokens" => 500,
                "cost_nanousd" => 5_000_000,
                _ => 1,
            };
            (calls * per_call).to_string()
        })
        .collect();
    let (code, length) = period;
    let sql = format!(
        "WITH RECURSIVE t(at) AS (SELECT {from_ms} UNION ALL SELECT at + {length} FROM t \
         WHERE at + {length} < {END_MS}), \
         s AS (SELECT series, row_number() OVER (ORDER BY series) AS number FROM paceline_series) \
         INSERT INTO paceline_rollup SELECT {code}, at, series, {} FROM t CROSS JOIN s \
         WHERE (number + at / {length}) % {every} = 0 ORDER BY at, series",
        measures.join(", ")
    );
    connection.execute_batch(&sql).unwrap();
}

fn questions() -> Vec<(&'static str, Query)> {
    // Full minutes: there are no records here to read the rest from.
    let month = Filter {
        from_ms: Some(START_MS + MINUTE_MS),
        until_ms: Some(END_MS - MINUTE_MS),
        ..Filter::default()
    };
    let day = Filter {
        from_ms: Some(END_MS - DAY_MS),
        ..Filter::default()
    };
    let tenant = Filter {
        tenant: Some("tenant-3".to_owned()),
        ..month.clone()
    };
    let total = |filter: &Filter| Query::total(filter.clone());
    let by_local_day = |offset| total(&month).over(Period::Day, offset).by(Dimension::Model);
    vec![
        ("a month in all", total(&month)),
        ("a month in all, brief", total(&month).brief()),
        ("a month by tenant", total(&month).by(Dimension::Tenant)),
        (
            "a month by tenant, brief, the dearest ten",
            total(&month)
                .by(Dimension::Tenant)
                .top(Order::Cost, 10)
                .brief(),
        ),
        (
            "a month by tag, brief",
            total(&month).by(Dimension::Tag).brief(),
        ),
        ("a month by day of UTC and model", by_local_day(0)),
        (
            "a month by day of UTC and model, brief",
            by_local_day(0).brief(),
        ),
        ("a month by local day (+2 h) and model", by_local_day(120)),
        (
            "a month by local day (+2 h) and model, brief",
            by_local_day(120).brief(),
        ),
        (
            "a month by local day (-8 h) and model, brief",
            by_local_day(-480).brief(),
        ),
        (
            "a month by local day (+12 h) and model, brief",
            by_local_day(720).brief(),
        ),
        (
            "a month by local day (+2 h), one tenant, brief",
            total(&tenant).over(Period::Day, 120).brief(),
        ),
        ("the last day by hour", total(&day).over(Period::Hour, 0)),
        (
            "the last day by hour and model, brief",
            total(&day)
                .over(Period::Hour, 0)
                .by(Dimension::Model)
                .brief(),
        ),
        (
            "the last day by minute, brief",
            total(&day).over(Period::Minute, 0).brief(),
        ),
        (
            "a month by hour, brief",
            total(&month).over(Period::Hour, 0).brief(),
        ),
        (
            "times of a month by model",
            total(&month).by(Dimension::Model).with_latency(),
        ),
    ]
}
