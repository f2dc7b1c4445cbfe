//! Variables: those of other programs, our own, and what is wrong with either.

use std::time::Duration;

use paceline_config::{Metric, Settings};

use crate::loading::{load, notices, problems, settings};

/// The one limit that is set.
fn limit(settings: &Settings) -> (Metric, u64, u64) {
    let limits = &settings.default_domain.limits;
    assert_eq!(limits.len(), 1);
    (
        limits[0].metric,
        limits[0].amount,
        limits[0].window.as_secs(),
    )
}

#[test]
fn the_variables_for_limits_work_as_they_are() {
    for (variables, expected) in [
        (
            &[("OPENAI_TPM_LIMIT", "10000")][..],
            (Metric::Tokens, 10_000, 60),
        ),
        (
            &[("OPENAI_TOKENS_PER_MINUTE", "10000")],
            (Metric::Tokens, 10_000, 60),
        ),
        (
            &[("OPENAI_TOKENS_PER_HOUR", "10000")],
            (Metric::Tokens, 10_000, 3_600),
        ),
        (
            &[("OPENAI_TOKEN_LIMIT_TOKENS", "500")],
            (Metric::Tokens, 500, 60),
        ),
        (
            &[
                ("OPENAI_TOKEN_LIMIT_TOKENS", "500"),
                ("OPENAI_TOKEN_LIMIT_PERIOD", "30"),
            ],
            (Metric::Tokens, 500, 30),
        ),
        (
            &[
                ("OPENAI_TOKEN_LIMIT_TOKENS", "500"),
                ("OPENAI_TOKEN_LIMIT_PERIOD", "3600"),
            ],
            (Metric::Tokens, 500, 3_600),
        ),
        (
            &[("OPENAI_REQUESTS_PER_MINUTE", "60")],
            (Metric::Requests, 60, 60),
        ),
        (
            &[("OPENAI_REQUESTS_PER_HOUR", "60")],
            (Metric::Requests, 60, 3_600),
        ),
        (
            &[("OPENAI_RATE_LIMIT_REQUESTS", "60")],
            (Metric::Requests, 60, 60),
        ),
        (
            &[
                ("OPENAI_RATE_LIMIT_REQUESTS", "60"),
                ("OPENAI_RATE_LIMIT_PERIOD", "10.0"),
            ],
            (Metric::Requests, 60, 10),
        ),
        (
            &[
                ("OPENAI_TPM_LIMIT", "10000"),
                ("OPENAI_TPM_HEADROOM", "0.15"),
            ],
            (Metric::Tokens, 8_500, 60),
        ),
        (
            &[
                ("OPENAI_TPM_LIMIT", " 10000 "),
                ("OPENAI_TOKENS_PER_HOUR", ""),
            ],
            (Metric::Tokens, 10_000, 60),
        ),
    ] {
        assert_eq!(limit(&settings("", variables)), expected, "{variables:?}");
    }
}

#[test]
fn the_other_variables_work_as_they_are() {
    let settings = settings(
        "",
        &[
            ("OPENAI_API_KEY", "sk-1"),
            ("OPENAI_BASE_URL", "https://llm.example.com/v1/"),
            ("OPENAI_MAX_CONCURRENCY", "8"),
            ("OPENAI_STAGGER_SECONDS", "0.25"),
            ("OPENAI_EST_TOKENS_PER_RUN", "4000"),
            ("OPENAI_RETRY_MAX_ATTEMPTS", "7"),
            ("OPENAI_BACKOFF_BASE_SECONDS", "2"),
            ("OPENAI_MAX_DELAY", "45"),
            ("OPENAI_STABILIZATION_MINUTES", "2.5"),
        ],
    );
    assert_eq!(
        settings.upstream.base_url.as_str(),
        "https://llm.example.com/v1"
    );
    assert_eq!(settings.upstream.api_key.unwrap().expose(), "sk-1");
    assert_eq!(settings.default_domain.concurrency_max, Some(8));
    assert_eq!(settings.default_domain.spacing, Duration::from_millis(250));
    assert_eq!(settings.default_output_tokens, 4_000);
    assert_eq!(settings.retry.retries_max, 7);
    assert_eq!(settings.retry.base_delay, Duration::from_secs(2));
    assert_eq!(settings.retry.delay_max, Duration::from_secs(45));
    assert_eq!(settings.retry.stabilisation, Duration::from_secs(150));
}

