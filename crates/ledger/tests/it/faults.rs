//! A database that is away, hears and does not answer, or is shared.

use std::time::Duration;

use paceline_ledger::{
    Ledger, LedgerSettings, Location, OpenError, Query, Scope, StoreError, WriterSettings,
};
use paceline_testkit::PostgresServer;
use paceline_testkit::fault::{Behaviour, FaultProxy};
use tempfile::TempDir;

use crate::cases::{entry, fill};
use crate::generate::MIDNIGHT_MS;
use crate::postgres;

/// Impatient, so that tests are not long.
fn settings(folder: &TempDir) -> LedgerSettings {
    LedgerSettings {
        writer: WriterSettings {
            commit_max: Duration::from_millis(500),
            spill_after: Duration::from_millis(50),
            retry_max: Duration::from_millis(200),
            ..WriterSettings::default()
        },
        spill_folder: Some(folder.path().to_owned()),
        must_be_there: false,
    }
}

async fn until_replayed(ledger: &Ledger) {
    for _ in 0..6_000 {
        let health = ledger.health();
        if health.is_well() && health.spilled + health.queued == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", ledger.health());
}

#[tokio::test]
async fn a_database_that_is_not_there_yet_gets_its_records_later() {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start().unwrap();
    server.stop().unwrap();
    let location = || Location::Postgres(server.url("postgres"));
    let strict = LedgerSettings {
        must_be_there: true,
        ..LedgerSettings::default()
    };
    let error = Ledger::open_with(location(), strict).await.unwrap_err();
    assert!(
        matches!(error, OpenError::Store(StoreError::Away { .. })),
        "{error}"
    );
    let ledger = Ledger::open_with(location(), settings(&folder))
        .await
        .unwrap();
    ledger
        .writer()
        .record_durably(entry(1, MIDNIGHT_MS))
        .await
        .unwrap();
    assert_eq!(ledger.health().spilled, 1);
    assert!(ledger.check().await.unwrap_err().is_transient());
    server.restart().unwrap();
    until_replayed(&ledger).await;
    let answer = ledger.query(&Query::default()).await.unwrap();
    assert_eq!(answer.groups[0].usage.calls, 1);
}

/// The commit happens and nobody is told: it is tried again, and counts once.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start().unwrap();
    let proxy = FaultProxy::start(server.address()).unwrap();
    let url = server.url_through(proxy.address(), "postgres");
    let ledger = Ledger::open_with(Location::Postgres(url), settings(&folder))
        .await
        .unwrap();
    fill(&ledger, &[entry(0, MIDNIGHT_MS)]).await;
    for (round, fault) in [Behaviour::lost_answers(), Behaviour::black_hole()]
        .into_iter()
        .enumerate()
    {
        proxy.set(fault).unwrap();
        let first = 10 * round as u128 + 1;
        for id in first..first + 10 {
            ledger.writer().record(entry(id, MIDNIGHT_MS)).unwrap();
        }
        ledger.writer().flush().await;
        assert_eq!(ledger.health().spilled, 10);
        proxy.set(Behaviour::pass()).unwrap();
        until_replayed(&ledger).await;
    }
    let answer = ledger.query(&Query::default()).await.unwrap();
    assert_eq!(answer.groups[0].usage.calls, 21);
    assert_eq!(ledger.health().lost, 0);
}

/// Instances that start at the same time, and count into the same sums.
#[tokio::test]
async fn several_instances_share_a_database() {
    let server = PostgresServer::start().unwrap();
    let url = server.create_database("shared").unwrap();
    let opening = [0, 1, 2, 3].map(|_| tokio::spawn(postgres::open(url.clone())));
    let mut ledgers = Vec::new();
    for ledger in opening {
        ledgers.push(ledger.await.unwrap());
    }
    let now = 60_000;
    for (index, ledger) in ledgers.iter().enumerate() {
        for id in 0..400_u128 {
            // Every tenth call is handed in by all of them.
            let own = if id % 10 == 0 {
                0
            } else {
                1_000 * (index as u128 + 1)
            };
            let mut entry = entry(own + id, MIDNIGHT_MS + (id as i64 % 7) * now);
            entry.tenant = format!("t{}", id % 5);
            ledger.writer().record(entry).unwrap();
        }
    }
    for ledger in &ledgers {
        ledger.writer().flush().await;
        let health = ledger.health();
        assert_eq!((health.lost, health.spilled), (0, 0), "{health:?}");
    }
    let answer = ledgers[0].query(&Query::default()).await.unwrap();
    assert_eq!(answer.groups[0].usage.calls, 40 + 4 * 360);
    let spent = ledgers[1]
        .spent(&Scope::Tag("blue".into()), 0)
        .await
        .unwrap();
    assert_eq!(spent.requests, 40 + 4 * 360);
}

#[tokio::test]
async fn a_database_of_a_later_version_or_another_kind_is_left_alone() {
    let server = PostgresServer::start().unwrap();
    let url = server.create_database("later").unwrap();
    let ledger = postgres::open(url.clone()).await;
    ledger.close().await;
    server
        .sql(
            "later",
            "UPDATE paceline_meta SET value = 99 WHERE name = 'schema_version'",
        )
        .unwrap();
    let error = Ledger::open(Location::Postgres(url)).await.unwrap_err();
    assert!(
        matches!(error, OpenError::Store(StoreError::Newer { found: 99, .. })),
        "{error}"
    );
    let url = server.create_database("none").unwrap();
    let to_read = Ledger::open_to_read(Location::Postgres(url.clone())).await;
    assert!(
        matches!(to_read, Err(OpenError::Store(StoreError::Missing { .. }))),
        "{to_read:?}"
    );
    postgres::open(url.clone()).await.close().await;
    let to_read = Ledger::open_to_read(Location::Postgres(url)).await.unwrap();
    assert_eq!(to_read.extent().await.unwrap().records, 0);
    let url = server.create_database("other").unwrap();
    server
        .sql("other", "CREATE TABLE paceline_entry (theirs int)")
        .unwrap();
    let error = Ledger::open(Location::Postgres(url)).await.unwrap_err();
    assert!(
        matches!(error, OpenError::Store(StoreError::Foreign { .. })),
        "{error}"
    );
    let address = Ledger::open(Location::Postgres("mysql://a:secret@b".into()))
        .await
        .unwrap_err();
    assert!(matches!(address, OpenError::Address(_)) && !address.to_string().contains("secret"));
}
