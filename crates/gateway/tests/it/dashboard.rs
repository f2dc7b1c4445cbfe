//! The dashboard's files, and signing in.

use anyhow::{Context, Result, ensure};
use http::Method;
use http_body_util::BodyExt;
use paceline_admin_api::{DashboardSession, DashboardTicket, LimitsOrigin};
use paceline_dashboard::{INDEX, asset, assets};
use paceline_testkit::{Answer, Caller, TestGateway, chat};

use crate::provider::provider;

const TOKEN: &str = "0123456789abcdef-test";
const BEARER: (&str, &str) = ("authorization", "Bearer 0123456789abcdef-test");

/// What the page sends with what changes something.
pub(crate) const MARK: (&str, &str) = ("x-paceline-dashboard", "1");
pub(crate) const SAME_ORIGIN: (&str, &str) = ("sec-fetch-site", "same-origin");

pub(crate) async fn ask(
    caller: Caller,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer> {
    let request = caller.request(method, path, headers, body.to_owned())?;
    caller.send(request).await
}

async fn sign_in_with(caller: Caller, token: &str) -> Result<Answer> {
    let body = serde_json::json!({ "token": token }).to_string();
    let headers = [MARK, SAME_ORIGIN];
    ask(caller, Method::POST, "/dashboard/session", &headers, &body).await
}

/// Signs in; the cookie as a browser sends it.
pub(crate) async fn sign_in(caller: Caller) -> Result<String> {
    let answer = sign_in_with(caller, TOKEN).await?;
    ensure!(answer.status == 204, "{}", answer.text());
    let (cookie, _) = answer
        .header("set-cookie")
        .split_once(';')
        .context("a cookie")?;
    Ok(cookie.to_owned())
}

async fn status(caller: Caller, path: &str, headers: &[(&str, &str)]) -> Result<u16> {
    Ok(caller.get(path, headers).await?.status.as_u16())
}

#[tokio::test]
async fn the_page_and_its_files_come_as_browsers_are_to_treat_them() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    for asset in assets() {
        let path = format!("/dashboard/{}", asset.name());
        let plain = caller.get(&path, &[]).await?;
        assert_eq!(plain.status, 200, "{path}");
        assert_eq!(plain.body, asset.bytes(), "{path}");
        for (name, value) in [
            ("content-type", asset.content_type()),
            ("cache-control", "no-cache"),
            ("vary", "accept-encoding"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            (
                "content-security-policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                 connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'",
            ),
            ("content-encoding", ""),
        ] {
            assert_eq!(plain.header(name), value, "{path}");
        }
        assert!(plain.header("permissions-policy").contains("camera=()"));
        let tag = plain.header("etag");
        let known = caller.get(&path, &[("if-none-match", tag)]).await?;
        assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
        assert_eq!(known.header("etag"), tag);
        let packed = caller.get(&path, &[("accept-encoding", "gzip")]).await?;
        match asset.gzip() {
            Some(gzip) => {
                assert_eq!(packed.header("content-encoding"), "gzip");
                assert_eq!(packed.body, gzip);
                assert_ne!(packed.header("etag"), tag);
            }
            None => assert_eq!(packed.body, asset.bytes()),
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_other_path_below_is_the_page_and_no_path_climbs_out() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    let page = asset(INDEX).context("the page")?.bytes();
    for path in [
        "/dashboard",
        "/dashboard/",
        "/dashboard/queue",
        "/dashboard/limits/gpt-4o@5d90d67b",
        "/dashboard/app.js/",
        "/dashboard/APP.JS",
        "/dashboard//app.js",
        "/dashboard/../metrics",
        "/dashboard/%2e%2e/%2e%2e/etc/passwd",
        "/dashboard/..%2fmetrics",
        "/dashboard/session/x",
        "/dashboard/%ff%00",
        "/dashboard/x?token=1",
    ] {
        let answer = caller.get(path, &[]).await?;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body, page, "{path}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    }
    for (path, expected) in [
        ("/dashboardx", 404),
        ("/dashboard%2fapp.js", 404),
        ("/x/../dashboard/", 400),
        ("//dashboard", 401),
    ] {
        assert_eq!(status(caller, path, &[]).await?, expected, "{path}");
    }
    let wrong = ask(caller, Method::POST, "/dashboard/app.js", &[], "").await?;
    assert_eq!(wrong.error_code(), "method_not_allowed");
    let foreign = caller.request(Method::GET, "/dashboard/", &[], "")?;
    let mut foreign = foreign;
    foreign
        .headers_mut()
        .insert("host", "evil.test:4100".parse()?);
    let foreign = caller.send(foreign).await?;
    assert_eq!(foreign.error_code(), "foreign_host");
    Ok(())
}

#[tokio::test]
async fn a_browser_that_is_given_the_address_alone_is_shown_the_page() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    let browser = [("accept", "text/html,*/*;q=0.8")];
    let answer = caller.get("/", &browser).await?;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, "/dashboard")
    );
    // All else is as without a dashboard.
    let program = caller.get("/", &[("accept", "*/*")]).await?;
    assert_eq!(
        (program.status.as_u16(), &*program.error_code()),
        (404, "not_found")
    );
    let other = ask(caller, Method::POST, "/", &browser, "").await?;
    assert_eq!(other.status, 404);
    let without = TestGateway::start(simulator.address(), "[admin]\nenabled = false\n")?;
    for path in ["/", "/dashboard"] {
        assert_eq!(
            status(without.caller(), path, &browser).await?,
            404,
            "{path}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_cookie_opens_what_the_token_opens_until_its_browser_signs_out() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    let answer = sign_in_with(caller, TOKEN).await?;
    assert_eq!(answer.status, 204);
    let set = answer.header("set-cookie").to_owned();
    let name = format!("paceline_session_{}=", gateway.address().port());
    assert!(set.starts_with(&name), "{set}");
    assert!(
        set.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict"),
        "{set}"
    );
    assert!(!set.contains(TOKEN) && !set.contains("Domain"), "{set}");
    let cookie = set.split(';').next().context("a cookie")?;
    let cookie = [("cookie", cookie)];
    for path in [
        "/metrics",
        "/openapi.json",
        "/monitoring/queue-status",
        "/dashboard/session",
    ] {
        assert_eq!(status(caller, path, &cookie).await?, 200, "{path}");
    }
    // What is wrong in one header is not made good by another.
    let both = [cookie[0], ("authorization", "Bearer nonsense")];
    let refused = caller.get("/metrics", &both).await?;
    assert_eq!(
        (refused.status.as_u16(), refused.header("set-cookie")),
        (401, "")
    );
    let page = [cookie[0], MARK, SAME_ORIGIN];
    let out = ask(caller, Method::DELETE, "/dashboard/session", &page, "").await?;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("; Max-Age=0;"));
    let stale = caller.get("/dashboard/session", &cookie).await?;
    assert_eq!(stale.status, 401);
    assert!(stale.header("set-cookie").starts_with(&format!("{name};")));
    Ok(())
}

#[tokio::test]
async fn what_streams_to_a_browser_ends_when_it_signs_out() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    let (cookie, other) = (sign_in(caller).await?, sign_in(caller).await?);
    let mut feeds = Vec::new();
    for cookie in [&cookie, &other] {
        let headers = [("cookie", cookie.as_str())];
        let request = caller.request(Method::GET, "/monitoring/events", &headers, "")?;
        let mut feed = caller.start(request).await?.into_body();
        feed.frame().await.context("the first event")??;
        feeds.push(feed);
    }
    let page = [("cookie", &*cookie), MARK, SAME_ORIGIN];
    ask(caller, Method::DELETE, "/dashboard/session", &page, "").await?;
    feeds.remove(0).collect().await.context("it ends well")?;
    gateway.caller().chat(&[], chat(5, false)).await?;
    feeds[0].frame().await.context("the other goes on")??;
    Ok(())
}

#[tokio::test]
async fn a_wrong_token_signs_nobody_in_and_guessing_is_slowed_down() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    let cookie = sign_in(caller).await?;
    for body in ["", "{}", "[]", r#"{"token":1}"#, r#"{"token":"a","b":1}"#] {
        let path = "/dashboard/session";
        let answer = ask(caller, Method::POST, path, &[MARK], body).await?;
        assert_eq!(answer.error_code(), "invalid_body", "{body}");
    }
    let long = "x".repeat(100_000);
    assert_eq!(sign_in_with(caller, &long).await?.status, 400);
    // The same wrong token over and over is no guess.
    for _ in 0..60 {
        let wrong = [("authorization", "Bearer of-yesterday")];
        assert_eq!(status(caller, "/metrics", &wrong).await?, 401);
    }
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..200 {
        guesses.spawn(async move {
            let answer = sign_in_with(caller, &format!("guess-{number}")).await?;
            assert_eq!(answer.header("set-cookie"), "");
            if answer.status == 429 {
                assert_eq!(answer.error_code(), "too_many_attempts");
                ensure!(answer.header("retry-after").parse::<u64>()? >= 1);
            }
            anyhow::Ok(answer.status.as_u16())
        });
    }
    let mut refused = 0;
    while let Some(answered) = guesses.join_next().await {
        match answered?? {
            401 => {}
            429 => refused += 1,
            other => panic!("{other}"),
        }
        // Whoever is signed in notices nothing.
        assert_eq!(
            status(caller, "/metrics", &[("cookie", &cookie)]).await?,
            200
        );
    }
    assert!(refused >= 10, "only {refused} of 200 guesses were refused");
    Ok(())
}

