//! `paceline dashboard` against a running gateway.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use paceline_testkit::{GatewayCommand, GatewayProcess};

use crate::command::{Ended, ended, paceline, run};

const TOKEN: &str = "a-token+with#and&and%41-in-it";

fn gateway() -> GatewayProcess {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let command = GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), nowhere);
    let configuration = format!("[admin]\ntoken = \"{TOKEN}\"\n");
    command.configuration(&configuration).start().unwrap()
}

fn dashboard(home: &Path, gateway: &GatewayProcess, more: &[&str], env: &[(&str, &Path)]) -> Ended {
    let address = format!("http://{}", gateway.address());
    let mut args = vec!["dashboard", "--address", &address];
    args.extend(more);
    let mut command = paceline(home, &args);
    command.env("PACELINE_ADMIN_TOKEN", TOKEN);
    command.envs(env.iter().map(|(name, value)| (*name, *value)));
    ended(&mut command)
}

/// Signs in with what an address has behind its `#`; the status line.
fn sign_in(gateway: &GatewayProcess, token: &str) -> String {
    let address = gateway.address();
    let body = serde_json::json!({ "token": token }).to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    let length = body.len();
    let request = format!(
        "POST /dashboard/session HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// A program under both names that openers have, which does what `script` says.
fn opener(folder: &Path, script: &str) {
    for name in ["xdg-open", "open"] {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn the_address_that_is_printed_holds_the_token_behind_its_hash_and_nowhere_else() {
    let (home, gateway) = (tempfile::tempdir().unwrap(), gateway());
    let printed = dashboard(home.path(), &gateway, &["--print"], &[]);
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    let expected = "a-token%2Bwith%23and%26and%2541-in-it";
    let address = gateway.address();
    assert_eq!(
        printed.out,
        format!("http://{address}/dashboard#token={expected}\n")
    );
    assert_eq!(printed.err, "");
    assert!(sign_in(&gateway, TOKEN).starts_with("HTTP/1.1 204"));
    // The gateway itself says where the dashboard is, and never how to get in.
    let place = format!("http://{address}/dashboard");
    assert!(gateway.log().lines_with(&place).len() == 1);
    for secret in [TOKEN, expected] {
        assert!(gateway.log().lines_with(secret).is_empty());
    }
}

#[test]
fn a_browser_is_opened_with_a_ticket_that_is_good_once() {
    let (home, gateway) = (tempfile::tempdir().unwrap(), gateway());
    opener(home.path(), "printf %s \"$1\" > \"$HOME/opened\"");
    let path = [("PATH", home.path())];
    let opened = dashboard(home.path(), &gateway, &["--open"], &path);
    assert_eq!(opened.code, Some(0), "{}", opened.err);
    let address = fs::read_to_string(home.path().join("opened")).unwrap();
    let (place, ticket) = address.split_once("#token=").unwrap();
    assert_eq!(place, format!("http://{}/dashboard", gateway.address()));
    assert_eq!(
        (&*opened.out, opened.err),
        ("", format!("opened {place}\n"))
    );
    assert!(sign_in(&gateway, ticket).starts_with("HTTP/1.1 204"));
    assert!(sign_in(&gateway, ticket).starts_with("HTTP/1.1 401"));
}

#[test]
fn where_no_browser_can_be_opened_it_says_what_to_do() {
    let (home, gateway) = (tempfile::tempdir().unwrap(), gateway());
    let path = [("PATH", home.path())];
    let absent = dashboard(home.path(), &gateway, &["--open"], &path);
    opener(home.path(), "exit 3");
    let failing = dashboard(home.path(), &gateway, &["--open"], &path);
    for failed in [absent, failing] {
        assert_eq!(failed.code, Some(1), "{}", failed.err);
        assert!(failed.err.contains("paceline dashboard"), "{}", failed.err);
        assert!(!failed.err.contains("#token"), "{}", failed.err);
    }
}

#[test]
fn without_a_gateway_or_its_token_nothing_is_printed() {
    let (home, gateway) = (tempfile::tempdir().unwrap(), gateway());
    let address = format!("http://{}", gateway.address());
    let wrong = ended(
        paceline(home.path(), &["dashboard", "--address", &address])
            .env("PACELINE_ADMIN_TOKEN", "0123456789abcdef-wrong"),
    );
    assert_eq!((wrong.code, &*wrong.out), (Some(7), ""), "{}", wrong.err);
    gateway.kill().unwrap();
    let absent = dashboard(home.path(), &gateway, &[], &[]);
    assert_eq!((absent.code, &*absent.out), (Some(6), ""), "{}", absent.err);
    assert!(absent.err.contains("paceline serve"), "{}", absent.err);
    let none = run(home.path(), &["dashboard"]);
    assert_eq!(none.code, Some(7), "{}", none.err);
}