#[test]
fn retries_and_delays_have_two_names_each() {
    let settings = settings(
        "",
        &[("OPENAI_MAX_RETRIES", "2"), ("OPENAI_BASE_DELAY", "500ms")],
    );
    assert_eq!(settings.retry.retries_max, 2);
    assert_eq!(settings.retry.base_delay, Duration::from_millis(500));
}

#[test]
fn two_names_with_one_value_are_fine_however_it_is_written() {
    for variables in [
        [
            ("OPENAI_TPM_LIMIT", "10000"),
            ("OPENAI_TOKENS_PER_MINUTE", "10000"),
        ],
        [
            ("OPENAI_TPM_LIMIT", "10000"),
            ("PACELINE_LIMITS_TOKENS_PER_MINUTE", "10000"),
        ],
        [
            ("OPENAI_TPM_LIMIT", "10000"),
            ("OPENAI_TOKEN_LIMIT_TOKENS", "10000"),
        ],
        [
            ("OPENAI_RETRY_MAX_ATTEMPTS", "3"),
            ("OPENAI_MAX_RETRIES", "3"),
        ],
        [
            ("OPENAI_BACKOFF_BASE_SECONDS", "1.5"),
            ("OPENAI_BASE_DELAY", "1500ms"),
        ],
        [
            ("OPENAI_BASE_URL", "http://localhost:1"),
            ("PACELINE_UPSTREAM_BASE_URL", "http://localhost:1"),
        ],
        [
            ("PACELINE_STATE_DIR", "/s"),
            ("PACELINE_ADMIN_STATE_DIR", "/s"),
        ],
    ] {
        assert_eq!(problems("", &variables), "", "{variables:?}");
    }
}

#[test]
fn two_names_with_different_values_are_a_problem_that_names_both() {
    for (variables, expected) in [
        (
            [
                ("OPENAI_TPM_LIMIT", "10000"),
                ("OPENAI_TOKENS_PER_MINUTE", "20000"),
            ],
            "OPENAI_TPM_LIMIT: limits.tokens_per_minute: differs from OPENAI_TOKENS_PER_MINUTE, \
             which sets the same (got 10000 and 20000); \
             unset OPENAI_TPM_LIMIT or OPENAI_TOKENS_PER_MINUTE",
        ),
        (
            [
                ("OPENAI_TPM_LIMIT", "10000"),
                ("OPENAI_TOKEN_LIMIT_TOKENS", "9"),
            ],
            "OPENAI_TPM_LIMIT: limits.tokens_per_minute: differs from OPENAI_TOKEN_LIMIT_TOKENS, \
             which sets the same (got 10000 and 9); \
             unset OPENAI_TPM_LIMIT or OPENAI_TOKEN_LIMIT_TOKENS",
        ),
        (
            [
                ("OPENAI_RETRY_MAX_ATTEMPTS", "3"),
                ("OPENAI_MAX_RETRIES", "4"),
            ],
            "OPENAI_RETRY_MAX_ATTEMPTS: retry.retries_max: differs from OPENAI_MAX_RETRIES, \
             which sets the same (got 3 and 4); \
             unset OPENAI_RETRY_MAX_ATTEMPTS or OPENAI_MAX_RETRIES",
        ),
        (
            [
                ("OPENAI_BACKOFF_BASE_SECONDS", "1"),
                ("OPENAI_BASE_DELAY", "2"),
            ],
            "OPENAI_BACKOFF_BASE_SECONDS: retry.base_delay: differs from OPENAI_BASE_DELAY, \
             which sets the same (got \"1s\" and \"2s\"); \
             unset OPENAI_BACKOFF_BASE_SECONDS or OPENAI_BASE_DELAY",
        ),
        (
            [
                ("OPENAI_API_KEY", "sk-a"),
                ("PACELINE_UPSTREAM_API_KEY", "sk-b"),
            ],
            "PACELINE_UPSTREAM_API_KEY: upstream.api_key: differs from OPENAI_API_KEY, \
             which sets the same; unset PACELINE_UPSTREAM_API_KEY or OPENAI_API_KEY",
        ),
        (
            [
                ("OPENAI_BASE_URL", "http://a:pw@b/"),
                ("PACELINE_UPSTREAM_BASE_URL", "http://c/"),
            ],
            "PACELINE_UPSTREAM_BASE_URL: upstream.base_url: differs from OPENAI_BASE_URL, \
             which sets the same; unset PACELINE_UPSTREAM_BASE_URL or OPENAI_BASE_URL",
        ),
        (
            [
                ("PACELINE_STATE_DIR", "/s"),
                ("PACELINE_ADMIN_STATE_DIR", "/t"),
            ],
            "PACELINE_ADMIN_STATE_DIR: admin.state_dir: differs from PACELINE_STATE_DIR, \
             which sets the same (got \"/t\" and \"/s\"); \
             unset PACELINE_ADMIN_STATE_DIR or PACELINE_STATE_DIR",
        ),
    ] {
        assert_eq!(problems("", &variables), expected);
    }
}

