//! Records a second into both stores, in groups and one commit each, and how long questions over many
//! records take.
//!
//! `cargo run --release -p paceline-ledger --example throughput [RECORDS]`
//!
//! RECORDS (default 100000) are spread evenly over 30 days, 20 tenants with 4 keys each, 5 models and
//! 3 tags. Postgres runs here, on the same cores, and waits for its disk as usual.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement ends at the first thing that is not as it should be, and is read"
)]

use std::env;
use std::time::{Duration, Instant};

use paceline_ledger::{
    CallId, Dimension, Entry, Filter, Ledger, LedgerSettings, Location, Order, Outcome, Period,
    Query, Scope, SpenderKind, WriterSettings,
};
use paceline_testkit::PostgresServer;

const DAY_MS: i64 = 86_400_000;
const START_MS: i64 = 20_000 * DAY_MS;
const DAYS: i64 = 30;

/// How many are committed one by one, which is slow.
const SINGLY: u128 = 500;

/// How many measure the rate of groups.
const GROUPED: u128 = 50_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let records = env::args()
        .nth(1)
        .map_or(100_000, |word| word.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start_with(&[]).unwrap();
    let stores = [
        ("SQLite", Location::Sqlite(folder.path().join("ledger.db"))),
        (
            "Postgres",
            Location::Postgres(server.create_database("ledger").unwrap()),
        ),
    ];
    for (name, location) in stores {
        println!("{name}");
        rate_singly(&location).await;
        rate_in_groups(&location).await;
        let ledger = open(&location, 10_000).await;
        fill(&ledger, records).await;
        questions(&ledger).await;
        ledger.close().await;
    }
}

async fn open(location: &Location, batch_max: usize) -> Ledger {
    let settings = LedgerSettings {
        writer: WriterSettings {
            batch_max,
            commit_max: Duration::from_secs(60),
            ..WriterSettings::default()
        },
        ..LedgerSettings::default()
    };
    Ledger::open_with(location.clone(), settings).await.unwrap()
}

fn entry(number: u128, of: u128) -> Entry {
    let pick =
        |salt: u128, count: u128| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> salt) % count;
    let at_ms = START_MS + i64::try_from(number * (DAYS * DAY_MS) as u128 / of).unwrap();
    let tenant = pick(7, 20);
    let mut entry = Entry::new(CallId(number), at_ms, format!("tenant-{tenant}"));
    entry.key_id = Some(format!("key-{tenant}-{}", pick(11, 4)));
    entry.session = Some(format!("session-{}", number / 20));
    entry.model = format!("model-{}", pick(17, 5));
    entry.tags = vec![format!("tag-{}", pick(23, 3))];
    (entry.provider, entry.route) = ("openai".to_owned(), "chat.completions".to_owned());
    let tokens = u64::try_from(pick(29, 4_000)).unwrap();
    (entry.input_tokens, entry.estimate_tokens) = (tokens, tokens + 30);
    (entry.output_tokens, entry.attempts) = (tokens / 4, 1);
    (entry.wait_ms, entry.duration_ms, entry.first_byte_ms) =
        (tokens % 70, tokens, Some(tokens / 3));
    entry.cost_nanousd = Some(tokens * 2_500);
    if pick(31, 50) == 0 {
        (entry.outcome, entry.status) = (Outcome::ProviderError, 500);
    }
    entry
}

/// A record as it comes while calls are served: a thousand end in a second.
fn live(number: u128) -> Entry {
    let mut entry = entry(number, GROUPED);
    entry.ended_at_ms = START_MS - DAY_MS + i64::try_from(number).unwrap();
    entry
}

async fn rate_singly(location: &Location) {
    let ledger = open(location, 1).await;
    let writer = ledger.writer();
    let start = Instant::now();
    for number in 0..SINGLY {
        writer
            .record(entry(number + (1 << 100), SINGLY + (1 << 100)))
            .unwrap();
    }
    writer.flush().await;
    let rate = SINGLY as f64 / start.elapsed().as_secs_f64();
    println!("  one commit each: {rate:.0} records/s");
    ledger.close().await;
}

