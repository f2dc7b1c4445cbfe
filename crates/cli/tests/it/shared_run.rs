//! The shared run, in small: two gateways that share nothing spend one quota twice, and with a store they
//! do not.

use std::time::Duration;

use paceline_testkit::{Counting, SharedFault, SharedRun, Store};

fn run() -> SharedRun {
    SharedRun {
        binary: env!("CARGO_BIN_EXE_paceline").into(),
        counting: Counting::Bucket,
        tokens_per_minute: 9_000,
        learned: false,
        gateways: 2,
        callers: 32,
        rest: Duration::ZERO,
        weights: true,
        store: Store::Nothing,
        when_store_is_away: None,
        fault: SharedFault::GatewayKilled,
        fault_at: Duration::from_secs(4),
        time: Duration::from_secs(8),
        records: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_share_nothing_are_refused_and_no_request_is_done_twice_or_lost_sight_of() {
    let report = run().run().await.unwrap();
    assert!(report.answered > 0);
    assert!(report.refused.total > 0, "both took the whole quota");
    assert!(report.peaks.iter().all(|peak| peak.over == 0), "{report:?}");
    assert!((1..=32).contains(&report.died), "{report:?}");
    let unmatched = [
        report.admitted_twice,
        report.settled_twice,
        report.answered_unadmitted,
        report.admitted_unanswered,
    ];
    assert_eq!(unmatched, [0; 4], "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_cannot_fail() {
    let run = SharedRun {
        fault: SharedFault::RedisFrozen,
        ..run()
    };
    let error = run.run().await.unwrap_err();
    assert_eq!(error.to_string(), "redis-frozen needs a store");
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_share_a_store_spend_one_quota_once() {
    let run = SharedRun {
        store: Store::Redis,
        fault: SharedFault::None,
        time: Duration::from_secs(10),
        ..run()
    };
    let report = run.run().await.unwrap();
    // A machine that is too busy for the time box makes gateways go on by themselves for a moment.
    assert!(report.refused.total <= 3, "{report:?}");
    assert!(report.answered > 60, "{report:?}");
    assert!(report.peaks.iter().all(|peak| peak.over == 0), "{report:?}");
    assert!(report.lost.is_empty(), "{report:?}");
}