/// A variable, its value, and what is said about it after its name.
const UNREADABLE: &[(&str, &str, &str)] = &[
    (
        "OPENAI_TPM_LIMIT",
        "10k",
        "limits.tokens_per_minute: must be a whole number (got \"10k\"); digits only, as in 10000 or 10_000",
    ),
    (
        "OPENAI_TPM_LIMIT",
        "0",
        "limits.tokens_per_minute: must be at least 1 (got 0)",
    ),
    (
        "OPENAI_TOKENS_PER_HOUR",
        "-5",
        "limits.tokens_per_hour: must be at least 1 (got -5)",
    ),
    (
        "OPENAI_REQUESTS_PER_MINUTE",
        "1.5",
        "limits.requests_per_minute: must be a whole number (got \"1.5\"); digits only, as in 10000 or 10_000",
    ),
    (
        "OPENAI_TPM_HEADROOM",
        "1.5",
        "limits.headroom: must be at most 0.99 (got 1.5)",
    ),
    (
        "OPENAI_TPM_HEADROOM",
        "NaN",
        "limits.headroom: must be at least 0 (got NaN)",
    ),
    (
        "OPENAI_MAX_CONCURRENCY",
        "many",
        "limits.concurrency: must be a whole number (got \"many\"); digits only, as in 10000 or 10_000",
    ),
    (
        "OPENAI_STAGGER_SECONDS",
        "-1",
        "limits.spacing: must be a number of seconds (got \"-1\"); or a number with a unit, as in 250ms",
    ),
    (
        "OPENAI_STABILIZATION_MINUTES",
        "soon",
        "retry.stabilisation: must be a number of minutes (got \"soon\"); or a number with a unit, as in 250ms",
    ),
    (
        "OPENAI_BASE_DELAY",
        "1000",
        "retry.base_delay: must be at most 10m (got \"1000s\"); a plain number is in seconds",
    ),
    (
        "OPENAI_TOKEN_LIMIT_TOKENS",
        "x",
        "limits: must be a whole number (got \"x\")",
    ),
    (
        "OPENAI_TOKEN_LIMIT_PERIOD",
        "x",
        "limits: must be a number of seconds (got \"x\"); or a number with a unit, as in 250ms",
    ),
    (
        "OPENAI_RATE_LIMIT_PERIOD",
        "0",
        "limits: must be from 100ms to 31d (got 0s)",
    ),
    (
        "OPENAI_GATE_IN_BATCH",
        "perhaps",
        "must be true or false (got \"perhaps\")",
    ),
    (
        "PACELINE_UPSTREAM_CHECK",
        "perhaps",
        "upstream.check: must be true or false (got \"perhaps\")",
    ),
    (
        "PACELINE_SERVER_LISTEN",
        "4100",
        "server.listen: must be an IP address and a port (got \"4100\"); as in \"127.0.0.1:4100\" or \"[::1]:4100\"",
    ),
    (
        "PACELINE_QUEUE_MAX_WAIT",
        "30",
        "queue.max_wait: must be a duration (got \"30\"); add the unit, as in \"30s\" or \"30ms\"",
    ),
    (
        "PACELINE_LOG_FORMAT",
        "jsno",
        "log.format: must be \"text\" or \"json\" (got \"jsno\"); did you mean \"json\"?",
    ),
    (
        "PACELINE_SERVR_LISTEN",
        "127.0.0.1:1",
        "is not the name of a setting; did you mean PACELINE_SERVER_LISTEN?",
    ),
    ("PACELINE_WHATEVER_ELSE", "", "is not the name of a setting"),
];

