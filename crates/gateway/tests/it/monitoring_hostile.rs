//! Who may not ask, and what may not be asked.

use std::time::Duration;

use anyhow::Result;
use paceline_admin_api::{RequestsPage, TokenUsage};
use paceline_testkit::{TestGateway, chat, raw_exchange};

use crate::provider::provider;

const TOKEN: (&str, &str) = ("authorization", "Bearer 0123456789abcdef-test");

/// Every path behind the token that answers to GET.
const PATHS: [&str; 18] = [
    "/metrics",
    "/openapi.json",
    "/monitoring/rate-limits",
    "/monitoring/queue-status",
    "/monitoring/estimates",
    "/monitoring/forecasts",
    "/monitoring/events",
    "/monitoring/ledger",
    "/monitoring/token-usage",
    "/monitoring/session-usage/s",
    "/monitoring/cost-breakdown",
    "/monitoring/performance",
    "/monitoring/prompt-sizes",
    "/monitoring/suggestions",
    "/monitoring/requests",
    "/monitoring/requests/00000000000000000000000000000007",
    "/monitoring/export",
    "/monitoring/nothing",
];

#[tokio::test]
async fn no_path_answers_without_the_token_from_a_foreign_page_or_under_a_foreign_name()
-> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    for path in PATHS {
        let answer = caller.get(path, &[]).await?;
        assert_eq!(
            (answer.status.as_u16(), &*answer.error_code()),
            (401, "unauthorized"),
            "{path}"
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
        for wrong in [
            "Bearer nonsense",
            "Bearer 0123456789abcdef-tes",
            "Bearer 0123456789abcdef-test, x",
            "Basic MDEyMzo=",
            "0123456789abcdef-test",
        ] {
            let answer = caller.get(path, &[("authorization", wrong)]).await?;
            assert_eq!(answer.status, 401, "{path} {wrong}");
        }
        for origin in ["http://evil.test", "null", "http://127.0.0.1:1"] {
            let answer = caller.get(path, &[TOKEN, ("origin", origin)]).await?;
            assert_eq!(answer.error_code(), "foreign_origin", "{path} {origin}");
            assert_eq!(answer.status, 403, "{path} {origin}");
        }
    }
    Ok(())
}

/// A request whose header `host` is of the test's choice.
async fn under_name(gateway: &TestGateway, path: &str, host: &str) -> Result<u16> {
    let (name, token) = TOKEN;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\n{name}: {token}\r\nconnection: close\r\n\r\n"
    );
    let quiet = Duration::from_secs(20);
    Ok(raw_exchange(gateway.address(), request.as_bytes(), quiet)
        .await?
        .status())
}

#[tokio::test]
async fn a_name_that_was_made_to_point_here_is_not_served() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let hosts = "[admin]\nhosts = [\"paceline.internal\"]\n";
    let gateway = TestGateway::start(simulator.address(), hosts)?;
    for (host, status) in [
        ("127.0.0.1:4100", 200),
        ("localhost", 200),
        ("LocalHost:4100", 200),
        ("[::1]:4100", 200),
        ("10.1.2.3", 200),
        ("paceline.internal:4100", 200),
        ("Paceline.Internal", 200),
        ("evil.test", 403),
        ("evil.test:4100", 403),
        ("127.0.0.1.evil.test", 403),
        ("localhost.evil.test:4100", 403),
        ("paceline.internal.evil.test", 403),
        ("", 403),
    ] {
        let path = "/monitoring/rate-limits";
        assert_eq!(under_name(&gateway, path, host).await?, status, "{host:?}");
    }
    // Probes of orchestrators come under any name.
    assert_eq!(under_name(&gateway, "/healthz", "evil.test").await?, 200);
    Ok(())
}

