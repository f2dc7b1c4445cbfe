//! Files that are not what they should be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use paceline_ledger::{Filter, Format, Ledger, LedgerSettings, Location, OpenError, StoreError};

use crate::cases::{entry, fill};
use crate::generate::MIDNIGHT_MS;
use crate::sqlite;

async fn refusal(path: &Path) -> StoreError {
    match Ledger::open(Location::Sqlite(path.to_owned())).await {
        Err(OpenError::Store(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A fresh ledger, closed again.
async fn ledger_at(path: &Path) {
    let ledger = Ledger::open(Location::Sqlite(path.to_owned()))
        .await
        .unwrap();
    fill(&ledger, &[entry(1, MIDNIGHT_MS)]).await;
    ledger.close().await;
}

fn change(path: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn the_file_and_those_beside_it_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = sqlite::open(&folder).await;
    fill(&ledger, &[entry(1, MIDNIGHT_MS)]).await;
    let files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(
        files.len() >= 3,
        "the file, its journal and the file for spilling: {files:?}"
    );
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn what_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "not a database, but long enough to be taken for one. ".repeat(100);
    fs::write(&path, &text).unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    change(
        &path,
        "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1);",
    );
    let before = fs::read(&path).unwrap();
    let error = refusal(&path).await;
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_later_version_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    ledger_at(&path).await;
    change(&path, "PRAGMA user_version = 99");
    let error = refusal(&path).await;
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("later version"), "{error}");
}

#[tokio::test]
async fn a_damaged_ledger_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    ledger_at(&path).await;
    let mut bytes = fs::read(&path).unwrap();
    // The first page's list of tables, after the header that says what the file is.
    bytes[100..4096].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let path = Path::new("/nonexistent/folder/ledger.db");
    let error = refusal(path).await;
    assert!(
        error.to_string().contains("/nonexistent/folder/ledger.db"),
        "{error}"
    );
    let settings = LedgerSettings {
        spill_folder: Some("/nonexistent/spill".into()),
        ..LedgerSettings::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Sqlite(folder.path().join("ledger.db"));
    let error = Ledger::open_with(location, settings).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/spill"), "{error}");
}

/// Two processes on one file wait for each other; here two ledgers in one process.
#[tokio::test]
async fn two_ledgers_write_to_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (sqlite::open(&folder).await, sqlite::open(&folder).await);
    for id in 0..200 {
        first.writer().record(entry(id, MIDNIGHT_MS)).unwrap();
        // Half of them are the same calls.
        second
            .writer()
            .record(entry(id + 100, MIDNIGHT_MS))
            .unwrap();
    }
    first.close().await;
    let health = second.close().await;
    assert_eq!((health.lost, health.spilled), (0, 0));
    let answer = first
        .query(&paceline_ledger::Query::default())
        .await
        .unwrap();
    assert_eq!(answer.groups[0].usage.calls, 300);
    assert_eq!(answer.groups[0].usage.cost_nanousd, 300_000);
}

#[tokio::test]
async fn a_ledger_is_read_on_after_it_was_closed_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    ledger_at(&path).await;
    let ledger = sqlite::open(&folder).await;
    let page = ledger.entries(&Filter::default(), None, 5).await.unwrap();
    assert_eq!(page.entries, [entry(1, MIDNIGHT_MS).bounded()]);
}

#[tokio::test]
async fn who_only_asks_makes_nothing_and_reads_beside_who_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let to_read = || Ledger::open_to_read(Location::Sqlite(path.clone()));
    match to_read().await {
        Err(OpenError::Store(StoreError::Missing { store })) => {
            assert_eq!(store, path.display().to_string());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let writing = sqlite::open(&folder).await;
    fill(&writing, &[entry(1, MIDNIGHT_MS)]).await;
    let spills = || {
        let names = fs::read_dir(folder.path()).unwrap();
        let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".spill")).count()
    };
    let before = spills();
    let reading = to_read().await.unwrap();
    fill(&writing, &[entry(2, MIDNIGHT_MS + 5)]).await;
    let extent = reading.extent().await.unwrap();
    assert_eq!(extent.records, 2);
    assert_eq!(extent.first_ms, Some(MIDNIGHT_MS));
    assert_eq!(extent.last_ms, Some(MIDNIGHT_MS + 5));
    let mut lines = reading.export(Filter::default(), Format::JsonLines);
    assert_eq!(lines.next().await.unwrap().unwrap().lines().count(), 2);
    assert!(reading.writer().record(entry(3, MIDNIGHT_MS)).is_err());
    reading.close().await;
    assert_eq!(spills(), before, "it takes no file for itself");
    writing.close().await;
}

#[tokio::test]
async fn who_only_asks_makes_no_tables_and_reads_none_of_a_later_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    fs::write(&path, "").unwrap();
    let to_read = || Ledger::open_to_read(Location::Sqlite(path.clone()));
    let empty = to_read().await.unwrap_err();
    assert!(
        matches!(empty, OpenError::Store(StoreError::Missing { .. })),
        "{empty}"
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    ledger_at(&path).await;
    change(&path, "PRAGMA user_version = 99");
    let newer = to_read().await.unwrap_err();
    assert!(
        matches!(newer, OpenError::Store(StoreError::Newer { found: 99, .. })),
        "{newer}"
    );
}
