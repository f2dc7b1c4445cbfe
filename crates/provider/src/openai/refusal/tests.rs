//! Golden tables of refusals: every template, and the arithmetic behind the printed waits.

use super::{Refusal, RefusalKind::*, RetryAdvice};
use crate::LimitMetric::{self, Requests, Tokens};
use crate::go_duration;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    lines.iter().map(pair).collect()
}

fn refusal(status: u16, body: &str) -> Refusal {
    Refusal::from_response(status, &HeaderMap::new(), body.as_bytes()).unwrap()
}

fn openai(status: u16, kind: &str, code: &str, message: &str) -> Refusal {
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    refusal(status, &body.to_string())
}

fn ms(milliseconds: u64) -> Option<Duration> {
    Some(Duration::from_millis(milliseconds))
}

/// Messages of which the numbers and the wait were recorded: what is counted, the window in
/// seconds, limit, used, requested, the wait as printed.
const RECORDED: &[(&str, u64, u64, u64, u64, &str)] = &[
    (
        "tokens per min (TPM)",
        MINUTE,
        10_000,
        9_044,
        1_644,
        "4.128s",
    ),
    (
        "tokens per min (TPM)",
        MINUTE,
        10_000,
        8_339,
        7_835,
        "37.044s",
    ),
    (
        "tokens per min (TPM)",
        MINUTE,
        10_000,
        3_172,
        9_505,
        "16.062s",
    ),
    (
        "tokens per min (TPM)",
        MINUTE,
        10_000,
        8_710,
        1_385,
        "570ms",
    ),
    ("tokens per min (TPM)", MINUTE, 10_000, 9_689, 333, "132ms"),
    (
        "tokens per min (TPM)",
        MINUTE,
        10_000,
        8_641,
        1_833,
        "2.844s",
    ),
    (
        "tokens per min (TPM)",
        MINUTE,
        10_000,
        9_348,
        1_472,
        "4.92s",
    ),
    (
        "tokens per min (TPM)",
        MINUTE,
        200_000,
        198_168,
        5_110,
        "983ms",
    ),
    (
        "tokens per min (TPM)",
        MINUTE,
        200_000,
        167_239,
        189_937,
        "47.152s",
    ),
    (
        "tokens per min (TPM)",
        MINUTE,
        200_000,
        161_755,
        45_096,
        "2.055s",
    ),
    (
        "tokens per min (TPM)",
        MINUTE,
        200_000,
        200_000,
        119_506,
        "35.851s",
    ),
    (
        "tokens per min (TPM)",
        MINUTE,
        30_000,
        24_102,
        7_758,
        "3.72s",
    ),
    (
        "tokens per min (TPM)",
        MINUTE,
        30_000,
        22_999,
        12_528,
        "11.054s",
    ),
    (
        "tokens per min (TPM)",
        MINUTE,
        30_000,
        26_713,
        7_669,
        "8.764s",
    ),
    ("requests per min (RPM)", MINUTE, 3, 3, 1, "20s"),
    ("requests per day (RPD)", DAY, 200, 200, 1, "7m12s"),
    ("requests per day (RPD)", DAY, 2_000, 2_000, 1, "43.2s"),
    ("requests per day (RPD)", DAY, 50, 50, 1, "28m48s"),
    (
        "tokens per day (TPD)",
        DAY,
        100_000,
        99_996,
        484,
        "6m54.72s",
    ),
    (
        "tokens per day (TPD)",
        DAY,
        200_000,
        197_494,
        4_035,
        "11m0.528s",
    ),
];

fn metric_of(words: &str) -> LimitMetric {
    if words.starts_with("tokens") {
        Tokens
    } else {
        Requests
    }
}

/// `(used + requested - limit) * window / limit`, cut off to milliseconds.
fn computed_wait(window: u64, limit: u64, used: u64, requested: u64) -> Duration {
    Duration::from_millis((used + requested - limit) * window * 1_000 / limit)
}