#[tokio::test]
async fn a_wrong_parameter_is_named_with_what_is_expected() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let long = "x".repeat(10_000);
    let too_long = format!("tenant={long}");
    let unknown_long = format!("{long}=1");
    for (query, parameter) in [
        ("from=yesterday", "from"),
        ("to=99999999999999999999", "to"),
        ("from=now&to=-1h", "from"),
        ("from=", "from"),
        ("tenant=", "tenant"),
        (&*too_long, "tenant"),
        ("tenant=a%00b", "tenant"),
        ("session=a%0d%0aset-cookie:%20x", "session"),
        ("model=%ff%fe", "model"),
        ("model=%c3%28", "model"),
        ("provider=%", "provider"),
        ("tag=%zz", "tag"),
        ("outcome=OK", "outcome"),
        ("outcome=ok'%20OR%201=1", "outcome"),
        ("bucket=second", "bucket"),
        ("bucket=minute&from=0", "bucket"),
        ("utc_offset=%2B25:00", "utc_offset"),
        ("group_by=model,model", "group_by"),
        ("group_by=model,tenant,tag", "group_by"),
        (
            "group_by=cost_nanousd;DROP%20TABLE%20paceline_entry",
            "group_by",
        ),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=1%3B--", "limit"),
        ("tenant=a&tenant=b", "tenant"),
        ("tenants=a", "tenants"),
        ("Tenant=a", "Tenant"),
        ("filter%5Btenant%5D=a", "filter[tenant]"),
        (&*unknown_long, &long[..64]),
    ] {
        let answer = gateway
            .admin(&format!("/monitoring/token-usage?{query}"))
            .await?;
        let shown = &query[..query.len().min(60)];
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
        let error = &answer.json()["error"];
        assert_eq!(error["parameter"], parameter, "{shown}: {error}");
        assert!(
            error["expected"].as_str().is_some_and(|it| !it.is_empty()),
            "{shown}"
        );
        assert!(
            answer.body.len() < 1_000,
            "{shown}: what is wrong is not all repeated"
        );
    }
    let more = [
        ("/monitoring/requests?cursor=1", "cursor"),
        ("/monitoring/requests?cursor=1-zz", "cursor"),
        ("/monitoring/export?format=xml", "format"),
        ("/monitoring/queue-status?limit=10001", "limit"),
        ("/monitoring/rate-limits?a=1", "a"),
        ("/monitoring/session-usage/%ff", "session_id"),
        ("/monitoring/session-usage/a%0ab", "session_id"),
        ("/monitoring/session-usage/s?session=t", "session"),
        ("/monitoring/requests/%27;--", "id"),
    ];
    for (path, parameter) in more {
        let answer = gateway.admin(path).await?;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(answer.json()["error"]["parameter"], parameter, "{path}");
    }
    Ok(())
}

/// What callers might put into fields that they control.
const INJECTIONS: [&str; 7] = [
    "' OR '1'='1",
    "x'; DROP TABLE paceline_entry; --",
    "\" UNION SELECT * FROM paceline_meta --",
    "%s%n%x",
    "${jndi:ldap://x}",
    "=1+1|cmd",
    "</script><script>",
];

fn encoded(text: &str) -> String {
    let bytes = text.bytes();
    bytes.map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn what_callers_send_is_kept_and_found_to_the_letter_and_does_nothing_else() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    for text in INJECTIONS {
        let headers = [
            ("x-paceline-tenant", text),
            ("x-paceline-session", text),
            ("x-paceline-tags", text),
        ];
        let model = serde_json::to_string(text)?;
        let body = format!(
            r#"{{"model":{model},"max_tokens":5,"messages":[{{"role":"user","content":"hello"}}]}}"#
        );
        gateway.caller().chat(&headers, body).await?;
    }
    gateway.ledger().await?;
    for text in INJECTIONS {
        for name in ["tenant", "session", "model", "tag"] {
            let path = format!("/monitoring/token-usage?{name}={}", encoded(text));
            let answer = gateway.admin(&path).await?;
            let usage: TokenUsage = serde_json::from_slice(&answer.body)?;
            assert_eq!(usage.total.calls, 1, "{name} {text}");
        }
        for name in ["key", "provider", "route"] {
            let path = format!("/monitoring/requests?{name}={}", encoded(text));
            let answer = gateway.admin(&path).await?;
            let page: RequestsPage = serde_json::from_slice(&answer.body)?;
            assert!(page.requests.is_empty(), "{name} {text}");
        }
        let path = format!("/monitoring/session-usage/{}", encoded(text));
        let answer = gateway.admin(&path).await?;
        assert_eq!(answer.json()["total"]["calls"], 1, "{text}");
        assert_eq!(answer.json()["session"], text);
    }
    let csv = gateway.admin("/monitoring/export").await?.text();
    assert_eq!(csv.lines().count(), 1 + INJECTIONS.len());
    assert!(csv.contains(",'=1+1|cmd,"), "a formula is none: {csv}");
    Ok(())
}

#[tokio::test]
async fn answers_are_not_kept_by_caches_and_wrong_methods_say_so() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    gateway.caller().chat(&[], chat(5, false)).await?;
    for path in [
        "/monitoring/token-usage",
        "/openapi.json",
        "/monitoring/nothing",
    ] {
        let answer = gateway.admin(path).await?;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(
            answer
                .header("content-type")
                .starts_with("application/json"),
            "{path}"
        );
    }
    let caller = gateway.caller();
    let request = caller.request(http::Method::PUT, "/monitoring/token-usage", &[TOKEN], "{}")?;
    let answer = caller.send(request).await?;
    assert_eq!(
        (answer.status.as_u16(), &*answer.error_code()),
        (405, "method_not_allowed")
    );
    assert!(answer.header("allow").contains("GET"));
    let request = caller.request(http::Method::PUT, "/monitoring/token-usage", &[], "{}")?;
    assert_eq!(caller.send(request).await?.status, 401);
    Ok(())
}