#[tokio::test]
async fn requests_that_the_page_did_not_send_change_nothing() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    let cookie = sign_in(caller).await?;
    let cookie = ("cookie", cookie.as_str());
    let origin = format!("http://{}", gateway.address());
    let own = ("origin", origin.as_str());
    let elsewhere = format!("http://127.0.0.1:{}", gateway.address().port() ^ 1);
    let elsewhere = ("origin", elsewhere.as_str());
    let (cross, same_site) = (
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    );
    let typed = ("sec-fetch-site", "none");
    for path in [
        "/monitoring/reset-rate-limits",
        "/dashboard/ticket",
        "/dashboard/chat/completions",
    ] {
        for (headers, code) in [
            (&[cookie][..], "not_from_the_page"),
            (&[cookie, MARK], "not_from_the_page"),
            (&[cookie, own], "not_from_the_page"),
            (&[cookie, SAME_ORIGIN], "not_from_the_page"),
            (&[cookie, MARK, typed], "not_from_the_page"),
            (&[cookie, MARK, elsewhere], "foreign_origin"),
            (
                &[cookie, MARK, ("origin", "http://evil.test")],
                "foreign_origin",
            ),
            (&[cookie, MARK, ("origin", "null")], "foreign_origin"),
            (&[cookie, MARK, own, cross], "foreign_origin"),
            (&[cookie, MARK, own, same_site], "foreign_origin"),
        ] {
            let answer = ask(caller, Method::POST, path, headers, "").await?;
            assert_eq!(answer.status, 403, "{path} {headers:?}");
            assert_eq!(answer.error_code(), code, "{path} {headers:?}");
        }
    }
    for site in [cross, same_site] {
        let answer = caller
            .get("/monitoring/queue-status", &[cookie, site])
            .await?;
        assert_eq!(answer.error_code(), "foreign_origin");
        let body = serde_json::json!({ "token": TOKEN }).to_string();
        let answer = ask(caller, Method::POST, "/dashboard/session", &[site], &body).await?;
        assert_eq!(answer.error_code(), "foreign_origin");
    }
    assert_eq!(
        status(caller, "/monitoring/ledger", &[cookie, typed]).await?,
        200
    );
    let reset = "/monitoring/reset-rate-limits";
    for headers in [[cookie, MARK, own], [cookie, MARK, SAME_ORIGIN]] {
        let answer = ask(caller, Method::POST, reset, &headers, "").await?;
        assert_eq!(answer.status, 200, "{headers:?}");
    }
    // Programs with the token need none of it.
    assert_eq!(
        ask(caller, Method::POST, reset, &[BEARER], "")
            .await?
            .status,
        200
    );
    Ok(())
}

