//! Ledgers of the versions before are brought to this one with all that they hold.

use paceline_ledger::{Entry, Ledger, Location, OpenError, StoreError};
use paceline_testkit::PostgresServer;
use proptest::test_runner::TestRunner;

use crate::cases::{answers_agree, fill, some_entries};
use crate::{postgres, sqlite};

const SQLITE_1: &str = include_str!("../../migrations/sqlite/0001_records.sql");
const POSTGRES_1: &str = include_str!("../../migrations/postgres/0001_records.sql");

/// The statement of a text that makes a table.
fn table<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.find(&format!("CREATE TABLE {name} (")).unwrap();
    text[start..].split_inclusive(';').next().unwrap()
}

/// Takes the tables of version 3 back to those of version 2, which knew nothing of lanes.
const BACK_TO_2: &str = "
    DROP INDEX paceline_entry_by_lane;
    ALTER TABLE paceline_entry DROP COLUMN lane;
    ALTER TABLE paceline_entry DROP COLUMN passed;
    ALTER TABLE paceline_entry DROP COLUMN hedged;
    ALTER TABLE paceline_entry DROP COLUMN hedge_cost_nanousd;";

/// Records as the versions before had them.
fn entries_without_lanes(runner: &mut TestRunner) -> Vec<Entry> {
    let without = |entry| Entry {
        lane: None,
        passed: None,
        hedged: None,
        hedge_cost_nanousd: None,
        ..entry
    };
    some_entries(runner).into_iter().map(without).collect()
}

/// Takes the tables of version 3 back to those of version 1, with the sums that those had.
fn back_to_1(first: &str) -> String {
    let (series, rollup) = (
        table(first, "paceline_series"),
        table(first, "paceline_rollup"),
    );
    format!(
        "{BACK_TO_2}
         CREATE TABLE kept AS SELECT * FROM paceline_sum WHERE grain IN (4, 6);
         ALTER TABLE kept DROP COLUMN grain;
         CREATE TABLE kept_series AS SELECT * FROM paceline_series WHERE grain IN (4, 6);
         ALTER TABLE kept_series DROP COLUMN grain;
         DROP TABLE paceline_sum; DROP TABLE paceline_series;
         DROP INDEX paceline_entry_by_tenant; DROP INDEX paceline_entry_by_model;
         DROP INDEX paceline_entry_by_key; DROP INDEX paceline_entry_by_failure;
         {series} {rollup}
         INSERT INTO paceline_series SELECT * FROM kept_series;
         INSERT INTO paceline_rollup SELECT * FROM kept;
         DROP TABLE kept; DROP TABLE kept_series;"
    )
}

/// A file of a version before, made by taking a fresh one back, answers as before and goes on.
async fn a_file_goes_on(seed: u8, version: i64, back: &str) {
    let mut runner = sqlite::runner(seed);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut entries = entries_without_lanes(&mut runner);
    let ledger = sqlite::open(&folder).await;
    fill(&ledger, &entries).await;
    ledger.close().await;
    drop(ledger);
    let change = |sql: &str| {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute_batch(sql).unwrap();
    };
    change(&format!("{back} PRAGMA user_version = {version}"));
    let older = Ledger::open_to_read(Location::Sqlite(path.clone())).await;
    assert!(
        matches!(
            older,
            Err(OpenError::Store(StoreError::Older { found, .. })) if found == version
        ),
        "who only asks changes nothing: {older:?}"
    );
    let ledger = sqlite::open(&folder).await;
    answers_agree(&ledger, &entries, &mut runner).await;
    let more = some_entries(&mut runner);
    fill(&ledger, &more).await;
    entries.extend(more);
    answers_agree(&ledger, &entries, &mut runner).await;
    ledger.close().await;
    let file = rusqlite::Connection::open(&path).unwrap();
    let whole = file.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0));
    assert_eq!(whole.unwrap(), "ok");
}

#[tokio::test]
async fn a_file_of_version_1_answers_as_before_and_goes_on() {
    for seed in 40..44 {
        a_file_goes_on(seed, 1, &back_to_1(SQLITE_1)).await;
    }
}

#[tokio::test]
async fn a_file_of_version_2_answers_as_before_and_goes_on() {
    for seed in 50..53 {
        a_file_goes_on(seed, 2, BACK_TO_2).await;
    }
}

/// Whoever has the file open meanwhile, to ask or to write, sees the new columns.
#[tokio::test]
async fn a_file_of_version_2_is_brought_forward_beside_others_who_have_it_open() {
    let mut runner = sqlite::runner(60);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let entries = entries_without_lanes(&mut runner);
    let ledger = sqlite::open(&folder).await;
    fill(&ledger, &entries).await;
    ledger.close().await;
    drop(ledger);
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch(&format!("{BACK_TO_2} PRAGMA user_version = 2"))
        .unwrap();
    let count = |sql: &str| other.query_row(sql, [], |row| row.get::<_, i64>(0));
    let all = count("SELECT count(*) FROM paceline_entry").unwrap();
    let (first, second) = tokio::join!(sqlite::open(&folder), sqlite::open(&folder));
    for ledger in [&first, &second] {
        answers_agree(ledger, &entries, &mut runner).await;
    }
    let without = count("SELECT count(*) FROM paceline_entry WHERE lane IS NULL").unwrap();
    assert_eq!(without, all);
}

/// The same of a database.
async fn a_database_goes_on(server: &PostgresServer, seed: u8, version: i64, back: &str) {
    let mut runner = sqlite::runner(seed);
    let name = format!("before{seed}");
    let url = server.create_database(&name).unwrap();
    let mut entries = entries_without_lanes(&mut runner);
    let ledger = postgres::open(url.clone()).await;
    fill(&ledger, &entries).await;
    ledger.close().await;
    drop(ledger);
    let back =
        format!("{back} UPDATE paceline_meta SET value = {version} WHERE name = 'schema_version'");
    server.sql(&name, &back).unwrap();
    let ledger = postgres::open(url).await;
    answers_agree(&ledger, &entries, &mut runner).await;
    let more = some_entries(&mut runner);
    fill(&ledger, &more).await;
    entries.extend(more);
    answers_agree(&ledger, &entries, &mut runner).await;
}

#[tokio::test]
async fn a_database_of_a_version_before_answers_as_before_and_goes_on() {
    let server = PostgresServer::start().unwrap();
    let back_to_1 = back_to_1(POSTGRES_1);
    for (seed, version, back) in [
        (40, 1, &*back_to_1),
        (41, 1, &back_to_1),
        (50, 2, BACK_TO_2),
        (51, 2, BACK_TO_2),
    ] {
        a_database_goes_on(&server, seed, version, back).await;
    }
}
