//! What holds for every breaker, whatever happens to its calls.

use std::time::Duration;

use paceline_routing::{
    Breaker, BreakerSettings, Fault, FaultKind, Health, Outcome, Pass, StateView, Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Begin,
    FirstByte(usize),
    End(usize, Outcome),
    Lose(usize),
    Wait(u64),
}

fn fault() -> impl Strategy<Value = Outcome> {
    let kinds = vec![
        FaultKind::Connect,
        FaultKind::Timeout,
        FaultKind::Cut,
        FaultKind::Status,
        FaultKind::Overload,
        FaultKind::Account,
    ];
    let asked = proptest::option::of(0_u64..100_000);
    (proptest::sample::select(kinds), asked).prop_map(|(kind, asked)| {
        let fault = Fault::new(kind);
        Outcome::Fault(match asked {
            Some(seconds) => fault.with_retry_after(Duration::from_secs(seconds)),
            None => fault,
        })
    })
}

fn harmless() -> impl Strategy<Value = Outcome> {
    proptest::sample::select(vec![
        Outcome::Whole,
        Outcome::Refused,
        Outcome::Quota,
        Outcome::Left,
        Outcome::Overtaken,
        Outcome::Ours,
    ])
}

fn steps(outcome: impl Strategy<Value = Outcome>) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Begin),
        2 => (0_usize..8).prop_map(Step::FirstByte),
        3 => (0_usize..8, outcome).prop_map(|(call, outcome)| Step::End(call, outcome)),
        1 => (0_usize..8).prop_map(Step::Lose),
        2 => (0_u64..40_000).prop_map(Step::Wait),
    ];
    vec(step, 0..400)
}

/// Plays `steps` and checks after each that the breaker does what it says.
fn play(settings: BreakerSettings, steps: Vec<Step>) -> Result<Breaker, TestCaseError> {
    let longest = settings
        .open_account_max
        .max(settings.retry_after_max)
        .mul_f64(1.2);
    let mut breaker = Breaker::new(settings);
    let mut now = Timestamp::from_nanos(5);
    let mut under_way: Vec<Pass> = Vec::new();
    for step in steps {
        match step {
            Step::Begin => {
                let health = breaker.health(now, 1.0);
                let pass = breaker.begin(now);
                let ill = matches!(health, Health::Ill { .. });
                prop_assert_eq!(pass.is_err(), ill, "{:?}", health);
                let probes = matches!(health, Health::Probe { .. });
                prop_assert_eq!(pass.as_ref().is_ok_and(Pass::is_probe), probes);
                if probes {
                    prop_assert!(breaker.begin(now).is_err(), "one at a time");
                }
                under_way.extend(pass);
            }
            Step::FirstByte(call) => {
                if let Some(pass) = under_way.get(call) {
                    breaker.first_byte(pass, now, 1.0);
                }
            }
            Step::End(call, outcome) if call < under_way.len() => {
                breaker.end(under_way.swap_remove(call), &outcome, now, 1.0);
            }
            Step::Lose(call) if call < under_way.len() => drop(under_way.swap_remove(call)),
            Step::End(..) | Step::Lose(_) => {}
            Step::Wait(milliseconds) => now = now + Duration::from_millis(milliseconds),
        }
        let view = breaker.view(now);
        prop_assert_eq!(view.state == StateView::Open, view.next_probe.is_some());
        if let Some(next) = view.next_probe {
            prop_assert!(next > now && next <= now + longest);
        }
        prop_assert!(view.starts_failed <= view.starts && view.ends_failed <= view.ends);
    }
    // However it stands, the lane is tried again when it says.
    if let Health::Ill { until, .. } = breaker.health(now, 1.0) {
        prop_assert!(until > now && until <= now + longest);
        let health = breaker.health(until, 1.0);
        let ill = matches!(health, Health::Ill { .. });
        prop_assert!(!ill, "{:?}", health);
    }
    Ok(breaker)
}

proptest! {
    #[test]
    fn a_breaker_does_what_it_says_and_every_lane_comes_back(steps in steps(prop_oneof![fault(), harmless()])) {
        play(BreakerSettings::default(), steps)?;
    }

    #[test]
    fn without_a_fault_of_the_provider_nothing_trips(steps in steps(harmless())) {
        let settings = BreakerSettings { hang: None, ..BreakerSettings::default() };
        let breaker = play(settings, steps)?;
        prop_assert_eq!(breaker.view(Timestamp::ZERO).trips, 0);
    }
}
