//! Forms and sessions by the name of their model: routes, names of `[models]`, providers, fallback.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use http::Method;
use paceline_simulator::{Decision, FaultRule, Simulator};
use paceline_testkit::{Answer, TestGateway, raw_exchange};

use crate::lanes::always;
use crate::provider::provider;

const PATH: &str = "/v1/audio/transcriptions";

/// A form with these fields in this order; `file` stands for a file of so many bytes.
fn form(fields: &[(&str, &str)], file_bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let filename = if *name == "file" {
            "; filename=\"a.wav\""
        } else {
            ""
        };
        let head =
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value.as_bytes());
        if *name == "file" {
            body.resize(body.len() + file_bytes, b'x');
        }
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

const SHORT: usize = 1_000;
const LONG: usize = 3 << 20;

async fn send(gateway: &TestGateway, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Answer> {
    let caller = gateway.caller();
    let mut all = vec![
        ("authorization", "Bearer sk-test"),
        ("content-type", "multipart/form-data; boundary=b"),
    ];
    all.extend_from_slice(headers);
    caller
        .send(caller.request(Method::POST, PATH, &all, body)?)
        .await
}

/// A gateway with two providers: `whisper` leads to a model of the second, and of the first after it.
fn gateway(first: &Simulator, second: &Simulator, more: &str) -> Result<TestGateway> {
    let text = format!(
        "[retry]\nretries_max = 3\nbase_delay = \"10ms\"\njitter = \"0s\"\n[upstream]\napi_key = \"sk-0\"\n\
         [providers.p1]\nbase_url = \"http://{}/v1\"\napi_key = \"sk-1\"\n[models.whisper]\n\
         lanes = [{{ provider = \"p1\", model = \"gpt-4o-transcribe\" }}, {{ model = \"whisper-1\", priority = 2 }}]\n\
         [[routes]]\ntags = [\"cheap\"]\nmodels = [\"gpt-4o-transcribe\"]\nto = \"p1/gpt-4o-mini-transcribe\"\n{more}",
        second.address()
    );
    TestGateway::start(first.address(), &text)
}

/// The models of the forms that a provider has received, in their order.
fn models(provider: &Simulator) -> Vec<String> {
    let entries = provider.journal(0).into_iter();
    let admitted = entries.filter(|entry| matches!(entry.decision, Decision::Admitted { .. }));
    admitted.map(|entry| entry.model.to_string()).collect()
}

#[tokio::test]
async fn a_form_goes_where_the_name_of_its_model_leads_under_the_name_there() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    let gateway = gateway(&first, &second, "")?;
    for (model, tags, lane) in [
        ("whisper", "", "p1/gpt-4o-transcribe"),
        ("p1/whisper-1", "", "p1"),
        ("gpt-4o-transcribe", "cheap", "p1"),
        ("gpt-4o-transcribe", "", "upstream"),
    ] {
        let ways = [
            [("model", model), ("file", "")],
            // As a browser or a command line may order them.
            [("file", ""), ("model", model)],
        ];
        for (fields, size) in ways.iter().flat_map(|way| [(way, SHORT), (way, LONG)]) {
            let headers = [("x-paceline-tags", tags)];
            let headers = if tags.is_empty() { &[] } else { &headers[..] };
            let answer = send(&gateway, headers, form(fields, size)).await?;
            let shown = format!("{fields:?} {size}: {}", answer.text());
            assert_eq!(answer.status, 200, "{shown}");
            assert_eq!(answer.header("x-paceline-lane"), lane, "{shown}");
        }
    }
    let four = |model: &str| vec![model.to_owned(); 4];
    let expected = ["gpt-4o-transcribe", "whisper-1", "gpt-4o-mini-transcribe"].map(four);
    assert_eq!(models(&second), expected.concat());
    assert_eq!(models(&first), four("gpt-4o-transcribe"));
    gateway.assert_settled_everywhere().await?;
    Ok(())
}

