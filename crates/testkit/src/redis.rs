//! Real Redis servers on loopback: one alone, a cluster, and a master with a replica and sentinels.
//!
//! `redis-server` runs, or `valkey-server` where that is what there is. Everything here blocks the
//! calling thread for as long as it takes, so that it serves tests with and without a runtime.

mod certificates;
mod cluster;
mod connection;
mod options;
mod reply;
mod sentinel;
mod server;

pub use certificates::Certificates;
pub use cluster::RedisCluster;
pub use connection::Connection;
pub use options::RedisOptions;
pub use reply::Reply;
pub use sentinel::SentinelSet;
pub use server::RedisServer;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::process::{GLANCE, PATIENCE};

/// Waits until `probe` succeeds; half a minute at most, then with its last error.
fn until<T>(what: &str, mut probe: impl FnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        match probe() {
            Err(error) if Instant::now() > end => {
                return Err(error).with_context(|| format!("waited in vain for {what}"));
            }
            Err(_) => std::thread::sleep(GLANCE + Duration::from_millis(15)),
            done => return done,
        }
    }
}
