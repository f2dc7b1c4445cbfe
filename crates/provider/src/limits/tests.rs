//! Golden tables for every form of limit header.

use super::{LimitHeaders, LimitReport, LimitScope, retry_after, should_retry};
use crate::LimitMetric::{self, *};
use crate::profile::Profile;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use std::time::{Duration, SystemTime};

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

fn parse(lines: &[(&str, &str)]) -> Vec<LimitReport> {
    LimitHeaders::parse(&headers(lines)).reports
}

fn ms(milliseconds: u64) -> Option<Duration> {
    Some(Duration::from_millis(milliseconds))
}

fn report(metric: LimitMetric, limit: u64, remaining: i64, reset_ms: u64) -> LimitReport {
    LimitReport {
        metric,
        scope: LimitScope::Default,
        limit: Some(limit),
        remaining: Some(remaining),
        reset: ms(reset_ms),
        window: None,
        rounded_to: 1,
    }
}

fn named(report: LimitReport, name: &str, window_ms: u64) -> LimitReport {
    LimitReport {
        scope: LimitScope::Named(name.to_owned()),
        window: ms(window_ms),
        ..report
    }
}

#[test]
fn the_pairs_of_openai_are_read() {
    let got = LimitHeaders::parse(&headers(&[
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "1500000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "43244"),
        ("x-ratelimit-reset-requests", "8.64s"),
        ("x-ratelimit-reset-tokens", "23h18m29.144s"),
        ("openai-organization", "acme"),
        ("openai-project", "proj_1"),
        ("openai-version", "2020-10-01"),
    ]));
    assert_eq!(
        got.reports,
        [
            report(Requests, 10_000, 9_999, 8_640),
            report(Tokens, 1_500_000, 43_244, 83_909_144)
        ]
    );
    assert_eq!(
        (got.organization.as_deref(), got.project.as_deref()),
        (Some("acme"), Some("proj_1"))
    );
    assert_eq!(got.account(Tokens), Some(&got.reports[1]));
    assert_eq!(got.account(Images), None);
}

#[test]
fn projects_and_usage_based_pools_are_told_apart() {
    let got = parse(&[
        ("x-ratelimit-limit-project-tokens", "60000"),
        ("x-ratelimit-remaining-project-tokens", "57000"),
        ("x-ratelimit-reset-project-tokens", "3s"),
        ("x-ratelimit-limit-tokens", "1500000"),
        ("x-ratelimit-limit-tokens_usage_based", "1500000"),
        ("x-ratelimit-remaining-tokens_usage_based", "1212010"),
        ("x-ratelimit-reset-tokens_usage_based", "16m33.562s"),
    ]);
    let of = |scope| move |report: &&LimitReport| report.scope == scope;
    assert_eq!(got.len(), 3);
    let project = got.iter().find(of(LimitScope::Project)).unwrap();
    assert_eq!(
        (project.limit, project.remaining, project.reset),
        (Some(60_000), Some(57_000), ms(3_000))
    );
    let usage = got.iter().find(of(LimitScope::UsageBased)).unwrap();
    assert_eq!(
        (usage.metric, usage.remaining, usage.reset),
        (Tokens, Some(1_212_010), ms(993_562))
    );
    assert_eq!(
        got[0],
        LimitReport {
            remaining: None,
            reset: None,
            ..report(Tokens, 1_500_000, 0, 0)
        }
    );
}

#[test]
fn azure_sends_integers_a_period_and_negatives() {
    let got = parse(&[
        ("x-ratelimit-limit-tokens", "20000"),
        ("x-ratelimit-remaining-tokens", "-27689"),
        ("x-ratelimit-reset-tokens", "37"),
        ("x-ratelimit-renewalperiod-tokens", "60"),
        ("x-ratelimit-limit-requests", "-1"),
        ("x-ratelimit-remaining-requests", "-1"),
        ("x-ratelimit-reset-requests", "0"),
        ("x-ratelimit-key", "my-deployment"),
        ("x-ratelimit-type", "Tokens"),
        ("x-ratelimit-abusepenalty-active", "False"),
    ]);
    assert_eq!(
        got,
        [LimitReport {
            window: ms(60_000),
            ..report(Tokens, 20_000, -27_689, 37_000)
        }]
    );
}

