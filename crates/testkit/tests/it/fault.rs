//! Every way in which the proxy misbehaves.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use paceline_testkit::fault::{Behaviour, FaultProxy, Lane};

use crate::echo::{Echo, Heard, PATIENCE, connect, exchange, receive};

fn proxied() -> (Echo, FaultProxy) {
    let echo = Echo::start();
    let proxy = FaultProxy::start(echo.address).unwrap();
    (echo, proxy)
}

/// An address where nothing listens.
fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn read_error(stream: &mut TcpStream) -> ErrorKind {
    stream.read(&mut [0; 16]).unwrap_err().kind()
}

#[test]
fn bytes_pass_both_ways_and_are_counted() {
    let (_echo, proxy) = proxied();
    let mut one = connect(proxy.address());
    let mut other = connect(proxy.address());
    assert_eq!(exchange(&mut one, b"hello"), b"hello");
    assert_eq!(exchange(&mut other, b"you"), b"you");
    let counts = proxy.until(PATIENCE, |counts| counts.to_client == 8);
    let counts = counts.unwrap();
    assert_eq!((counts.connections, counts.open), (2, 2));
    assert_eq!((counts.from_client, counts.to_server), (8, 8));
    assert_eq!((counts.from_server, counts.to_client), (8, 8));
    drop(one);
    proxy.until(PATIENCE, |counts| counts.open == 1).unwrap();
}

#[test]
fn an_end_of_one_way_leaves_the_other_open() {
    let (echo, proxy) = proxied();
    proxy.set(Behaviour::lost_answers()).unwrap();
    let mut stream = connect(proxy.address());
    stream.write_all(b"last words").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(echo.hears_end().unwrap(), b"last words");
    proxy.set(Behaviour::pass()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"last words");
    proxy.until(PATIENCE, |counts| counts.open == 0).unwrap();
}

#[test]
fn a_large_transfer_arrives_whole_while_its_receiver_is_slow() {
    let (_echo, proxy) = proxied();
    let mut stream = connect(proxy.address());
    let sent: Vec<u8> = (0..20_000_000_u32).map(|index| index as u8).collect();
    let mut sender = stream.try_clone().unwrap();
    let bytes = sent.clone();
    let sending = std::thread::spawn(move || sender.write_all(&bytes).unwrap());
    // Enough to fill every buffer on the way before anything is read.
    proxy
        .until(PATIENCE, |counts| counts.from_server > 1_000_000)
        .unwrap();
    assert!(receive(&mut stream, sent.len()) == sent);
    sending.join().unwrap();
}

#[test]
fn each_way_is_delayed_by_its_own_time() {
    let (_echo, proxy) = proxied();
    let mut stream = connect(proxy.address());
    let (there, back) = (Duration::from_millis(120), Duration::from_millis(80));
    proxy.set(Behaviour::delay(there, back)).unwrap();
    let start = Instant::now();
    assert_eq!(exchange(&mut stream, b"slowly"), b"slowly");
    assert!(start.elapsed() >= there + back, "{:?}", start.elapsed());
    proxy.set(Behaviour::delay(Duration::ZERO, back)).unwrap();
    let start = Instant::now();
    exchange(&mut stream, b"x");
    assert!(start.elapsed() >= back, "{:?}", start.elapsed());
}

#[test]
fn what_is_delayed_follows_closely_and_in_order() {
    let (_echo, proxy) = proxied();
    let mut stream = connect(proxy.address());
    let delay = Duration::from_millis(300);
    proxy.set(Behaviour::delay(delay, Duration::ZERO)).unwrap();
    let start = Instant::now();
    for index in 0..50_u8 {
        stream.write_all(&[index]).unwrap();
        let taken = u64::from(index) + 1;
        let all = proxy.until(PATIENCE, |counts| counts.from_client == taken);
        all.unwrap();
    }
    let expected: Vec<u8> = (0..50).collect();
    assert_eq!(receive(&mut stream, 50), expected);
    let elapsed = start.elapsed();
    assert!(elapsed >= delay && elapsed < delay * 25, "{elapsed:?}");
}

#[test]
fn a_delay_that_ends_lets_pass_what_waits() {
    let (_echo, proxy) = proxied();
    let mut stream = connect(proxy.address());
    let long = Duration::from_secs(3600);
    proxy.set(Behaviour::delay(long, long)).unwrap();
    stream.write_all(b"wait").unwrap();
    proxy
        .until(PATIENCE, |counts| counts.from_client == 4)
        .unwrap();
    assert_eq!(proxy.counts().to_server, 0);
    proxy.set(Behaviour::pass()).unwrap();
    assert_eq!(receive(&mut stream, 4), b"wait");
}

#[test]
fn a_black_hole_accepts_and_the_server_hears_nothing_until_it_ends() {
    let (echo, proxy) = proxied();
    let mut before = connect(proxy.address());
    exchange(&mut before, b"a");
    assert_eq!(echo.hears(), Heard::Connection);
    assert_eq!(echo.hears(), Heard::Bytes(b"a".to_vec()));
    proxy.set(Behaviour::black_hole()).unwrap();
    before.write_all(b"b").unwrap();
    let mut after = connect(proxy.address());
    after.write_all(b"cd").unwrap();
    proxy
        .until(PATIENCE, |counts| counts.from_client == 4)
        .unwrap();
    let quiet = Duration::from_millis(50);
    after.set_read_timeout(Some(quiet)).unwrap();
    assert_eq!(read_error(&mut after), ErrorKind::WouldBlock);
    assert!(echo.hears_nothing());
    assert_eq!(proxy.counts().to_server, 1);
    proxy.set(Behaviour::pass()).unwrap();
    after.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(receive(&mut before, 1), b"b");
    assert_eq!(receive(&mut after, 2), b"cd");
}

