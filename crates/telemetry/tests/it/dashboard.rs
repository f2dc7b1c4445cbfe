//! The Grafana dashboard asks for metrics that there are, in the way that suits their kind.

use std::collections::BTreeSet;

use paceline_telemetry::names::{ALL, Kind, Metric};
use serde_json::Value;

/// Metrics that the dashboard does without, each with the reason.
const NOT_SHOWN: [(&str, &str); 2] = [
    (
        "paceline_next_launch_epoch_seconds",
        "a moment some seconds ahead at most, over before the next scrape",
    ),
    (
        "paceline_batch_preflights",
        "a few questions a day, whose answers go to who asks",
    ),
];

/// The rows, in their order.
const ROWS: [&str; 10] = [
    "Health",
    "Quotas",
    "Queue",
    "Waits",
    "Tokens",
    "Errors and refusals",
    "Estimates",
    "Shared store",
    "Provider",
    "Lanes",
];

/// Labels that Prometheus itself gives to every series.
const SCRAPED: [&str; 2] = ["instance", "job"];

/// The functions that make sense of a counter, or of the buckets of a histogram.
const OVER_TIME: [&str; 2] = ["rate", "increase"];

fn dashboard() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/grafana/paceline.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().collect()
}

/// Every query with the legend of its series.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let targets = panels(dashboard)
        .into_iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    targets
        .map(|target| (text(&target["expr"]), text(&target["legendFormat"])))
        .collect()
}

/// What a query is made of.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text,
    Sign(char),
}

/// Takes a query apart; durations and numbers come as words.
fn tokens(query: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = query.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '"' => {
                let closed = rest.by_ref().any(|char| char == '"');
                assert!(closed, "a text without an end in {query}");
                tokens.push(Token::Text);
            }
            char if char.is_whitespace() => {}
            char if is_of_word(char) => {
                let mut word = String::from(char);
                while let Some(more) = rest.next_if(|char| is_of_word(*char)) {
                    word.push(more);
                }
                tokens.push(Token::Word(word));
            }
            sign => tokens.push(Token::Sign(sign)),
        }
    }
    tokens
}

fn is_of_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | ':' | '.' | '$')
}

/// The metric that a name in a query stands for, and whether it is that of buckets.
fn metric(name: &str) -> Option<(&'static Metric, bool)> {
    let exposed = |metric: &Metric| match metric.kind {
        Kind::Counter => vec![format!("{}_total", metric.name)],
        Kind::Gauge => vec![metric.name.to_owned()],
        Kind::Histogram => ["bucket", "sum", "count"]
            .map(|end| format!("{}_{end}", metric.name))
            .to_vec(),
    };
    let found = ALL
        .iter()
        .find(|metric| exposed(metric).iter().any(|exposed| exposed == name));
    found.map(|metric| (metric, name.ends_with("_bucket")))
}

/// The words between the bracket at `open` and the one that closes it, where a comma or nothing
/// follows what is to be a list.
fn listed(tokens: &[Token], open: usize, close: char) -> Vec<String> {
    let inside = tokens[open + 1..]
        .iter()
        .take_while(|token| **token != Token::Sign(close));
    inside
        .filter_map(|token| match token {
            Token::Word(word) => Some(word.clone()),
            _ => None,
        })
        .collect()
}

/// Checks one query; the metrics that it asks for.
fn check(query: &str, legend: &str) -> BTreeSet<&'static str> {
    let tokens = tokens(query);
    let mut shown = BTreeSet::new();
    let mut labels: BTreeSet<&str> = SCRAPED.into();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(name) = token else { continue };
        if !name.starts_with("paceline_") {
            continue;
        }
        let found = metric(name);
        let (metric, buckets) = found.unwrap_or_else(|| panic!("{name} is no metric: {query}"));
        shown.insert(metric.name);
        labels.extend(metric.labels);
        let known = |label: &str| SCRAPED.contains(&label) || metric.labels.contains(&label);
        if tokens.get(at + 1) == Some(&Token::Sign('{')) {
            for label in listed(&tokens, at + 1, '}') {
                assert!(known(&label), "{name} has no label {label}: {query}");
            }
        }
        let before = |back: usize| at.checked_sub(back).map(|at| &tokens[at]);
        let over_time = match (before(2), before(1)) {
            (Some(Token::Word(function)), Some(Token::Sign('('))) => {
                OVER_TIME.contains(&function.as_str())
            }
            _ => false,
        };
        let rises = metric.kind != Kind::Gauge;
        assert_eq!(rises, over_time, "{name} by its kind: {query}");
        if buckets {
            let whole = query.starts_with("histogram_quantile(") && query.contains("(le");
            assert!(whole, "buckets make sense as a quantile alone: {query}");
            labels.insert("le");
        }
    }
    for (at, token) in tokens.iter().enumerate() {
        if *token == Token::Word("by".to_owned()) {
            for label in listed(&tokens, at + 1, ')') {
                assert!(labels.contains(label.as_str()), "no {label}: {query}");
            }
        }
    }
    for label in legend.split("{{").skip(1) {
        let label = label.split("}}").next().unwrap();
        let kept = query.contains(&format!("{label},")) || query.contains(&format!("{label})"));
        assert!(labels.contains(label) && kept, "no {label} left: {query}");
    }
    balanced(query, &tokens);
    shown
}