#[test]
fn a_value_that_does_not_parse_names_its_variable() {
    for (name, value, expected) in UNREADABLE {
        assert_eq!(
            problems("", &[(name, value)]),
            format!("{name}: {expected}")
        );
    }
}

#[test]
fn every_scalar_of_the_file_has_a_variable_of_its_own() {
    for (name, value, path) in [
        ("PACELINE_PRESET", "production", "preset"),
        ("PACELINE_SERVER_BODY_MAX", "1MiB", "server.body_max"),
        (
            "PACELINE_UPSTREAM_INCLUDE_USAGE",
            "off",
            "upstream.include_usage",
        ),
        (
            "PACELINE_QUEUE_TIERS_BATCH_GUARANTEED_SHARE",
            "0.1",
            "queue.tiers.batch.guaranteed_share",
        ),
        (
            "PACELINE_LIMITS_IMAGES_PER_DAY",
            "3",
            "limits.images_per_day",
        ),
        ("PACELINE_ESTIMATOR_KIND", "simple", "estimator.kind"),
        ("PACELINE_ADMIN_TOKEN", "0123456789abcdef", "admin.token"),
        ("PACELINE_STATE_DIR", "/s", "admin.state_dir"),
    ] {
        let loaded = load("", &[(name, value)]).unwrap();
        let origin = loaded.provenance.get(path).map(ToString::to_string);
        assert_eq!(origin.as_deref(), Some(name));
    }
    assert!(
        !settings("", &[("PACELINE_UPSTREAM_INCLUDE_USAGE", "off")])
            .upstream
            .include_usage
    );
}

#[test]
fn what_the_program_or_kubernetes_sets_is_not_taken_for_a_setting() {
    for name in [
        "PACELINE_CONFIG",
        "PACELINE_SERVICE_HOST",
        "PACELINE_SERVICE_PORT",
        "PACELINE_SERVICE_PORT_HTTP",
        "PACELINE_PORT",
        "PACELINE_PORT_4100_TCP",
        "PACELINE_PORT_4100_TCP_ADDR",
        "PACELINE_GATEWAY_SERVICE_HOST",
        "PACELINE_GATEWAY_PORT_80_TCP_PROTO",
    ] {
        assert_eq!(problems("", &[(name, "tcp://10.0.0.1:4100")]), "", "{name}");
    }
    for name in [
        "PACELINE_PORT_X",
        "PACELINE_PORT_4100_HTTP",
        "PACELINE_HOST",
    ] {
        assert_ne!(problems("", &[(name, "1")]), "", "{name}");
    }
}

