//! The chat of the dashboard: real calls, and nothing of the browser's goes along.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http::Method;
use http_body_util::BodyExt;
use paceline_keys::{KeyFile, NewKey};
use paceline_simulator::{OutputLength, Simulator};
use paceline_testkit::{Answer, Caller, TestGateway, chat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::dashboard::{MARK, SAME_ORIGIN, ask, sign_in};
use crate::provider::{provider, settings};

const KEY: (&str, &str) = ("x-paceline-chat-key", "sk-of-the-person");
const BEARER: (&str, &str) = ("authorization", "Bearer 0123456789abcdef-test");

/// One call's worth at once, the next only after a minute.
const ONE_CALL: &str = "[limits]\nrequests_per_minute = 1\nwindow = \"bucket\"\nguard = \"0ms\"\n";

const PATH: &str = "/dashboard/chat/completions";

/// A call of the page, with what it sends besides its cookie.
async fn page_chat(
    caller: Caller,
    cookie: &str,
    more: &[(&str, &str)],
    body: String,
) -> Result<Answer> {
    let mut headers = vec![("cookie", cookie), MARK, SAME_ORIGIN];
    headers.extend_from_slice(more);
    ask(caller, Method::POST, PATH, &headers, &body).await
}

#[tokio::test]
async fn a_message_is_a_call_like_any_other() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[limits]\ntokens_per_minute = 10000\nwindow = \"bucket\"\nsettle = \"actual\"\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    let cookie = sign_in(gateway.caller()).await?;
    let told = [
        KEY,
        ("x-paceline-session", "chat-1"),
        ("x-paceline-tenant", "desk"),
        ("x-paceline-priority", "interactive"),
        ("x-paceline-tags", "from-the-page"),
    ];
    for stream in [false, true] {
        let answer = page_chat(gateway.caller(), &cookie, &told, chat(100, stream)).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-paceline-answered-by"), "data-plane");
        assert!(answer.header("x-paceline-request-id").starts_with("pl-"));
        assert_eq!(answer.header("cache-control"), "no-store");
        let text = answer.text();
        match stream {
            true => assert!(text.ends_with("data: [DONE]\n\n"), "{text}"),
            false => assert_eq!(answer.json()["usage"]["completion_tokens"], 5, "{text}"),
        }
    }
    let pool = gateway.assert_settled().await?;
    assert!(
        pool.tokens.settled > 0 && pool.tokens.refunded > 0,
        "{pool:?}"
    );
    gateway.ledger().await?;
    let page = gateway.admin("/monitoring/requests?limit=9").await?.json();
    let records = page["requests"].as_array().context("records")?;
    assert_eq!(records.len(), 2);
    for record in records {
        assert_eq!(record["session"], "chat-1", "{record}");
        assert_eq!(record["tenant"], "desk", "{record}");
        assert_eq!(record["tags"], serde_json::json!(["from-the-page"]));
        assert_eq!(record["priority"], "interactive", "{record}");
    }
    Ok(())
}

#[tokio::test]
async fn whoever_waits_is_told_so_at_once_and_leaves_at_once() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), ONE_CALL)?;
    let caller = gateway.caller();
    let cookie = sign_in(caller).await?;
    page_chat(caller, &cookie, &[KEY], chat(5, false)).await?;
    let headers = [("cookie", &*cookie), MARK, SAME_ORIGIN, KEY];
    let request = caller.request(Method::POST, PATH, &headers, chat(5, true))?;
    let mut waiting = caller.start(request).await?;
    assert_eq!(waiting.status(), 200);
    let first = waiting.body_mut().frame().await.context("a comment")??;
    let first = first.into_data().ok().context("data")?;
    assert!(
        first.starts_with(b": paceline position=1 eta_ms="),
        "{first:?}"
    );
    gateway.until_pool(|pool| pool.waiting == 1).await?;
    drop(waiting);
    gateway.until_pool(|pool| pool.waiting == 0).await?;
    gateway.assert_settled().await?;
    // The same where nothing has been answered yet.
    let cookie = cookie.clone();
    let asked = async move { page_chat(caller, &cookie, &[KEY], chat(5, false)).await };
    let asked = tokio::spawn(asked);
    gateway.until_pool(|pool| pool.waiting == 1).await?;
    asked.abort();
    gateway.until_pool(|pool| pool.waiting == 0).await?;
    assert_eq!(simulator.state().counters.received, 1);
    Ok(())
}

