//! `paceline keys`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::command::{Ended, run};

fn create(home: &std::path::Path, more: &[&str]) -> Ended {
    let args = ["keys", "create", "--name", "chat app", "--tenant", "acme"];
    run(home, &[&args[..], more].concat())
}

fn list(home: &std::path::Path) -> Value {
    let shown = run(home, &["keys", "list", "--json"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    serde_json::from_str(&shown.out).unwrap()
}

#[test]
fn a_key_is_alone_on_standard_output_and_never_shown_again() {
    let home = tempfile::tempdir().unwrap();
    let none = run(home.path(), &["keys", "list"]);
    assert_eq!((none.code, &*none.out), (Some(0), ""));
    assert!(none.err.contains("no keys yet"));
    let made = create(
        home.path(),
        &["--expires", "90d", "--model", "gpt-*", "--budget", "cap"],
    );
    assert_eq!(made.code, Some(0), "{}", made.err);
    let key = made.out.trim_end();
    assert!(key.starts_with("pl-") && key.len() == 52, "{key}");
    assert!(!made.err.contains(&key[..20]) && made.err.contains("acme"));
    let shown = run(home.path(), &["keys", "list"]);
    for part in ["chat app", "acme", "active", "gpt-*", "cap", &key[..9]] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    assert!(!shown.out.contains(&key[..12]));
    let record = &list(home.path())[0];
    assert!(record.get("key").is_none());
    assert_eq!(record["prefix"], &key[..9]);
    let folder = home.path().join(".local/state/paceline");
    for name in ["keys.json", "keys.secret"] {
        let mode = fs::metadata(folder.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        let text = fs::read_to_string(folder.join(name)).unwrap();
        assert!(!text.contains(&key[9..]), "{name}");
    }
}

#[test]
fn a_key_is_rotated_and_revoked_by_its_id() {
    let home = tempfile::tempdir().unwrap();
    let made = create(
        home.path(),
        &["--json", "--priority", "batch", "--weight", "3"],
    );
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let (id, first) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(
        (&made["priority"], &made["weight"]),
        (&"batch".into(), &3.into())
    );
    let rotated = run(home.path(), &["keys", "rotate", id, "--grace", "2h"]);
    assert_eq!(rotated.code, Some(0), "{}", rotated.err);
    assert_ne!(rotated.out.trim_end(), first);
    assert!(rotated.err.contains("2 h"), "{}", rotated.err);
    let record = &list(home.path())[0];
    assert!(record["former_valid_until_unix_s"].as_u64() > record["rotated_unix_s"].as_u64());
    let revoked = run(home.path(), &["keys", "revoke", id]);
    assert_eq!((revoked.code, &*revoked.out), (Some(0), ""));
    assert_eq!(list(home.path())[0]["state"], "revoked");
    let again = run(home.path(), &["keys", "rotate", id]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("is revoked"), "{}", again.err);
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let unknown = run(home.path(), &["keys", "revoke", "k-1"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("no key `k-1`"), "{}", unknown.err);
    let time = create(home.path(), &["--expires", "soon"]);
    assert_eq!(time.code, Some(2));
    assert!(time.err.contains("90d"), "{}", time.err);
    let weight = create(home.path(), &["--weight", "0"]);
    assert_eq!((weight.code, &*weight.out), (Some(1), ""));
    create(home.path(), &[]);
    let file = home.path().join(".local/state/paceline/keys.json");
    fs::write(&file, "{ torn").unwrap();
    let torn = create(home.path(), &[]);
    assert_eq!((torn.code, &*torn.out), (Some(1), ""));
    assert!(torn.err.contains("keys.json"), "{}", torn.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{ torn");
}

#[test]
fn keys_are_where_the_state_folder_is() {
    let home = tempfile::tempdir().unwrap();
    fs::write(
        home.path().join("p.toml"),
        "[admin]\nstate_dir = \"here\"\n",
    )
    .unwrap();
    assert_eq!(create(home.path(), &["--config", "p.toml"]).code, Some(0));
    assert!(home.path().join("here/keys.json").exists());
    let shown = run(home.path(), &["keys", "list", "--state-dir", "here"]);
    assert!(shown.out.contains("chat app"), "{}", shown.err);
}
