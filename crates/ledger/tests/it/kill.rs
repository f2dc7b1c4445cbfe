//! A process that records is killed, or finds the disk full; what it acknowledged is there, once.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use paceline_ledger::{Filter, Format, Health, Ledger, Location, Query};
use paceline_testkit::PostgresServer;
use paceline_testkit::process::{Process, Program};

use crate::postgres;

/// Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The example `record`, which is built with the tests.
fn recorder() -> PathBuf {
    let this = env::current_exe().unwrap();
    let folder = this.parent().and_then(Path::parent).unwrap();
    let program = folder.join("examples/record");
    assert!(
        program.is_file(),
        "build it: cargo build -p paceline-ledger --examples"
    );
    program
}

/// The numbers after a word, of whole lines.
fn numbers(process: &Process, word: &str) -> BTreeSet<u128> {
    let text = process.log().text();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().filter_map(|line| line.strip_prefix(word));
    lines.map(|number| number.trim().parse().unwrap()).collect()
}

fn wait_for_acknowledgements(process: &Process, count: usize) {
    let end = std::time::Instant::now() + PATIENCE;
    while numbers(process, "acknowledged ").len() < count {
        assert!(std::time::Instant::now() < end, "{}", process.log().text());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every call that is there, told from the records; the sums must say the same.
async fn calls(ledger: &Ledger) -> BTreeSet<u128> {
    let mut calls = BTreeSet::new();
    let mut export = ledger.export(Filter::default(), Format::JsonLines);
    while let Some(piece) = export.next().await.unwrap() {
        for line in piece.lines() {
            let entry: paceline_ledger::Entry = serde_json::from_str(line).unwrap();
            assert!(
                calls.insert(entry.call_id.0),
                "{} is there twice",
                entry.call_id
            );
        }
    }
    let answer = ledger.query(&Query::default()).await.unwrap();
    let usage = answer.groups[0].usage;
    assert_eq!(usage.calls as usize, calls.len(), "sums and records differ");
    assert_eq!(usage.input_tokens as usize, calls.len());
    calls
}

/// Starts one, kills it while it writes, and so again; what was acknowledged.
fn record_and_kill(location: &str, folder: &Path) -> BTreeSet<u128> {
    let mut acknowledged = BTreeSet::new();
    for (round, first) in [0, 1_000_000, 2_000_000].into_iter().enumerate() {
        let program = Program::new(recorder(), folder)
            .argument(location)
            .argument(first.to_string());
        let log = folder.join(format!("log-{round}"));
        let process = Process::start(program, &log).unwrap();
        wait_for_acknowledgements(&process, 700 + 900 * round);
        process.kill().unwrap();
        acknowledged.extend(numbers(&process, "acknowledged "));
    }
    acknowledged
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let acknowledged = record_and_kill(&file.display().to_string(), folder.path());
    let ledger = Ledger::open(Location::Sqlite(file)).await.unwrap();
    let there = calls(&ledger).await;
    let missing: Vec<_> = acknowledged.difference(&there).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_in_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start().unwrap();
    let url = server.create_database("kill").unwrap();
    let acknowledged = record_and_kill(&url, folder.path());
    let there = calls(&postgres::open(url).await).await;
    let missing: Vec<_> = acknowledged.difference(&there).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_end_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start().unwrap();
    let url = server.create_database("server").unwrap();
    let program = Program::new(recorder(), folder.path())
        .argument(&url)
        .argument("0")
        .argument("8000");
    let process = Process::start(program, &folder.path().join("log")).unwrap();
    for round in 1..=3 {
        wait_for_acknowledgements(&process, 1_000 * round);
        server.stop().unwrap();
        server.restart().unwrap();
    }
    process.log().wait_for("closed ", PATIENCE).unwrap();
    let there = calls(&postgres::open(url).await).await;
    assert_eq!(
        there.len(),
        8_000,
        "with the file in between nothing at all is lost"
    );
    assert_eq!(numbers(&process, "acknowledged "), there);
}

fn latest_health(process: &Process) -> Option<Health> {
    let text = process.log().text();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let line = whole
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("health "))?;
    serde_json::from_str(line).ok()
}

fn until(process: &Process, what: &str, holds: impl Fn(&Health) -> bool) -> Health {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let health = latest_health(process);
        match health {
            Some(health) if holds(&health) => return health,
            _ => assert!(std::time::Instant::now() < end, "not {what}: {health:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// No file may grow beyond some megabytes, as on a disk that is full, and then they may again.
#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged_and_tells_what_it_could_not_take() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    // The shell ignores the signal that comes with the limit, and so does what it becomes. Its own
    // unit is 512 bytes: 3 MiB.
    let script = "trap '' XFSZ; ulimit -S -f 6144; exec \"$0\" \"$@\"";
    let program = Program::new("/bin/sh", folder.path())
        .argument("-c")
        .argument(script)
        .argument(recorder())
        .argument(&file)
        .argument("0")
        .argument("1000000000")
        .argument("2000");
    let process = Process::start(program, &folder.path().join("log")).unwrap();
    until(&process, "spilling", |health| health.spilled > 0);
    // What the journal holds may move to the file once more, and make room for a moment.
    let full = until(&process, "losing", |health| {
        health.lost > 0 && health.last_error.is_some()
    });
    assert!(full.since_ms.is_some(), "{full:?}");
    let raised = Command::new("prlimit")
        .args([
            "--fsize=unlimited:unlimited",
            "--pid",
            &process.id().to_string(),
        ])
        .status();
    assert!(raised.unwrap().success());
    let lost = until(&process, "well", |health| {
        health.is_well() && health.spilled == 0
    })
    .lost;
    assert!(lost >= full.lost);
    process.kill().unwrap();
    let acknowledged = numbers(&process, "acknowledged ");
    let ledger = Ledger::open(Location::Sqlite(file)).await.unwrap();
    while ledger.health().spilled > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let there = calls(&ledger).await;
    let missing: Vec<_> = acknowledged.difference(&there).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let lost = numbers(&process, "lost ");
    assert_eq!(
        lost.intersection(&there).count(),
        0,
        "what is told to be lost is not there"
    );
}