fn balanced(query: &str, tokens: &[Token]) {
    let mut open = Vec::new();
    for token in tokens {
        match token {
            Token::Sign('(') => open.push(')'),
            Token::Sign('{') => open.push('}'),
            Token::Sign('[') => open.push(']'),
            Token::Sign(sign @ (')' | '}' | ']')) => {
                assert_eq!(open.pop(), Some(*sign), "{query}");
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "{query}");
}

#[test]
fn every_query_asks_for_metrics_and_labels_that_there_are() {
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(queries.len() > ROWS.len());
    for (query, legend) in queries {
        assert!(!check(&query, &legend).is_empty(), "no metric in {query}");
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["query"]["query"].as_str() {
            let words = tokens(query);
            let (Token::Word(name), Token::Word(label)) = (&words[2], &words[4]) else {
                panic!("{query}");
            };
            let (metric, _) = metric(name).unwrap();
            assert!(SCRAPED.contains(&label.as_str()) || metric.labels.contains(&label.as_str()));
        }
    }
}

#[test]
fn every_metric_is_on_the_dashboard_or_left_out_for_a_reason() {
    let dashboard = dashboard();
    let shown: BTreeSet<_> = queries(&dashboard)
        .iter()
        .flat_map(|(query, legend)| check(query, legend))
        .collect();
    let left_out: BTreeSet<_> = NOT_SHOWN.iter().map(|(name, _)| *name).collect();
    assert!(NOT_SHOWN.iter().all(|(_, reason)| !reason.is_empty()));
    let all: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
    let both: Vec<_> = shown.intersection(&left_out).collect();
    assert!(both.is_empty(), "shown and left out: {both:?}");
    let neither: Vec<_> = all
        .iter()
        .filter(|name| !shown.contains(*name) && !left_out.contains(*name))
        .collect();
    assert!(
        neither.is_empty(),
        "neither shown nor left out: {neither:?}"
    );
    assert!(left_out.is_subset(&all), "what is left out is no metric");
}

#[test]
fn the_dashboard_fits_any_grafana_with_a_prometheus() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
    assert_eq!(variables[0]["query"], "prometheus");
    let rows: Vec<_> = panels(&dashboard)
        .into_iter()
        .filter(|panel| panel["type"] == "row")
        .map(|panel| panel["title"].as_str().unwrap())
        .collect();
    assert_eq!(rows, ROWS);
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap());
        assert!(x + w <= 24, "{panel}");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{} lies over another", panel["title"]);
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(!panel["description"].as_str().unwrap().is_empty());
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
    }
}

#[test]
fn the_check_of_queries_finds_what_is_wrong_with_them() {
    let fails = |query: &str, legend: &str| {
        let (query, legend) = (query.to_owned(), legend.to_owned());
        std::panic::catch_unwind(move || check(&query, &legend)).is_err()
    };
    assert!(!fails("sum(rate(paceline_retries_total[5m]))", ""));
    for (query, legend) in [
        ("rate(paceline_nothing_total[5m])", ""),
        ("rate(paceline_retries[5m])", ""),
        ("sum(paceline_retries_total)", ""),
        ("rate(paceline_concurrency[5m])", ""),
        ("sum(rate(paceline_retries_total{kind=\"x\"}[5m]))", ""),
        ("sum by (kind) (rate(paceline_retries_total[5m]))", ""),
        ("sum(rate(paceline_retries_total[5m]))", "{{reason}}"),
        ("sum(rate(paceline_retries_total[5m])", ""),
        ("sum(rate(paceline_queue_wait_seconds_bucket[5m]))", ""),
    ] {
        assert!(fails(query, legend), "{query} {legend}");
    }
}
