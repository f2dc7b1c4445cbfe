//! One real server.

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use paceline_testkit::redis::{Connection, RedisOptions, RedisServer, Reply};

use crate::echo::PATIENCE;

fn text(server: &RedisServer, words: &[&str]) -> String {
    server.command(words).unwrap().text()
}

#[test]
fn a_server_answers_and_is_empty_after_a_restart() {
    let server = RedisServer::start().unwrap();
    let address = server.address();
    assert_eq!(server.url(), format!("redis://{address}"));
    assert_eq!(text(&server, &["SET", "key", "value \r\n"]), "OK");
    assert_eq!(text(&server, &["GET", "key"]), "value \r\n");
    let pairs = server.command(&["CONFIG", "GET", "save"]).unwrap();
    let save = pairs.field("save").map(Reply::text);
    assert_eq!(save.as_deref(), Some(""), "nothing is saved unasked");
    let first = server.process().id();
    server.restart_empty().unwrap();
    assert_ne!(server.process().id(), first);
    assert_eq!(server.address(), address);
    assert_eq!(server.command(&["GET", "key"]).unwrap(), Reply::Nil);
}

#[test]
fn a_refusal_is_an_error_with_the_words_of_the_server() {
    let server = RedisServer::start().unwrap();
    server.command(&["SET", "key", "value"]).unwrap();
    let error = server.command(&["INCR", "key"]).unwrap_err().to_string();
    assert!(error.contains("not an integer"), "{error}");
    let mut connection = server.connect(PATIENCE).unwrap();
    connection.command(&["MULTI"]).unwrap();
    connection.command(&["INCR", "key"]).unwrap();
    connection.command(&["INCR", "other"]).unwrap();
    let replies = connection.command(&["EXEC"]).unwrap();
    assert!(matches!(replies.items()[0], Reply::Error(_)), "{replies:?}");
    assert_eq!(replies.items()[1], Reply::Integer(1));
}

#[test]
fn data_are_kept_through_a_restart_that_keeps_them() {
    let server = RedisServer::start().unwrap();
    server.command(&["SET", "key", "1"]).unwrap();
    server.restart_with_data().unwrap();
    assert_eq!(text(&server, &["GET", "key"]), "1");
    server.stop().unwrap();
    let error = server.restart_with_data().unwrap_err().to_string();
    assert!(error.contains("not persistent"), "{error}");
    server.restart_empty().unwrap();
    assert_eq!(text(&server, &["DBSIZE"]), "0");
}

#[test]
fn a_persistent_server_loses_nothing_when_it_is_killed() {
    let server = RedisServer::start_with(RedisOptions::new().persistent()).unwrap();
    server.command(&["SET", "key", "1"]).unwrap();
    server.stop().unwrap();
    server.restart_with_data().unwrap();
    assert_eq!(text(&server, &["GET", "key"]), "1");
    server.restart_empty().unwrap();
    assert_eq!(text(&server, &["DBSIZE"]), "0");
}

#[test]
fn a_server_that_is_down_refuses_connections() {
    let server = RedisServer::start().unwrap();
    assert_eq!(server.terminate().unwrap().code(), Some(0));
    assert!(TcpStream::connect(server.address()).is_err());
    assert!(server.command(&["PING"]).is_err());
    server.restart_empty().unwrap();
    server.stop().unwrap();
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart_empty().unwrap();
    assert_eq!(text(&server, &["PING"]), "PONG");
}

#[test]
fn a_frozen_server_accepts_and_answers_only_when_thawed() {
    let server = RedisServer::start().unwrap();
    let mut connection = server.connect(PATIENCE).unwrap();
    server.freeze().unwrap();
    drop(TcpStream::connect(server.address()).unwrap());
    let short = Duration::from_millis(50);
    assert!(server.command_within(short, &["PING"]).is_err());
    server.thaw().unwrap();
    assert_eq!(connection.command(&["PING"]).unwrap().text(), "PONG");
    server.freeze().unwrap();
    server.restart_empty().unwrap();
    assert_eq!(text(&server, &["PING"]), "PONG");
}

