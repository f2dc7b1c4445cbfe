//! A cluster.

use paceline_testkit::redis::{RedisCluster, RedisOptions};

#[test]
fn a_cluster_spreads_keys_over_its_nodes() {
    let options = RedisOptions::new().password("secret");
    let cluster = RedisCluster::start_with(&options).unwrap();
    assert_eq!(cluster.nodes().len(), 3);
    assert!(cluster.nodes()[0].url().contains("secret"));
    for index in 0..30 {
        let key = format!("key-{index}");
        let home = cluster.node_of(&key).unwrap();
        for node in cluster.nodes() {
            let stored = node.command(&["SET", &key, "1"]);
            if node.address() == home.address() {
                stored.unwrap();
            } else {
                let error = stored.unwrap_err().to_string();
                assert!(error.starts_with("MOVED "), "{error}");
                assert!(error.ends_with(&home.address().to_string()), "{error}");
            }
        }
    }
    let counts = cluster
        .nodes()
        .iter()
        .map(|node| node.command(&["DBSIZE"]).unwrap().integer().unwrap());
    let counts: Vec<i64> = counts.collect();
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    assert_eq!(counts.iter().sum::<i64>(), 30);

    let node = &cluster.nodes()[1];
    let id = node.command(&["CLUSTER", "MYID"]).unwrap();
    node.restart_empty().unwrap();
    assert_eq!(node.command(&["CLUSTER", "MYID"]).unwrap(), id);
    cluster.until_ok().unwrap();
    assert_eq!(node.command(&["DBSIZE"]).unwrap().integer(), Some(0));
}
