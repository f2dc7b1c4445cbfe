//! `paceline status` where there is no gateway to ask. With one: see the tests of `serve`.

use std::net::TcpListener;

use crate::command::{ended, paceline, run};

#[test]
fn without_a_token_it_says_where_one_is_expected() {
    let home = tempfile::tempdir().unwrap();
    let asked = run(home.path(), &["status"]);
    assert_eq!(asked.code, Some(7), "{}", asked.err);
    assert!(
        asked.err.contains(".local/state/paceline/admin-token"),
        "{}",
        asked.err
    );
    assert!(asked.err.contains("--state-dir"), "{}", asked.err);
}

#[test]
fn where_nothing_runs_the_code_is_6() {
    let home = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    // What a client of the gateway has in its environment must not matter.
    let asked = ended(
        paceline(home.path(), &["status", "--address", &address])
            .env("PACELINE_ADMIN_TOKEN", "0123456789abcdef")
            .env("OPENAI_BASE_URL", "http://127.0.0.1:4100/v1"),
    );
    assert_eq!(asked.code, Some(6), "{}", asked.err);
    assert!(
        asked
            .err
            .contains(&format!("no gateway answers at {address}")),
        "{}",
        asked.err
    );
    assert!(asked.err.contains("paceline serve"), "{}", asked.err);
}

#[test]
fn an_address_that_is_none_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let asked = run(
        home.path(),
        &["status", "--address", "https://127.0.0.1:4100"],
    );
    assert_eq!(asked.code, Some(1));
    assert!(asked.err.contains("plain HTTP"), "{}", asked.err);
}
