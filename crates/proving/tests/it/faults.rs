//! What goes wrong, and what must hold all the same.

use paceline_proving::{Report, Scenario};

use crate::{play, scenario};

fn with(fault: &str) -> Scenario {
    scenario(&format!(
        "duration_s = 300
[gateway]
knows = \"everything\"
[delay]
processing_ms = [200, 1500]
streaming_ms = [0, 2000]
[[provider.quota]]
metric = \"tokens\"
amount = 600000
[[workload]]
arrivals.steady = {{ percent_of_quota = 60 }}
prompt_tokens.fixed = 1000
[[fault]]
{fault}"
    ))
}

fn answered(report: &Report) -> u64 {
    report.served + report.failed + report.turned_away
}

#[test]
fn every_fault_ends_in_one_answer_for_each_request() {
    for kind in [
        "server_error",
        "overloaded",
        "cut",
        "answer_lost",
        "unreachable",
        "no_headers",
    ] {
        let run = play(&with(&format!("kind = \"{kind}\"\npercent = 10")), 11);
        let report = &run.report;
        assert_eq!(answered(report), report.requests, "{kind}");
        assert!(
            report.served * 10 > report.requests * 7,
            "{kind}: {report:?}"
        );
        let retried = report.attempts > report.requests;
        // A stream of which the caller saw the beginning is not begun again.
        let mended = !matches!(kind, "cut" | "no_headers");
        assert_eq!(retried, mended, "{kind}: {report:?}");
    }
}

#[test]
fn a_provider_that_always_says_slow_down_is_given_time_and_loses_nothing() {
    let report = play(&with("kind = \"slow_down\"\npercent = 10"), 11).report;
    assert_eq!(answered(&report) + report.unfinished, report.requests);
    assert!(report.attempts < report.requests / 10, "{report:?}");
}

#[test]
fn an_answer_later_than_the_timeout_is_an_answer_lost() {
    let fault = "kind = \"late\"\npercent = 5\nby_ms = 70000";
    let report = play(&with(fault), 12).report;
    assert!(report.attempts > report.requests);
    assert_eq!(answered(&report), report.requests);
}

#[test]
fn a_clock_that_jumps_back_delays_and_breaks_nothing() {
    let fault = "kind = \"clock_jump\"\nfrom_s = 100\nby_ms = -20000";
    let report = play(&with(fault), 13).report;
    assert_eq!(report.served, report.requests);
    assert_eq!(report.refused.first_minute + report.refused.later, 0);
}

#[test]
fn a_clock_that_jumps_ahead_loses_nothing() {
    let fault = "kind = \"clock_jump\"\nfrom_s = 100\nby_ms = 40000";
    let report = play(&with(fault), 14).report;
    assert_eq!(report.served, report.requests);
}

#[test]
fn faults_keep_to_their_time() {
    let fault = "kind = \"overloaded\"\nfrom_s = 100\nto_s = 160";
    let run = play(&with(fault), 15);
    let refused: Vec<u64> = run
        .events
        .iter()
        .filter(|event| event.happening == paceline_proving::Happening::Overloaded)
        .map(|event| event.at_ns)
        .collect();
    let start_ns = run.events.first().unwrap().at_ns / 1_000_000_000;
    assert!(!refused.is_empty());
    for at_ns in refused {
        let since_s = at_ns / 1_000_000_000 - start_ns;
        assert!((95..=162).contains(&since_s), "{since_s}");
    }
}

#[test]
fn a_limit_that_is_halved_is_followed_and_one_that_is_doubled_is_used() {
    let mut scenario = with("kind = \"no_headers\"\npercent = 0");
    scenario.duration_s = 600;
    scenario.drain_s = 0;
    let text = scenario.to_toml().unwrap();
    let job = text.replace(
        "[workload.arrivals.steady]\npercent_of_quota = 60.0",
        "[workload.arrivals.job]\nrequests = 1000000\nconcurrency = 200",
    );
    let changed = |percent: &str, knows: &str| {
        let change =
            format!("[[provider.change]]\nat_s = 120\npercent = {percent}\n\n[[workload]]");
        let text = job
            .replace("[[workload]]", &change)
            .replace("\"everything\"", &format!("\"{knows}\""));
        play(&crate::scenario(&text), 16).report
    };
    let halved = changed("-50.0", "everything");
    // Whoever is told a limit that is not true any more is refused until the headers tell better.
    let later = halved.refused.later_per_1000;
    assert!(later < 200.0, "{later}");
    let minutes = &halved.limits.first().unwrap().minutes;
    let (before, after) = (minutes.get(1).unwrap(), minutes.get(8).unwrap());
    assert!(
        after.allowed * 2.0 == before.allowed && after.own * 10 < before.own * 7,
        "{minutes:?}"
    );
    let doubled = changed("100.0", "nothing");
    let minutes = &doubled.limits.first().unwrap().minutes;
    assert!(
        minutes.get(8).unwrap().own > minutes.get(1).unwrap().own,
        "{minutes:?}"
    );
}

#[test]
fn several_gateways_on_one_quota_each_keep_their_books() {
    let mut scenario = with("kind = \"answer_lost\"\npercent = 2");
    scenario.gateway.count = 3;
    let report = play(&scenario, 17).report;
    assert_eq!(answered(&report), report.requests);
}

#[test]
fn a_request_without_patience_is_turned_away_rather_than_late() {
    let mut scenario = with("kind = \"no_headers\"\npercent = 0");
    scenario.workload.first_mut().unwrap().patience_s = Some(5);
    scenario.workload.first_mut().unwrap().arrivals = paceline_proving::Arrivals::Bursts {
        requests: 1_000,
        every_s: 120,
    };
    let report = play(&scenario, 18).report;
    assert!(report.turned_away > 0);
    assert!(report.wait.worst_s <= 5.0, "{}", report.wait.worst_s);
}
