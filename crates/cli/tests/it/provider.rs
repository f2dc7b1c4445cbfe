//! `paceline provider`.

use std::net::TcpListener;

use rustix::process::Signal;

use crate::command::{Running, paceline, run};

#[test]
fn it_tells_its_address_and_limits_and_ends_with_a_sum() {
    let home = tempfile::tempdir().unwrap();
    let args = [
        "provider",
        "--listen",
        "127.0.0.1:0",
        "--tpm",
        "60000",
        "--rpm",
        "300",
    ];
    let mut provider = Running::start(&mut paceline(home.path(), &args));
    let line = provider.line_with("simulated provider on http://127.0.0.1:");
    assert!(
        line.ends_with("limits: 300 requests per min (RPM), 60,000 tokens per min (TPM)"),
        "{line}"
    );
    provider.signal(Signal::TERM);
    provider.line_with("0 requests served, 0 refused");
    assert_eq!(provider.wait().code(), Some(0));
}

#[test]
fn an_address_in_use_gives_code_4() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run(home.path(), &["provider", "--listen", &address]);
    assert_eq!(refused.code, Some(4), "{}", refused.err);
    assert!(refused.err.contains(&address), "{}", refused.err);
}

#[test]
fn a_fault_that_does_not_exist_is_wrong_usage() {
    let home = tempfile::tempdir().unwrap();
    let refused = run(home.path(), &["provider", "--fault", "earthquake"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.err.contains("unknown fault `earthquake`"),
        "{}",
        refused.err
    );
}
