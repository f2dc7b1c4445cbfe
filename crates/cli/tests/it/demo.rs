//! `paceline demo`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::command::{Running, paceline, run, word_after};

#[test]
fn nothing_is_refused_or_lost_behind_the_gateway() {
    let home = tempfile::tempdir().unwrap();
    let args = [
        "demo",
        "--seconds",
        "20",
        "--plain",
        "--no-page",
        "--json",
        "result.json",
    ];
    let shown = run(home.path(), &args);
    assert_eq!(shown.code, Some(0), "{}{}", shown.out, shown.err);
    figures_are_as_expected(&home.path().join("result.json"));
    for name in ["retries only", "fixed rate", "paceline"] {
        let lines = shown.out.lines();
        let lines = lines.filter(|line| line.contains(&format!("s  {name}  ")));
        assert!(lines.count() >= 4, "{name}: {}", shown.out);
    }
    assert!(!shown.out.contains("http://"), "no page was asked for");
    assert!(
        !shown.out.contains('\x1b'),
        "no terminal, no control sequences"
    );
}

/// What holds on any machine, however busy.
fn figures_are_as_expected(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let result: Value = serde_json::from_str(&text).unwrap();
    let figure = |contestant: &str, name: &str| {
        let found = result.pointer(&format!("/{contestant}/{name}"));
        found
            .and_then(Value::as_f64)
            .unwrap_or_else(|| panic!("{contestant} {name}: {text}"))
    };
    // Headers do not tell that the quota is enforced in pieces: that takes a few refusals.
    assert!(figure("paceline", "refused_429") <= 6.0, "{text}");
    assert_eq!(figure("paceline", "lost"), 0.0);
    assert!(figure("retries_only", "refused_429") > 20.0, "{text}");
    assert!(figure("retries_only", "lost") > 0.0, "{text}");
    // Its bucket starts full, and the provider does not take a minute's amount at once.
    assert!(figure("fixed_rate", "refused_429") > 0.0, "{text}");
    for contestant in ["retries_only", "fixed_rate", "paceline"] {
        assert!(figure(contestant, "answered") > 0.0, "{text}");
        let used = figure(contestant, "quota_used");
        assert!((0.2..1.6).contains(&used), "{contestant}: {used}");
    }
}

#[test]
fn the_page_follows_the_race_and_stays_until_it_is_told_to_end() {
    let home = tempfile::tempdir().unwrap();
    let args = ["demo", "--seconds", "20", "--plain", "--page"];
    let files = ["--json", "result.json", "--html", "race.html"];
    let mut demo = Running::start(paceline(home.path(), &args).args(files));
    let line = demo.line_with("In a browser: ");
    let address = word_after(&line, "http://")
        .trim_end_matches('/')
        .to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");

    let page = get(&address, "/");
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'));
    needs_nothing_else(&page);

    // The events end by themselves, with the last.
    let events = get(&address, "/events");
    assert_eq!(header(&events, "content-type"), "text/event-stream");
    let data = events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let reports: Vec<Value> = data
        .map(|json| serde_json::from_str(json).unwrap())
        .collect();
    assert!(reports.len() > 10, "{} events", reports.len());
    let (last, before) = reports.split_last().unwrap();
    assert!(before.iter().all(|report| report["verdict"].is_null()));
    assert_eq!(last["verdict"]["held"], true, "{last}");
    assert_eq!(last["elapsed_ms"], last["length_ms"]);

    demo.line_with("The page stays at ");
    let later = get(&address, "/race.json");
    let later: Value = serde_json::from_str(later.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(&later, last);
    demo.signal(Signal::INT);
    assert_eq!(demo.wait().code(), Some(0));
    assert!(TcpStream::connect(&address).is_err(), "nothing is left");

    figures_are_as_expected(&home.path().join("result.json"));
    let written = std::fs::read_to_string(home.path().join("race.html")).unwrap();
    needs_nothing_else(&written);
    assert!(written.contains("http-equiv=\"Content-Security-Policy\""));
    assert!(written.contains(last["verdict"]["headline"].as_str().unwrap()));
}

fn needs_nothing_else(page: &str) {
    assert!(page.contains("<h1>"));
    for foreign in ["http:", "https:", " src=", "url(", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

/// Everything that comes, head and body, until the server closes the connection.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    // In HTTP/1.0 nothing is chunked, and the connection ends with the answer.
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let found = answer
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("no {name}: {answer}"))
}

#[test]
fn a_page_for_others_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let shown = run(home.path(), &["demo", "--page-listen", "0.0.0.0:0"]);
    assert_eq!(shown.code, Some(2));
    assert!(
        shown.err.contains("for this machine alone"),
        "{}",
        shown.err
    );
}

#[test]
fn an_interrupt_ends_it_cleanly() {
    let home = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let mut command = paceline(home.path(), &["demo", "--seconds", "15", "--plain"]);
    let mut demo = Running::start(command.env("TMPDIR", temporary.path()));
    demo.line_with("s  paceline  ");
    demo.signal(Signal::INT);
    assert_eq!(demo.wait().code(), Some(130));
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "the temporary folder is removed");
}
