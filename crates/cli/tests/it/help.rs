//! The help of each subcommand, word for word. `UPDATE_SNAPSHOTS=1` writes the files anew.

use std::path::Path;

use crate::command::run;

#[test]
fn help_says_what_the_snapshots_say() {
    let home = tempfile::tempdir().unwrap();
    for (name, args) in [
        ("paceline", &["--help"][..]),
        ("serve", &["serve", "--help"]),
        ("demo", &["demo", "--help"]),
        ("status", &["status", "--help"]),
        ("dashboard", &["dashboard", "--help"]),
        ("top", &["top", "--help"]),
        ("usage", &["usage", "--help"]),
        ("check", &["check", "--help"]),
        ("validate", &["validate", "--help"]),
        ("config", &["config", "--help"]),
        ("config-init", &["config", "init", "--help"]),
        ("config-schema", &["config", "schema", "--help"]),
        ("keys", &["keys", "--help"]),
        ("keys-create", &["keys", "create", "--help"]),
        ("keys-list", &["keys", "list", "--help"]),
        ("keys-rotate", &["keys", "rotate", "--help"]),
        ("keys-revoke", &["keys", "revoke", "--help"]),
        ("ledger", &["ledger", "--help"]),
        ("ledger-export", &["ledger", "export", "--help"]),
        ("ledger-status", &["ledger", "status", "--help"]),
        ("batch-plan", &["batch", "plan", "--help"]),
        ("count", &["count", "--help"]),
        ("prices", &["prices", "--help"]),
        ("prices-list", &["prices", "list", "--help"]),
        ("prices-check", &["prices", "check", "--help"]),
        ("prices-update", &["prices", "update", "--help"]),
        ("provider", &["provider", "--help"]),
        ("simulate", &["simulate", "--help"]),
        ("completions", &["completions", "--help"]),
    ] {
        let shown = run(home.path(), args);
        assert_eq!(shown.code, Some(0), "{name}");
        let trimmed: Vec<&str> = shown.out.lines().map(str::trim_end).collect();
        let shown = trimmed.join("\n") + "\n";
        let snapshot = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/help")
            .join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&snapshot, &shown).unwrap();
        }
        let expected = std::fs::read_to_string(&snapshot).unwrap_or_default();
        assert_eq!(
            shown, expected,
            "{name}: UPDATE_SNAPSHOTS=1 takes the new text over"
        );
    }
}

#[test]
fn no_line_of_help_is_wider_than_a_hundred_columns() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/help");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            assert!(line.chars().count() <= 100, "{}: {line}", path.display());
        }
    }
}

#[test]
fn wrong_usage_is_answered_with_a_suggestion_and_code_2() {
    let home = tempfile::tempdir().unwrap();
    let typo = run(home.path(), &["serve", "--lisen", "127.0.0.1:0"]);
    assert_eq!(typo.code, Some(2));
    assert!(
        typo.err.contains("a similar argument exists: '--listen'"),
        "{}",
        typo.err
    );
    let unknown = run(home.path(), &["sreve"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("'serve'"), "{}", unknown.err);
}

#[test]
fn the_version_is_told() {
    let home = tempfile::tempdir().unwrap();
    let version = run(home.path(), &["--version"]);
    assert_eq!(
        version.out,
        format!("paceline {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn every_shell_gets_completions_of_every_subcommand() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(home.path(), &["completions", shell]);
        assert_eq!(script.code, Some(0));
        for subcommand in [
            "serve", "demo", "status", "top", "usage", "check", "validate", "keys", "ledger",
            "count", "prices", "provider", "simulate",
        ] {
            assert!(script.out.contains(subcommand), "{shell}: {subcommand}");
        }
    }
}