#[test]
fn gates_are_accepted_with_a_notice_that_they_change_nothing() {
    let said = notices(
        "",
        &[
            ("OPENAI_GATE_IN_ADAPTER", "false"),
            ("OPENAI_GATE_IN_BATCH", "1"),
        ],
    );
    assert_eq!(
        said,
        [
            "OPENAI_GATE_IN_ADAPTER: is accepted and changes nothing: direct calls are always gated",
            "OPENAI_GATE_IN_BATCH: is accepted and changes nothing: batches are always gated",
        ]
    );
}

#[test]
fn a_period_without_its_amount_is_said_to_have_no_effect() {
    let said = notices("", &[("OPENAI_RATE_LIMIT_PERIOD", "10")]);
    let expected =
        "OPENAI_RATE_LIMIT_PERIOD: limits: has no effect without OPENAI_RATE_LIMIT_REQUESTS";
    assert_eq!(said, [expected]);
}

#[test]
fn a_limit_of_the_environment_replaces_the_same_one_of_the_file_and_leaves_the_others() {
    let text = "[limits]\ncustom = [\n\
                { metric = \"tokens\", amount = 1, period = \"30s\" },\n\
                { metric = \"tokens\", amount = 2, period = \"20s\" },\n]\n";
    let variables = [
        ("OPENAI_TOKEN_LIMIT_TOKENS", "9"),
        ("OPENAI_TOKEN_LIMIT_PERIOD", "30"),
    ];
    let limits = settings(text, &variables).default_domain.limits;
    let mut found: Vec<_> = limits
        .iter()
        .map(|l| (l.window.as_secs(), l.amount))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [(20, 2), (30, 9)]);
}

#[test]
fn an_upstream_that_is_the_gateway_itself_is_refused_as_a_loop() {
    for (listen, url, loops) in [
        ("127.0.0.1:4100", "http://127.0.0.1:4100/v1", true),
        ("127.0.0.1:4100", "http://localhost:4100/v1", true),
        ("127.0.0.1:4100", "http://LOCALHOST:4100/v1", true),
        ("0.0.0.0:4100", "http://127.0.0.1:4100/v1", true),
        ("0.0.0.0:4100", "http://0.0.0.0:4100/v1", true),
        ("127.0.0.1:4100", "http://0.0.0.0:4100/v1", true),
        ("[::]:4100", "http://[::1]:4100/v1", true),
        ("[::]:4100", "http://127.0.0.1:4100/v1", true),
        ("10.0.0.5:443", "https://10.0.0.5/v1", true),
        ("127.0.0.1:4100", "http://127.0.0.1:4101/v1", false),
        ("127.0.0.1:4100", "http://[::1]:4100/v1", false),
        ("10.0.0.5:4100", "http://localhost:4100/v1", false),
        ("127.0.0.1:4100", "http://other.example:4100/v1", false),
    ] {
        let found = problems(
            "",
            &[("PACELINE_SERVER_LISTEN", listen), ("OPENAI_BASE_URL", url)],
        );
        assert_eq!(
            found.contains("leads back to server.listen"),
            loops,
            "{listen} {url}: {found}"
        );
        assert_eq!(found.is_empty(), !loops, "{found}");
    }
    assert_eq!(
        problems("", &[("OPENAI_BASE_URL", "http://localhost:4100/v1")]),
        "OPENAI_BASE_URL: upstream.base_url: leads back to server.listen (127.0.0.1:4100): requests \
         would go round in a loop (got \"http://localhost:4100/v1\"); OPENAI_BASE_URL is read by \
         clients too; give the gateway its provider with PACELINE_UPSTREAM_BASE_URL instead, and \
         start it without OPENAI_BASE_URL"
    );
}

#[test]
fn without_a_home_the_state_folder_is_asked_for() {
    let env = Default::default();
    let sources = paceline_config::Sources {
        file: None,
        env: &env,
        overrides: Default::default(),
    };
    let found = Settings::load(sources).unwrap_err().to_string();
    let expected = "default: admin.state_dir: cannot be found: neither XDG_STATE_HOME nor HOME is \
                    set to an absolute path; set PACELINE_STATE_DIR";
    assert_eq!(found, expected);
}