#[test]
fn every_recorded_message_tells_its_numbers_and_its_wait() {
    assert_eq!(RECORDED.len(), 20);
    for &(words, window, limit, used, requested, printed) in RECORDED {
        let message = format!(
            "Rate limit reached for gpt-4o in organization org-a1B2 on {words}: Limit {limit}, Used {used}, \
             Requested {requested}. Please try again in {printed}. Visit \
             https://platform.openai.com/account/rate-limits to learn more."
        );
        let got = openai(429, "tokens", "rate_limit_exceeded", &message);
        let wait = computed_wait(window, limit, used, requested);
        assert_eq!(got.kind, RateLimited, "{message}");
        assert_eq!(
            (got.metric, got.window),
            (Some(metric_of(words)), Some(Duration::from_secs(window)))
        );
        assert_eq!(
            (got.limit, got.used, got.requested),
            (Some(limit), Some(used), Some(requested))
        );
        assert_eq!(
            (got.retry_after, go_duration(wait).as_str()),
            (Some(wait), printed)
        );
        assert_eq!(
            (got.model.as_deref(), got.limit_name),
            (Some("gpt-4o"), None)
        );
        assert_eq!(
            (got.message, got.code.as_deref()),
            (message, Some("rate_limit_exceeded"))
        );
    }
}

#[test]
fn a_printed_wait_is_taken_as_printed_though_the_numbers_disagree() {
    for (limit, used, requested, printed, wait) in [
        (200_000, 199_008, 2_606, "424ms", 424),
        (30_000, 29_123, 1_800, "1.898s", 1_898),
        (200_000, 188_404, 19_721, "2.5s", 2_500),
        (10_000, 10_000, 1, "7m12s", 432_000),
    ] {
        let message = format!(
            "Rate limit reached for gpt-4o on tokens per min (TPM): Limit {limit}, Used {used}, \
             Requested {requested}. Please try again in {printed}."
        );
        assert_eq!(
            openai(429, "tokens", "rate_limit_exceeded", &message).retry_after,
            ms(wait)
        );
    }
}

/// A field of a golden file, with a dash for what is not there.
fn field<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// What a refusal says, as the golden file writes it.
fn said(refusal: &Refusal) -> String {
    [
        format!("{:?}", refusal.kind),
        field(refusal.metric.map(|metric| format!("{metric:?}"))),
        field(refusal.window.map(|window| window.as_secs())),
        field(refusal.limit),
        field(refusal.used),
        field(refusal.requested),
        field(refusal.retry_after.map(|wait| wait.as_millis())),
        field(refusal.limit_name.as_deref()),
        field(refusal.model.as_deref()),
    ]
    .join(" ")
}

