//! Hostile texts through every field that a caller controls. The records are what was sent, each log line is
//! one line, answers and metrics are well formed, and nothing of a text acts on whoever reads it.

mod fields;
mod readers;
mod texts;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use paceline_simulator::{Simulator, SimulatorSettings};
use paceline_testkit::{GatewayCommand, GatewayProcess, chat, raw_exchange};
use serde_json::Value;

use crate::command::{ended, paceline, run};
use fields::{Field, OF_ADMIN, OF_CALLS, call, in_body, in_header, order};
use readers::{csv_rows, samples, separate};
use texts::{MARK, texts};

const TOKEN: &str = "0123456789abcdef-test";

/// Silence after which an answer counts as read; all close their connection before.
const QUIET: Duration = Duration::from_secs(20);

/// A call, and how it was answered.
struct Case {
    field: Field,
    text: Vec<u8>,
    name: String,
    went_out: bool,
    status: u16,
}

impl Case {
    fn told(&self) -> String {
        let (field, text) = (self.field, String::from_utf8_lossy(&self.text));
        let text: String = text.chars().take(80).collect();
        format!("{field:?} {text:?} ({}): {}", self.name, self.status)
    }
}

/// Sends all texts through all fields of calls.
async fn calls(gateway: &GatewayProcess) -> Vec<Case> {
    let mut cases = Vec::new();
    for field in OF_CALLS {
        for text in texts() {
            let name = format!("case-{}", cases.len());
            let request = call(field, &text, &name);
            let answer = raw_exchange(gateway.address(), &request, QUIET)
                .await
                .unwrap();
            let (status, headers) = separate(&answer.bytes);
            let attempts = headers.get("x-paceline-attempts");
            let attempts = attempts.is_some_and(|count| count != b"0");
            // A path that is no call's is forwarded, and has no record.
            let case = Case {
                field,
                went_out: field != Field::Path && attempts,
                status,
                text,
                name,
            };
            check_answer(&case.told(), &answer.bytes, &headers);
            assert!(answer.closed, "{}", case.told());
            cases.push(case);
        }
    }
    cases
}

/// One answer, whose headers hold nothing of what was sent.
fn check_answer(told: &str, answer: &[u8], headers: &BTreeMap<String, Vec<u8>>) {
    // The provider names the project of the request; it comes through, whatever it is.
    for (name, value) in headers.iter().filter(|(name, _)| *name != "openai-project") {
        assert!(!name.contains("set-cookie"), "{told}: {name}");
        let is_plain = value.iter().all(|byte| (b' '..0x7f).contains(byte));
        assert!(is_plain, "{told}: {name}: {value:?}");
        let is_marked = value
            .windows(MARK.len())
            .any(|piece| piece == MARK.as_bytes());
        assert!(!is_marked, "{told}: {name}");
    }
    let status_lines = answer
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"HTTP/1.1 "));
    assert_eq!(status_lines.count(), 1, "{told}");
}

/// Sends all texts through all fields of the admin plane.
async fn orders(gateway: &GatewayProcess) {
    for field in OF_ADMIN {
        for text in texts() {
            let request = order(field, &text, TOKEN);
            let answer = raw_exchange(gateway.address(), &request, QUIET)
                .await
                .unwrap();
            let (status, headers) = separate(&answer.bytes);
            let told = format!(
                "{field:?} {:?}: {status}",
                String::from_utf8_lossy(&text[..text.len().min(80)])
            );
            check_answer(&told, &answer.bytes, &headers);
            assert!(matches!(status, 200 | 400 | 404 | 414 | 431), "{told}");
            if matches!(field, Field::Admin(_, path) if path.contains("export")) && status == 200 {
                continue;
            }
            let start = answer
                .bytes
                .windows(4)
                .position(|piece| piece == b"\r\n\r\n")
                .unwrap();
            let body = &answer.bytes[start + 4..];
            let is_json = serde_json::from_slice::<Value>(body).is_ok();
            assert!(
                is_json || matches!(status, 414 | 431),
                "{told}: {}",
                String::from_utf8_lossy(body)
            );
        }
    }
}

