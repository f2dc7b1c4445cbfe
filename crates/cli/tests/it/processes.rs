//! `paceline serve` as processes that are frozen, killed, started again and told the wrong time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use paceline_testkit::{GatewayCommand, GatewayProcess, ProcessGroup};

const PATIENCE: Duration = Duration::from_secs(20);
const LIMITS: &str = "[limits]\ntokens_per_minute = 60_000\n";

/// A gateway in front of nothing.
fn command() -> GatewayCommand {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), nowhere).configuration(LIMITS)
}

/// Asks for `/healthz`.
fn open_request(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// The seconds of its day that a gateway believes in.
fn second_of_day(gateway: &GatewayProcess) -> i64 {
    let mut answer = String::new();
    let mut stream = open_request(gateway.address());
    stream.read_to_string(&mut answer).unwrap();
    let date = answer.lines().find(|line| line.starts_with("date: "));
    let time = date.unwrap().split(' ').nth_back(1).unwrap();
    let parts = time.split(':').map(|part| part.parse::<i64>().unwrap());
    parts.fold(0, |sum, part| sum * 60 + part)
}

#[test]
fn a_gateway_process_is_frozen_thawed_killed_and_started_again() {
    let gateway = command().start().unwrap();
    gateway.freeze().unwrap();
    let mut stream = open_request(gateway.address());
    let quiet = Duration::from_millis(50);
    stream.set_read_timeout(Some(quiet)).unwrap();
    assert!(stream.read(&mut [0; 1]).is_err(), "it answers while frozen");
    gateway.thaw().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    let address = gateway.address();
    gateway.kill().unwrap();
    assert!(TcpStream::connect(address).is_err());
    gateway.restart().unwrap();
    assert_eq!(gateway.address(), address);
    assert!(gateway.process().cpu_time().unwrap() < PATIENCE);
    assert_eq!(gateway.terminate().unwrap().code(), Some(0));
    // It can answer before it says so, but not end.
    let starts = gateway.log().lines_with(" listens on ");
    assert_eq!(starts.len(), 2, "{}", gateway.log().text());
}

#[test]
fn a_group_of_gateways_serves_and_each_has_its_own_clock() {
    let commands = [
        command(),
        command().clock_offset_s(3600),
        command().clock_offset_s(-3600),
    ];
    let group = ProcessGroup::start(&commands).unwrap();
    let times: Vec<i64> = group.members().iter().map(second_of_day).collect();
    let day = 24 * 3600;
    for (index, expected) in [(1, 3600), (2, day - 3600)] {
        let ahead = (times[index] - times[0]).rem_euclid(day);
        assert!(ahead.abs_diff(expected) < 60, "{times:?}");
    }
    group.kill().unwrap();
    for member in group.members() {
        assert!(TcpStream::connect(member.address()).is_err());
    }
    group.restart().unwrap();
    assert_eq!(group.members_that_log(" listens on "), [0, 1, 2]);
    let ahead = second_of_day(&group.members()[1]) - second_of_day(&group.members()[0]);
    assert!(ahead.rem_euclid(day).abs_diff(3600) < 60, "{ahead}");
}

#[test]
fn a_gateway_that_does_not_start_says_why() {
    let bad = command().configuration("no_such_key = 1\n");
    let error = bad.start().unwrap_err().to_string();
    assert!(error.contains("paceline did not start"), "{error}");
    assert!(error.contains("no_such_key"), "{error}");
}
