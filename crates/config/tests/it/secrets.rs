//! Secrets: where they come from, and that they stay secret.

use paceline_config::{Loaded, Overrides, Secret, Settings};

use crate::loading::{environment, load, notices, problems, settings};

const CANARY: &str = "sk-canary-0123456789";

#[test]
fn a_secret_is_not_shown_by_debug() {
    assert_eq!(format!("{:?}", Secret::new(CANARY)), "[redacted]");
    let text = format!("[upstream]\napi_key = \"{CANARY}\"\n[admin]\ntoken = \"{CANARY}\"\n");
    let loaded = load(&text, &[]).unwrap();
    let shown = format!("{loaded:?} {:#?}", loaded.settings);
    assert!(
        shown.contains("[redacted]") && !shown.contains(CANARY),
        "{shown}"
    );
    assert_eq!(loaded.settings.admin.token.unwrap().expose(), CANARY);
}

#[test]
fn a_secret_is_never_part_of_a_message() {
    for text in [
        format!("[upstream]\napi_key = {CANARY}\n"),
        format!("[upstream]\napi_key = \"{CANARY}\n"),
        format!("[upstream]\napi_key = [\"{CANARY}\"]\n"),
        format!("[upstream]\napi_key = \"{CANARY} with a space\"\n"),
        format!("[upstream]\napi_key = \"{CANARY}\\n\"\n"),
        format!("[upstream]\napi_key = {{ value = \"{CANARY}\" }}\n"),
        format!("[upstream]\napi_key = {{ env = \"A\", file = \"{CANARY}\" }}\n"),
        format!("[upstream]\napi_keys = \"{CANARY}\"\n"),
        format!("[upstream]\nbase_url = \"https://user:{CANARY}@example.com/v1\"\n"),
        format!("[upstream]\nbase_url = \"https//user:{CANARY}@example.com/v1\"\n"),
        format!("[upstream]\nbase_url = \"ftp://user:{CANARY}@example.com/v1\"\n"),
        format!("[upstream]\nbase_url = \"https://{CANARY}@example.com/v1?x=1\"\n"),
        format!("[upstream]\napi_key = \"{CANARY}\"\napi_key = \"{CANARY}\"\n"),
        "[upstream]\napi_key = 1234567890123\n".to_owned(),
        "[upstream]\napi_key = { env = 1234567890123 }\n".to_owned(),
        "[admin]\ntoken = \"1234567890123\"\n".to_owned(),
    ] {
        let found = load(&text, &[]).unwrap_err();
        let shown = format!("{found} {found:?}");
        assert!(
            !shown.contains("canary") && !shown.contains("1234567890123"),
            "{text}{shown}"
        );
    }
    let short = [
        ("PACELINE_ADMIN_TOKEN", "1234567890123"),
        ("OPENAI_API_KEY", "sk canary"),
    ];
    let shown = problems("", &short);
    assert!(
        !shown.contains("canary") && !shown.contains("1234567890123"),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 2, "{shown}");
}

#[test]
fn a_secret_comes_from_a_variable_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), format!("{CANARY}\n")).unwrap();
    let path = folder.path().join("p.toml");
    std::fs::write(&path, "[upstream]\napi_key = { file = \"key\" }\n").unwrap();
    let loaded: Loaded =
        Settings::read(Some(&path), &environment(&[]), Overrides::default()).unwrap();
    assert_eq!(loaded.settings.upstream.api_key.unwrap().expose(), CANARY);
    assert!(loaded.notices.is_empty());
    let text = "[upstream]\napi_key = { env = \"MY_KEY\" }\n";
    let settings = settings(text, &[("MY_KEY", CANARY)]);
    assert_eq!(settings.upstream.api_key.unwrap().expose(), CANARY);
}

#[test]
fn a_secret_written_into_the_file_is_pointed_out() {
    let text = format!("[upstream]\napi_key = \"{CANARY}\"\n");
    let expected = "p.toml:2: upstream.api_key: is written in the file itself; \
                    { env = \"NAME\" } or { file = \"PATH\" } keeps it out";
    assert_eq!(notices(&text, &[]), [expected]);
    assert!(notices("", &[("PACELINE_UPSTREAM_API_KEY", CANARY)]).is_empty());
}

#[test]
fn a_key_of_the_environment_that_displaces_one_of_the_file_is_pointed_out() {
    let text = "[upstream]\napi_key = { env = \"MY_KEY\" }\n";
    let variables = [("OPENAI_API_KEY", CANARY), ("MY_KEY", "sk-other")];
    let expected = "OPENAI_API_KEY: upstream.api_key: takes the place of the key at p.toml:2";
    assert_eq!(notices(text, &variables), [expected]);
    let same = "[upstream]\napi_key = { env = \"OPENAI_API_KEY\" }\n";
    assert!(notices(same, &[("OPENAI_API_KEY", CANARY)]).is_empty());
}

#[test]
fn a_key_that_other_machines_can_use_is_pointed_out() {
    let variables = [
        ("OPENAI_API_KEY", CANARY),
        ("PACELINE_SERVER_LISTEN", "0.0.0.0:4100"),
    ];
    let expected = "OPENAI_API_KEY: upstream.api_key: is lent to whoever can reach 0.0.0.0:4100, \
                    which is more than this machine";
    assert_eq!(notices("", &variables), [expected]);
}

#[test]
fn a_secret_that_cannot_be_had_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    std::fs::write(folder.path().join("large"), "x".repeat(9_000)).unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    for (source, expected) in [
        ("{ env = \"NONE\" }".to_owned(), "the environment variable NONE is missing or empty; set it, or leave the setting out".to_owned()),
        ("{ env = \"\" }".to_owned(), "env must be a string that is not empty".to_owned()),
        (format!("{{ file = \"{place}\" }}"), format!("the file {place} is not a regular file")),
        (format!("{{ file = \"{place}/large\" }}"), format!("the file {place}/large is too large for a secret (got 9000 bytes)")),
        (format!("{{ file = \"{place}/empty\" }}"), "must be visible ASCII characters without spaces, 8192 at most; the value is not shown here".to_owned()),
        ("{}".to_owned(), "must be a string, { env = \"NAME\" } or { file = \"PATH\" }; name one source".to_owned()),
        ("{ vault = \"x\" }".to_owned(), "must be a string, { env = \"NAME\" } or { file = \"PATH\" } (got a table with the key \"vault\")".to_owned()),
    ] {
        let found = problems(&format!("[upstream]\napi_key = {source}\n"), &[]);
        assert_eq!(found, format!("p.toml:2: upstream.api_key: {expected}"));
    }
    let found = problems(
        &format!("[upstream]\napi_key = {{ file = \"{place}/none\" }}\n"),
        &[],
    );
    assert!(found.contains("/none cannot be read ("), "{found}");
}
