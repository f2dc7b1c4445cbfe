//! What answers come to.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use http::StatusCode;

use super::server::{Server, Speaks};
use super::{ask, plain, request, send, upstream};

#[tokio::test]
async fn a_connection_is_used_again_and_bodies_arrive_whole() -> Result<()> {
    let body = vec![b'x'; 300_000];
    for (speaks, version) in [(Speaks::http1(), "1.1"), (Speaks::http2(), "2")] {
        let server = Server::start(speaks).await?;
        let keys = format!("http_version = \"{version}\"");
        let upstream = upstream(&plain(server.address), &keys)?;
        for _ in 0..3 {
            let echo = ask(&upstream, "/echo", body.clone()).await?;
            assert_eq!(echo.len(), body.len());
        }
        assert_eq!(server.connections(), 1, "{version}");
        let own = format!("{}", server.address);
        let expected = match version {
            "2" => format!("2 /v1/echo host None authority Some({own:?})"),
            _ => format!("1.1 /v1/echo host Some({own:?}) authority None"),
        };
        assert_eq!(server.requests()[2], expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_redirection_is_passed_on_and_not_followed() -> Result<()> {
    let server = Server::start(Speaks::http1()).await?;
    let upstream = upstream(&plain(server.address), "")?;
    let (response, _) = send(&upstream, "/elsewhere").await?;
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(server.requests().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_407_of_the_provider_itself_is_an_answer_like_others() -> Result<()> {
    let server = Server::start(Speaks::http1()).await?;
    let upstream = upstream(&plain(server.address), "")?;
    let (response, _) = send(&upstream, "/407").await?;
    assert_eq!(response.status(), StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    Ok(())
}

#[tokio::test]
async fn sending_is_told_once_and_only_when_there_is_a_connection() -> Result<()> {
    let told = AtomicUsize::new(0);
    let tell = || {
        told.fetch_add(1, Ordering::SeqCst);
    };
    let server = Server::start(Speaks::http2()).await?;
    let there = upstream(&plain(server.address), "http_version = \"2\"")?;
    there
        .send(request(&there, "/echo", "a"), None, tell)
        .await?;
    assert_eq!(told.load(Ordering::SeqCst), 1);
    let gone = upstream("http://127.0.0.1:9/v1", "")?;
    let failed = gone.send(request(&gone, "/echo", "a"), None, tell).await;
    assert!(failed.unwrap_err().nothing_sent());
    assert_eq!(told.load(Ordering::SeqCst), 1);
    Ok(())
}
