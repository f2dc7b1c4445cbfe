//! Making failing scenarios smaller.

use paceline_proving::{FaultKind, Run, Scenario, Sender, families, reduce};

#[test]
fn what_has_no_part_in_a_failure_goes_and_what_has_stays() {
    // A member with everything in it, and one fault of two that matters.
    let mut scenario = (0..)
        .map(|seed| families::member(seed).scenario)
        .find(|scenario| {
            let provider = &scenario.provider;
            let others = !provider.foreign.is_empty() && !provider.change.is_empty();
            others && !scenario.fault.is_empty()
        })
        .unwrap();
    let mut overload = scenario.fault[0];
    overload.kind = FaultKind::Overloaded;
    overload.percent = 50.0;
    scenario.fault.push(overload);
    scenario.gateway.count = 5;
    let fails = |scenario: &Scenario| {
        let report = Run::play(scenario, Sender::Gateway, scenario.seed)
            .unwrap()
            .report;
        report.overloaded > 0 && scenario.provider.quota.len() > 1
    };
    assert!(fails(&scenario));
    let small = reduce(&scenario, 200, fails);
    assert!(fails(&small), "the result fails as the scenario did");
    assert!(small.is_sound());
    assert_eq!(small.fault, [overload]);
    assert!(small.provider.foreign.is_empty() && small.provider.change.is_empty());
    assert_eq!(small.gateway.count, 1);
    assert!(
        small.duration_s <= scenario.duration_s / 4,
        "{}",
        small.duration_s
    );
    assert_eq!(small.workload.first().unwrap().tenants, 1);
    let text = small.to_toml().unwrap();
    assert_eq!(Scenario::parse("small.toml", &text).unwrap(), small);
}

#[test]
fn a_reduction_asks_no_more_often_than_it_may() {
    let scenario = families::member(1).scenario;
    let mut asked = 0;
    let same = reduce(&scenario, 7, |_| {
        asked += 1;
        false
    });
    assert_eq!((same, asked), (scenario, 7));
}