#[test]
fn a_dropped_server_is_gone_with_its_folder() {
    let server = RedisServer::start().unwrap();
    let (address, folder, id) = (
        server.address(),
        server.data_folder(),
        server.process().id(),
    );
    server.freeze().unwrap();
    assert!(folder.exists());
    drop(server);
    assert!(TcpStream::connect(address).is_err());
    assert!(!folder.exists());
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

#[test]
fn everyone_is_asked_for_the_password() {
    let server = RedisServer::start_with(RedisOptions::new().password("secret")).unwrap();
    let address = server.address();
    assert_eq!(server.url(), format!("redis://:secret@{address}"));
    let mut connection = Connection::open(address, PATIENCE).unwrap();
    let error = connection.command(&["PING"]).unwrap_err().to_string();
    assert!(error.starts_with("NOAUTH"), "{error}");
    let error = connection.command(&["AUTH", "wrong"]).unwrap_err();
    assert!(error.to_string().starts_with("WRONGPASS"), "{error}");
    connection.command(&["AUTH", "secret"]).unwrap();
    connection.command(&["PING"]).unwrap();
    assert_eq!(text(&server, &["PING"]), "PONG", "the kit itself is let in");
}

#[test]
fn a_user_may_do_what_the_rule_says() {
    let options = RedisOptions::new().user("gateway on >word ~paceline:* +get +set");
    let server = RedisServer::start_with(options).unwrap();
    let url = server.url_of_user("gateway", "word");
    assert_eq!(url, format!("redis://gateway:word@{}", server.address()));
    let mut connection = Connection::open(server.address(), PATIENCE).unwrap();
    connection.command(&["AUTH", "gateway", "word"]).unwrap();
    connection.command(&["SET", "paceline:a", "1"]).unwrap();
    for words in [&["SET", "other", "1"][..], &["DEL", "paceline:a"]] {
        let error = connection.command(words).unwrap_err().to_string();
        assert!(error.starts_with("NOPERM"), "{error}");
    }
}

#[test]
fn a_full_server_refuses_to_store_more() {
    let options = RedisOptions::new().max_memory_bytes(4_000_000);
    let server = RedisServer::start_with(options).unwrap();
    let value = "x".repeat(100_000);
    let refused = (0..100).find_map(|index| {
        let key = index.to_string();
        server.command(&["SET", &key, &value]).err()
    });
    let error = refused.expect("10 MB do not fit in 4").to_string();
    assert!(error.starts_with("OOM"), "{error}");
    assert_eq!(text(&server, &["GET", "0"]), value, "nothing is forgotten");
}

#[test]
fn a_server_that_works_uses_processor_time() {
    let server = RedisServer::start().unwrap();
    let before = server.cpu_time().unwrap();
    let end = Instant::now() + PATIENCE;
    while server.cpu_time().unwrap() < before + Duration::from_millis(50) {
        assert!(Instant::now() < end);
        let work = "for i = 1, 1000000 do end";
        server.command(&["EVAL", work, "0"]).unwrap();
    }
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let options = RedisOptions::new().setting("no-such-setting", "1");
    let error = RedisServer::start_with(options).unwrap_err().to_string();
    assert!(error.contains("did not start"), "{error}");
    assert!(error.contains("no-such-setting"), "{error}");
}

#[test]
fn servers_do_not_get_in_each_others_way() {
    let starting: Vec<_> = (0..8)
        .map(|_| std::thread::spawn(|| RedisServer::start().unwrap()))
        .collect();
    let servers: Vec<_> = starting
        .into_iter()
        .map(|one| one.join().unwrap())
        .collect();
    for (index, server) in servers.iter().enumerate() {
        server.command(&["SET", "me", &index.to_string()]).unwrap();
    }
    for (index, server) in servers.iter().enumerate() {
        assert_eq!(text(server, &["GET", "me"]), index.to_string());
    }
}
