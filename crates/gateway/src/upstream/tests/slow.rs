//! Servers that are too slow, each in another phase.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::net::TcpListener;

use super::server::{Server, Speaks};
use super::{failure, plain, request, secure, upstream};
use crate::upstream::SendError;

/// A server that takes connections and then does nothing.
async fn silent() -> Result<(std::net::SocketAddr, tokio::task::JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    Ok((address, holding))
}

#[tokio::test]
async fn a_connection_that_nobody_takes_is_given_up() -> Result<()> {
    // A queue of one that is full: the system drops what comes after it.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>()?.into())?;
    socket.listen(0)?;
    let address = socket.local_addr()?.as_socket().unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        let filling = tokio::net::TcpStream::connect(address);
        if let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(50), filling).await {
            held.push(stream);
        }
    }
    let upstream = upstream(&plain(address), "connect_timeout = \"50ms\"")?;
    let told = failure(&upstream, "/echo").await;
    let expected = format!(
        "connecting to 127.0.0.1 port {} took longer than 0.05 s (connect_timeout)",
        address.port()
    );
    assert!(told.ends_with(&expected), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_does_not_begin_tls_or_http2_is_given_up() -> Result<()> {
    let (address, holding) = silent().await?;
    let began = Instant::now();
    let told = failure(
        &upstream(&secure(address), "tls_timeout = \"50ms\"")?,
        "/echo",
    )
    .await;
    let expected = format!(
        "the TLS handshake with localhost:{} took longer than 0.05 s (tls_timeout)",
        address.port()
    );
    assert!(told.ends_with(&expected), "{told}");
    let keys = "http_version = \"2\"\nconnect_timeout = \"50ms\"";
    let told = failure(&upstream(&plain(address), keys)?, "/echo").await;
    assert!(
        told.ends_with("agreeing on HTTP/2 took longer than 0.05 s (connect_timeout)"),
        "{told}"
    );
    assert!(began.elapsed() < Duration::from_secs(10));
    holding.abort();
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_not_taken_is_given_up() -> Result<()> {
    // Over HTTP/1.1 the system's buffers fill up; over HTTP/2 the window of the stream.
    let (address, holding) = silent().await?;
    let http2 = Server::start(Speaks::http2()).await?;
    for (address, path, version) in [(address, "/echo", "1.1"), (http2.address, "/hang", "2")] {
        let keys = format!("write_timeout = \"100ms\"\nhttp_version = \"{version}\"");
        let upstream = upstream(&plain(address), &keys)?;
        let body = vec![b'x'; 64 << 20];
        let sent = upstream.send(request(&upstream, path, body), None, || ());
        let error = sent.await.unwrap_err();
        let expected = "more than 0.1 s without taking any of the request (write_timeout)";
        assert!(error.to_string().contains(expected), "{version}: {error}");
        assert!(!error.nothing_sent());
    }
    holding.abort();
    Ok(())
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_given_up_by_whichever_limit_is_first() -> Result<()> {
    for speaks in [Speaks::http1(), Speaks::http2()] {
        let version = if speaks.http2 { "2" } else { "1.1" };
        let server = Server::start(speaks).await?;
        for (limits, patience, expected) in [
            (
                "first_byte_timeout = \"100ms\"",
                None,
                "more than 0.1 s waiting for the first byte of the answer (first_byte_timeout)",
            ),
            (
                "total_timeout = \"100ms\"",
                None,
                "more than 0.1 s from the start of the attempt to the end",
            ),
            (
                "",
                Some(50),
                "more than 0.05 s waiting for the first byte of the answer",
            ),
        ] {
            let keys = format!("http_version = \"{version}\"\n{limits}");
            let upstream = upstream(&plain(server.address), &keys)?;
            let request = request(&upstream, "/hang", "hello");
            let patience = patience.map(Duration::from_millis);
            let error = upstream.send(request, patience, || ()).await.unwrap_err();
            assert!(
                matches!(error, SendError::Timeout { .. }) && error.to_string().contains(expected),
                "{error}"
            );
        }
    }
    Ok(())
}
