//! What is read from an answer or a request, as text.

use super::{Exchange, endpoint};
use bytes::Bytes;
use paceline_provider::{
    Answered, Charges, Endpoint, Expected, LimitHeaders, LimitReport, LimitScope, Profile, Refusal,
    RequestFacts, StreamOutcome, StreamScanner, Usage, go_duration,
};
use std::fmt::Write as _;
use std::time::Duration;

/// A line of `name: value`, unless there is nothing to tell.
fn line(out: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        writeln!(out, "{name}: {value}").unwrap();
    }
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

fn duration(value: Option<Duration>) -> String {
    or_dash(value.map(go_duration))
}

pub(crate) fn request(profile: &Profile, text: &str) -> String {
    let (call, body) = text.split_once("\n\n").unwrap();
    let (endpoint, path) = endpoint(call);
    let in_path = Endpoint::model_in_path(path);
    let facts =
        RequestFacts::parse_call(endpoint.kind, body.as_bytes(), in_path.as_deref(), None).unwrap();
    let mut out = String::new();
    line(
        &mut out,
        "call",
        &format!(
            "{:?} {:?} {:?}",
            endpoint.kind, endpoint.pacing, endpoint.body
        ),
    );
    line(
        &mut out,
        "facts",
        &format!(
            "model {}, stream {}, at most {}, n {}, {} characters, {} messages, {} images, {} tools, thinking {}",
            facts.model,
            facts.stream,
            or_dash(facts.max_output_tokens),
            facts.n,
            facts.text_characters(),
            facts.message_count,
            facts.image_parts,
            facts.tool_count,
            facts.thinking,
        ),
    );
    let expected = Expected {
        input_tokens: 1_000,
        output_tokens: 150,
        model_output_max: Some(8_192),
        context_max: Some(32_768),
    };
    let charges = profile.charge(&facts, &expected);
    line(&mut out, "deducted at admission", &self::charges(&charges));
    let below = Endpoint::below_version(path);
    let upstream = profile.upstream_path(endpoint.kind, below, "other model", None);
    line(&mut out, "path upstream", &upstream);
    out
}

fn charges(charges: &Charges) -> String {
    format!(
        "{} requests, {} tokens, {} input, {} output, {} images",
        charges.requests,
        charges.tokens,
        charges.input_tokens,
        charges.output_tokens,
        charges.images
    )
}

pub(crate) fn answer(profile: &Profile, exchange: &Exchange) -> String {
    let mut out = String::new();
    let limits = LimitHeaders::parse_for(profile, &exchange.headers, None);
    for report in &limits.reports {
        line(&mut out, "limit", &self::report(report));
    }
    line(
        &mut out,
        "deployment",
        limits.deployment.as_deref().unwrap_or(""),
    );
    let charged = limits.charged_tokens.map(|tokens| tokens.to_string());
    line(&mut out, "charged", &charged.unwrap_or_default());
    let from_response = Refusal::from_response_for(
        profile,
        exchange.status,
        &exchange.headers,
        &exchange.body,
        None,
    );
    match from_response {
        Some(refusal) => self::refusal(&mut out, &refusal),
        None => success(profile, exchange, &mut out),
    }
    out
}

fn success(profile: &Profile, exchange: &Exchange, out: &mut String) {
    let content_type = exchange.headers.get("content-type").unwrap();
    let kind = exchange.endpoint.kind;
    let is_stream = content_type != "application/json" || exchange.headers.contains_key("x-stream");
    let (usage, model, tier) = if is_stream {
        let outcome = scan(exchange, usize::MAX);
        for step in [1, 2, 7, 64] {
            assert_eq!(scan(exchange, step), outcome, "cut every {step} bytes");
        }
        line(out, "stream", &stream(&outcome));
        if content_type == "application/json" {
            let whole = Answered::from_body(kind, &exchange.body);
            assert_eq!((whole.usage, &whole.model), (outcome.usage, &outcome.model));
        }
        if let Some(refusal) = outcome.refusal {
            self::refusal(out, &refusal.as_told_by(profile, None));
        }
        (outcome.usage, outcome.model, outcome.service_tier)
    } else {
        let answered = Answered::from_body(kind, &exchange.body);
        (answered.usage, answered.model, answered.service_tier)
    };
    line(out, "tier", tier.as_deref().unwrap_or(""));
    if let Some(counts) = Usage::from_headers(&exchange.headers) {
        line(out, "usage in headers", &self::usage(&counts));
    }
    line(out, "model", model.as_deref().unwrap_or(""));
    if let Some(usage) = usage {
        line(out, "usage", &self::usage(&usage));
        let model = model
            .as_deref()
            .unwrap_or("us.anthropic.claude-sonnet-4-5-20250929-v1:0");
        line(
            out,
            "counted in the end",
            &charges(&profile.used(model, &usage)),
        );
    }
}

fn scan(exchange: &Exchange, step: usize) -> StreamOutcome {
    let mut forwarded = Vec::new();
    let mut out = |bytes: Bytes| forwarded.extend_from_slice(&bytes);
    let mut scanner = StreamScanner::new(exchange.endpoint.kind, false);
    for piece in exchange.body.chunks(step) {
        scanner.scan(Bytes::copy_from_slice(piece), &mut out);
    }
    let outcome = scanner.finish(&mut out);
    assert_eq!(forwarded, exchange.body);
    outcome
}

fn stream(outcome: &StreamOutcome) -> String {
    format!(
        "{:?}, {} events, {} characters, finish reason {}, past the preamble {}",
        outcome.end,
        outcome.events,
        outcome.output_characters,
        outcome.finish_reason_seen,
        outcome.past_preamble,
    )
}

fn usage(usage: &Usage) -> String {
    format!(
        "input {} (cached {}, written {}, for an hour {}, images {}), output {} (reasoning {}), total {}",
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.image_input_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.total_tokens,
    )
}

fn report(report: &LimitReport) -> String {
    let scope = match &report.scope {
        LimitScope::Default => String::new(),
        scope => format!(" of {scope:?}"),
    };
    let rounded = match report.rounded_to {
        1 => String::new(),
        step => format!(", rounded to {step}"),
    };
    format!(
        "{:?}{scope} {} left {} reset {} window {}{rounded}",
        report.metric,
        or_dash(report.limit),
        or_dash(report.remaining),
        duration(report.reset),
        duration(report.window),
    )
}

fn refusal(out: &mut String, refusal: &Refusal) {
    line(
        out,
        "refusal",
        &format!(
            "{:?}, at fault {:?}, retry {:?}",
            refusal.kind,
            refusal.fault(),
            refusal.retry()
        ),
    );
    line(
        out,
        "of",
        &format!(
            "{} per {}, limit {} used {} requested {}",
            or_dash(refusal.metric.map(|metric| format!("{metric:?}"))),
            duration(refusal.window),
            or_dash(refusal.limit),
            or_dash(refusal.used),
            or_dash(refusal.requested),
        ),
    );
    line(
        out,
        "named",
        &format!(
            "limit {} model {} type {} code {}",
            or_dash(refusal.limit_name.as_ref().or(refusal.quota_id.as_ref())),
            or_dash(refusal.model.as_ref()),
            or_dash(refusal.error_type.as_ref()),
            or_dash(refusal.code.as_ref()),
        ),
    );
    let message = refusal.message.lines().next().unwrap_or("");
    line(
        out,
        "message",
        &message.chars().take(60).collect::<String>(),
    );
}