#[tokio::test]
async fn cookies_of_other_ports_and_names_that_point_here_open_nothing() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let caller = gateway.caller();
    let cookie = sign_in(caller).await?;
    let (_, id) = cookie.split_once('=').context("a value")?;
    for name in ["paceline_session_1", "paceline_session", "session"] {
        let other = format!("{name}={id}");
        let answer = caller.get("/metrics", &[("cookie", &other)]).await?;
        assert_eq!(
            (answer.status.as_u16(), answer.header("set-cookie")),
            (401, "")
        );
    }
    // A page of another port may have put a cookie of this name before it.
    let (name, _) = cookie.split_once('=').context("a name")?;
    let two = format!("{name}=planted; {cookie}");
    assert_eq!(status(caller, "/metrics", &[("cookie", &two)]).await?, 200);
    for (method, path) in [
        (Method::GET, "/metrics"),
        (Method::POST, "/dashboard/session"),
    ] {
        let body = serde_json::json!({ "token": TOKEN }).to_string();
        let mut request = caller.request(method, path, &[("cookie", &cookie)], body)?;
        request.headers_mut().insert("host", "evil.test".parse()?);
        assert_eq!(caller.send(request).await?.error_code(), "foreign_host");
    }
    Ok(())
}

#[tokio::test]
async fn a_ticket_signs_in_once() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    let made = gateway
        .admin_order(Method::POST, "/dashboard/ticket", "")
        .await?;
    let made: DashboardTicket = serde_json::from_slice(&made.body)?;
    assert_eq!(made.valid_ms, 60_000);
    let caller = gateway.caller();
    assert_eq!(sign_in_with(caller, &made.ticket).await?.status, 204);
    assert_eq!(sign_in_with(caller, &made.ticket).await?.status, 401);
    let bearer = format!("Bearer {}", made.ticket);
    let used = [("authorization", bearer.as_str())];
    assert_eq!(
        status(caller, "/metrics", &used).await?,
        401,
        "it is no token"
    );
    Ok(())
}

