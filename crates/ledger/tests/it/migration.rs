//! Ledgers of the version before are brought to this one with all that they hold.

use paceline_ledger::{Ledger, Location, OpenError, StoreError};
use paceline_testkit::PostgresServer;

use crate::cases::{answers_agree, fill, some_entries};
use crate::{postgres, sqlite};

const SQLITE_1: &str = include_str!("../../migrations/sqlite/0001_records.sql");
const POSTGRES_1: &str = include_str!("../../migrations/postgres/0001_records.sql");

/// The statement of a text that makes a table.
fn table<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.find(&format!("CREATE TABLE {name} (")).unwrap();
    text[start..].split_inclusive(';').next().unwrap()
}

/// Takes the tables of version 2 back to those of version 1, with the sums that those had.
fn back_to_1(first: &str) -> String {
    let (series, rollup) = (
        table(first, "paceline_series"),
        table(first, "paceline_rollup"),
    );
    format!(
        "CREATE TABLE kept AS SELECT * FROM paceline_sum WHERE grain IN (4, 6);
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

#[tokio::test]
async fn a_file_of_version_1_answers_as_before_and_goes_on() {
    for seed in 40..44 {
        let mut runner = sqlite::runner(seed);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let mut entries = some_entries(&mut runner);
        let ledger = sqlite::open(&folder).await;
        fill(&ledger, &entries).await;
        ledger.close().await;
        drop(ledger);
        let file = rusqlite::Connection::open(&path).unwrap();
        let back = back_to_1(SQLITE_1) + "PRAGMA user_version = 1";
        file.execute_batch(&back).unwrap();
        drop(file);
        let older = Ledger::open_to_read(Location::Sqlite(path)).await;
        assert!(
            matches!(
                older,
                Err(OpenError::Store(StoreError::Older { found: 1, .. }))
            ),
            "who only asks changes nothing: {older:?}"
        );
        let ledger = sqlite::open(&folder).await;
        answers_agree(&ledger, &entries, &mut runner).await;
        let more = some_entries(&mut runner);
        fill(&ledger, &more).await;
        entries.extend(more);
        answers_agree(&ledger, &entries, &mut runner).await;
    }
}

#[tokio::test]
async fn a_database_of_version_1_answers_as_before_and_goes_on() {
    let server = PostgresServer::start().unwrap();
    for seed in 40..42 {
        let mut runner = sqlite::runner(seed);
        let name = format!("before{seed}");
        let url = server.create_database(&name).unwrap();
        let mut entries = some_entries(&mut runner);
        let ledger = postgres::open(url.clone()).await;
        fill(&ledger, &entries).await;
        ledger.close().await;
        drop(ledger);
        let back = back_to_1(POSTGRES_1)
            + "UPDATE paceline_meta SET value = 1 WHERE name = 'schema_version'";
        server.sql(&name, &back).unwrap();
        let ledger = postgres::open(url).await;
        answers_agree(&ledger, &entries, &mut runner).await;
        let more = some_entries(&mut runner);
        fill(&ledger, &more).await;
        entries.extend(more);
        answers_agree(&ledger, &entries, &mut runner).await;
    }
}
