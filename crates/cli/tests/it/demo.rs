//! `paceline demo`.

use rustix::process::Signal;
use serde_json::Value;

use crate::command::{Running, paceline, run};

#[test]
fn nothing_is_refused_or_lost_behind_the_gateway() {
    let home = tempfile::tempdir().unwrap();
    let args = [
        "demo",
        "--seconds",
        "20",
        "--plain",
        "--json",
        "result.json",
    ];
    let shown = run(home.path(), &args);
    assert_eq!(shown.code, Some(0), "{}{}", shown.out, shown.err);
    let text = std::fs::read_to_string(home.path().join("result.json")).unwrap();
    let result: Value = serde_json::from_str(&text).unwrap();
    let figure = |phase: &str, name: &str| {
        let found = result.pointer(&format!("/{phase}/{name}"));
        found
            .and_then(Value::as_f64)
            .unwrap_or_else(|| panic!("{phase} {name}: {text}"))
    };
    assert_eq!(figure("with", "refused_429"), 0.0);
    assert_eq!(figure("with", "lost"), 0.0);
    assert!(figure("with", "answered") > 0.0);
    assert!(figure("without", "refused_429") > 20.0, "{text}");
    assert!(figure("without", "lost") > 0.0, "{text}");
    assert!(figure("without", "answered") > 0.0);
    for phase in ["without", "with"] {
        let used = figure(phase, "quota_used");
        assert!((0.2..1.6).contains(&used), "{phase}: {used}");
    }
    let lines = shown.out.lines();
    assert!(
        lines.filter(|line| line.contains("paceline  ")).count() >= 4,
        "{}",
        shown.out
    );
    assert!(
        !shown.out.contains('\x1b'),
        "no terminal, no control sequences"
    );
}

#[test]
fn an_interrupt_ends_it_cleanly() {
    let home = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let mut command = paceline(home.path(), &["demo", "--seconds", "15", "--plain"]);
    let mut demo = Running::start(command.env("TMPDIR", temporary.path()));
    demo.line_with("with paceline     ");
    demo.signal(Signal::INT);
    assert_eq!(demo.wait().code(), Some(130));
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "the temporary folder is removed");
}
