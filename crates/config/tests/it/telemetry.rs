//! `[telemetry]`: off unless a collector is named, and its headers stay secret.

use std::time::Duration;

use crate::loading::{notices, problems, settings};

const NAMED: &str = "[telemetry]\notlp_endpoint = \"http://collector:4318/\"\n";

#[test]
fn without_a_collector_there_is_none() {
    assert!(settings("", &[]).telemetry.is_none());
    let said = notices("[telemetry]\nsample = 0.5\ntraces = false\n", &[]);
    let expected = ["2: telemetry.sample", "3: telemetry.traces"]
        .map(|key| format!("p.toml:{key}: has no effect without telemetry.otlp_endpoint"));
    assert_eq!(said, expected);
    let ambient = [("OTEL_SERVICE_NAME", "shop")];
    assert_eq!(notices("", &ambient), [""; 0]);
}

#[test]
fn an_address_is_all_that_it_takes() {
    let telemetry = settings(NAMED, &[]).telemetry.unwrap();
    assert_eq!(telemetry.endpoint.as_str(), "http://collector:4318/");
    assert_eq!(telemetry.service_name, "paceline");
    assert!(telemetry.traces && telemetry.metrics && !telemetry.tags);
    assert_eq!(telemetry.sample.to_bits(), 1.0_f64.to_bits());
    assert_eq!(telemetry.metrics_interval, Duration::from_secs(60));
    assert!(telemetry.headers.is_empty());
}

#[test]
fn the_variables_of_opentelemetry_work_as_they_are() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp.example/x/"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=s3cret,b=%20c"),
        ("OTEL_SERVICE_NAME", "shop"),
    ];
    let telemetry = settings("", &variables).telemetry.unwrap();
    assert_eq!(telemetry.endpoint.path(), "/x");
    assert_eq!(telemetry.service_name, "shop");
    let headers = telemetry.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.as_str(), value.expose()))
        .collect();
    assert_eq!(headers, [("api-key", "s3cret"), ("b", " c")]);
    assert!(!format!("{telemetry:?}").contains("s3cret"));
}

#[test]
fn an_address_that_cannot_be_used_is_refused_without_being_shown() {
    for (address, what) in [
        ("collector:4318", "must be an http or https address"),
        (
            "http://user:s3cret@collector",
            "must not hold a user name or a password",
        ),
        (
            "http://collector?key=s3cret",
            "must not have a query or a fragment",
        ),
    ] {
        let text = format!("[telemetry]\notlp_endpoint = \"{address}\"\n");
        let said = problems(&text, &[]);
        assert!(said.contains(what) && !said.contains("s3cret"), "{said}");
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", address),
            ("PACELINE_TELEMETRY_OTLP_ENDPOINT", "http://other"),
        ];
        let said = problems("", &variables);
        assert!(
            said.contains("differs from") && !said.contains("s3cret"),
            "{said}"
        );
    }
}

#[test]
fn headers_that_cannot_be_read_are_refused_without_being_shown() {
    for headers in ["s3cret", "a=s3cret%0d%0a", "host=s3cret", "a=s3cret,b"] {
        let text = format!("{NAMED}otlp_headers = \"{headers}\"\n");
        let said = problems(&text, &[]);
        assert!(
            said.contains("telemetry.otlp_headers: must be name=value pairs"),
            "{said}"
        );
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn what_is_doubtful_is_said() {
    let grpc = "[telemetry]\notlp_endpoint = \"http://collector:4317\"\n";
    assert!(notices(grpc, &[])[0].contains("OTLP over gRPC"));
    let nothing = format!("{NAMED}traces = false\nmetrics = false\n");
    assert!(notices(&nothing, &[])[0].contains("neither traces nor metrics"));
    let literal = format!("{NAMED}otlp_headers = \"a=b\"\n");
    assert!(notices(&literal, &[])[0].contains("is written in the file itself"));
}
