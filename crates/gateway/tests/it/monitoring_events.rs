//! The feed of changes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use paceline_admin_api::Now;
use paceline_testkit::{TestGateway, chat};

use crate::monitoring::refused;
use crate::provider::provider;

/// A listener of the feed.
pub(crate) struct Listener {
    body: hyper::body::Incoming,
    read: String,
}

impl Listener {
    pub(crate) async fn start(gateway: &TestGateway, headers: &[(&str, &str)]) -> Result<Self> {
        let caller = gateway.caller();
        let mut all = vec![("authorization", "Bearer 0123456789abcdef-test")];
        all.extend_from_slice(headers);
        let request = caller.request(Method::GET, "/monitoring/events", &all, Bytes::new())?;
        let response = caller.start(request).await?;
        ensure!(response.status() == 200, "{}", response.status());
        ensure!(response.headers()["content-type"] == "text/event-stream");
        Ok(Self {
            body: response.into_body(),
            read: String::new(),
        })
    }

    /// The next event; `None` at the end of the feed.
    pub(crate) async fn next(&mut self) -> Result<Option<Now>> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let now = data.map(serde_json::from_str).transpose()?;
                self.read = rest.to_owned();
                if now.is_some() {
                    return Ok(now);
                }
                continue;
            }
            let frame = tokio::time::timeout(Duration::from_secs(20), self.body.frame()).await?;
            let Some(frame) = frame else { return Ok(None) };
            if let Ok(data) = frame?.into_data() {
                self.read.push_str(std::str::from_utf8(&data)?);
            }
        }
    }
}

#[tokio::test]
async fn listeners_are_told_what_changes_and_the_feed_ends_with_the_gateway() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[limits]\nrequests_per_hour = 100\nwindow = \"bucket\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let mut listener = Listener::start(&gateway, &[("last-event-id", "nonsense;7")]).await?;
    let first = listener.next().await?.context("a first event")?;
    assert!(
        first.finished.values().all(|count| *count == 0),
        "{first:?}"
    );
    gateway.caller().chat(&[], chat(5, false)).await?;
    let told = loop {
        let now = listener.next().await?.context("an event")?;
        if now.finished["ok"] == 1 {
            break now;
        }
    };
    assert_eq!(told.finished_total["ok"], 1);
    // Whole milliseconds are cut off from both.
    assert!(told.at_ms - first.at_ms >= 499, "at most two a second");
    assert_eq!(told.pools[0].limits[0].amount, 100);
    let stopping = gateway.stop();
    let end = async {
        while listener.next().await?.is_some() {}
        anyhow::Ok(())
    };
    let (stopped, ended) = tokio::join!(stopping, end);
    stopped?;
    ended
}

#[tokio::test]
async fn no_more_listen_than_there_are_places_for() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let mut listeners = Vec::new();
    for _ in 0..16 {
        listeners.push(Listener::start(&gateway, &[]).await?);
    }
    let error = refused(&gateway, "/monitoring/events", 503).await?.error;
    assert_eq!(error.code, "too_many_listeners");
    drop(listeners.pop());
    // The place is free when the gateway has noticed, which it does at the next event or heartbeat.
    gateway.caller().chat(&[], chat(5, false)).await?;
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while Listener::start(&gateway, &[]).await.is_err() {
        ensure!(std::time::Instant::now() < deadline, "no place is free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
