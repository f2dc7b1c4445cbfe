//! What comes through unchanged, and what is added.

use anyhow::Result;
use http::Method;
use paceline_simulator::Quota;
use paceline_testkit::{Caller, TestGateway, chat};

use crate::provider::provider;

const OPEN: &str = "";

#[tokio::test]
async fn a_json_answer_comes_through_byte_for_byte() -> Result<()> {
    let simulator = provider(vec![Quota::tokens_per_minute(100_000)]).await?;
    let gateway = TestGateway::start(simulator.address(), OPEN)?;
    let straight = Caller::new(simulator.address())
        .chat(&[], chat(50, false))
        .await?;
    let through = gateway.caller().chat(&[], chat(50, false)).await?;
    assert_eq!(through.status, 200);
    assert_eq!(through.body, straight.body);
    assert_eq!(
        through.header("content-type"),
        straight.header("content-type")
    );
    assert_eq!(through.header("x-ratelimit-limit-tokens"), "100000");
    assert_eq!(through.header("x-paceline-attempts"), "1");
    // As long as the charge is not known: the input and all that is allowed.
    assert_eq!(through.header("x-paceline-estimated-tokens"), "52");
    assert!(through.header("x-paceline-request-id").starts_with("pl-"));
    gateway.assert_settled().await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_comes_through_without_the_usage_that_was_not_asked_for() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), OPEN)?;
    let through = gateway.caller().chat(&[], chat(50, true)).await?;
    assert!(
        through
            .header("content-type")
            .starts_with("text/event-stream")
    );
    assert!(
        !through.text().contains("\"total_tokens\""),
        "{}",
        through.text()
    );
    assert!(through.text().ends_with("data: [DONE]\n\n"));
    // The gateway itself did see it.
    let used = gateway
        .metric("paceline_usage_tokens_total", "output")
        .await?;
    assert!(used > 0.0);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_asked_for_its_usage_is_passed_on_unchanged() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), OPEN)?;
    let body = r#"{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},
        "messages":[{"role":"user","content":"hello"}]}"#;
    let straight = Caller::new(simulator.address()).chat(&[], body).await?;
    let through = gateway.caller().chat(&[], body).await?;
    assert_eq!(through.text(), straight.text());
    assert_eq!(through.text().matches("\"total_tokens\"").count(), 1);
    Ok(())
}

#[tokio::test]
async fn asking_for_usage_can_be_turned_off() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "[upstream]\ninclude_usage = false\n")?;
    let straight = Caller::new(simulator.address())
        .chat(&[], chat(50, true))
        .await?;
    let through = gateway.caller().chat(&[], chat(50, true)).await?;
    assert_eq!(through.text(), straight.text());
    assert_eq!(
        gateway
            .metric("paceline_usage_tokens_total", "output")
            .await?,
        0.0
    );
    Ok(())
}

#[tokio::test]
async fn a_megabyte_is_uploaded_and_read_back_unchanged() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), OPEN)?;
    let content: Vec<u8> = (0..1_000_000_u32)
        .map(|index| (index * 31 % 251) as u8)
        .collect();
    let mut form =
        b"--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n"
            .to_vec();
    form.extend_from_slice(&content);
    form.extend_from_slice(b"\r\n--b--\r\n");
    let caller = gateway.caller();
    let headers = [
        ("authorization", "Bearer sk-test"),
        ("content-type", "multipart/form-data; boundary=b"),
    ];
    let request = caller.request(Method::POST, "/v1/files", &headers, form)?;
    let uploaded = caller.send(request).await?;
    assert_eq!(uploaded.status, 200, "{}", uploaded.text());
    let id = uploaded.json()["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let path = format!("/v1/files/{id}/content");
    let read = caller.get(&path, &headers[..1]).await?;
    assert_eq!(read.body, content);
    Ok(())
}

#[tokio::test]
async fn every_paced_endpoint_of_the_inventory_is_answered() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), OPEN)?;
    let calls = [
        (
            "/v1/chat/completions",
            r#"{"model":"gpt-4o","messages":[]}"#,
        ),
        ("/v1/responses", r#"{"model":"gpt-4o","input":"hello"}"#),
        ("/v1/completions", r#"{"model":"gpt-4o","prompt":"hello"}"#),
        (
            "/v1/embeddings",
            r#"{"model":"text-embedding-3-small","input":["a","b"]}"#,
        ),
        (
            "/v1/moderations",
            r#"{"model":"omni-moderation-latest","input":"hello"}"#,
        ),
        (
            "/v1/images/generations",
            r#"{"model":"gpt-image-1","prompt":"a cat"}"#,
        ),
        (
            "/v1/audio/speech",
            r#"{"model":"gpt-4o-mini-tts","input":"hi","voice":"alloy"}"#,
        ),
    ];
    for (path, body) in calls {
        let straight = Caller::new(simulator.address())
            .post(path, &[], body)
            .await?;
        let through = gateway.caller().post(path, &[], body).await?;
        assert_eq!(through.status, straight.status, "{path}");
        assert_eq!(through.body, straight.body, "{path}");
        assert!(!through.header("x-paceline-attempts").is_empty(), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn our_own_headers_do_not_reach_the_provider() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), OPEN)?;
    let headers = [("x-paceline-tenant", "a"), ("x-paceline-session", "s")];
    let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
    assert_eq!(answer.status, 200);
    let waits = answer.header("x-paceline-wait-ms");
    assert_eq!(waits, "0");
    Ok(())
}

#[tokio::test]
async fn a_paced_upload_is_passed_on_as_it_comes() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), OPEN)?;
    let mut form =
        b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o-mini-transcribe\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"
            .to_vec();
    form.resize(form.len() + 300_000, b'x');
    form.extend_from_slice(b"\r\n--b--\r\n");
    let headers = [
        ("authorization", "Bearer sk-test"),
        ("content-type", "multipart/form-data; boundary=b"),
    ];
    let path = "/v1/audio/transcriptions";
    let (caller, direct) = (gateway.caller(), Caller::new(simulator.address()));
    let through = caller
        .send(caller.request(Method::POST, path, &headers, form.clone())?)
        .await?;
    let straight = direct
        .send(direct.request(Method::POST, path, &headers, form)?)
        .await?;
    assert_eq!(through.status, 200, "{}", through.text());
    assert_eq!(through.body, straight.body);
    let pool = gateway.assert_settled().await?;
    assert!(
        pool.name.starts_with("gpt-4o-mini-transcribe"),
        "{}",
        pool.name
    );
    Ok(())
}
