//! What an OpenTelemetry collector is told, and that calls do not depend on it.

mod recorder;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http::Method;
use paceline_testkit::{Answer, TestGateway, chat};
use serde_json::Value;

use crate::provider::provider;
use recorder::{Recorder, attribute};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn telemetry(collector: SocketAddr, more: &str) -> String {
    format!(
        "[telemetry]\notlp_endpoint = \"http://{collector}\"\nmetrics_interval = \"1h\"\n{more}\n"
    )
}

async fn ask(gateway: &TestGateway, headers: &[(&str, &str)], model: &str) -> Result<Answer> {
    let body = serde_json::json!({
        "model": model,
        "messages": [{ "role": "user", "content": "private words" }],
    });
    let caller = gateway.caller();
    let path = "/v1/chat/completions";
    let request = caller.request(Method::POST, path, headers, body.to_string())?;
    caller.send(request).await
}

/// Waits until the sum of the series of `name` with `labels` is at least `least`.
async fn until(gateway: &TestGateway, name: &str, labels: &str, least: f64) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while gateway.metric(name, labels).await? < least {
        if Instant::now() > end {
            bail!("{name}{{{labels}}} stays below {least}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn named<'a>(spans: &'a [Value], name: &str) -> Vec<&'a Value> {
    spans.iter().filter(|span| span["name"] == name).collect()
}

fn check(of: &Value, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(attribute(of, name), *value, "{name} of {of}");
    }
}

#[tokio::test]
async fn a_call_is_a_span_with_all_that_the_conventions_name() -> Result<()> {
    let (collector, upstream) = (Recorder::collector().await?, Recorder::provider().await?);
    let gateway = TestGateway::start(upstream.address, &telemetry(collector.address, ""))?;
    let headers = [
        ("x-paceline-tenant", "shop"),
        ("x-paceline-session", "s-1"),
        ("x-paceline-tags", "hidden-tag"),
        ("authorization", "Bearer sk-very-secret"),
    ];
    let answer = ask(&gateway, &headers, "gpt-4o").await?;
    assert_eq!(answer.status, 200);
    let id = answer.header("x-paceline-request-id").to_owned();
    gateway.stop().await?;
    let spans = collector.spans()?;
    let [call] = named(&spans, "chat gpt-4o")[..] else {
        bail!("not one call: {spans:#?}");
    };
    assert_eq!(call["kind"], 3);
    assert!(call.get("parentSpanId").is_none() && call.get("status").is_none());
    let port = upstream.address.port().to_string();
    check(
        call,
        &[
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.system", "openai"),
            ("gen_ai.request.model", "gpt-4o"),
            ("gen_ai.request.stream", "false"),
            ("gen_ai.response.model", "gpt-4o-2024-08-06"),
            ("gen_ai.usage.input_tokens", "7"),
            ("gen_ai.usage.output_tokens", "5"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
            ("http.response.status_code", "200"),
            ("error.type", ""),
            ("paceline.request_id", &id),
            ("paceline.endpoint", "chat_completions"),
            ("paceline.outcome", "ok"),
            ("paceline.tenant", "shop"),
            ("paceline.session", "s-1"),
            ("paceline.priority", "standard"),
            ("paceline.tags", ""),
            ("paceline.attempts", "1"),
        ],
    );
    assert!(!attribute(call, "paceline.pool").is_empty());
    assert!(!attribute(call, "paceline.wait_ms").is_empty());
    let estimated: u64 = attribute(call, "paceline.estimated_tokens").parse()?;
    assert!(estimated > 0);
    let [attempt] = named(&spans, "upstream")[..] else {
        bail!("not one attempt: {spans:#?}");
    };
    assert_eq!(attempt["parentSpanId"], call["spanId"]);
    assert_eq!(attempt["traceId"], call["traceId"]);
    check(
        attempt,
        &[
            ("http.request.method", "POST"),
            ("http.response.status_code", "200"),
        ],
    );
    for seen in collector.seen() {
        for secret in [
            "very-secret",
            "private words",
            "secret answer",
            "hidden-tag",
        ] {
            assert!(!seen.text.contains(secret), "{secret} in {}", seen.text);
        }
        let resource = if seen.path == "/v1/traces" {
            &seen.body["resourceSpans"][0]["resource"]
        } else {
            &seen.body["resourceMetrics"][0]["resource"]
        };
        check(resource, &[("service.name", "paceline")]);
        assert_eq!(seen.header("content-type"), "application/json");
    }
    Ok(())
}

#[tokio::test]
async fn a_wait_and_each_attempt_are_spans_below_the_call() -> Result<()> {
    let collector = Recorder::collector().await?;
    let simulator = provider(vec![]).await?;
    let rest = "[limits]\nspacing = \"150ms\"\ntokens_per_minute = 1000000\nwindow = \"bucket\"\n\
                [retry]\nbase_delay = \"10ms\"\njitter = \"0s\"\n";
    let configuration = telemetry(collector.address, rest);
    let gateway = TestGateway::start(simulator.address(), &configuration)?;
    gateway.caller().chat(&[], chat(5, false)).await?;
    let faulty = [("x-simulator-fault", "500;times=1;key=a")];
    let answer = gateway.caller().chat(&faulty, chat(5, false)).await?;
    assert_eq!(answer.header("x-paceline-attempts"), "2");
    gateway.stop().await?;
    let spans = collector.spans()?;
    let calls: Vec<_> = spans
        .iter()
        .filter(|span| attribute(span, "paceline.attempts") == "2")
        .collect();
    let [call] = calls[..] else {
        bail!("not one call: {spans:#?}");
    };
    let own: Vec<_> = spans
        .iter()
        .filter(|span| span["parentSpanId"] == call["spanId"])
        .collect();
    let names: Vec<_> = own
        .iter()
        .filter_map(|span| span["name"].as_str())
        .collect();
    assert_eq!(names, ["queue", "upstream", "queue", "upstream"]);
    check(own[0], &[("paceline.limited_by", "launch spacing")]);
    let failed = [
        ("http.response.status_code", "500"),
        ("error.type", "500"),
        ("paceline.refusal", "server_error"),
        ("http.request.resend_count", ""),
    ];
    check(own[1], &failed);
    assert_eq!(own[1]["status"]["code"], 2);
    let good = [
        ("http.response.status_code", "200"),
        ("error.type", ""),
        ("http.request.resend_count", "1"),
    ];
    check(own[3], &good);
    assert!(own[3].get("status").is_none());
    // Each part ends before the next begins, and all lie within the call.
    let moment = |span: &Value, name: &str| -> Result<u128> {
        Ok(span[name].as_str().context("no time")?.parse()?)
    };
    let mut last = moment(call, "startTimeUnixNano")?;
    for span in &own {
        let (start, end) = (
            moment(span, "startTimeUnixNano")?,
            moment(span, "endTimeUnixNano")?,
        );
        assert!(last <= start && start <= end, "{own:#?}");
        last = end;
    }
    assert!(last <= moment(call, "endTimeUnixNano")?);
    Ok(())
}

#[tokio::test]
async fn the_callers_trace_goes_on_and_reaches_the_provider() -> Result<()> {
    let (collector, upstream) = (Recorder::collector().await?, Recorder::provider().await?);
    // Nothing of what begins here is sent; what a caller sends, is.
    let configuration = telemetry(collector.address, "sample = 0.0");
    let gateway = TestGateway::start(upstream.address, &configuration)?;
    let traced = [("traceparent", PARENT), ("tracestate", "vendor=1")];
    ask(&gateway, &traced, "gpt-4o").await?;
    ask(&gateway, &[], "gpt-4o").await?;
    let not_sent = PARENT.replace("-01", "-00");
    ask(&gateway, &[("traceparent", &not_sent)], "gpt-4o").await?;
    let twice = [
        ("traceparent", PARENT),
        ("traceparent", PARENT),
        ("tracestate", "vendor=1"),
    ];
    ask(&gateway, &twice, "gpt-4o").await?;
    gateway.stop().await?;
    let spans = collector.spans()?;
    let [call] = named(&spans, "chat gpt-4o")[..] else {
        bail!("not one call: {spans:#?}");
    };
    assert_eq!(call["traceId"], TRACE);
    assert_eq!(call["parentSpanId"], "00f067aa0ba902b7");
    let attempt = named(&spans, "upstream")[0]["spanId"]
        .as_str()
        .context("no id")?
        .to_owned();
    let seen = upstream.seen();
    assert_eq!(
        seen[0].header("traceparent"),
        format!("00-{TRACE}-{attempt}-01")
    );
    assert_eq!(seen[0].header("tracestate"), "vendor=1");
    let begun = seen[1].header("traceparent");
    assert!(begun.ends_with("-00") && !begun.contains(TRACE), "{begun}");
    let unsent = seen[2].header("traceparent");
    assert!(unsent.contains(TRACE) && unsent.ends_with("-00") && unsent != not_sent);
    let doubtful = &seen[3].headers;
    assert_eq!(doubtful.get_all("traceparent").iter().count(), 1);
    assert!(!seen[3].header("traceparent").contains(TRACE));
    assert!(!doubtful.contains_key("tracestate"));
    let measured = collector.series("gen_ai.client.operation.duration");
    assert_eq!(measured[0]["count"], "4", "what is not traced is measured");
    Ok(())
}

#[tokio::test]
async fn tokens_and_durations_are_measured_by_model() -> Result<()> {
    let collector = Recorder::collector().await?;
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), &telemetry(collector.address, ""))?;
    for stream in [false, true, true] {
        let answer = gateway.caller().chat(&[], chat(5, stream)).await?;
        assert_eq!(answer.status, 200);
    }
    let missing = ask(&gateway, &[("x-simulator-fault", "400")], "gpt-4o-mini").await?;
    let status = missing.status.as_u16().to_string();
    assert!(missing.status.is_client_error());
    gateway.caller().get("/v1/models", &[]).await?;
    gateway.stop().await?;
    let tokens = collector.series("gen_ai.client.token.usage");
    let of = |kind: &str| {
        let mut own = tokens
            .iter()
            .filter(|series| attribute(series, "gen_ai.token.type") == kind);
        own.next().cloned().unwrap_or_default()
    };
    let output = of("output");
    assert_eq!(output["count"], "3");
    assert_eq!(output["sum"], 15.0);
    // The bounds are 1, 4, 16 and so on: five tokens fall into the third bucket.
    assert_eq!(output["bucketCounts"][2], "3");
    assert_eq!(of("input")["count"], "3");
    let first = collector.series("gen_ai.server.time_to_first_token");
    assert_eq!(first[0]["count"], "2", "of streams alone");
    let durations = collector.series("gen_ai.client.operation.duration");
    assert_eq!(
        durations.len(),
        2,
        "the list of models is no call of a model"
    );
    let failed = durations
        .iter()
        .find(|series| !attribute(series, "error.type").is_empty())
        .context("the error is missing")?;
    let expected = [
        ("error.type", status.as_str()),
        ("gen_ai.request.model", "gpt-4o-mini"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
    ];
    check(failed, &expected);
    assert!(!collector.series("paceline.queue.wait").is_empty());
    let spans = collector.spans()?;
    let [list] = named(&spans, "models")[..] else {
        bail!("not one list of models: {spans:#?}");
    };
    check(list, &[("gen_ai.operation.name", "")]);
    Ok(())
}

#[tokio::test]
async fn names_that_callers_choose_do_no_harm() -> Result<()> {
    let (collector, upstream) = (Recorder::collector().await?, Recorder::provider().await?);
    let configuration = telemetry(collector.address, "tags = true");
    let gateway = TestGateway::start(upstream.address, &configuration)?;
    let model = "x\"},\r\n\u{0}\u{202e}<script>é'; DROP TABLE--${jndi:ldap://e}";
    let tenant = r#"t"},{"a":"\u0000'<img src=x>"#;
    let headers = [
        ("x-paceline-tenant", tenant),
        ("x-paceline-tags", r#"team="a","#),
        ("traceparent", "00-zz-\"-01"),
    ];
    assert_eq!(ask(&gateway, &headers, model).await?.status, 200);
    let long = "é".repeat(128);
    assert_eq!(ask(&gateway, &[], &long).await?.status, 200);
    gateway.stop().await?;
    let spans = collector.spans()?;
    let calls: Vec<_> = spans.iter().filter(|span| span["kind"] == 3).collect();
    let hostile = calls
        .iter()
        .find(|span| attribute(span, "paceline.tenant") == tenant)
        .context("the hostile tenant is missing")?;
    check(hostile, &[("gen_ai.request.model", model)]);
    check(hostile, &[("paceline.tags", r#"team="a","#)]);
    assert_eq!(hostile["name"], format!("chat {model}"));
    let lengths = calls
        .iter()
        .filter_map(|span| span["name"].as_str())
        .map(str::len);
    assert!(lengths.max() <= Some("chat ".len() + 128));
    Ok(())
}

#[tokio::test]
async fn a_caller_that_leaves_is_no_failure_of_the_call() -> Result<()> {
    let collector = Recorder::collector().await?;
    let silent = Recorder::start(0, "").await?;
    let gateway = TestGateway::start(silent.address, &telemetry(collector.address, ""))?;
    let caller = gateway.caller();
    let request = caller.request(Method::POST, "/v1/chat/completions", &[], chat(5, false))?;
    let call = tokio::spawn(async move { caller.start(request).await.map(drop) });
    until(
        &gateway,
        "paceline_requests_in_flight",
        "state=\"running\"",
        1.0,
    )
    .await?;
    call.abort();
    drop(call.await);
    until(
        &gateway,
        "paceline_requests_total",
        "outcome=\"caller_gone\"",
        1.0,
    )
    .await?;
    gateway.stop().await?;
    let spans = collector.spans()?;
    assert_eq!(spans.len(), 2, "{spans:#?}");
    for span in &spans {
        check(span, &[("error.type", "caller_gone")]);
        assert!(span.get("status").is_none(), "{span}");
    }
    Ok(())
}

#[tokio::test]
async fn headers_for_the_collector_come_from_the_environment_and_go_nowhere_else() -> Result<()> {
    let (collector, upstream) = (Recorder::collector().await?, Recorder::provider().await?);
    let variables = [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://{}/below/", collector.address),
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "Authorization=Basic%20c2VjcmV0".to_owned(),
        ),
        ("OTEL_SERVICE_NAME", "shop-llm".to_owned()),
    ];
    let gateway = TestGateway::start_with(upstream.address, "", &variables)?;
    ask(&gateway, &[], "gpt-4o").await?;
    let shown = gateway.admin("/metrics").await?.text();
    gateway.stop().await?;
    let seen = collector.seen();
    let paths: Vec<_> = seen.iter().map(|seen| seen.path.as_str()).collect();
    assert!(paths.contains(&"/below/v1/traces"), "{paths:?}");
    assert!(paths.contains(&"/below/v1/metrics"), "{paths:?}");
    for seen in seen {
        assert_eq!(seen.header("authorization"), "Basic c2VjcmV0");
        assert!(seen.text.contains("shop-llm") && !seen.text.contains("c2VjcmV0"));
    }
    assert!(!shown.contains("c2VjcmV0"));
    assert!(!upstream.seen()[0].headers.contains_key("authorization"));
    Ok(())
}

#[tokio::test]
async fn without_a_collector_nothing_is_sent_and_nothing_changed() -> Result<()> {
    let (collector, upstream) = (Recorder::collector().await?, Recorder::provider().await?);
    let gateway = TestGateway::start(upstream.address, "[telemetry]\nsample = 1.0\n")?;
    ask(&gateway, &[("traceparent", PARENT)], "gpt-4o").await?;
    ask(&gateway, &[], "gpt-4o").await?;
    let counted = gateway.metric("paceline_telemetry_spans_total", "").await?;
    let sent = gateway
        .metric("paceline_telemetry_exports_total", "")
        .await?;
    gateway.stop().await?;
    assert_eq!((counted, sent), (0.0, 0.0));
    assert_eq!(collector.seen().len(), 0);
    let seen = upstream.seen();
    assert_eq!(seen[0].header("traceparent"), PARENT);
    assert!(!seen[1].headers.contains_key("traceparent"));
    Ok(())
}

#[tokio::test]
async fn metrics_alone_leave_the_callers_trace_as_it_is() -> Result<()> {
    let (collector, upstream) = (Recorder::collector().await?, Recorder::provider().await?);
    let configuration = telemetry(collector.address, "traces = false");
    let gateway = TestGateway::start(upstream.address, &configuration)?;
    ask(&gateway, &[("traceparent", PARENT)], "gpt-4o").await?;
    gateway.stop().await?;
    assert_eq!(upstream.seen()[0].header("traceparent"), PARENT);
    let paths: Vec<_> = collector.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/v1/metrics"]);
    Ok(())
}

#[tokio::test]
async fn a_collector_that_hangs_holds_no_call_up_and_the_end_for_moments_only() -> Result<()> {
    let (collector, upstream) = (Recorder::start(0, "").await?, Recorder::provider().await?);
    let gateway = TestGateway::start(upstream.address, &telemetry(collector.address, ""))?;
    for _ in 0..20 {
        assert_eq!(ask(&gateway, &[], "gpt-4o").await?.status, 200);
    }
    let end = Instant::now() + Duration::from_secs(30);
    while collector.seen().is_empty() {
        assert!(Instant::now() < end, "the collector was not asked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ask(&gateway, &[], "gpt-4o").await?.status, 200);
    // A request to a collector may take ten seconds; the gateway does not wait for it.
    let stopping = Instant::now();
    gateway.stop().await?;
    assert!(stopping.elapsed() < Duration::from_secs(8));
    Ok(())
}

#[tokio::test]
async fn what_a_collector_refuses_or_rejects_is_counted() -> Result<()> {
    let partial = r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}"#;
    for (status, answer, failed, rejected) in [(400, "", 2.0, 0.0), (200, partial, 0.0, 1.0)] {
        let (collector, upstream) = (
            Recorder::start(status, answer).await?,
            Recorder::provider().await?,
        );
        let gateway = TestGateway::start(upstream.address, &telemetry(collector.address, ""))?;
        assert_eq!(ask(&gateway, &[], "gpt-4o").await?.status, 200);
        let name = "paceline_telemetry_spans_total";
        until(&gateway, name, "", 2.0).await?;
        assert_eq!(gateway.metric(name, "failed").await?, failed);
        assert_eq!(gateway.metric(name, "rejected").await?, rejected);
        let result = if status == 200 { "ok" } else { "failed" };
        let exports = gateway
            .metric("paceline_telemetry_exports_total", result)
            .await?;
        assert_eq!(exports, 1.0);
    }
    Ok(())
}

#[tokio::test]
async fn what_a_busy_collector_refused_is_sent_again() -> Result<()> {
    let (collector, upstream) = (
        Recorder::start(503, "{}").await?,
        Recorder::provider().await?,
    );
    let gateway = TestGateway::start(upstream.address, &telemetry(collector.address, ""))?;
    assert_eq!(ask(&gateway, &[], "gpt-4o").await?.status, 200);
    let exports = "paceline_telemetry_exports_total";
    until(&gateway, exports, "result=\"failed\"", 1.0).await?;
    collector.answer(200);
    let spans = "paceline_telemetry_spans_total";
    until(&gateway, spans, "", 2.0).await?;
    assert_eq!(gateway.metric(spans, "result=\"sent\"").await?, 2.0);
    let seen = collector.seen();
    assert_eq!(
        seen.last().map(|seen| &seen.text),
        seen.first().map(|seen| &seen.text)
    );
    gateway.stop().await
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_no_call() -> Result<()> {
    // The address of a server that is gone.
    let gone = Recorder::collector().await?.address;
    let upstream = Recorder::provider().await?;
    let gateway = TestGateway::start(upstream.address, &telemetry(gone, ""))?;
    for _ in 0..20 {
        assert_eq!(ask(&gateway, &[], "gpt-4o").await?.status, 200);
    }
    gateway.assert_settled().await?;
    gateway.stop().await
}