fn golden_lines(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

#[test]
fn every_template_of_a_reached_limit_is_read() {
    let lines = golden_lines(include_str!("../../../tests/goldens/limits.txt"));
    assert_eq!(lines.len(), 14 * 3);
    for case in lines.chunks(3) {
        let (kind, code) = case[0].split_once('|').unwrap();
        let got = openai(429, kind.trim(), code.trim(), case[1]);
        assert_eq!(said(&got), case[2], "{}", case[1]);
    }
}

#[test]
fn every_row_of_the_error_table_has_its_kind_and_advice() {
    let lines = golden_lines(include_str!("../../../tests/goldens/errors.txt"));
    assert_eq!(lines.len(), 54);
    for line in lines {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [status, kind, code, expected_kind, advice, message] = fields[..] else {
            panic!("{line}");
        };
        let status = status.parse().unwrap();
        let got = openai(status, kind, code, message);
        assert_eq!(
            (got.status, format!("{:?}", got.kind)),
            (Some(status), expected_kind.to_owned()),
            "{line}"
        );
        assert_eq!(format!("{:?}", got.retry()), advice, "{line}");
    }
    assert_eq!(
        Refusal::from_response(399, &HeaderMap::new(), b"{\"error\":{}}"),
        None
    );
}

#[test]
fn a_request_above_the_limit_is_too_large_whatever_the_wording() {
    let message = "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 0, Requested 30001.";
    assert_eq!(
        openai(429, "tokens", "rate_limit_exceeded", message).kind,
        RequestTooLarge
    );
    let message = message.replace("30001", "30000");
    assert_eq!(
        openai(429, "tokens", "rate_limit_exceeded", &message).kind,
        RateLimited
    );
}

#[test]
fn errors_inside_a_stream_are_read_without_a_status() {
    let limit = "Rate limit reached for gpt-5.1 in organization org-x on tokens per min (TPM): Limit 30000, Used 24102, \
                 Requested 7758. Please try again in 3.72s.";
    let error = |value: serde_json::Value| Refusal::from_error_object(value.to_string().as_bytes());
    let got = error(json!({"code": "rate_limit_exceeded", "message": limit}));
    assert_eq!(
        said(&got),
        "RateLimited Tokens 60 30000 24102 7758 3720 - gpt-5.1"
    );
    assert_eq!(
        (got.status, got.retry()),
        (None, RetryAdvice::After(ms(3_720)))
    );
    for (value, kind) in [
        (
            json!({"error": {"message": limit, "type": "tokens"}}),
            RateLimited,
        ),
        (
            json!({"type": "error", "code": "rate_limit_exceeded", "message": "Your requests to m for d in r have exceeded rate limit.", "param": null, "sequence_number": 1}),
            RateLimited,
        ),
        (
            json!({"code": "server_is_overloaded", "message": "Selected model is at capacity. Please try a different model."}),
            Overloaded,
        ),
        (json!({"code": "slow_down", "message": ""}), SlowDown),
        (
            json!({"code": "insufficient_quota", "message": ""}),
            QuotaExhausted,
        ),
        (
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            Overloaded,
        ),
        (
            json!({"code": "server_error", "message": "An error occurred."}),
            ServerError,
        ),
        (
            json!({"code": "invalid_prompt", "message": "Invalid"}),
            InvalidRequest,
        ),
        (
            json!({"type": "invalid_request_error", "code": "model_not_found", "message": "No"}),
            NotFound,
        ),
        (
            json!({"type": "invalid_request_error", "code": "invalid_api_key", "message": "No"}),
            Authentication,
        ),
        (json!("something broke"), Other),
    ] {
        let got = error(value);
        assert_eq!(got.kind, kind, "{got:?}");
        assert_ne!(got.error_type.as_deref(), Some("error"));
    }
}

#[test]
fn any_envelope_is_opened() {
    let of = |body: &str| {
        let got = refusal(429, body);
        (got.message, got.error_type, got.code)
    };
    let some = |text: &str| Some(text.to_owned());
    for (body, message, kind, code) in [
        (
            r#"[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}]"#,
            "quota",
            None,
            some("429"),
        ),
        (r#"{"error":"plain words"}"#, "plain words", None, None),
        (
            r#"{"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300"}"#,
            "Rate limit exceeded",
            some("rate_limited"),
            some("1300"),
        ),
        (
            r#"{"status":429,"title":"Too Many Requests"}"#,
            "Too Many Requests",
            None,
            None,
        ),
        (r#"{"detail":"slow"}"#, "slow", None, None),
        (
            r#"{"error":{"message":"a \"quoted\" é","code":null}}"#,
            "a \"quoted\" é",
            None,
            None,
        ),
        (
            "<html>\n<head><TITLE>502 Bad  Gateway</title></head></html>",
            "502 Bad Gateway",
            None,
            None,
        ),
        (
            "upstream \n connect   error",
            "upstream connect error",
            None,
            None,
        ),
        ("", "", None, None),
        ("{}", "{}", None, None),
        ("null", "null", None, None),
        (
            r#"{"error":{"code":"slow_down"}}"#,
            "",
            None,
            some("slow_down"),
        ),
    ] {
        assert_eq!(of(body), (message.to_owned(), kind, code), "{body}");
    }
}

#[test]
fn a_body_that_is_cut_off_still_tells_its_numbers() {
    let whole = json!({"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Rate limit reached for gpt-4o \
        on tokens per min (TPM): Limit 10000, Used 9689, Requested 333. Please try again in 132ms. Visit https://x"}})
        .to_string();
    // From the end of the wait on, nothing is missing.
    let end_of_wait = whole.find("132ms.").unwrap() + "132ms.".len();
    for end in end_of_wait..=whole.len() {
        let got = refusal(429, &whole[..end]);
        assert_eq!(
            (got.kind, got.limit, got.used, got.requested),
            (RateLimited, Some(10_000), Some(9_689), Some(333))
        );
        assert_eq!(
            (got.retry_after, got.metric),
            (ms(132), Some(Tokens)),
            "{end}"
        );
    }
    for end in 0..whole.len() {
        assert_eq!(refusal(429, &whole[..end]).kind, RateLimited);
    }
}

#[test]
fn what_is_kept_of_a_body_is_bounded() {
    let long = "é".repeat(100_000);
    let got = openai(500, &long, &long, &long);
    assert!(got.message.len() <= 1_024 && got.message.len() > 1_000);
    assert!(got.code.unwrap().len() <= 128 && got.error_type.unwrap().len() <= 128);
    assert!(refusal(500, &long).message.len() <= 1_024);
}

#[test]
fn headers_and_message_agree_on_a_wait() {
    let body = r#"{"error":{"message":"Please try again in 570ms."}}"#;
    let wait = |body: &str, lines: &[(&str, &str)]| {
        Refusal::from_response(429, &headers(lines), body.as_bytes())
            .unwrap()
            .retry_after
    };
    assert_eq!(wait(body, &[]), ms(570));
    assert_eq!(
        wait(body, &[("retry-after", "1")]),
        ms(570),
        "the rounded header does not waste time"
    );
    assert_eq!(wait(body, &[("retry-after", "0")]), ms(570));
    assert_eq!(
        wait(body, &[("retry-after", "56")]),
        ms(56_000),
        "the provider asks for more"
    );
    assert_eq!(
        wait(body, &[("retry-after-ms", "570"), ("retry-after", "56")]),
        ms(570)
    );
    assert_eq!(wait("{}", &[("retry-after", "56")]), ms(56_000));
    let date = "Mon, 28 Sep 2026 10:05:00 GMT";
    assert_eq!(
        wait(
            "{}",
            &[
                ("retry-after", date),
                ("date", "Mon, 28 Sep 2026 10:04:30 GMT")
            ]
        ),
        ms(30_000)
    );
    assert_eq!(wait("{}", &[("retry-after", date)]), None);
}

#[test]
fn the_providers_own_advice_is_heard() {
    let advice = |status: u16, body: &str, advice: &str| {
        let headers = headers(&[("x-should-retry", advice)]);
        Refusal::from_response(status, &headers, body.as_bytes())
            .unwrap()
            .retry()
    };
    assert_eq!(advice(500, "{}", "false"), RetryAdvice::Never);
    assert_eq!(advice(429, "{}", "false"), RetryAdvice::After(None));
    assert_eq!(advice(600, "{}", "true"), RetryAdvice::Backoff);
    assert_eq!(advice(600, "{}", "maybe"), RetryAdvice::Never);
}

proptest! {
    #[test]
    fn a_message_gives_back_what_was_put_in(
        limit in 1_u64..100_000_000,
        used_share in 0.0_f64..=1.0,
        requested_share in 0.0_f64..=1.0,
        day in any::<bool>(),
    ) {
        let share = |share: f64| (limit as f64 * share) as u64;
        let (used, requested) = (share(used_share), share(requested_share).max(1));
        prop_assume!(used + requested > limit);
        let (window, words) = if day { (DAY, "tokens per day (TPD)") } else { (MINUTE, "tokens per min (TPM)") };
        let wait = computed_wait(window, limit, used, requested);
        let message = format!(
            "Rate limit reached for m in organization o on {words}: Limit {limit}, Used {used}, Requested {requested}. \
             Please try again in {}. Visit https://e.com", go_duration(wait)
        );
        let got = openai(429, "tokens", "rate_limit_exceeded", &message);
        prop_assert_eq!((got.limit, got.used, got.requested), (Some(limit), Some(used), Some(requested)));
        prop_assert_eq!((got.retry_after, got.kind), (Some(wait), RateLimited));
    }

    #[test]
    fn any_body_is_read(status in 400_u16..1_000, body in "\\PC{0,80}|[{}\\[\\]\",:a-z0-9 .]{0,80}") {
        let got = refusal(status, &body);
        let _ = got.retry();
        prop_assert!(got.message.len() <= 1_024);
    }
}