#[test]
fn windows_in_the_name_are_read() {
    let got = parse(&[
        ("x-ratelimit-limit-req-minute", "60"),
        ("x-ratelimit-remaining-req-minute", "58"),
        ("x-ratelimit-limit-tokens-minute", "500000"),
        ("x-ratelimit-remaining-tokens-minute", "499000"),
        ("x-ratelimit-tokens-query-cost", "1000"),
        ("x-ratelimit-limit-tokens-day", "1,000,000"),
        ("x-ratelimit-remaining-tokens-day", "999,000"),
        ("x-ratelimit-reset-tokens-day", "3600.5"),
    ]);
    let minute = |report: LimitReport| LimitReport {
        reset: None,
        window: ms(60_000),
        ..report
    };
    let day = LimitReport {
        window: ms(86_400_000),
        ..report(Tokens, 1_000_000, 999_000, 3_600_500)
    };
    assert_eq!(
        got,
        [
            minute(report(Requests, 60, 58, 0)),
            minute(report(Tokens, 500_000, 499_000, 0)),
            day
        ]
    );
}

#[test]
fn other_metrics_keep_their_names() {
    let got = parse(&[
        ("x-ratelimit-limit-images", "5"),
        ("x-ratelimit-limit-input-tokens", "7"),
        ("x-ratelimit-limit-output-tokens", "8"),
        ("x-ratelimit-limit-audio-minutes", "9"),
    ]);
    let seen: Vec<_> = got
        .iter()
        .map(|report| (report.metric, report.limit.unwrap()))
        .collect();
    assert_eq!(
        seen,
        [(InputTokens, 7), (OutputTokens, 8), (Images, 5), (Other, 9)]
    );
    assert_eq!(got[3].scope, LimitScope::Named("audio-minutes".to_owned()));
}

#[test]
fn what_cannot_be_read_is_left_out() {
    assert_eq!(
        parse(&[
            ("x-ratelimit-limit-tokens", "many"),
            ("x-ratelimit-reset-tokens", "soon")
        ]),
        []
    );
    let got = parse(&[
        ("x-ratelimit-limit-requests", "1,00"),
        ("x-ratelimit-remaining-requests", "99.9"),
        ("x-ratelimit-reset-requests", "1741305600000"),
    ]);
    let expected = LimitReport {
        limit: None,
        reset: None,
        ..report(Requests, 0, 99, 0)
    };
    assert_eq!(got, [expected]);
    for value in [
        "",
        "1,",
        ",1",
        "1.",
        "1e3",
        "--1",
        "0x1",
        "9223372036854775808",
        "1 000",
        "\u{ff11}",
    ] {
        assert_eq!(
            parse(&[("x-ratelimit-limit-tokens", value)]),
            [],
            "{value:?}"
        );
    }
    assert_eq!(parse(&[("x-ratelimit-limit-tokens", "-5")]), []);
    let names: Vec<_> = (0..40)
        .map(|i| format!("x-ratelimit-limit-kind{i}"))
        .collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(parse(&many).len(), 16);
}

