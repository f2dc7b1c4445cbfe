//! `paceline config`.

use std::fs;

use crate::command::run;

#[test]
fn a_file_is_written_once_and_replaced_only_by_force() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("paceline.toml");
    let first = run(home.path(), &["config", "init"]);
    assert_eq!(first.code, Some(0), "{}", first.err);
    let template = fs::read_to_string(&file).unwrap();
    assert!(
        template.contains("#listen = \"127.0.0.1:4100\""),
        "{template}"
    );

    fs::write(&file, "# mine\n").unwrap();
    let again = run(home.path(), &["config", "init"]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("paceline.toml exists"), "{}", again.err);
    assert!(again.err.contains("--force"), "{}", again.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "# mine\n");

    let forced = run(home.path(), &["config", "init", "--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), template);
}

#[test]
fn the_file_that_is_written_is_valid() {
    let home = tempfile::tempdir().unwrap();
    run(home.path(), &["config", "init", "--output", "x.toml"]);
    let checked = run(home.path(), &["check", "--config", "x.toml", "--offline"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let home = tempfile::tempdir().unwrap();
    let failed = run(
        home.path(),
        &["config", "init", "--output", "no/such/x.toml"],
    );
    assert_eq!(failed.code, Some(1));
    assert!(
        failed.err.contains("cannot write no/such/x.toml"),
        "{}",
        failed.err
    );
}

#[test]
fn the_schema_is_json_and_knows_the_sections() {
    let home = tempfile::tempdir().unwrap();
    let schema = run(home.path(), &["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema.out).unwrap();
    assert!(schema.pointer("/properties/limits").is_some());
    assert!(schema.pointer("/properties/upstream").is_some());
}
