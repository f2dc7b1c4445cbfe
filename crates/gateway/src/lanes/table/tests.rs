//! Which lanes are kept, and what metrics call them.

use paceline_routing::{Fault, FaultKind, Outcome};

use super::*;

const TEXT: &str = "
[providers.second]
base_url = \"https://api.openai.com/v1\"
api_key = \"sk-2\"
[upstream]
api_key = \"sk-1\"
[models.fast]
lanes = [{ model = \"gpt-4o-mini\" }, { provider = \"second\" }]
[models.\"gpt-*\"]
lanes = [{}, { provider = \"second\", model = \"gpt-4o\" }]
";

fn settings() -> Settings {
    crate::test_settings::settings(TEXT).unwrap()
}

fn lanes(settings: &Settings) -> Lanes {
    let metrics = Arc::new(Metrics::default());
    Lanes::new(Clock::start(), metrics, settings)
}

#[test]
fn lanes_of_the_settings_are_there_before_any_call() {
    let lanes = lanes(&settings());
    let names: Vec<_> = lanes
        .all()
        .iter()
        .map(|lane| lane.name.to_string())
        .collect();
    assert_eq!(
        names,
        ["second/fast", "second/gpt-4o", "upstream/gpt-4o-mini"]
    );
}

#[test]
fn callers_cannot_push_out_the_lanes_of_the_settings_nor_fill_the_metrics() {
    let settings = settings();
    let lanes = lanes(&settings);
    let configured = lanes.lane("upstream", "gpt-4o-mini");
    let fault = || Outcome::Fault(Fault::new(FaultKind::Account));
    configured.begin().unwrap().end(&fault());
    drop(configured);
    let long = lanes.lane("upstream", &"x".repeat(OWN_LABEL_BYTES_MAX));
    assert_eq!(&**long.label(), OTHER);
    let mut labels = HashSet::new();
    for index in 0..LANES_MAX + 50 {
        let lane = lanes.lane("upstream", &format!("made-up-{index}"));
        labels.insert(Arc::clone(lane.label()));
        drop(lane.begin().unwrap());
    }
    assert_eq!(labels.len(), OWN_LABELS_MAX + 1);
    assert!(labels.contains(OTHER));
    assert!(lanes.all().len() <= LANES_MAX);
    let configured = lanes.lane("upstream", "gpt-4o-mini");
    assert_eq!(&**configured.label(), "upstream/gpt-4o-mini");
    assert_eq!(configured.view().unwrap().trips, 1);
    let text = lanes.metrics.encode().unwrap();
    for line in [
        r#"paceline_lane_trips_total{lane="upstream/gpt-4o-mini",cause="account"} 1"#,
        r#"paceline_lane_calls_total{lane="upstream/gpt-4o-mini",outcome="fault"} 1"#,
        r#"paceline_lane_calls_total{lane="other",outcome="left"} 1950"#,
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn every_way_to_end_is_counted_once_and_a_reset_makes_a_lane_well() {
    let settings = settings();
    let lanes = lanes(&settings);
    let lane = lanes.lane("upstream", "gpt-4o-mini");
    for outcome in [
        Outcome::Whole,
        Outcome::Refused,
        Outcome::Quota,
        Outcome::Left,
        Outcome::Overtaken,
        Outcome::Ours,
        Outcome::Fault(Fault::new(FaultKind::Account)),
    ] {
        let passage = lane.begin().unwrap();
        assert_eq!(lane.under_way(), 1);
        passage.end(&outcome);
        assert_eq!(lane.under_way(), 0);
    }
    let text = lanes.metrics.encode().unwrap();
    for outcome in [
        "whole",
        "refused",
        "quota",
        "left",
        "overtaken",
        "ours",
        "fault",
    ] {
        let line = format!(
            r#"paceline_lane_calls_total{{lane="upstream/gpt-4o-mini",outcome="{outcome}"}} 1"#
        );
        assert!(text.contains(&line), "{line} is not in {text}");
    }
    assert!(lane.begin().is_err());
    lane.reset();
    drop(lane.begin().unwrap());
    assert_eq!(lane.view().unwrap().cause, None);
}
