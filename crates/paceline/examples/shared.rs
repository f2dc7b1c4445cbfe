//! Two programs that share one quota through Redis.
//!
//! Run it with `cargo run -p paceline --features redis --example shared`. It uses the Redis that `REDIS_URL`
//! names, and starts one of its own where there is none.

#![expect(clippy::print_stdout, reason = "an example tells what happens")]

use std::time::{Duration, Instant};

use anyhow::Result;
use paceline::{Call, Metric, Pacer, Store, WhenStoreIsAway, Window};
use paceline_testkit::redis::RedisServer;

/// Requests that the provider allows in a second.
const QUOTA: u64 = 20;

/// Runs the example.
#[tokio::main]
pub async fn main() -> Result<()> {
    let (url, _server) = match std::env::var("REDIS_URL") {
        Ok(url) => (url, None),
        Err(_) => {
            let server = RedisServer::start()?;
            (server.url(), Some(server))
        }
    };
    // What follows would be in two programs.
    let start = Instant::now();
    let went = tokio::try_join!(program("one", &url), program("two", &url))?;
    let took = start.elapsed();
    println!("{} and {} calls in {took:.1?}", went.0, went.1);

    // Together they have kept to what one of them was allowed.
    let allowed = QUOTA * (took.as_secs() + 1);
    anyhow::ensure!(went.0 + went.1 <= allowed, "more than {allowed} calls went");
    Ok(())
}

async fn program(name: &str, url: &str) -> Result<u64> {
    let store = Store::redis(url)
        .prefix("paceline-example:")
        .time_box(Duration::from_millis(500))
        .await?;
    let pacer = Pacer::builder()
        .limit(Metric::Requests, QUOTA, Duration::from_secs(1))
        .window(Window::Sliding)
        .guard(Duration::ZERO)
        .shared(&store, "OpenAI")
        .when_store_is_away(WhenStoreIsAway::Share)
        .build()?;
    let mut went = 0;
    for _ in 0..30 {
        // Nothing here knows of the other program.
        pacer.reserve(&Call::new()).await?.served();
        went += 1;
    }
    if let Some(sharing) = pacer.sharing() {
        let (mode, members) = (sharing.mode.name(), sharing.members);
        println!("program {name}: {went} calls, sharing {mode} between {members}");
    }
    // So that the other need not wait until this one is missed.
    store.leave().await;
    Ok(went)
}
