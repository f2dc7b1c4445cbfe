//! `paceline count`.

use std::fs;

use crate::command::{run, run_with_input};

/// Nine words and a full stop, each a token of its own in every vocabulary of the chat models.
const FOX: &str = "The quick brown fox jumps over the lazy dog.";

#[test]
fn a_known_text_has_its_known_count() {
    let home = tempfile::tempdir().unwrap();
    let counted = run_with_input(home.path(), &["count", "--quiet"], FOX);
    assert_eq!((counted.code, counted.out.as_str()), (Some(0), "10\n"));
    fs::write(home.path().join("fox.txt"), FOX).unwrap();
    let counted = run(
        home.path(),
        &["count", "--quiet", "--model", "gpt-4", "fox.txt"],
    );
    assert_eq!((counted.code, counted.out.as_str()), (Some(0), "10\n"));
}

#[test]
fn the_report_sets_estimates_against_the_count() {
    let home = tempfile::tempdir().unwrap();
    let counted = run_with_input(home.path(), &["count", "-"], FOX);
    assert_eq!(counted.code, Some(0), "{}", counted.err);
    let lines: Vec<&str> = counted.out.lines().collect();
    assert_eq!(lines[0], "10 tokens   (gpt-4o, o200k_base)");
    assert_eq!(lines[1], "44 characters, 44 bytes");
    let simple = lines.iter().find(|line| line.contains("simple")).unwrap();
    // 44 / 4 * 1.2 is 13.2, rounded up.
    assert!(
        simple.contains("14") && simple.contains("+40 %"),
        "{simple}"
    );
    assert!(counted.out.contains("calibrated"), "{}", counted.out);
}

#[test]
fn a_model_that_nobody_knows_is_said_to_be_assumed() {
    let home = tempfile::tempdir().unwrap();
    let counted = run_with_input(home.path(), &["count", "--model", "brand-new"], FOX);
    assert!(
        counted.out.contains("brand-new, o200k_base, assumed"),
        "{}",
        counted.out
    );
}

#[test]
fn a_chat_request_is_counted_with_its_framing() {
    let home = tempfile::tempdir().unwrap();
    let body = r#"{"model":"gpt-4","messages":[{"role":"user","content":"Hello there"}]}"#;
    let counted = run_with_input(home.path(), &["count", "--chat"], body);
    assert_eq!(counted.code, Some(0), "{}", counted.err);
    // 3 and 1 frame the message, 2 are its text, 3 open the answer.
    assert!(
        counted.out.starts_with("9 tokens   (gpt-4, cl100k_base)\n"),
        "{}",
        counted.out
    );
}

#[test]
fn what_cannot_be_counted_is_refused_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    let not_json = run_with_input(home.path(), &["count", "--chat"], "Hello");
    assert_eq!(not_json.code, Some(1));
    assert!(not_json.err.contains("line 1 column 1"), "{}", not_json.err);
    fs::write(home.path().join("latin1.txt"), b"caf\xe9!").unwrap();
    let not_text = run(home.path(), &["count", "latin1.txt"]);
    assert_eq!(not_text.code, Some(1));
    assert!(
        not_text.err.contains("latin1.txt is not UTF-8"),
        "{}",
        not_text.err
    );
    assert!(not_text.err.contains("byte 3"), "{}", not_text.err);
    let absent = run(home.path(), &["count", "no.txt"]);
    assert_eq!(absent.code, Some(1));
    assert!(absent.err.contains("cannot read no.txt"), "{}", absent.err);
}
