//! `paceline ledger`: a gateway's records, read by others while it runs.

use std::fs;
use std::path::Path;

use paceline_ledger::{CallId, Entry, Ledger, Location, Outcome};
use paceline_testkit::{GatewayCommand, chat};
use serde_json::Value;

use crate::command::{Ended, run};

/// Midnight of 2026-11-22.
const MIDNIGHT_MS: i64 = 1_795_305_600_000;

/// Where a gateway of this home keeps its ledger.
const FOLDER: &str = ".local/state/paceline";

fn entry(number: u128, ended_at_ms: i64, tenant: &str) -> Entry {
    Entry {
        attempts: 1,
        input_tokens: 100,
        output_tokens: 10,
        cost_nanousd: Some(2_000_000_000),
        model: "gpt-4o".to_owned(),
        ..Entry::new(CallId(number), ended_at_ms, tenant)
    }
}

/// A ledger in the state folder of `home` with these records.
fn fill(home: &Path, entries: Vec<Entry>) {
    let folder = home.join(FOLDER);
    fs::create_dir_all(&folder).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let location = Location::Sqlite(folder.join("ledger.db"));
        let ledger = Ledger::open(location).await.unwrap();
        let writer = ledger.writer();
        for entry in entries {
            writer.record(entry).unwrap();
        }
        let health = ledger.close().await;
        assert!(health.is_well() && health.lost == 0, "{health:?}");
    });
}

fn export(home: &Path, more: &[&str]) -> Ended {
    let shown = run(home, &[&["ledger", "export"], more].concat());
    assert_eq!(shown.code, Some(0), "{more:?}: {}", shown.err);
    shown
}

fn tenants(home: &Path, more: &[&str]) -> Vec<String> {
    let shown = export(home, &[&["--format", "jsonl"], more].concat());
    let tenant = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["tenant"].as_str().unwrap().to_owned()
    };
    shown.out.lines().map(tenant).collect()
}

#[test]
fn every_filter_lets_through_what_it_names() {
    let home = tempfile::tempdir().unwrap();
    let mut entries: Vec<Entry> = (0..6)
        .map(|number| {
            entry(
                number,
                MIDNIGHT_MS + number as i64 * 3_600_000,
                &format!("t{number}"),
            )
        })
        .collect();
    entries[1].session = Some("s".to_owned());
    entries[2].key_id = Some("k-1".to_owned());
    entries[3].tags = vec!["nightly".to_owned()];
    entries[4].outcome = Outcome::CallerGone;
    entries[5].model = "o3".to_owned();
    entries[0].lane = Some("claude/claude-haiku-4-5".to_owned());
    fill(home.path(), entries);
    let tenants = |more: &[&str]| tenants(home.path(), more);
    assert_eq!(tenants(&[]), ["t0", "t1", "t2", "t3", "t4", "t5"]);
    assert_eq!(tenants(&["--tenant", "t0"]), ["t0"]);
    assert_eq!(tenants(&["--session", "s"]), ["t1"]);
    assert_eq!(tenants(&["--key", "k-1"]), ["t2"]);
    assert_eq!(tenants(&["--tag", "nightly"]), ["t3"]);
    assert_eq!(tenants(&["--outcome", "caller_gone"]), ["t4"]);
    assert_eq!(tenants(&["--model", "o3"]), ["t5"]);
    assert_eq!(tenants(&["--lane", "claude/claude-haiku-4-5"]), ["t0"]);
    assert_eq!(tenants(&["--from", "2026-11-22T04:00"]), ["t4", "t5"]);
    assert_eq!(tenants(&["--to", "2026-11-22T01:00"]), ["t0"]);
    assert_eq!(tenants(&["--from", "2100-01-01"]), [""; 0]);
}

#[test]
fn a_formula_in_a_name_is_a_text_in_csv_and_itself_in_json() {
    let home = tempfile::tempdir().unwrap();
    let formula = "=HYPERLINK(\"http://x\",\"y\")";
    fill(home.path(), vec![entry(1, MIDNIGHT_MS, formula)]);
    let csv = export(home.path(), &[]).out;
    assert!(csv.starts_with("call_id,ended_at_ms,tenant,"), "{csv}");
    assert!(
        csv.contains(",\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\","),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 2);
    assert_eq!(tenants(home.path(), &[]), [formula]);
}