#[test]
fn ietf_policies_and_states_are_joined_by_name() {
    let got = parse(&[
        (
            "ratelimit-policy",
            r#""burst";q=100;w=60, "daily";q=1000;w=86400"#,
        ),
        ("ratelimit", r#""burst";r=50;t=30"#),
        ("ratelimit", r#""daily";r=999;t=1200;pk=:cGFydA==:"#),
    ]);
    assert_eq!(
        got,
        [
            named(report(Requests, 100, 50, 30_000), "burst", 60_000),
            named(report(Requests, 1_000, 999, 1_200_000), "daily", 86_400_000),
        ]
    );
    let got = parse(&[
        ("ratelimit-policy", r#"tpm;q=30000;qu="tokens";w=60;f;b=?1"#),
        ("ratelimit", "tpm;r=0;t=12"),
    ]);
    assert_eq!(
        got,
        [named(report(Tokens, 30_000, 0, 12_000), "tpm", 60_000)]
    );
    let got = parse(&[(
        "ratelimit-policy",
        r#""peak";q=10;qu="concurrent-requests""#,
    )]);
    assert_eq!((got[0].metric, got[0].limit), (Other, Some(10)));
}

#[test]
fn earlier_drafts_are_read() {
    let minute = LimitReport {
        window: ms(60_000),
        ..report(Requests, 100, 50, 5_000)
    };
    let got = parse(&[
        ("ratelimit", "limit=100, remaining=50, reset=5"),
        (
            "ratelimit-policy",
            r#"100;w=60;comment="fixed", 1000;w=86400"#,
        ),
    ]);
    assert_eq!(got, [minute]);
    let got = parse(&[
        ("ratelimit-limit", "100"),
        ("ratelimit-remaining", "50"),
        ("ratelimit-reset", "5"),
    ]);
    assert_eq!(got, [report(Requests, 100, 50, 5_000)]);
}

#[test]
fn a_malformed_ietf_field_is_ignored_as_a_whole() {
    for value in [
        r#""a";r=1;t=2,"#,
        r#""a";r=1,,"b";r=2"#,
        r#""a;r=1"#,
        r#""a";r="#,
        r#""a";=1"#,
        r#""a" r=1"#,
        "(a b);r=1",
        ",",
        "\u{e9};r=1",
    ] {
        assert_eq!(parse(&[("ratelimit", value)]), [], "{value:?}");
    }
    assert_eq!(parse(&[("ratelimit", r#""a";r=-1"#)]), []);
    assert_eq!(parse(&[("ratelimit", r#""a\"b";r=1"#)]).len(), 1);
}

#[test]
fn the_wait_is_read_in_the_order_of_the_sdks() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_589_600); // 2026-09-28 10:00:00 GMT
    let wait = |lines: &[(&str, &str)]| retry_after(&headers(lines), now);
    assert_eq!(
        wait(&[("retry-after-ms", "570"), ("retry-after", "1")]),
        ms(570)
    );
    assert_eq!(
        wait(&[("retry-after-ms", "12.5")]),
        Some(Duration::from_micros(12_500))
    );
    assert_eq!(
        wait(&[("retry-after-ms", "x"), ("retry-after", "56")]),
        ms(56_000)
    );
    assert_eq!(
        wait(&[("retry-after-ms", "-5"), ("retry-after", "2.25")]),
        ms(2_250)
    );
    assert_eq!(wait(&[("retry-after", " 0 ")]), ms(0));
    assert_eq!(
        wait(&[("retry-after", "Mon, 28 Sep 2026 10:05:00 GMT")]),
        ms(300_000)
    );
    assert_eq!(
        wait(&[("retry-after", "Mon, 28 Sep 2026 09:05:00 GMT")]),
        ms(0)
    );
    assert_eq!(wait(&[("retry-after", "6m0s")]), ms(360_000));
    for value in [
        "",
        "-1",
        "soon",
        "1e99",
        "99999999999999999999",
        "Mon, 99 Sep 2026 10:05:00 GMT",
    ] {
        assert_eq!(wait(&[("retry-after", value)]), None, "{value:?}");
    }
    assert_eq!(wait(&[]), None);
}

#[test]
fn the_advice_to_retry_is_read() {
    for (value, advice) in [("true", Some(true)), ("false", Some(false)), ("1", None)] {
        assert_eq!(should_retry(&headers(&[("x-should-retry", value)])), advice);
    }
    assert_eq!(should_retry(&HeaderMap::new()), None);
}

proptest! {
    #[test]
    fn any_header_is_read_without_panic(
        lines in proptest::collection::vec(
            ("(x-)?ratelimit(-policy|-limit|-remaining|-reset)?(-[a-z_]{0,8}){0,3}|retry-after(-ms)?",
             "[\"a-z0-9;=,:?@*\\\\. -]{0,24}|\\PC{0,12}"),
            0..6,
        )
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in &lines {
            let name = HeaderName::from_bytes(name.trim_end_matches('-').as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
                map.append(name, value);
            }
        }
        let parsed = LimitHeaders::parse(&map);
        prop_assert!(parsed.reports.len() <= 16);
        let _ = retry_after(&map, SystemTime::UNIX_EPOCH);
    }
}

#[test]
fn resets_that_name_a_moment_are_durations_by_the_providers_clock() {
    let lines = [
        ("date", "Mon, 28 Sep 2026 10:00:00 GMT"),
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "49"),
        ("anthropic-ratelimit-requests-reset", "2026-09-28T10:00:02Z"),
        ("anthropic-ratelimit-input-tokens-limit", "30000"),
        ("anthropic-ratelimit-input-tokens-remaining", "29000"),
        (
            "anthropic-ratelimit-input-tokens-reset",
            "2026-09-28T09:59:59Z",
        ),
        ("x-ratelimit-limit-tokens", "1000"),
        ("x-ratelimit-reset-tokens", "1790589601500"),
    ];
    let resets = |now| -> Vec<_> {
        let told = LimitHeaders::parse_at(&headers(&lines), now);
        let reports = told.reports.iter();
        reports
            .map(|report| (report.metric, report.reset))
            .collect()
    };
    let expected = |requests, tokens| {
        vec![
            (LimitMetric::Requests, ms(requests)),
            (LimitMetric::Tokens, ms(tokens)),
            (LimitMetric::InputTokens, ms(0)),
        ]
    };
    assert_eq!(resets(None), expected(2_000, 1_500));
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_589_600_400);
    assert_eq!(resets(Some(now)), expected(1_600, 1_100));
    // Without any clock of the provider's it is not known how far away a moment is.
    let undated = LimitHeaders::parse(&headers(&lines[1..]));
    assert!(undated.reports.iter().all(|report| report.reset.is_none()));
    assert_eq!(undated.reports.len(), 3);
}

#[test]
fn the_same_name_is_another_window_with_another_provider() {
    let pair = headers(&[
        ("x-ratelimit-limit-requests", "1000"),
        ("x-ratelimit-remaining-requests", "998"),
        ("x-ratelimit-reset-requests", "2m52.8s"),
        ("x-ratelimit-limit-tokens", "8000"),
        ("x-ratelimit-remaining-tokens", "7927"),
        ("x-ratelimit-reset-tokens", "547ms"),
    ]);
    let windows = |profile: &str| {
        let profile = Profile::named(profile).unwrap();
        let parsed = LimitHeaders::parse_for(profile, &pair, None);
        let window = |metric| parsed.account(metric).unwrap().window;
        (window(Requests), window(Tokens))
    };
    assert_eq!(windows("groq"), (ms(86_400_000), ms(60_000)));
    assert_eq!(windows("azure"), (ms(10_000), ms(60_000)));
    assert_eq!(windows("openai"), (None, None));
    let azure = headers(&[
        ("x-ratelimit-limit-requests", "120"),
        ("x-ratelimit-renewalperiod-requests", "60"),
    ]);
    let azure = LimitHeaders::parse_for(Profile::named("azure").unwrap(), &azure, None);
    assert_eq!(azure.account(Requests).unwrap().window, ms(60_000));
}

#[test]
fn families_of_names_are_kept_apart() {
    let got = parse(&[
        ("x-ratelimit-limit", "60"),
        ("x-ratelimit-remaining", "59"),
        ("x-ratelimit-reset", "1"),
        ("x-tokenlimit-limit", "60000"),
        ("x-tokenlimit-remaining", "59000"),
    ]);
    assert_eq!((got[0].metric, got[0].limit), (Requests, Some(60)));
    assert_eq!((got[1].metric, got[1].remaining), (Tokens, Some(59_000)));
    let got = parse(&[("x-trial-endpoint-call-remaining", "17")]);
    assert_eq!((got[0].metric, got[0].remaining), (Requests, Some(17)));
    let got = parse(&[
        ("anthropic-ratelimit-input-tokens-limit", "2000000"),
        ("anthropic-ratelimit-requests-limit", "1000"),
        ("anthropic-priority-input-tokens-limit", "10000"),
    ]);
    let seen: Vec<_> = got
        .iter()
        .map(|report| (report.metric, report.scope.clone(), report.rounded_to))
        .collect();
    assert_eq!(
        seen,
        [
            (Requests, LimitScope::Default, 1),
            (InputTokens, LimitScope::Default, 1_000),
            (InputTokens, LimitScope::Priority, 1_000),
        ]
    );
}

#[test]
fn what_a_request_was_charged_and_whose_limits_they_are_is_read() {
    let parsed = LimitHeaders::parse(&headers(&[
        ("x-ratelimit-tokens-query-cost", "1,207"),
        ("x-ratelimit-key", "my-deployment"),
    ]));
    assert_eq!(parsed.charged_tokens, Some(1_207));
    assert_eq!(parsed.deployment.as_deref(), Some("my-deployment"));
    assert_eq!(parsed.reports, []);
}