#[tokio::test]
async fn a_person_who_stops_an_answer_ends_the_call() -> Result<()> {
    let mut slow = settings(vec![]);
    slow.latency.per_token = Duration::from_millis(20);
    slow.output_length = OutputLength::Exactly(2_000);
    let simulator = Simulator::start(slow).await?;
    let own = "[admin]\nlisten = \"127.0.0.1:0\"\n";
    for configuration in ["", own] {
        let gateway = TestGateway::start(simulator.address(), configuration)?;
        let admin = gateway.admin_address().unwrap_or(gateway.address());
        let caller = Caller::new(admin);
        let cookie = sign_in(caller).await?;
        let headers = [("cookie", &*cookie), MARK, SAME_ORIGIN, KEY];
        let request = caller.request(Method::POST, PATH, &headers, chat(2_000, true))?;
        let mut answer = caller.start(request).await?;
        answer.body_mut().frame().await.context("a first piece")??;
        drop(answer);
        let metrics =
            async || -> Result<String> { Ok(caller.get("/metrics", &[BEARER]).await?.text()) };
        let is_gone = |line: &str| {
            let is_count = line.starts_with("paceline_requests_total{");
            is_count && line.contains("caller_gone") && line.ends_with(" 1")
        };
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !metrics().await?.lines().any(is_gone) {
            assert!(std::time::Instant::now() < end, "the call goes on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn errors_of_the_data_plane_come_as_they_are_and_are_told_from_ours() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    let cookie = sign_in(caller).await?;
    let max_wait = ("x-paceline-max-wait", "soon");
    let long = "x".repeat(257);
    for (header, body, status, code) in [
        (KEY, "{".to_owned(), 400, "invalid_request"),
        (max_wait, chat(5, false), 400, "invalid_header"),
        (
            ("x-paceline-session", &*long),
            chat(5, false),
            400,
            "invalid_header",
        ),
        (
            ("x-paceline-tenant", ""),
            chat(5, false),
            400,
            "invalid_header",
        ),
        (
            ("x-paceline-tags", "a\tb"),
            chat(5, false),
            400,
            "invalid_header",
        ),
    ] {
        let answer = page_chat(caller, &cookie, &[header], body).await?;
        assert_eq!(
            (answer.status.as_u16(), &*answer.error_code()),
            (status, code),
            "{header:?}: {}",
            answer.text()
        );
        assert_eq!(answer.header("x-paceline-answered-by"), "data-plane");
    }
    let twice = [("x-paceline-session", "a"), ("x-paceline-session", "b")];
    let answer = page_chat(caller, &cookie, &twice, chat(5, false)).await?;
    assert_eq!(answer.error_code(), "invalid_header");
    // Names are names, whatever is in them.
    for name in [
        "' OR 1=1; --",
        "<script>alert(1)</script>",
        "a: b, c; d",
        "../../x",
    ] {
        let headers = [KEY, ("x-paceline-session", name)];
        let answer = page_chat(caller, &cookie, &headers, chat(5, false)).await?;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
    let ours = ask(caller, Method::POST, PATH, &[KEY], &chat(5, false)).await?;
    assert_eq!(
        (ours.status.as_u16(), ours.header("x-paceline-answered-by")),
        (401, "")
    );
    let get = caller.get(PATH, &[BEARER]).await?;
    assert_eq!(get.error_code(), "method_not_allowed");
    let query = format!("{PATH}?model=x");
    let query = ask(caller, Method::POST, &query, &[BEARER], &chat(5, false)).await?;
    assert_eq!(query.error_code(), "unknown_parameter");
    Ok(())
}

#[tokio::test]
async fn a_large_conversation_comes_through_and_one_that_is_too_large_is_refused() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let small = "[server]\nbody_max = \"4MiB\"\n";
    let gateway = TestGateway::start(simulator.address(), small)?;
    let caller = gateway.caller();
    let cookie = sign_in(caller).await?;
    for (bytes, status) in [(3 << 20, 200), (5 << 20, 413)] {
        let body = chat(5, false) + &" ".repeat(bytes);
        let answer = page_chat(caller, &cookie, &[KEY], body).await?;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("x-paceline-answered-by"), "data-plane");
    }
    Ok(())
}

#[tokio::test]
async fn with_caller_keys_the_chat_needs_one() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let folder = Arc::new(tempfile::tempdir()?);
    let mut file = KeyFile::open(folder.path())?;
    let new = NewKey {
        name: "desk".to_owned(),
        tenant: "acme".to_owned(),
        ..NewKey::default()
    };
    let (_, key) = file.create(new, 1_700_000_000)?;
    let own = "[upstream]\napi_key = \"sk-the-gateways-own\"\n";
    let gateway = TestGateway::start_in(folder, simulator.address(), own, &[])?;
    let caller = gateway.caller();
    let cookie = sign_in(caller).await?;
    let setup = gateway.admin("/dashboard/session").await?.json();
    assert_eq!(setup["chat"]["needs_key"], true);
    let without = page_chat(caller, &cookie, &[], chat(5, false)).await?;
    assert_eq!(
        (without.status.as_u16(), &*without.error_code()),
        (401, "invalid_caller_key")
    );
    assert_eq!(without.header("x-paceline-answered-by"), "data-plane");
    assert_eq!(without.header("set-cookie"), "", "the session goes on");
    let with = [("x-paceline-chat-key", key.reveal())];
    let with = page_chat(caller, &cookie, &with, chat(5, false)).await?;
    assert_eq!(with.status, 200, "{}", with.text());
    Ok(())
}

/// An upstream that keeps what it was sent and sets cookies of its own.
async fn listening_provider() -> Result<(std::net::SocketAddr, Arc<parking_lot::Mutex<String>>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, seen) = (listener.local_addr()?, Arc::default());
    let kept: Arc<parking_lot::Mutex<String>> = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut read = vec![0; 64 * 1024];
            let mut length = 0;
            while !read[..length].ends_with(b"}]}") {
                match stream.read(&mut read[length..]).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => length += count,
                }
            }
            kept.lock()
                .push_str(&String::from_utf8_lossy(&read[..length]));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nset-cookie: a=b\r\n\
                clear-site-data: \"cookies\"\r\nx-ratelimit-limit-requests: 7\r\n\
                content-security-policy: default-src *\r\ncontent-length: 2\r\n\r\n{}";
            drop(stream.write_all(answer).await);
        }
    });
    Ok((address, seen))
}