#[test]
fn a_file_is_whole_or_not_there() {
    let home = tempfile::tempdir().unwrap();
    let entries = (0..2_500).map(|number| entry(number, MIDNIGHT_MS + 1, "acme"));
    fill(home.path(), entries.collect());
    let told = export(home.path(), &["-o", "all.csv"]);
    assert_eq!(told.out, "");
    assert!(
        told.err.contains("2,500 records to all.csv"),
        "{}",
        told.err
    );
    let csv = fs::read_to_string(home.path().join("all.csv")).unwrap();
    assert_eq!(csv.lines().count(), 2_501);
    let nowhere = run(
        home.path(),
        &["ledger", "export", "-o", "no/such/folder.csv"],
    );
    assert_eq!(nowhere.code, Some(1));
    assert!(
        nowhere.err.contains("no/such/folder.csv"),
        "{}",
        nowhere.err
    );
}

#[test]
fn where_there_is_no_ledger_none_is_made_and_the_place_is_told() {
    let home = tempfile::tempdir().unwrap();
    for command in ["export", "status"] {
        let shown = run(home.path(), &["ledger", command, "--state-dir", "here"]);
        assert_eq!((shown.code, &*shown.out), (Some(1), ""));
        assert!(shown.err.contains("no ledger in "), "{}", shown.err);
        assert!(shown.err.contains("here/ledger.db"), "{}", shown.err);
        assert!(!home.path().join("here").exists());
    }
    fs::create_dir(home.path().join("here")).unwrap();
    fs::write(
        home.path().join("here/ledger.db"),
        "no database, but a text of some length",
    )
    .unwrap();
    let foreign = run(home.path(), &["ledger", "status", "--state-dir", "here"]);
    assert_eq!(foreign.code, Some(1));
    assert!(foreign.err.contains("is not a ledger"), "{}", foreign.err);
    let times = ["ledger", "export", "--from", "2d", "--to", "3d"];
    let times = run(home.path(), &times);
    assert_eq!(times.code, Some(1));
    assert!(
        times.err.contains("--to must be the later"),
        "{}",
        times.err
    );
}

#[test]
fn the_status_says_what_there_is() {
    let home = tempfile::tempdir().unwrap();
    let entries = (0..3).map(|number| entry(number, MIDNIGHT_MS + number as i64, "acme"));
    fill(home.path(), entries.collect());
    let shown = run(home.path(), &["ledger", "status"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    for part in [
        "ledger.db",
        "3, kept for 30 days",
        "2026-11-22 00:00:00 UTC",
        "6.00 USD",
        "300",
    ] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    let json = run(home.path(), &["ledger", "status", "--json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["extent"]["records"], 3);
    assert_eq!(json["usage"]["cost_nanousd"], 6_000_000_000_u64);
    assert!(json["size_bytes"].as_u64() > Some(0) && json["enabled"] == true);
}

#[tokio::test]
async fn the_records_of_a_running_gateway_are_exported() {
    let simulator =
        paceline_simulator::Simulator::start(paceline_simulator::SimulatorSettings::default());
    let simulator = simulator.await.unwrap();
    let gateway = GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), simulator.address());
    let gateway = gateway.start().unwrap();
    for tenant in ["a", "b"] {
        let headers = [("x-paceline-tenant", tenant)];
        let answer = gateway
            .caller()
            .chat(&headers, chat(10, false))
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while tenants(gateway.folder(), &[]).len() < 2 {
        assert!(std::time::Instant::now() < deadline, "no records came");
    }
    assert_eq!(tenants(gateway.folder(), &[]), ["a", "b"]);
    let answer = gateway.caller().chat(&[], chat(10, false)).await.unwrap();
    assert_eq!(answer.status, 200, "it goes on");
    gateway.terminate().unwrap();
    assert_eq!(tenants(gateway.folder(), &[]).len(), 3);
}
