//! Limits: periods, headroom, profiles, windows, guards.

use std::time::Duration;

use paceline_config::{DomainRule, Metric, WindowKind};

use crate::loading::{notices, settings};

/// The pool that the keys give, in `[limits]` and in `[[domains]]` alike.
fn pool(keys: &str) -> DomainRule {
    let default = settings(&format!("[limits]\n{keys}\n"), &[]).default_domain;
    let text = format!("[[domains]]\nname = \"d\"\nmodels = [\"*\"]\n{keys}\n");
    let named = settings(&text, &[]).domains.remove(0);
    assert_eq!(default.limits, named.limits, "{keys}");
    assert_eq!(
        (default.guard, default.learn),
        (named.guard, named.learn),
        "{keys}"
    );
    default
}

fn amounts(keys: &str) -> Vec<(Metric, u64, u64)> {
    let limits = pool(keys).limits;
    limits
        .iter()
        .map(|limit| (limit.metric, limit.amount, limit.window.as_secs()))
        .collect()
}

#[test]
fn every_metric_has_every_period() {
    let seconds = [
        ("second", 1),
        ("minute", 60),
        ("hour", 3_600),
        ("day", 86_400),
    ];
    let mut all = String::new();
    for metric in Metric::ALL {
        for (period, window) in seconds {
            let line = format!("{}_per_{period} = {}\n", metric.name(), window + 6);
            assert_eq!(amounts(&line), [(metric, window + 6, window)], "{line}");
            all.push_str(&line);
        }
    }
    assert_eq!(amounts(&all).len(), 20);
}

#[test]
fn other_periods_are_custom_limits() {
    let custom = "custom = [{ metric = \"tokens\", amount = 5, period = \"30s\" }, \
                  { metric = \"images\", amount = 2, period = \"500ms\" }]";
    let limits = pool(custom).limits;
    assert_eq!((limits[0].metric, limits[0].amount), (Metric::Tokens, 5));
    assert_eq!(limits[0].window, Duration::from_secs(30));
    assert_eq!(
        (limits[1].metric, limits[1].window),
        (Metric::Images, Duration::from_millis(500))
    );
}

#[test]
fn headroom_is_taken_off_once_rounded_down_and_leaves_at_least_one() {
    for (written, headroom, amount) in [
        (10_000_u64, "0.1", 9_000),
        (1_000, "0", 1_000),
        (1_000, "0.0", 1_000),
        (999, "0.1", 899),
        (3, "0.99", 1),
        (1, "0.5", 1),
        (7, "0.3", 4),
        (1_000_000_000_000_000, "0.000001", 999_999_000_000_000),
    ] {
        let keys = format!("tokens_per_minute = {written}\nheadroom = {headroom}");
        assert_eq!(amounts(&keys), [(Metric::Tokens, amount, 60)], "{keys}");
    }
}

#[test]
fn a_profile_sets_what_is_not_set_explicitly() {
    for (keys, amount, guard_ms) in [
        ("", 1_000, 200),
        ("profile = \"aggressive\"", 1_000, 100),
        ("profile = \"moderate\"", 950, 200),
        ("profile = \"conservative\"", 800, 500),
        ("profile = \"conservative\"\nheadroom = 0.0", 1_000, 500),
        ("profile = \"conservative\"\nguard = \"10ms\"", 800, 10),
    ] {
        let pool = pool(&format!("requests_per_minute = 1000\n{keys}"));
        assert_eq!(pool.limits[0].amount, amount, "{keys}");
        assert_eq!(pool.guard, Duration::from_millis(guard_ms), "{keys}");
    }
}

#[test]
fn a_guard_that_is_not_written_gives_way_to_short_windows() {
    for (keys, guard_ms) in [
        ("requests_per_second = 5", 200),
        ("requests_per_second = 5\nprofile = \"conservative\"", 500),
        (
            "custom = [{ metric = \"tokens\", amount = 5, period = \"100ms\" }]",
            50,
        ),
        ("requests_per_second = 5\nguard = \"999ms\"", 999),
    ] {
        assert_eq!(pool(keys).guard, Duration::from_millis(guard_ms), "{keys}");
    }
}

