//! What is used where no gateway is: it must fare as it does in life, or comparing is worthless.

use paceline_proving::{Arrivals, Sender};

use crate::{play_as, scenario};

const OVERLOAD: &str = "duration_s = 300
[[provider.quota]]
metric = \"tokens\"
amount = 120000
[[workload]]
arrivals.job = { requests = 400 }
prompt_tokens.fixed = 1000
";

#[test]
fn retries_alone_are_refused_and_lose_requests() {
    let report = play_as(&scenario(OVERLOAD), Sender::RetriesOnly, 1).report;
    assert_eq!(report.requests, 400);
    assert!(
        report.refused.first_minute + report.refused.later > 50,
        "{report:?}"
    );
    assert!(report.failed > 0, "{report:?}");
    assert_eq!(report.served + report.failed, 400);
}

#[test]
fn a_right_rate_is_seldom_refused_and_a_wrong_one_often() {
    let mut right = scenario(OVERLOAD);
    right.fixed_rate.burst_s = 20;
    let report = play_as(&right, Sender::FixedRate, 2).report;
    assert_eq!(report.refused.later, 0, "{report:?}");
    assert_eq!(report.served, 400);
    let mut wrong = right;
    wrong.fixed_rate.tokens_per_minute = Some(240_000);
    let report = play_as(&wrong, Sender::FixedRate, 2).report;
    assert!(
        report.refused.first_minute + report.refused.later > 50,
        "{report:?}"
    );
}

#[test]
fn below_the_quota_all_senders_fare_the_same() {
    let mut quiet = scenario(OVERLOAD);
    let workload = quiet.workload.first_mut().unwrap();
    workload.arrivals = Arrivals::Steady {
        percent_of_quota: 20.0,
    };
    let requests = |sender| {
        let report = play_as(&quiet, sender, 3).report;
        assert_eq!(report.served, report.requests);
        assert_eq!(report.refused.later, 0);
        (report.requests, report.tenants.first().unwrap().tokens)
    };
    // The workload is the same whoever sends it.
    let paced = requests(Sender::Gateway);
    assert_eq!(paced, requests(Sender::RetriesOnly));
    assert_eq!(paced, requests(Sender::FixedRate));
}
