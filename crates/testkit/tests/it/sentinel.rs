//! Sentinels that fail over.

use paceline_testkit::redis::{RedisOptions, Reply, SentinelSet};

#[test]
fn one_sentinel_swaps_master_and_replica_when_asked() {
    let set = SentinelSet::start_with(1, &RedisOptions::new().password("secret")).unwrap();
    let (old, new) = (set.master().unwrap(), set.replica().unwrap());
    old.command(&["SET", "key", "1"]).unwrap();
    set.fail_over().unwrap();
    assert_eq!(set.master().unwrap().address(), new.address());
    assert_eq!(set.replica().unwrap().address(), old.address());
    assert_eq!(new.command(&["GET", "key"]).unwrap().text(), "1");
    new.command(&["SET", "key", "2"]).unwrap();
    let error = old.command(&["SET", "key", "3"]).unwrap_err();
    assert!(error.to_string().starts_with("READONLY"), "{error}");
}

#[test]
fn three_sentinels_replace_a_dead_master_and_what_was_not_copied_is_lost() {
    let set = SentinelSet::start(3).unwrap();
    assert_eq!(set.sentinel_addresses().len(), 3);
    let (old, new) = (set.master().unwrap(), set.replica().unwrap());
    old.command(&["SET", "copied", "1"]).unwrap();
    old.command(&["WAIT", "1", "0"]).unwrap();
    set.pause_replication().unwrap();
    old.command(&["SET", "lost", "1"]).unwrap();
    assert_eq!(new.command(&["GET", "lost"]).unwrap(), Reply::Nil);
    set.kill_master().unwrap();
    for sentinel in set.sentinels() {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", set.master_name()];
        let told = sentinel.command(&words).unwrap();
        assert_eq!(
            told.items()[1].integer(),
            Some(i64::from(new.address().port()))
        );
    }
    assert_eq!(new.command(&["GET", "copied"]).unwrap().text(), "1");
    assert_eq!(new.command(&["GET", "lost"]).unwrap(), Reply::Nil);
    old.restart_empty().unwrap();
    set.resume_replication().unwrap();
    assert_eq!(old.command(&["GET", "copied"]).unwrap().text(), "1");
}

#[test]
fn a_frozen_replica_lags_and_catches_up() {
    let set = SentinelSet::start(1).unwrap();
    let (master, replica) = (set.master().unwrap(), set.replica().unwrap());
    replica.freeze().unwrap();
    master.command(&["SET", "key", "1"]).unwrap();
    let copies = master.command(&["WAIT", "1", "50"]).unwrap();
    assert_eq!(copies.integer(), Some(0));
    replica.thaw().unwrap();
    let mut connection = master.connect(crate::echo::PATIENCE).unwrap();
    connection.command(&["SET", "key", "2"]).unwrap();
    let copies = connection.command(&["WAIT", "1", "0"]).unwrap();
    assert_eq!(copies.integer(), Some(1));
    assert_eq!(replica.command(&["GET", "key"]).unwrap().text(), "2");
}
