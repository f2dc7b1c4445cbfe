//! A replica, also one that is far away.

use std::time::Instant;

use anyhow::{Result, bail};
use paceline_testkit::fault::{Behaviour, FaultProxy};
use paceline_testkit::redis::{RedisOptions, RedisServer, Reply};

use crate::echo::PATIENCE;

fn until_it_has(server: &RedisServer, key: &str, value: &str) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while server.command(&["GET", key])?.text() != value {
        if Instant::now() > end {
            bail!("{key} does not become {value}");
        }
    }
    Ok(())
}

#[test]
fn a_replica_has_what_its_master_has() {
    let master = RedisServer::start_with(RedisOptions::new().password("secret")).unwrap();
    master.command(&["SET", "before", "1"]).unwrap();
    let options = RedisOptions::new().replica_of(master.address());
    let replica = RedisServer::start_with(options).unwrap();
    replica.until_following().unwrap();
    master.command(&["SET", "after", "2"]).unwrap();
    assert_eq!(replica.command(&["GET", "before"]).unwrap().text(), "1");
    until_it_has(&replica, "after", "2").unwrap();
    let error = replica.command(&["SET", "a", "b"]).unwrap_err();
    assert!(error.to_string().starts_with("READONLY"), "{error}");
}

#[test]
fn a_replica_behind_a_proxy_lags_as_far_as_the_proxy_lets_it() {
    let master = RedisServer::start().unwrap();
    let proxy = FaultProxy::start(master.address()).unwrap();
    let options = RedisOptions::new().replica_of(proxy.address());
    let replica = RedisServer::start_with(options).unwrap();
    replica.until_following().unwrap();
    proxy.set(Behaviour::lost_answers()).unwrap();
    let before = proxy.counts();
    master.command(&["SET", "key", "1"]).unwrap();
    let sent = proxy.until(PATIENCE, |counts| counts.from_server > before.from_server);
    sent.unwrap();
    assert_eq!(replica.command(&["GET", "key"]).unwrap(), Reply::Nil);
    proxy.set(Behaviour::pass()).unwrap();
    until_it_has(&replica, "key", "1").unwrap();
}