#[tokio::test]
async fn neither_token_nor_cookie_reaches_the_provider() -> Result<()> {
    let (address, seen) = listening_provider().await?;
    let gateway = TestGateway::start(address, "")?;
    let caller = gateway.caller();
    let cookie = sign_in(caller).await?;
    let more = [
        KEY,
        ("referer", "http://127.0.0.1/dashboard/canary-referer"),
        ("x-canary", "canary-header"),
        ("openai-organization", "canary-organization"),
        ("x-paceline-batch-run", "canary-run"),
        ("accept-language", "canary-language"),
    ];
    let answer = page_chat(caller, &cookie, &more, chat(5, false)).await?;
    assert_eq!(
        (answer.status.as_u16(), answer.text()),
        (200, "{}".to_owned())
    );
    for name in ["set-cookie", "clear-site-data", "content-security-policy"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
    assert_eq!(answer.header("x-ratelimit-limit-requests"), "7");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let with_token = [BEARER, KEY];
    let answer = ask(caller, Method::POST, PATH, &with_token, &chat(5, false)).await?;
    assert_eq!(answer.status, 200);
    let sent = seen.lock().to_lowercase();
    assert_eq!(
        sent.matches("authorization: bearer sk-of-the-person")
            .count(),
        2
    );
    let (_, id) = cookie.split_once('=').context("a value")?;
    for secret in [
        "0123456789abcdef-test",
        id,
        "cookie",
        "canary",
        "x-paceline",
    ] {
        assert!(!sent.contains(secret), "{secret} in {sent}");
    }
    // The token is no key, even where somebody takes it for one.
    let mistaken = [("x-paceline-chat-key", "0123456789abcdef-test")];
    let answer = page_chat(caller, &cookie, &mistaken, chat(5, false)).await?;
    assert_eq!(
        (answer.status.as_u16(), &*answer.error_code()),
        (400, "not_a_key")
    );
    assert_eq!(seen.lock().to_lowercase(), sent);
    Ok(())
}
