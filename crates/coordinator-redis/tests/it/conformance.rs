//! The store in Redis does what every store has to do.

use std::sync::OnceLock;

use paceline_coordinator::coordinator_conformance;
use paceline_coordinator_redis::RedisCoordinator;
use paceline_testkit::redis::RedisServer;

use crate::talk::settings;

/// One server for all cases that run in this process, each in domains of its own.
async fn store() -> RedisCoordinator {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    let server = SERVER.get_or_init(|| RedisServer::start().unwrap());
    RedisCoordinator::connect(&settings(&server.url()))
        .await
        .unwrap()
}

coordinator_conformance!(store().await);