#[tokio::test]
async fn a_short_form_goes_on_to_the_next_lane_and_a_long_one_is_sent_once() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    second.set_faults(vec![FaultRule {
        times: Some(2),
        ..always("500").remove(0)
    }])?;
    let gateway = gateway(&first, &second, "")?;
    let fields = [("model", "whisper"), ("file", "")];
    let short = send(&gateway, &[], form(&fields, SHORT)).await?;
    assert_eq!(short.status, 200, "{}", short.text());
    assert_eq!(
        short.header("x-paceline-passed"),
        "p1/gpt-4o-transcribe;error"
    );
    assert_eq!(models(&first), ["whisper-1"]);
    let long = send(&gateway, &[], form(&fields, LONG)).await?;
    assert_eq!(long.status, 500, "{}", long.text());
    assert_eq!(long.header("x-paceline-attempts"), "1");
    Ok(())
}

#[tokio::test]
async fn a_form_whose_model_cannot_be_known_is_refused_where_its_name_matters() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    let strict = gateway(&first, &second, "[server]\nbody_max = \"1MiB\"\n")?;
    let late = form(&[("file", ""), ("model", "whisper")], LONG);
    let twice = form(
        &[("model", "whisper-1"), ("model", "whisper"), ("file", "")],
        SHORT,
    );
    for (body, told) in [
        (late.clone(), "send the field model before the file"),
        (twice, "more than once"),
        (b"--bc\r\n".to_vec(), "no form"),
    ] {
        let answer = send(&strict, &[], body).await?;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.error_code(), "invalid_request");
        assert!(answer.text().contains(told), "{}", answer.text());
    }
    for provider in [&first, &second] {
        assert_eq!(provider.state().counters.received, 0);
    }
    let plain = TestGateway::start(first.address(), "[server]\nbody_max = \"1MiB\"\n")?;
    let late = String::from_utf8(late)?.replace("\r\nwhisper\r\n", "\r\nwhisper-1\r\n");
    let answer = send(&plain, &[], late.into_bytes()).await?;
    assert_eq!(
        answer.status,
        200,
        "where names mean nothing: {}",
        answer.text()
    );
    Ok(())
}

/// Asks for a session with this model.
async fn open(gateway: &TestGateway, model: &str) -> Result<(u16, String)> {
    let request = format!(
        "GET /v1/realtime?model={model} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let patience = Duration::from_millis(700);
    let answer = raw_exchange(gateway.address(), request.as_bytes(), patience).await?;
    Ok((
        answer.status(),
        String::from_utf8_lossy(&answer.bytes).into_owned(),
    ))
}

/// A gateway whose second provider is at this address, with `voice` as a name for its model and then for
/// that of the first.
fn gateway_with_voice(first: &Simulator, second: SocketAddr, more: &str) -> Result<TestGateway> {
    let text = format!(
        "[upstream]\napi_key = \"sk-0\"\n[providers.p1]\nbase_url = \"http://{second}/v1\"\n\
         api_key = \"sk-1\"\n{more}\n[models.voice]\nlanes = [{{ provider = \"p1\", model = \"gpt-realtime\" }}, \
         {{ model = \"gpt-realtime\", priority = 2 }}]\n"
    );
    TestGateway::start(first.address(), &text)
}

#[tokio::test]
async fn a_session_goes_where_the_name_of_its_model_leads() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    let gateway = gateway_with_voice(&first, second.address(), "")?;
    for model in ["voice", "p1%2Fgpt-realtime"] {
        let (status, text) = open(&gateway, model).await?;
        assert_eq!(status, 101, "{model}: {text}");
        assert!(text.contains("\"model\":\"gpt-realtime\""), "{text}");
        assert!(text.contains("x-paceline-lane: p1/gpt-realtime"), "{text}");
    }
    gateway.assert_settled_everywhere().await?;
    let (first, second) = (first.state().counters, second.state().counters);
    assert_eq!((first.received, second.received), (0, 2));
    Ok(())
}

#[tokio::test]
async fn sessions_leave_a_lane_alone_that_does_not_open_them() -> Result<()> {
    let first = provider(vec![]).await?;
    // Whoever connects there is never answered.
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let patience = "first_byte_timeout = \"100ms\"";
    let gateway = gateway_with_voice(&first, silent.local_addr()?, patience)?;
    for _ in 0..3 {
        let (status, text) = open(&gateway, "voice").await?;
        assert_eq!(status, 504, "its own provider's patience: {text}");
    }
    let (status, text) = open(&gateway, "voice").await?;
    assert_eq!(status, 101, "{text}");
    assert!(
        text.contains("x-paceline-lane: upstream/gpt-realtime"),
        "{text}"
    );
    gateway.assert_settled_everywhere().await?;
    Ok(())
}
