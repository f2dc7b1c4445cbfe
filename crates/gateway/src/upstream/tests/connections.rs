//! How many connections there are.

use std::sync::Arc;

use anyhow::Result;

use super::server::{Server, Speaks};
use super::{ask, failure, plain, send, settings, upstream};
use crate::upstream::{Places, Upstream};

#[tokio::test]
async fn more_calls_than_connections_wait_and_then_fail() -> Result<()> {
    for version in ["1.1", "2"] {
        let speaks = Speaks {
            http2: version == "2",
            streams_max: Some(1),
            ..Speaks::default()
        };
        let server = Server::start(speaks).await?;
        let keys = format!(
            "connections_max = 2\nconnect_timeout = \"100ms\"\nhttp_version = \"{version}\""
        );
        let upstream = upstream(&plain(server.address), &keys)?;
        let call = || {
            let upstream = upstream.clone();
            tokio::spawn(async move { ask(&upstream, "/gate", "").await })
        };
        let held = [call(), call()];
        server.until_waiting(2).await;
        let told = failure(&upstream, "/echo").await;
        let expected = "all 2 connections of connections_max stayed in use for 0.1 s";
        assert!(told.contains(expected), "{version}: {told}");
        server.open_gate();
        for held in held {
            held.await??;
        }
        assert_eq!(ask(&upstream, "/echo", "again").await?, "again");
        assert_eq!(server.connections(), 2, "{version}");
    }
    Ok(())
}

#[tokio::test]
async fn who_waits_goes_when_a_call_ends_and_its_connection_is_kept_or_closed() -> Result<()> {
    for idle_max in [0, 8] {
        let server = Server::start(Speaks::http1()).await?;
        let keys = format!(
            "connections_max = 1\nconnect_timeout = \"30s\"\nidle_connections_max = {idle_max}"
        );
        let upstream = upstream(&plain(server.address), &keys)?;
        let (answer, connection) = send(&upstream, "/echo").await?;
        let next = {
            let upstream = upstream.clone();
            tokio::spawn(async move { ask(&upstream, "/echo", "next").await })
        };
        tokio::task::yield_now().await;
        assert_eq!(server.connections(), 1);
        drop(answer);
        connection.keep();
        assert_eq!(next.await??, "next", "{idle_max}");
    }
    Ok(())
}

#[tokio::test]
async fn threads_have_connections_max_together_and_lend_each_other_what_lies_idle() -> Result<()> {
    for version in ["1.1", "2"] {
        let speaks = Speaks {
            http2: version == "2",
            ..Speaks::default()
        };
        let server = Server::start(speaks).await?;
        let keys = format!("connections_max = 1\nhttp_version = \"{version}\"");
        let settings = settings(&plain(server.address), &keys)?;
        let places = Arc::new(Places::default());
        for _ in 0..3 {
            let thread = Arc::new(Upstream::sharing(&settings, &places)?);
            let other = Arc::new(Upstream::sharing(&settings, &places)?);
            assert_eq!(ask(&thread, "/echo", "one").await?, "one");
            assert_eq!(ask(&other, "/echo", "two").await?, "two", "{version}");
            assert_eq!(ask(&thread, "/echo", "three").await?, "three");
        }
        // Each pair had one, which ended with it.
        assert_eq!(server.connections(), 3, "{version}");
    }
    Ok(())
}

#[tokio::test]
async fn no_more_idle_connections_are_kept_than_are_set() -> Result<()> {
    let server = Server::start(Speaks::http1()).await?;
    let upstream = upstream(&plain(server.address), "idle_connections_max = 1")?;
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let upstream = upstream.clone();
            tokio::spawn(async move { ask(&upstream, "/gate", "").await })
        })
        .collect();
    server.until_waiting(3).await;
    server.open_gate();
    for call in calls {
        call.await??;
    }
    for _ in 0..3 {
        ask(&upstream, "/echo", "").await?;
    }
    assert_eq!(server.connections(), 3, "one of the three was used again");
    Ok(())
}
