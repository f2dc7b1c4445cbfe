//! The runs over several lanes in small: that they see what they are for.

use std::time::Duration;

use anyhow::Result;
use paceline_testkit::{IllnessRun, Keys, KeysReport, KeysRun};

async fn keys(keys: Keys) -> Result<KeysReport> {
    let run = KeysRun {
        keys,
        tokens_per_minute: 60_000,
        first: Duration::ZERO,
        after: Duration::from_secs(2),
    };
    run.run().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_two_projects_have_two_quotas_and_those_of_one_project_one() -> Result<()> {
    let (two, one, named) = tokio::try_join!(
        keys(Keys::TwoProjects),
        keys(Keys::OneProject),
        keys(Keys::OneAccount)
    )?;
    assert_eq!((two.pools, one.pools, named.pools), (2, 1, 1));
    for report in [two, one, named] {
        let is_used = |tokens: &i64| *tokens > 0;
        assert!(report.tokens_after.iter().all(is_used), "{report:?}");
        assert!(report.quotas_used > 0.0, "{report:?}");
        assert_eq!((report.after.1, report.calls.1), (0, 0), "{report:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_illness_is_noticed_and_seen_by_no_caller() -> Result<()> {
    let run = IllnessRun {
        breaker: "open = \"500ms\"".to_owned(),
        begins_after: Duration::from_millis(20),
        lasts: Duration::from_millis(20),
        well: Duration::from_millis(500),
        ill: Duration::from_secs(2),
        return_max: Duration::ZERO,
        ..IllnessRun::of(Some("500"))
    };
    let report = run.run().await?;
    assert_eq!(report.lost, 0, "{report:?}");
    assert!(report.calls > 20, "{report:?}");
    assert!(report.tripped_after.is_some(), "{report:?}");
    assert!(report.trips[0] > 0 && report.trips[1] == 0, "{report:?}");
    // A probe for each time that it was left alone, and what was on its way as it tripped.
    assert!(report.sent_after_trip <= report.trips[0] + 2, "{report:?}");
    Ok(())
}
