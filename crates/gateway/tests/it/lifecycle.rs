//! Callers that go away, reloads, and the end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use http_body_util::BodyExt;
use paceline_simulator::Simulator;
use paceline_testkit::{TestGateway, chat};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::provider::{provider, settings};

/// One call's worth at once, the next only after a minute.
const ONE_CALL: &str = "[limits]\nrequests_per_minute = 1\nwindow = \"bucket\"\nguard = \"0ms\"\n";

#[tokio::test]
async fn a_caller_that_leaves_the_queue_frees_its_place() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), ONE_CALL)?;
    gateway.caller().chat(&[], chat(5, false)).await?;
    let caller = gateway.caller();
    let waiting = tokio::spawn(async move { caller.chat(&[], chat(5, false)).await });
    gateway.until_pool(|pool| pool.waiting == 1).await?;
    let queue = gateway.queue().await?;
    assert_eq!(queue.calls[0].position, 1);
    assert_eq!(queue.calls[0].limited_by, "requests per minute");
    let eta_ms = queue.calls[0].eta_ms.unwrap_or_default();
    assert!((55_000..=60_000).contains(&eta_ms), "{eta_ms}");
    waiting.abort();
    gateway.until_pool(|pool| pool.waiting == 0).await?;
    gateway.assert_settled().await?;
    assert_eq!(simulator.state().counters.received, 1);
    Ok(())
}

#[tokio::test]
async fn a_caller_that_leaves_in_the_middle_of_a_stream_settles_its_reservation() -> Result<()> {
    let mut slow = settings(vec![]);
    slow.latency.per_token = Duration::from_millis(20);
    slow.output_length = paceline_simulator::OutputLength::Exactly(500);
    let simulator = Simulator::start(slow).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    let request = caller.post_request("/v1/chat/completions", &[], chat(500, true))?;
    let mut answer = caller.start(request).await?;
    let first = answer.body_mut().frame().await;
    assert!(first.is_some());
    drop(answer);
    let pool = gateway.assert_settled().await?;
    assert_eq!(
        // As long as the charge is not known, what is dearest: the input and all that is allowed.
        pool.tokens.settled,
        502,
        "what was sent is never settled at nothing"
    );
    assert_eq!(
        gateway
            .metric("paceline_requests_total", "caller_gone")
            .await?,
        1.0
    );
    Ok(())
}

/// An upstream that streams for ever, as fast as it is read.
async fn endless_provider() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let event = format!(": {}\n\n", "x".repeat(16_000));
            let mut piece = head.as_bytes();
            while stream.write_all(piece).await.is_ok() {
                piece = event.as_bytes();
            }
        }
    });
    Ok(address)
}

#[tokio::test]
async fn a_caller_that_takes_nothing_of_its_answer_is_given_up() -> Result<()> {
    let limits = "[server]\nwrite_timeout = \"300ms\"\n";
    let gateway = TestGateway::start(endless_provider().await?, limits)?;
    let caller = gateway.caller();
    let request = caller.post_request("/v1/chat/completions", &[], chat(500, true))?;
    // The answer is held and not read; the buffers between the two fill up, and then nothing moves.
    let answer = caller.start(request).await?;
    let pool = gateway.assert_settled().await?;
    assert!(pool.tokens.settled > 0, "{pool:?}");
    let gone = gateway.metric("paceline_requests_total", "caller_gone");
    assert_eq!(gone.await?, 1.0);
    drop(answer);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_asks_is_told_its_place_while_it_waits() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[limits]\nrequests_per_second = 1\nwindow = \"bucket\"\nguard = \"0ms\"\n\
        [queue]\nannounce_interval = \"100ms\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    gateway.caller().chat(&[], chat(5, false)).await?;
    let headers = [("x-paceline-announce", "comments")];
    let answer = gateway.caller().chat(&headers, chat(20, true)).await?;
    let text = answer.text();
    assert!(text.starts_with(": paceline position=1 eta_ms="), "{text}");
    assert!(
        text.contains("limited_by=\"requests per second\""),
        "{text}"
    );
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(text.contains("chat.completion.chunk"), "{text}");
    gateway.assert_settled().await?;
    Ok(())
}

#[tokio::test]
async fn an_announced_stream_that_fails_ends_in_an_error_event() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[limits]\nrequests_per_second = 1\nwindow = \"bucket\"\nguard = \"0ms\"\n\
        [retry]\nretries_max = 0\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    gateway.caller().chat(&[], chat(5, false)).await?;
    let headers = [
        ("x-paceline-announce", "comments"),
        ("x-simulator-fault", "500"),
    ];
    let answer = gateway.caller().chat(&headers, chat(20, true)).await?;
    let text = answer.text();
    assert_eq!(answer.status, 200);
    assert!(
        text.contains("\ndata: {\"error\"") || text.contains("data: { \"error\""),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn stopping_answers_what_waits_and_finishes_what_runs() -> Result<()> {
    let mut slow = settings(vec![]);
    slow.latency.first_token = Duration::from_millis(400);
    let simulator = Simulator::start(slow).await?;
    let gateway = TestGateway::start(simulator.address(), ONE_CALL)?;
    let (running, waiting) = (gateway.caller(), gateway.caller());
    let running = tokio::spawn(async move { running.chat(&[], chat(5, false)).await });
    gateway.until_pool(|pool| pool.in_flight == 1).await?;
    let waiting = tokio::spawn(async move { waiting.chat(&[], chat(5, false)).await });
    gateway.until_pool(|pool| pool.waiting == 1).await?;
    let late = gateway.caller();
    gateway.stop().await?;
    let refused = waiting.await??;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.error_code(), "shutting_down");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(running.await??.status, 200, "what runs may finish");
    assert!(
        late.chat(&[], chat(5, false)).await.is_err(),
        "nothing is accepted any more"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_changes_limits_without_dropping_a_request() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), ONE_CALL)?;
    gateway.caller().chat(&[], chat(5, false)).await?;
    let caller = gateway.caller();
    let waiting = tokio::spawn(async move { caller.chat(&[], chat(5, false)).await });
    gateway.until_pool(|pool| pool.waiting == 1).await?;
    gateway.reload("[limits]\nrequests_per_minute = 6000\nwindow = \"bucket\"\n")?;
    let answer = tokio::time::timeout(Duration::from_secs(3), waiting).await???;
    assert_eq!(
        answer.status, 200,
        "the waiting request goes under the new limit"
    );
    assert!(
        gateway
            .reload("[limits]\nrequests_per_minute = -1\n")
            .is_err()
    );
    assert_eq!(
        gateway.pool().await?.limits[0].amount,
        6_000,
        "a bad file changes nothing"
    );
    Ok(())
}