#[test]
fn limits_are_learned_where_none_is_given_or_where_it_is_asked_for() {
    for (keys, learn) in [
        ("", true),
        ("concurrency = 3", true),
        ("learn = false", false),
        ("tokens_per_day = 5", false),
        ("tokens_per_day = 5\nlearn = true", true),
    ] {
        assert_eq!(pool(keys).learn, learn, "{keys}");
    }
}

#[test]
fn each_window_has_its_kind() {
    let bucket = |burst| WindowKind::Bucket { burst };
    let quantised = |ms| WindowKind::Quantised {
        quantum: Duration::from_millis(ms),
    };
    for (keys, tokens, requests) in [
        ("", WindowKind::Unknown, WindowKind::Unknown),
        (
            "window = \"unknown\"",
            WindowKind::Unknown,
            WindowKind::Unknown,
        ),
        (
            "window = \"sliding\"",
            WindowKind::Sliding,
            WindowKind::Sliding,
        ),
        ("window = \"bucket\"", bucket(None), bucket(None)),
        (
            "window = \"bucket\"\nburst = 70",
            bucket(Some(70)),
            bucket(None),
        ),
        (
            "window = \"bucket\"\nburst = 100\nheadroom = 0.1",
            bucket(Some(90)),
            bucket(None),
        ),
        ("window = \"quantised\"", quantised(1_000), quantised(1_000)),
        (
            "window = \"quantised\"\nquantum = \"250ms\"",
            quantised(250),
            quantised(250),
        ),
        (
            "window = \"fixed\"",
            WindowKind::Fixed { aligned: true },
            WindowKind::Fixed { aligned: true },
        ),
        (
            "window = \"fixed_from_first_use\"",
            WindowKind::Fixed { aligned: false },
            WindowKind::Fixed { aligned: false },
        ),
    ] {
        let pool = pool(&format!(
            "tokens_per_minute = 100\nrequests_per_minute = 100\n{keys}"
        ));
        let kind = |metric| {
            pool.limits
                .iter()
                .find(|limit| limit.metric == metric)
                .unwrap()
                .kind
        };
        assert_eq!(kind(Metric::Tokens), tokens, "{keys}");
        assert_eq!(kind(Metric::Requests), requests, "{keys}");
    }
}

#[test]
fn what_has_no_effect_is_said() {
    let said = notices("[limits]\nburst = 5\nquantum = \"1s\"\n", &[]);
    assert_eq!(
        said,
        [
            "p.toml:2: limits.burst: has no effect without window = \"bucket\"",
            "p.toml:3: limits.quantum: has no effect without window = \"quantised\"",
        ]
    );
    let requests = "[limits]\nwindow = \"bucket\"\nburst = 5\nrequests_per_day = 9\n";
    let said = notices(requests, &[]);
    assert_eq!(
        said,
        ["p.toml:3: limits.burst: has no effect without a token limit"]
    );
}

#[test]
fn a_pattern_that_another_domain_has_first_is_said() {
    let text = "[[domains]]\nname = \"a\"\nmodels = [\"x\"]\n\
                [[domains]]\nname = \"b\"\nmodels = [\n  \"y\",\n  \"x\",\n]\n";
    let said = notices(text, &[]);
    let expected =
        "p.toml:8: domains[1].models[1]: \"x\" never comes here: domains[0] has it first";
    assert_eq!(said, [expected]);
}

#[test]
fn domains_take_nothing_over_from_limits() {
    let text = "[limits]\ntokens_per_minute = 5\nconcurrency = 2\nprofile = \"conservative\"\n\
                [[domains]]\nname = \"a\"\nmodels = [\"x\"]\nrequests_per_minute = 10\n";
    let settings = settings(text, &[("OPENAI_MAX_CONCURRENCY", "7")]);
    assert_eq!(settings.default_domain.concurrency_max, Some(7));
    let domain = settings.domain_for("x");
    assert_eq!((domain.concurrency_max, domain.limits.len()), (None, 1));
    assert_eq!(
        (domain.limits[0].amount, domain.guard),
        (10, Duration::from_millis(200))
    );
}