#[test]
fn lost_answers_were_requests_that_the_server_has_heard() {
    let (echo, proxy) = proxied();
    proxy.set(Behaviour::lost_answers()).unwrap();
    let mut stream = connect(proxy.address());
    stream.write_all(b"do it").unwrap();
    assert_eq!(echo.hears(), Heard::Connection);
    assert_eq!(echo.hears(), Heard::Bytes(b"do it".to_vec()));
    let counts = proxy.until(PATIENCE, |counts| counts.from_server == 5);
    assert_eq!(counts.unwrap().to_client, 0);
    // The caller gives up, and the answer has nowhere to go.
    drop(stream);
    assert_eq!(echo.hears_end().unwrap(), b"do it");
}

#[test]
fn new_connections_are_refused_and_old_ones_are_left_alone() {
    let (_echo, proxy) = proxied();
    let mut stream = connect(proxy.address());
    exchange(&mut stream, b"a");
    proxy.set(Behaviour::refuse()).unwrap();
    let refused = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(exchange(&mut stream, b"b"), b"b");
    proxy.set(Behaviour::pass()).unwrap();
    assert_eq!(exchange(&mut connect(proxy.address()), b"c"), b"c");
}

#[test]
fn a_cut_resets_every_connection_and_no_later_one() {
    let (echo, proxy) = proxied();
    let mut idle = connect(proxy.address());
    exchange(&mut idle, b"a");
    // Nobody has heard of this one yet.
    let mut fresh = connect(proxy.address());
    proxy.cut().unwrap();
    assert_eq!(proxy.counts().open, 0);
    assert_eq!(read_error(&mut idle), ErrorKind::ConnectionReset);
    assert_eq!(read_error(&mut fresh), ErrorKind::ConnectionReset);
    assert_eq!(echo.hears_end(), None, "the server sees a reset as well");
    assert_eq!(exchange(&mut connect(proxy.address()), b"b"), b"b");
}

#[test]
fn an_answer_is_cut_after_so_many_bytes() {
    let (_echo, proxy) = proxied();
    let mut stream = connect(proxy.address());
    exchange(&mut stream, b"does not count");
    proxy.set(Behaviour::cut_answers_after(5)).unwrap();
    for stream in [&mut stream, &mut connect(proxy.address())] {
        stream.write_all(b"abcdefgh").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"abcde");
    }
}

#[test]
fn a_request_is_cut_after_so_many_bytes() {
    let (echo, proxy) = proxied();
    proxy.set(Behaviour::cut_requests_after(3)).unwrap();
    let mut stream = connect(proxy.address());
    stream.write_all(b"abcdefgh").unwrap();
    assert_eq!(echo.hears_end().unwrap(), b"abc");
    // The three bytes may or may not have come back before.
    let mut answer = Vec::new();
    let error = stream.read_to_end(&mut answer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_large_answer_is_cut_at_the_very_byte() {
    let (_echo, proxy) = proxied();
    proxy.set(Behaviour::cut_answers_after(3_000_001)).unwrap();
    let mut stream = connect(proxy.address());
    let mut sender = stream.try_clone().unwrap();
    // It does not end well: the other side is reset in the middle.
    let sending = std::thread::spawn(move || drop(sender.write_all(&vec![7; 4_000_000])));
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.len(), 3_000_001);
    sending.join().unwrap();
}

#[test]
fn throttled_bytes_take_their_time() {
    let (_echo, proxy) = proxied();
    let mut stream = connect(proxy.address());
    proxy.set(Behaviour::throttle(20_000)).unwrap();
    let start = Instant::now();
    assert_eq!(exchange(&mut stream, &[1; 10_000]).len(), 10_000);
    // The first hundredth of a second's worth passes at once, each way.
    let least = Duration::from_millis(480);
    assert!(start.elapsed() >= least, "{:?}", start.elapsed());
    proxy.set(Behaviour::throttle(1)).unwrap();
    stream.write_all(&[1; 10_000]).unwrap();
    proxy.set(Behaviour::pass()).unwrap();
    assert_eq!(receive(&mut stream, 10_000).len(), 10_000);
}

#[test]
fn ways_can_misbehave_differently() {
    let (echo, proxy) = proxied();
    let behaviour = Behaviour {
        to_server: Lane::Delay(Duration::from_millis(50)),
        to_client: Lane::CutAfter(2),
        ..Behaviour::pass()
    };
    proxy.set(behaviour).unwrap();
    let mut stream = connect(proxy.address());
    let start = Instant::now();
    stream.write_all(b"abc").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"ab");
    assert!(start.elapsed() >= Duration::from_millis(50));
    drop(echo);
}

#[test]
fn a_connection_is_reset_when_there_is_no_server() {
    let proxy = FaultProxy::start(nowhere()).unwrap();
    let mut stream = connect(proxy.address());
    assert_eq!(read_error(&mut stream), ErrorKind::ConnectionReset);
}

#[test]
fn a_dropped_proxy_is_gone() {
    let (_echo, proxy) = proxied();
    let address = proxy.address();
    let mut stream = connect(address);
    exchange(&mut stream, b"a");
    drop(proxy);
    assert_eq!(stream.read(&mut [0; 1]).unwrap_or_default(), 0);
    assert!(TcpStream::connect(address).is_err());
}
