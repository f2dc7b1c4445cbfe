//! How the provider is reached, as callers notice it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use paceline_simulator::{Latency, OutputLength, Simulator, SimulatorSettings};
use paceline_testkit::{TestGateway, chat};
use tokio::net::TcpListener;

use crate::provider::{provider, settings};

/// A provider that takes half a second for an answer, a little at a time.
async fn leisurely() -> Result<Simulator> {
    let settings = SimulatorSettings {
        output_length: OutputLength::Exactly(50),
        latency: Latency {
            first_token: Duration::from_millis(10),
            per_token: Duration::from_millis(10),
            ..Latency::default()
        },
        ..settings(vec![])
    };
    Ok(Simulator::start(settings).await?)
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_as_a_whole_is_cut_however_lively_it_is() -> Result<()> {
    let simulator = leisurely().await?;
    let limit = "[upstream]\ntotal_timeout = \"150ms\"\n[retry]\nretries_max = 0\n";
    let gateway = TestGateway::start(simulator.address(), limit)?;
    let streamed = gateway.caller().chat(&[], chat(50, true)).await;
    assert!(streamed.is_err(), "the caller must notice: {streamed:?}");
    let whole = gateway.caller().chat(&[], chat(50, false)).await?;
    assert_eq!(whole.status, 504, "{}", whole.text());
    assert!(whole.text().contains("total_timeout"), "{}", whole.text());
    gateway.assert_settled().await?;
    let unhurried = TestGateway::start(simulator.address(), "")?;
    let streamed = unhurried.caller().chat(&[], chat(50, true)).await?;
    assert_eq!(streamed.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_call_for_which_there_is_no_connection_waits_a_little_and_is_charged_nothing()
-> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[server]\nthreads = 2\n[upstream]\nconnections_max = 1\n\
                  connect_timeout = \"250ms\"\n[retry]\nretries_max = 0\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let holder = gateway.caller();
    let held = tokio::spawn(async move {
        let hang = [("x-simulator-fault", "hang")];
        holder.chat(&hang, chat(5, false)).await
    });
    while simulator.state().counters.received == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..4 {
        let answer = gateway.caller().chat(&[], chat(5, false)).await?;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(
            answer.text().contains("connections_max"),
            "{}",
            answer.text()
        );
    }
    held.abort();
    let settled = gateway.assert_settled().await?;
    assert_eq!(simulator.state().counters.received, 1);
    assert!(settled.tokens.refunded >= 4, "{:?}", settled.tokens);
    let answer = gateway.caller().chat(&[], chat(5, false)).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(())
}

/// A provider that speaks HTTP/2 alone and says so in its answers.
async fn speaks_http2() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(answer);
            let serving = http2::Builder::new(TokioExecutor::new());
            let serving = serving.serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serving);
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let is_http2 = request.version() == Version::HTTP_2;
    let body = request.into_body().collect().await?.to_bytes();
    let streams = String::from_utf8_lossy(&body).contains("\"stream\":true");
    let usage = r#""usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}"#;
    let (kind, text) = match streams {
        true => (
            "text/event-stream",
            format!("data: {{\"id\":\"{is_http2}\",\"choices\":[],{usage}}}\n\ndata: [DONE]\n\n"),
        ),
        false => (
            "application/json",
            format!("{{\"id\":\"{is_http2}\",\"choices\":[],{usage}}}"),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    Ok(response)
}

#[tokio::test]
async fn calls_over_http2_are_relayed_and_settled_like_others() -> Result<()> {
    let address = speaks_http2().await?;
    let gateway = TestGateway::start(address, "[upstream]\nhttp_version = \"2\"\n")?;
    for stream in [false, true, false] {
        let answer = gateway.caller().chat(&[], chat(5, stream)).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-paceline-attempts"), "1");
        if !stream {
            assert!(
                answer.text().contains("\"id\":\"true\""),
                "{}",
                answer.text()
            );
        }
    }
    gateway.assert_settled().await?;
    let used = gateway
        .metric("paceline_usage_tokens_total", "output")
        .await?;
    assert_eq!(used, 12.0, "three answers of four tokens each");
    Ok(())
}