async fn rate_in_groups(location: &Location) {
    let ledger = open(location, 1_000).await;
    let writer = ledger.writer();
    let mut entries: Vec<Entry> = (0..GROUPED).map(live).collect();
    for entry in &mut entries {
        entry.call_id.0 += 1 << 101;
    }
    let mut handing_in = Vec::with_capacity(entries.len());
    let start = Instant::now();
    for entry in entries {
        let before = Instant::now();
        writer.record(entry).unwrap();
        handing_in.push(before.elapsed());
    }
    writer.flush().await;
    let rate = GROUPED as f64 / start.elapsed().as_secs_f64();
    handing_in.sort_unstable();
    let part = |per_mille: usize| handing_in[handing_in.len() * per_mille / 1000];
    println!("  groups of up to 1000: {rate:.0} records/s");
    println!(
        "  handing one in: {:?} half of them, {:?} 99.9 %",
        part(500),
        part(999)
    );
    ledger.close().await;
}

async fn fill(ledger: &Ledger, records: u128) {
    let writer = ledger.writer();
    let start = Instant::now();
    for number in 0..records {
        writer.record(entry(number, records)).unwrap();
        if number % 20_000 == 0 {
            writer.flush().await;
        }
    }
    writer.flush().await;
    let health = ledger.health();
    assert!(
        health.is_well() && health.lost == 0 && health.spilled == 0,
        "{health:?}"
    );
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "  {records} records in groups of up to 10000: {:.0} records/s",
        records as f64 / seconds
    );
}

async fn questions(ledger: &Ledger) {
    let month = Filter {
        from_ms: Some(START_MS + 61_001),
        until_ms: Some(START_MS + DAYS * DAY_MS - 61_001),
        ..Filter::default()
    };
    let day = Filter {
        from_ms: Some(START_MS + (DAYS - 1) * DAY_MS + 1),
        ..Filter::default()
    };
    let tenant = Filter {
        tenant: Some("tenant-3".to_owned()),
        ..month.clone()
    };
    let total = |filter: &Filter| Query::total(filter.clone());
    for (name, query) in [
        ("a month in all", total(&month)),
        (
            "a month by tenant and model",
            total(&month).by(Dimension::Tenant).by(Dimension::Model),
        ),
        (
            "a month by tag, the dearest",
            total(&month).by(Dimension::Tag).top(Order::Cost, 10),
        ),
        ("a month by day", total(&month).over(Period::Day, 0)),
        (
            "a month by local day (+2 h) and model",
            total(&month).over(Period::Day, 120).by(Dimension::Model),
        ),
        (
            "a month by hour, one tenant",
            total(&tenant).over(Period::Hour, 0),
        ),
        ("a day by minute", total(&day).over(Period::Minute, 0)),
        (
            "times of a day by model",
            total(&day).by(Dimension::Model).with_latency(),
        ),
        (
            "times of a month by model",
            total(&month).by(Dimension::Model).with_latency(),
        ),
    ] {
        time(name, async || drop(ledger.query(&query).await.unwrap())).await;
    }
    let scope = Scope::Tenant("tenant-3".to_owned());
    let since = START_MS + DAY_MS + 61_001;
    time("spent by a tenant since a time", async || {
        let _spent = ledger.spent(&scope, since).await.unwrap();
    })
    .await;
    time("sessions that spent most in a day", async || {
        drop(
            ledger
                .top_spenders(SpenderKind::Session, day.from_ms, None, 10)
                .await
                .unwrap(),
        );
    })
    .await;
    time("a session's report", async || {
        drop(ledger.session_report("session-100", None).await.unwrap());
    })
    .await;
    time("the latest 100 records of a tenant", async || {
        drop(ledger.entries(&tenant, None, 100).await.unwrap());
    })
    .await;
    time("prompt sizes of a month", async || {
        drop(ledger.prompt_sizes(month.clone(), 20).await.unwrap());
    })
    .await;
}

/// The first time, and the best of three after it.
async fn time(name: &str, ask: impl AsyncFn()) {
    let mut times = Vec::new();
    for _ in 0..4 {
        let start = Instant::now();
        ask().await;
        times.push(start.elapsed());
    }
    let best = times[1..].iter().min().unwrap();
    println!(
        "  {name}: {} ms, again {} ms",
        times[0].as_millis(),
        best.as_millis()
    );
}
