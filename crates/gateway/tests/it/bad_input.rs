//! Input that is wrong, hostile or slow.

use std::time::{Duration, Instant};

use anyhow::Result;
use http::Method;
use paceline_testkit::{RawAnswer, TestGateway, chat, raw_exchange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::provider::provider;

const QUIET: Duration = Duration::from_millis(700);

#[tokio::test]
async fn bodies_that_can_never_be_valid_are_refused_here() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "[server]\nbody_max = \"1MiB\"\n")?;
    let deep = format!("{{\"model\":\"m\",\"messages\":{}", "[".repeat(100_000));
    let large = format!("{{\"model\":\"m\",\"x\":\"{}\"}}", "x".repeat(2 << 20));
    let cases: [(&[u8], u16); 14] = [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"{\"messages\":[]}", 400),
        (b"{\"model\":5}", 400),
        (b"{\"model\":\"\"}", 400),
        (b"{\"model\":\"m\",\"max_tokens\":-5}", 400),
        (b"{\"model\":\"m\",\"max_tokens\":1e99}", 400),
        (b"{\"model\":\"m\",\"stream\":\"yes\"}", 400),
        (b"{\"model\":\"m\",\"model\":\"n\"}", 400),
        (b"{\"model\":\"\xff\xfe\"}", 400),
        (deep.as_bytes(), 400),
        (large.as_bytes(), 413),
    ];
    for (body, status) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = gateway.caller().chat(&[], body.to_vec()).await?;
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        let error = &answer.json()["error"];
        assert!(
            error["message"].is_string() && error["code"].is_string(),
            "{shown}"
        );
        assert!(
            error["type"].is_string() && error.get("param").is_some(),
            "{shown}"
        );
    }
    assert_eq!(
        simulator.state().counters.received,
        0,
        "nothing of this was forwarded"
    );
    Ok(())
}

/// Writes everything before it reads anything, as plain clients do.
async fn post_raw(gateway: &TestGateway, path: &str, more: &str, body: &[u8]) -> Result<RawAnswer> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-x\r\n{more}\r\n"
    );
    let mut stream = TcpStream::connect(gateway.address()).await?;
    stream.write_all(head.as_bytes()).await?;
    let expects = more.contains("100-continue");
    if !expects {
        stream.write_all(body).await?;
    }
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await??;
    Ok(RawAnswer {
        bytes,
        closed: true,
    })
}

#[tokio::test]
async fn whoever_still_sends_what_is_refused_gets_the_answer() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "[server]\nbody_max = \"1MiB\"\n")?;
    let large = vec![b'x'; 2 << 20];
    let chunked = [
        format!("{:x}\r\n", large.len()).as_bytes(),
        &large,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let length = format!("content-length: {}\r\n", large.len());
    let expects = format!("{length}expect: 100-continue\r\n");
    let urgent = format!("{length}x-paceline-priority: urgent\r\n");
    let chat = "/v1/chat/completions";
    let cases = [
        (chat, length.as_str(), &large, 413),
        (chat, "transfer-encoding: chunked\r\n", &chunked, 413),
        (chat, expects.as_str(), &large, 413),
        (chat, urgent.as_str(), &large, 400),
        ("/elsewhere", length.as_str(), &large, 404),
        ("/v1/organization/x", length.as_str(), &large, 403),
        ("/monitoring/queue-status", length.as_str(), &large, 401),
    ];
    for (path, more, body, status) in cases {
        let answer = post_raw(&gateway, path, more, body).await?;
        let text = String::from_utf8_lossy(&answer.bytes);
        assert_eq!(answer.status(), status, "{path} {more}: {text}");
        assert!(text.contains("connection: close"), "{path} {more}: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
    }
    assert_eq!(simulator.state().counters.received, 0);
    Ok(())
}

#[tokio::test]
async fn headers_of_ours_that_do_not_parse_are_named() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let long = "x".repeat(300);
    for (name, value) in [
        ("x-paceline-priority", "urgent"),
        ("x-paceline-max-wait", "soon"),
        ("x-paceline-tenant", long.as_str()),
        ("x-paceline-tenant", "two\twords"),
        ("x-paceline-announce", "loudly"),
    ] {
        let answer = gateway
            .caller()
            .chat(&[(name, value)], chat(5, false))
            .await?;
        assert_eq!(answer.status, 400, "{name}");
        assert_eq!(answer.json()["error"]["param"], name);
    }
    let twice = [("x-paceline-tenant", "a"), ("x-paceline-tenant", "b")];
    assert_eq!(
        gateway.caller().chat(&twice, chat(5, false)).await?.status,
        400
    );
    assert_eq!(simulator.state().counters.received, 0);
    Ok(())
}