/// Sends all texts as keys to a gateway that asks for them: none is one.
async fn strangers(gateway: &GatewayProcess) {
    let args = ["keys", "create", "--name", "n", "--tenant", "acme"];
    let made = run(gateway.folder(), &args);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let deadline = Instant::now() + Duration::from_secs(30);
    while gateway
        .caller()
        .chat(&[], chat(5, false))
        .await
        .unwrap()
        .status
        != 401
    {
        assert!(Instant::now() < deadline, "keys are never asked for");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for text in texts() {
        let request = call(Field::Key, &text, "stranger");
        let answer = raw_exchange(gateway.address(), &request, QUIET).await;
        let answer = answer.unwrap();
        let (status, headers) = separate(&answer.bytes);
        let told = format!("{:?}: {status}", String::from_utf8_lossy(&text));
        check_answer(&told, &answer.bytes, &headers);
        assert!(matches!(status, 400 | 401 | 431), "{told}");
    }
}

async fn admin(gateway: &GatewayProcess, path: &str) -> String {
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("authorization", authorization.as_str())];
    let answer = gateway.caller().get(path, &headers).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// All records by the name that each is found by, when there are as many as calls that went out.
async fn records(gateway: &GatewayProcess, count: usize) -> BTreeMap<String, Value> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let lines = admin(gateway, "/monitoring/export?format=jsonl").await;
        let records: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let sent = records.iter().filter(|record| record["attempts"] != 0);
        if sent.count() >= count {
            let of =
                |record: &Value, field: &str| record[field].as_str().unwrap_or_default().to_owned();
            let name = |record: &Value| {
                let names = [of(record, "tenant"), of(record, "session")];
                names
                    .into_iter()
                    .find(|name| name.starts_with("case-"))
                    .unwrap()
            };
            let by_name: BTreeMap<_, _> = records
                .iter()
                .map(|record| (name(record), record.clone()))
                .collect();
            assert_eq!(by_name.len(), records.len(), "each call has one record");
            return by_name;
        }
        assert!(
            Instant::now() < deadline,
            "{count} calls went out, {} have a record",
            records.len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The record is what was sent, and no other field of it has changed.
fn check_record(case: &Case, record: &Value) {
    let mut expected = BTreeMap::from([
        ("tenant", Value::from(case.name.clone())),
        ("session", Value::Null),
        ("model", Value::from("gpt-4o-mini")),
        ("tags", Value::from(Vec::<String>::new())),
    ]);
    let sent = in_header(&case.text);
    match case.field {
        Field::Header("x-paceline-tenant") => {
            expected.insert("tenant", sent.into());
            expected.insert("session", case.name.clone().into());
        }
        Field::Header("x-paceline-session") => drop(expected.insert("session", sent.into())),
        Field::Header("x-paceline-tags") => {
            let sent = sent.unwrap_or_default();
            let mut tags: Vec<_> = sent.split(',').map(str::trim).collect();
            tags.sort_unstable();
            expected.insert("tags", tags.into());
        }
        Field::Body("model") => drop(expected.insert("model", in_body(&case.text).into())),
        _ => {}
    }
    for (name, value) in expected {
        assert_eq!(record[name], value, "{name}: {}", case.told());
    }
}

/// What has to be refused is, what is only a name is not, and records are what was sent.
fn check_records(cases: &[Case], records: &BTreeMap<String, Value>) {
    for case in cases {
        let told = case.told();
        match (case.went_out, records.get(&case.name)) {
            (true, record) => check_record(case, record.expect(&told)),
            (false, Some(record)) => assert_eq!(record["outcome"], "refused", "{told}"),
            (false, None) => assert!((400..500).contains(&case.status), "{told}"),
        }
        let is_name = match case.field {
            Field::Header("x-paceline-tenant" | "x-paceline-session" | "x-paceline-tags") => {
                in_header(&case.text) == Some(String::from_utf8_lossy(&case.text).trim().to_owned())
            }
            Field::Body("model") if case.text.len() > 256 => false,
            Field::Body(_) => std::str::from_utf8(&case.text).is_ok(),
            _ => false,
        };
        assert!(case.went_out || !is_name, "refused: {told}");
    }
}

/// The same records as a table: every row has all cells, none of which a spreadsheet would run.
async fn check_csv(gateway: &GatewayProcess, records: usize) {
    let rows = csv_rows(&admin(gateway, "/monitoring/export").await);
    assert_eq!(rows.len(), records + 1);
    for row in &rows {
        assert_eq!(row.len(), rows[0].len(), "{row:?}");
        for cell in row {
            let is_number = cell.parse::<f64>().is_ok();
            assert!(
                is_number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{row:?}"
            );
            assert!(!cell.contains(char::is_control), "{row:?}");
        }
    }
}

/// Metrics are samples of ours and nothing else, with labels of bounded length.
async fn check_metrics(gateway: &GatewayProcess) {
    let page = admin(gateway, "/metrics").await;
    let samples = samples(&page);
    assert!(samples.len() > 100);
    for (name, labels) in samples {
        let is_ours = ["paceline_", "process_"]
            .iter()
            .any(|ours| name.starts_with(ours));
        assert!(is_ours, "{name}");
        for (label, value) in labels {
            assert!(
                value.len() <= 1_000,
                "{name} {label}: {} bytes",
                value.len()
            );
        }
    }
}

/// Each line of the log is one event, and holds no character that acts on a terminal.
fn check_log(gateway: &GatewayProcess, format: &str, cases: &[Case]) {
    let log = gateway.log().text();
    let acts = |c: char| {
        c.is_control()
            || ('\u{2028}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    // What is said at the start is for people and no event.
    let is_marked = |line: &&str| line.contains(MARK);
    let events = log.lines().skip_while(|line| !is_marked(line));
    assert!(events.clone().filter(is_marked).count() > 100);
    for line in events {
        assert!(!line.contains(acts), "{line:?}");
        assert!(
            line.len() < 20_000,
            "a line of {} bytes: {}",
            line.len(),
            &line[..500]
        );
        if format == "json" {
            let event: Value = serde_json::from_str(line).expect(line);
            assert!(
                event.get("forged").is_none() && event["level"] != "ERROR",
                "{line}"
            );
        } else {
            let first = line.split(' ').next().unwrap();
            assert!(first.ends_with('Z') && first.starts_with("20"), "{line:?}");
            assert!(!first.starts_with("2026-01-01T00:00:00.0"), "{line:?}");
        }
    }
    assert_eq!(log.matches('\r').count(), 0);
    let told = log.lines().filter(|line| line.contains("endpoint")).count();
    assert!(told >= cases.iter().filter(|case| case.went_out).count());
}

/// What people see of it on a terminal.
fn check_commands(gateway: &GatewayProcess) {
    let address = format!("http://{}", gateway.address());
    for args in [
        &["status", "--address", &address][..],
        &["usage", "--address", &address, "--by", "model"],
        &[
            "usage",
            "--address",
            &address,
            "--by",
            "tenant,session",
            "--limit",
            "1000",
        ],
        &["usage", "--address", &address, "--by", "tag"],
    ] {
        let shown = ended(paceline(gateway.folder(), args).env("PACELINE_ADMIN_TOKEN", TOKEN));
        assert_eq!(shown.code, Some(0), "{args:?}: {}", shown.err);
        let acts = |c: char| c.is_control() && c != '\n';
        assert!(!shown.out.contains(acts), "{args:?}: {:?}", shown.out);
    }
}

async fn hostile_texts_are_only_texts(format: &str) {
    let simulator = Simulator::start(SimulatorSettings::default())
        .await
        .unwrap();
    let gateway = GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), simulator.address())
        .argument("--log-format")
        .argument(format)
        .argument("--log-level")
        .argument("debug")
        .variable("PACELINE_ADMIN_TOKEN", TOKEN);
    let gateway = gateway.start().unwrap();
    let cases = calls(&gateway).await;
    orders(&gateway).await;
    let count = cases.iter().filter(|case| case.went_out).count();
    let records = records(&gateway, count).await;
    check_records(&cases, &records);
    check_csv(&gateway, records.len()).await;
    strangers(&gateway).await;
    check_metrics(&gateway).await;
    check_commands(&gateway);
    check_log(&gateway, format, &cases);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_are_only_texts_where_people_read_the_log() {
    hostile_texts_are_only_texts("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_are_only_texts_where_machines_read_the_log() {
    hostile_texts_are_only_texts("json").await;
}
