//! HTTP/2: many requests on one connection, and what a provider may do to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use bytes::Bytes;
use h2::Reason;
use http::Response;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::server::{Server, Speaks};
use super::{ask, failure, plain, send, upstream};

const HTTP2: &str = "http_version = \"2\"";

#[tokio::test]
async fn many_calls_share_one_connection_up_to_what_the_provider_allows() -> Result<()> {
    for (streams_max, calls, connections) in [(None, 64, 1), (Some(1000), 150, 2), (Some(2), 6, 3)]
    {
        let server = Server::start(Speaks {
            streams_max,
            ..Speaks::http2()
        })
        .await?;
        let upstream = upstream(&plain(server.address), HTTP2)?;
        let calls: Vec<_> = (0..calls)
            .map(|_| {
                let upstream = upstream.clone();
                tokio::spawn(async move { ask(&upstream, "/gate", "hello").await })
            })
            .collect();
        // All are looked at together, so none waits behind another.
        server.until_waiting(calls.len()).await;
        assert_eq!(server.connections(), connections, "{streams_max:?}");
        server.open_gate();
        for call in calls {
            assert_eq!(call.await??, "through");
        }
    }
    Ok(())
}

#[tokio::test]
async fn callers_that_take_nothing_do_not_hold_up_the_others() -> Result<()> {
    let server = Server::start(Speaks::http2()).await?;
    let upstream = upstream(&plain(server.address), HTTP2)?;
    let mut unread = Vec::new();
    for _ in 0..32 {
        unread.push(send(&upstream, "/flood").await?);
    }
    // Windows fill up while others come and go.
    for _ in 0..200 {
        assert_eq!(
            ask(&upstream, "/echo", vec![b'x'; 40_000]).await?.len(),
            40_000
        );
    }
    assert_eq!(server.connections(), 1);
    let (mut answer, _) = unread.remove(0);
    let mut bytes = 0;
    while bytes < 2 << 20 {
        let frame = answer.body_mut().frame().await.unwrap()?;
        bytes += frame.into_data().unwrap().len();
    }
    Ok(())
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_the_connection_to_the_others() -> Result<()> {
    let server = Server::start(Speaks::http2()).await?;
    let upstream = upstream(
        &plain(server.address),
        "http_version = \"2\"\nfirst_byte_timeout = \"100ms\"",
    )?;
    assert!(
        failure(&upstream, "/hang")
            .await
            .contains("waiting for the first byte")
    );
    drop(send(&upstream, "/flood").await?);
    assert_eq!(ask(&upstream, "/echo", "hello").await?, "hello");
    assert_eq!(server.connections(), 1);
    Ok(())
}

/// What a server does with the requests that it numbers over all connections.
#[derive(Clone, Copy)]
enum Does {
    Answer,
    Refuse,
    /// Ends the connection without a word.
    Cut,
}

/// A server that does as it is told to, frame by frame.
async fn scripted(
    script: impl Fn(usize) -> Does + Send + Sync + 'static,
) -> Result<(String, Arc<AtomicUsize>, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base_url = plain(listener.local_addr()?);
    let (requests, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, opened) = (Arc::clone(&requests), Arc::clone(&connections));
    let script = Arc::new(script);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            opened.fetch_add(1, Ordering::SeqCst);
            let (counted, script) = (Arc::clone(&counted), Arc::clone(&script));
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    match script(counted.fetch_add(1, Ordering::SeqCst)) {
                        Does::Answer => {
                            let mut body = respond.send_response(Response::new(()), false).unwrap();
                            body.send_data(Bytes::from_static(b"done"), true).unwrap();
                        }
                        Does::Refuse => respond.send_reset(Reason::REFUSED_STREAM),
                        Does::Cut => return,
                    }
                }
            });
        }
    });
    Ok((base_url, requests, connections))
}