#[tokio::test]
async fn the_page_is_told_what_it_has_to_know() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let told = async |configuration: &str| -> Result<DashboardSession> {
        let gateway = TestGateway::start(simulator.address(), configuration)?;
        gateway.caller().chat(&[], chat(5, false)).await?;
        gateway.assert_settled_everywhere().await?;
        let answer = gateway.admin("/dashboard/session").await?;
        let told: DashboardSession = serde_json::from_slice(&answer.body)?;
        assert_eq!(told.listen, gateway.address().to_string());
        Ok(told)
    };
    let plain = told("").await?;
    assert_eq!(plain.upstream, simulator.address().to_string());
    assert!(plain.chat.needs_key && plain.ledger);
    assert_eq!(plain.chat.models, ["gpt-4o-mini"]);
    assert_eq!((plain.limits, plain.preset), (LimitsOrigin::Learned, None));
    assert!(
        plain.started_at_ms > 1_700_000_000_000,
        "{}",
        plain.started_at_ms
    );
    let set = "preset = \"production\"\n[upstream]\napi_key = \"sk-own\"\n[prices]\nprovider = \"openai\"\n\
        [ledger]\nenabled = false\n[limits]\nrequests_per_minute = 1000\n\
        [[domains]]\nname = \"a\"\nmodels = [\"house-model\", \"gpt-9*\"]\nrequests_per_minute = 9\n";
    let set = told(set).await?;
    assert!(!set.chat.needs_key && !set.ledger);
    assert_eq!(set.preset.as_deref(), Some("production"));
    assert_eq!(set.limits, LimitsOrigin::Configured);
    let models = &set.chat.models;
    assert_eq!(models[..2], ["gpt-4o-mini", "house-model"]);
    assert!(models.contains(&"gpt-4o".to_owned()), "{models:?}");
    for other in [
        "gpt-9*",
        "text-embedding-3-small",
        "gpt-realtime",
        "gpt-image-1",
    ] {
        assert!(!models.contains(&other.to_owned()), "{models:?}");
    }
    assert!(models.len() <= 50);
    Ok(())
}

#[tokio::test]
async fn a_plane_on_its_own_listener_has_the_dashboard_and_the_other_has_none() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let listen = "[admin]\nlisten = \"127.0.0.1:0\"\n";
    let gateway = TestGateway::start(simulator.address(), listen)?;
    let admin = Caller::new(gateway.admin_address().context("its own")?);
    let browser = [("accept", "text/html")];
    for path in ["/", "/dashboard", "/dashboard/app.js"] {
        assert_eq!(
            status(gateway.caller(), path, &browser).await?,
            404,
            "{path}"
        );
    }
    assert_eq!(status(admin, "/", &browser).await?, 303);
    assert_eq!(status(admin, "/", &[]).await?, 401);
    assert_eq!(status(admin, "/dashboard", &browser).await?, 200);
    let cookie = sign_in(admin).await?;
    let answer = admin
        .get("/dashboard/session", &[("cookie", &cookie)])
        .await?;
    let told: DashboardSession = serde_json::from_slice(&answer.body)?;
    assert_eq!(told.listen, gateway.address().to_string());
    Ok(())
}
