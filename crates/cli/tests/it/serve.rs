//! `paceline serve`, with a simulated provider behind it and `paceline status` beside it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::command::{Ended, Running, paceline, run, word_after};

/// A simulated provider and a gateway in front of it.
struct Pair {
    home: tempfile::TempDir,
    gateway: Running,
    /// Host and port of the gateway.
    address: String,
    _provider: Running,
}

const LIMITS: &str = "[limits]\ntokens_per_minute = 60_000\n";

impl Pair {
    fn start(provider_args: &[&str], limits: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut args = vec!["provider", "--listen", "127.0.0.1:0"];
        args.extend(provider_args);
        let mut provider = Running::start(&mut paceline(home.path(), &args));
        let line = provider.line_with("simulated provider on ");
        let upstream = word_after(&line, "provider on ").to_owned();
        fs::write(home.path().join("gateway.toml"), limits).unwrap();
        let args = [
            "serve",
            "--config",
            "gateway.toml",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
        ];
        let args: Vec<&str> = args.into_iter().chain([upstream.as_str()]).collect();
        let mut gateway = Running::start(&mut paceline(home.path(), &args));
        let line = gateway.line_with(" listens on ");
        let address = word_after(&line, " listens on ").to_owned();
        // The banner is complete: from here on signals are caught.
        gateway.line_with("admin");
        Self {
            home,
            gateway,
            address,
            _provider: provider,
        }
    }

    fn status(&self, more: &[&str]) -> Ended {
        let address = format!("http://{}", self.address);
        let mut args = vec!["status", "--address", &address];
        args.extend(more);
        run(self.home.path(), &args)
    }

    fn write_config(&self, text: &str) {
        fs::write(self.home.path().join("gateway.toml"), text).unwrap();
    }

    /// The amount of the first limit of the first pool.
    fn first_amount(&self) -> Option<u64> {
        let status = self.status(&["--json"]);
        let state: Value = serde_json::from_str(&status.out).unwrap();
        state
            .pointer("/rate_limits/pools/0/limits/0/amount")?
            .as_u64()
    }
}

/// Asks for a chat completion and returns status line, head and body.
fn ask(address: &str) -> String {
    let mut stream = open_request(address);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Sends a request for a chat completion and leaves the answer to be read.
fn open_request(address: &str) -> TcpStream {
    let body =
        r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}],"max_tokens":9}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer sk-test\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream
}

#[test]
fn requests_go_through_and_status_shows_the_pool() {
    let mut pair = Pair::start(&["--tpm", "60000"], LIMITS);
    let answer = ask(&pair.address);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let status = pair.status(&[]);
    assert_eq!(status.code, Some(0), "{}", status.err);
    assert!(
        status.out.contains("pool default: 0 running, 0 waiting"),
        "{}",
        status.out
    );
    assert!(
        status.out.contains("of 60,000 tokens a minute"),
        "{}",
        status.out
    );
    assert!(status.out.contains("configured"), "{}", status.out);
    pair.gateway.signal(Signal::TERM);
    assert_eq!(pair.gateway.wait().code(), Some(0));
    assert!(
        TcpStream::connect(&pair.address).is_err(),
        "the port is closed"
    );
}

#[test]
fn a_wrong_token_gives_code_7() {
    let pair = Pair::start(&[], LIMITS);
    let token = pair.home.path().join(".local/state/paceline/admin-token");
    assert!(token.exists());
    let other = pair.home.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(
        other.join("admin-token"),
        "0123456789abcdef0123456789abcdef\n",
    )
    .unwrap();
    let status = pair.status(&["--state-dir", other.to_str().unwrap()]);
    assert_eq!(status.code, Some(7), "{}", status.err);
    assert!(
        status.err.contains("does not take the admin token"),
        "{}",
        status.err
    );
    let real = fs::read_to_string(token).unwrap();
    assert!(
        !status.err.contains(real.trim()),
        "the token is never shown"
    );
}

#[test]
fn a_hang_up_reloads_a_good_file_and_refuses_a_bad_one() {
    let mut pair = Pair::start(&[], LIMITS);
    ask(&pair.address);
    assert_eq!(pair.first_amount(), Some(60_000));

    pair.write_config("[limits]\ntokens_per_minute = 30_000\n[server]\nthreads = 7\n");
    pair.gateway.signal(Signal::HUP);
    let fixed = pair.gateway.line_with("only a restart applies it");
    assert!(fixed.contains("server.threads"), "{fixed}");
    pair.gateway.line_with("configuration reloaded");
    assert_eq!(pair.first_amount(), Some(30_000));

    pair.write_config("[limits]\ntokens_per_minute = -1\nheadroom = 9\n");
    pair.gateway.signal(Signal::HUP);
    pair.gateway
        .line_with("gateway.toml:2: limits.tokens_per_minute");
    pair.gateway.line_with("gateway.toml:3: limits.headroom");
    pair.gateway.line_with("the old settings stay in force");
    assert_eq!(pair.first_amount(), Some(30_000));
    assert!(ask(&pair.address).starts_with("HTTP/1.1 200 "));
}

#[test]
fn who_waits_is_shown_with_place_and_reason() {
    // Two requests a minute: after one, of two more at least one waits for half a minute.
    let pair = Pair::start(
        &[],
        "[limits]\nrequests_per_minute = 2\nwindow = \"bucket\"\n",
    );
    ask(&pair.address);
    let _waiting = [(); 2].map(|()| open_request(&pair.address));
    let shown = (0..100)
        .map(|_| pair.status(&[]).out)
        .find(|out| out.contains("starts in"));
    let shown = shown.expect("a request waits");
    assert!(shown.contains("requests per minute"), "{shown}");
    assert!(shown.contains(" standard)"), "{shown}");
}

#[test]
fn a_first_signal_lets_requests_finish_and_a_second_one_cuts_them() {
    let mut slow = Pair::start(&["--first-token-ms", "1500"], LIMITS);
    let mut request = open_request(&slow.address);
    while !slow.status(&[]).out.contains("1 running") {}
    slow.gateway.signal(Signal::TERM);
    let mut answer = String::new();
    request.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(slow.gateway.wait().code(), Some(0));

    let mut stuck = Pair::start(&["--fault", "hang"], LIMITS);
    let _request = open_request(&stuck.address);
    while !stuck.status(&[]).out.contains("1 running") {}
    stuck.gateway.signal(Signal::INT);
    stuck.gateway.line_with("stopping");
    stuck.gateway.signal(Signal::INT);
    assert_eq!(stuck.gateway.wait().code(), Some(130));
}

#[test]
fn an_address_in_use_gives_code_4() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run(home.path(), &["serve", "--listen", &address]);
    assert_eq!(refused.code, Some(4), "{}", refused.err);
    assert!(refused.err.contains("--listen"), "{}", refused.err);
}

#[test]
fn with_json_logs_the_address_is_a_log_event() {
    let home = tempfile::tempdir().unwrap();
    let mut gateway = start_with_json_logs(home.path());
    let line = gateway.line_with("\"listening\"");
    let event: Value = serde_json::from_str(&line).unwrap();
    let address = event["address"].as_str().unwrap();
    assert!(TcpStream::connect(address).is_ok(), "{line}");
    gateway.signal(Signal::TERM);
    for line in gateway.rest().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    assert_eq!(gateway.wait().code(), Some(0));
}

fn start_with_json_logs(home: &Path) -> Running {
    let upstream = "http://127.0.0.1:1/v1";
    let args = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--upstream",
        upstream,
    ];
    Running::start(&mut paceline(home, &args))
}