#[tokio::test]
async fn what_is_refused_unprocessed_is_sent_again() -> Result<()> {
    let (base_url, requests, _) = scripted(|number| match number {
        0 | 1 => Does::Refuse,
        _ => Does::Answer,
    })
    .await?;
    let upstream = upstream(&base_url, HTTP2)?;
    assert_eq!(ask(&upstream, "/echo", "hello").await?, "done");
    assert_eq!(requests.load(Ordering::SeqCst), 3);
    Ok(())
}

#[tokio::test]
async fn a_provider_that_refuses_for_ever_is_given_up_and_nothing_counts_as_sent() -> Result<()> {
    let (base_url, requests, _) = scripted(|_| Does::Refuse).await?;
    let upstream = upstream(&base_url, HTTP2)?;
    let error = send(&upstream, "/echo").await.unwrap_err();
    assert!(error.nothing_sent(), "{error}");
    assert!(
        error
            .to_string()
            .contains("turned the request away unprocessed"),
        "{error}"
    );
    assert_eq!(requests.load(Ordering::SeqCst), 4);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_breaks_with_a_call_on_it_counts_as_sent() -> Result<()> {
    let (base_url, requests, connections) = scripted(|number| match number {
        0 => Does::Cut,
        _ => Does::Answer,
    })
    .await?;
    let upstream = upstream(&base_url, HTTP2)?;
    let error = send(&upstream, "/echo").await.unwrap_err();
    assert!(!error.nothing_sent(), "{error}");
    assert_eq!(
        requests.load(Ordering::SeqCst),
        1,
        "it is not for this layer to repeat it"
    );
    assert_eq!(ask(&upstream, "/echo", "hello").await?, "done");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    Ok(())
}

/// A frame (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Waits for the head of the first request; its stream.
async fn first_request(stream: &mut TcpStream) -> Result<u32> {
    const PREFACE_BYTES: usize = 24;
    stream.read_exact(&mut [0; PREFACE_BYTES]).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream
            .read_exact(&mut vec![0; usize::try_from(length)?])
            .await?;
        if head[3] == HEADERS {
            return Ok(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        }
    }
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// Says that `last` is the last stream that it looked at, and why it closes: for no reason.
fn goodbye(last: u32) -> Vec<u8> {
    let mut payload = last.to_be_bytes().to_vec();
    payload.extend(0_u32.to_be_bytes());
    frame(GOAWAY, 0, 0, &payload)
}

#[tokio::test]
async fn a_request_behind_the_last_that_a_leaving_provider_looks_at_is_sent_again() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let upstream = upstream(&plain(listener.local_addr()?), HTTP2)?;
    let call = tokio::spawn({
        let upstream = upstream.clone();
        async move { ask(&upstream, "/echo", "hello").await }
    });
    let (mut leaving, _) = listener.accept().await?;
    first_request(&mut leaving).await?;
    leaving.write_all(&goodbye(0)).await?;
    let (mut next, _) = listener.accept().await?;
    let stream = first_request(&mut next).await?;
    // `:status: 200` alone, and the end of the stream (RFC 7541, appendix A: entry 8).
    next.write_all(&frame(HEADERS, 0x05, stream, &[0x88]))
        .await?;
    assert_eq!(call.await??, "");
    Ok(())
}

#[tokio::test]
async fn a_leaving_provider_still_answers_what_it_looked_at_and_gets_nothing_more() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let upstream = upstream(&plain(listener.local_addr()?), HTTP2)?;
    let call = || {
        let upstream = upstream.clone();
        tokio::spawn(async move { ask(&upstream, "/echo", "hello").await })
    };
    let first = call();
    let (mut leaving, _) = listener.accept().await?;
    let stream = first_request(&mut leaving).await?;
    leaving.write_all(&goodbye(stream)).await?;
    let second = call();
    let (mut next, _) = listener.accept().await?;
    let other = first_request(&mut next).await?;
    leaving
        .write_all(&frame(HEADERS, 0x05, stream, &[0x88]))
        .await?;
    next.write_all(&frame(HEADERS, 0x05, other, &[0x88]))
        .await?;
    assert_eq!(first.await??, "");
    assert_eq!(second.await??, "");
    Ok(())
}