#[tokio::test]
async fn paths_that_are_not_the_providers_are_not_forwarded() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    for (path, status) in [
        ("/", 404),
        ("/_simulator/state", 404),
        ("/v1/../_simulator/state", 400),
        ("/v1/%2e%2e/_simulator/state", 400),
        ("/v1/organization/projects", 403),
    ] {
        let raw = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = raw_exchange(gateway.address(), raw.as_bytes(), QUIET).await?;
        assert_eq!(answer.status(), status, "{path}");
    }
    // A path that the inventory does not know is the provider's to judge.
    let answer = gateway
        .caller()
        .get("/v1/brand/new", &[("authorization", "Bearer sk-x")])
        .await?;
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("Invalid URL"), "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn smuggled_and_malformed_requests_end_the_connection() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let huge = format!(
        "GET /v1/models HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "a".repeat(1_000_000)
    );
    let cases: [&[u8]; 6] = [
        b"nonsense\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: nine\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        huge.as_bytes(),
    ];
    for case in cases {
        let shown = String::from_utf8_lossy(&case[..case.len().min(80)]).into_owned();
        let answer = raw_exchange(gateway.address(), case, QUIET).await?;
        assert!(answer.closed, "{shown}");
        assert!(
            matches!(answer.status(), 0 | 400 | 431),
            "{shown}: {}",
            answer.status()
        );
    }
    assert_eq!(simulator.state().counters.received, 0);
    Ok(())
}

#[tokio::test]
async fn transfer_encoding_wins_over_a_content_length_and_is_not_passed_on() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let body = chat(5, false);
    let raw = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-x\r\n\
         connection: close\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let answer = raw_exchange(gateway.address(), raw.as_bytes(), QUIET).await?;
    // Either way is safe; what must not happen is two different readings of one request.
    assert!(matches!(answer.status(), 200 | 400), "{}", answer.status());
    assert!(simulator.state().counters.received <= 1);
    Ok(())
}

#[tokio::test]
async fn slow_and_half_open_callers_are_cut_off() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits =
        "[server]\nidle_timeout = \"1s\"\nheader_timeout = \"300ms\"\nbody_timeout = \"300ms\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let head = raw_exchange(gateway.address(), b"GET /v1/mod", Duration::from_secs(3)).await?;
    assert!(head.closed, "a head that never ends");
    let nothing = raw_exchange(gateway.address(), b"", Duration::from_secs(3)).await?;
    assert!(nothing.closed, "a connection that says nothing");
    let body = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{\"mod";
    let body = raw_exchange(gateway.address(), body, Duration::from_secs(3)).await?;
    assert!(body.closed, "a body that never ends");
    assert_eq!(body.status(), 408);
    assert_eq!(simulator.state().counters.received, 0);
    Ok(())
}

#[tokio::test]
async fn connections_beyond_the_bound_are_refused_and_the_rest_go_on() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "[server]\nconnections_max = 20\n")?;
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(gateway.address()).await?;
        stream.write_all(b"GET /v1/").await?;
        held.push(stream);
    }
    // Each thread accepts on its own, so it takes a moment until all twenty are counted.
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = raw_exchange(gateway.address(), request, QUIET).await?;
        if answer.closed && answer.bytes.is_empty() {
            break;
        }
        assert!(
            Instant::now() < end,
            "more connections than the bound are served"
        );
    }
    held.truncate(10);
    let caller = gateway.caller();
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let answer = caller.get("/healthz", &[]).await;
        if answer.is_ok_and(|answer| answer.status == 200) {
            break;
        }
        assert!(Instant::now() < end, "freed places were not used");
    }
    Ok(())
}

#[tokio::test]
async fn strange_methods_are_not_forwarded() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    let request = caller.request(Method::TRACE, "/v1/models", &[], "")?;
    assert_eq!(caller.send(request).await?.status, 404);
    Ok(())
}

const FOREIGN_PAGES: [&[(&str, &str)]; 4] = [
    &[
        ("sec-fetch-site", "cross-site"),
        ("origin", "http://evil.test"),
    ],
    &[("sec-fetch-site", "same-site")],
    &[("origin", "http://evil.test")],
    &[("origin", "null")],
];

#[tokio::test]
async fn pages_of_others_cannot_spend_the_gateways_own_key() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let own = TestGateway::start(simulator.address(), "[upstream]\napi_key = \"sk-own\"\n")?;
    let passed = TestGateway::start(simulator.address(), "")?;
    for page in FOREIGN_PAGES {
        let refused = own.caller().chat(page, chat(5, false)).await?;
        assert_eq!(refused.status, 403, "{page:?}");
        assert_eq!(refused.error_code(), "browser_refused");
        // A key of the page's own is its own affair.
        let key = [("authorization", "Bearer sk-page")];
        let headers = [page, &key[..]].concat();
        let served = passed.caller().chat(&headers, chat(5, false)).await?;
        assert_eq!(served.status, 200, "{page:?}");
    }
    for program in [&[][..], &[("sec-fetch-site", "same-origin")]] {
        let served = own.caller().chat(program, chat(5, false)).await?;
        assert_eq!(served.status, 200, "{program:?}");
    }
    Ok(())
}

#[tokio::test]
async fn answers_of_the_provider_are_never_shown_as_pages_of_this_address() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let key = ("authorization", "Bearer sk-page");
    for destination in ["document", "iframe", "frame", "object", "embed"] {
        let headers = [
            key,
            ("sec-fetch-dest", destination),
            ("sec-fetch-site", "none"),
        ];
        let answer = gateway.caller().get("/v1/models", &headers).await?;
        assert_eq!(answer.status, 403, "{destination}");
        assert_eq!(answer.error_code(), "browser_refused");
    }
    let script = [key, ("sec-fetch-dest", "empty")];
    assert_eq!(
        gateway.caller().get("/v1/models", &script).await?.status,
        200
    );
    Ok(())
}
