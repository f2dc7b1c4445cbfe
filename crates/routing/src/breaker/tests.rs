//! The rules of a breaker, event by event.

use super::*;

fn ms(milliseconds: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(milliseconds)
}

fn fault(kind: FaultKind) -> Outcome {
    Outcome::Fault(Fault::new(kind))
}

fn breaker() -> Breaker {
    Breaker::new(BreakerSettings::default())
}

/// Sends a call and ends it a millisecond later.
fn call(breaker: &mut Breaker, at: u64, outcome: &Outcome) {
    let pass = breaker.begin(ms(at)).unwrap();
    breaker.end(pass, outcome, ms(at + 1), 0.0);
}

fn state(breaker: &Breaker, at: u64) -> &'static str {
    breaker.view(ms(at)).state.as_str()
}

/// A breaker that was tripped at 3 ms and is open until 2003 ms.
fn tripped() -> Breaker {
    let mut breaker = breaker();
    for at in 0..3 {
        call(&mut breaker, at, &fault(FaultKind::Status));
    }
    assert_eq!(breaker.view(ms(3)).next_probe, Some(ms(2003)));
    breaker
}

#[test]
fn three_faults_in_a_row_trip_a_lane_with_few_calls() {
    let mut breaker = breaker();
    call(&mut breaker, 0, &fault(FaultKind::Cut));
    call(&mut breaker, 10, &fault(FaultKind::Cut));
    call(&mut breaker, 20, &Outcome::Whole);
    call(&mut breaker, 30, &fault(FaultKind::Cut));
    call(&mut breaker, 40, &fault(FaultKind::Cut));
    assert_eq!(breaker.health(ms(50), 0.0), Health::Well);
    call(&mut breaker, 600_000, &fault(FaultKind::Timeout));
    assert_eq!(state(&breaker, 600_001), "open");
    assert_eq!(
        breaker.begin(ms(600_002)),
        Err(Refused {
            until: ms(602_001),
            kind: FaultKind::Timeout
        })
    );
}

#[test]
fn what_is_not_the_providers_fault_never_trips() {
    let mut breaker = breaker();
    for at in 0..1000 {
        for outcome in [
            Outcome::Refused,
            Outcome::Quota,
            Outcome::Left,
            Outcome::Overtaken,
            Outcome::Ours,
        ] {
            call(&mut breaker, at, &outcome);
        }
    }
    let view = breaker.view(ms(1001));
    assert_eq!((view.state, view.starts), (StateView::Closed, 0));
    assert_eq!((view.trips, view.waiting), (0, 0));
}

#[test]
fn long_answers_do_not_hide_that_no_new_ones_begin() {
    let mut breaker = breaker();
    let mut long = Vec::new();
    for at in 0..200 {
        let pass = breaker.begin(ms(at)).unwrap();
        breaker.first_byte(&pass, ms(at), 0.0);
        long.push(pass);
    }
    // Each of them ends well, but every new call fails.
    for (pass, at) in long.into_iter().zip(60_000..) {
        breaker.end(pass, &Outcome::Whole, ms(at), 0.0);
        if let Ok(pass) = breaker.begin(ms(at)) {
            breaker.end(pass, &fault(FaultKind::Status), ms(at), 0.0);
        }
    }
    let cause = breaker.view(ms(61_000)).cause.unwrap();
    assert!(cause.at <= ms(60_010), "{cause:?}");
}

#[test]
fn failures_that_are_told_sooner_than_successes_are_not_taken_for_all() {
    // A fresh gateway sends ten calls a second, whose answers take a minute; one in ten fails at
    // once.
    let mut breaker = breaker();
    let mut waiting = Vec::new();
    for number in 0..600 {
        let at = number * 100;
        let pass = breaker.begin(ms(at)).unwrap();
        if number % 10 == 0 {
            breaker.end(pass, &fault(FaultKind::Status), ms(at + 10), 0.0);
            continue;
        }
        waiting.push(pass);
    }
    assert_eq!(breaker.view(ms(60_000)).trips, 0);
}

#[test]
fn half_of_the_last_results_trip_a_busy_lane_and_a_fifth_does_not() {
    let mut busy = breaker();
    for at in 0..20_000_u64 {
        let outcome = if at % 5 == 0 {
            fault(FaultKind::Status)
        } else {
            Outcome::Whole
        };
        call(&mut busy, at, &outcome);
    }
    assert_eq!(busy.view(ms(20_001)).trips, 0);
    // Then it dies. Ten in a row are enough, whatever was before.
    let died = (20_000..20_064).find(|at| {
        call(&mut busy, *at, &fault(FaultKind::Connect));
        busy.view(ms(*at + 1)).trips > 0
    });
    assert!(died.unwrap() < 20_011, "{died:?}");

    let mut half = breaker();
    let mut calls = 0;
    while half.view(ms(calls)).trips == 0 && calls < 1000 {
        let outcome = match calls % 2 {
            0 => Outcome::Whole,
            _ => fault(FaultKind::Status),
        };
        call(&mut half, calls, &outcome);
        calls += 1;
    }
    assert_eq!(calls, 10, "half of ten");
}

#[test]
fn the_time_open_doubles_to_twenty_seconds_and_starts_again_after_calm() {
    let mut breaker = tripped();
    let mut now = 3;
    for open in [2, 4, 8, 16, 20, 20, 20, 20] {
        let until = breaker.view(ms(now)).next_probe.unwrap();
        assert_eq!(until, ms(now + open * 1000));
        now += open * 1000;
        call(&mut breaker, now, &fault(FaultKind::Overload));
        now += 1;
    }
    now += 60_000;
    call(&mut breaker, now, &Outcome::Whole);
    assert_eq!(state(&breaker, now + 1), "returning");
    // Calm for a minute.
    now += 60_001;
    for _ in 0..3 {
        call(&mut breaker, now, &fault(FaultKind::Overload));
        now += 1;
    }
    assert_eq!(breaker.view(ms(now)).next_probe, Some(ms(now + 2000)));
}

#[test]
fn jitter_only_lengthens_and_nonsense_counts_as_none() {
    for (jitter, until) in [(1.0, 2400), (0.5, 2200), (f64::NAN, 2000), (-7.0, 2000)] {
        let mut breaker = breaker();
        for _ in 0..3 {
            let pass = breaker.begin(ms(0)).unwrap();
            breaker.end(pass, &fault(FaultKind::Tls), ms(0), jitter);
        }
        let view = breaker.view(ms(0));
        assert_eq!(view.next_probe, Some(ms(until)), "{jitter}");
    }
}

#[test]
fn the_wait_that_the_provider_asks_for_is_the_least_and_is_bounded() {
    let asking = |seconds| {
        let asked = Duration::from_secs(seconds);
        Outcome::Fault(Fault::new(FaultKind::Overload).with_retry_after(asked))
    };
    for (asked, until) in [(1, 2001), (30, 30_001), (86_400, 300_001)] {
        let mut breaker = breaker();
        let passes: Vec<Pass> = (0..4).map(|_| breaker.begin(ms(0)).unwrap()).collect();
        for pass in passes {
            breaker.end(pass, &asking(asked), ms(1), 0.0);
        }
        assert_eq!(breaker.view(ms(1)).next_probe, Some(ms(until)), "{asked}");
        assert_eq!(breaker.view(ms(1)).trips, 1);
    }
}

#[test]
fn calls_from_before_a_trip_neither_lengthen_it_nor_end_it() {
    let mut breaker = breaker();
    let mut passes: Vec<Pass> = (0..100).map(|_| breaker.begin(ms(0)).unwrap()).collect();
    for pass in passes.drain(..50) {
        breaker.end(pass, &fault(FaultKind::Status), ms(10), 0.0);
    }
    let view = breaker.view(ms(10));
    assert_eq!((view.trips, view.next_probe), (1, Some(ms(2010))));
    for pass in passes.drain(..25) {
        breaker.end(pass, &Outcome::Whole, ms(100), 0.0);
    }
    assert_eq!(state(&breaker, 100), "open");
    let probe = breaker.begin(ms(2010)).unwrap();
    for pass in passes {
        breaker.end(pass, &fault(FaultKind::Status), ms(2020), 0.0);
    }
    assert_eq!(state(&breaker, 2020), "half_open");
    breaker.end(probe, &Outcome::Whole, ms(2030), 0.0);
    assert_eq!(state(&breaker, 2030), "returning");
}

#[test]
fn one_call_at_a_time_goes_and_sees_and_the_lane_returns_step_by_step() {
    let mut breaker = tripped();
    assert!(matches!(
        breaker.health(ms(2002), 0.0),
        Health::Ill { until, .. } if until == ms(2003)
    ));
    assert!(matches!(
        breaker.health(ms(2003), 0.0),
        Health::Probe { .. }
    ));
    let probe = breaker.begin(ms(2003)).unwrap();
    assert!(probe.is_probe());
    assert!(breaker.begin(ms(2004)).is_err());
    assert!(matches!(
        breaker.health(ms(2004), 0.0),
        Health::Ill { until, .. } if until == ms(32_003)
    ));
    breaker.end(probe, &Outcome::Whole, ms(3000), 0.0);
    for (at, expected) in [(3000, 0.1), (8000, 0.55), (12_999, 1.0)] {
        let Health::Returning { share, .. } = breaker.health(ms(at), 0.0) else {
            panic!("{at}");
        };
        assert!((share - expected).abs() < 0.001, "{at}: {share}");
    }
    assert_eq!(breaker.health(ms(13_000), 0.0), Health::Well);
}

#[test]
fn since_when_a_lane_is_ill_outlasts_failed_probes_and_ends_with_the_return() {
    let mut breaker = tripped();
    assert_eq!(breaker.view(ms(2_500)).state.as_str(), "half_open");
    assert_eq!(breaker.view(ms(2_500)).ill_since, Some(ms(3)));
    call(&mut breaker, 3_000, &fault(FaultKind::Status));
    let view = breaker.view(ms(3_100));
    assert_eq!((view.since, view.ill_since), (ms(3_001), Some(ms(3))));
    call(&mut breaker, 8_000, &Outcome::Whole);
    assert_eq!(breaker.view(ms(9_000)).state.as_str(), "returning");
    assert_eq!(breaker.view(ms(9_000)).ill_since, Some(ms(3)));
    assert_eq!(breaker.view(ms(60_000)).ill_since, None);
    // The next time is told from its own beginning.
    for at in 70_000..70_003 {
        call(&mut breaker, at, &fault(FaultKind::Cut));
    }
    assert_eq!(breaker.view(ms(70_100)).ill_since, Some(ms(70_003)));
    breaker.reset(ms(70_200));
    assert_eq!(breaker.view(ms(70_200)).ill_since, None);
}

#[test]
fn a_probe_that_says_nothing_leaves_its_place_to_the_next() {
    let mut breaker = tripped();
    for outcome in [
        Outcome::Quota,
        Outcome::Refused,
        Outcome::Left,
        Outcome::Overtaken,
    ] {
        call(&mut breaker, 2100, &outcome);
        assert_eq!(state(&breaker, 2102), "half_open");
    }
    // This one never reports back.
    let lost = breaker.begin(ms(3000)).unwrap();
    assert!(breaker.begin(ms(32_999)).is_err());
    let next = breaker.begin(ms(33_000)).unwrap();
    assert!(next.is_probe() && lost != next);
}

#[test]
fn a_probe_need_not_end_a_long_answer_to_have_succeeded() {
    let mut breaker = tripped();
    let probe = breaker.begin(ms(2003)).unwrap();
    breaker.first_byte(&probe, ms(2500), 0.0);
    assert!(breaker.begin(ms(4499)).is_err());
    assert_eq!(state(&breaker, 4500), "returning");
    // It breaks off after all, and so does another.
    breaker.end(probe, &fault(FaultKind::Cut), ms(5000), 0.0);
    assert_eq!(state(&breaker, 5000), "returning");
    let another = breaker.begin(ms(5000)).unwrap();
    breaker.first_byte(&another, ms(5001), 0.0);
    breaker.end(another, &fault(FaultKind::Cut), ms(5002), 0.0);
    assert_eq!(state(&breaker, 5002), "open");

    let mut breaker = tripped();
    let probe = breaker.begin(ms(2003)).unwrap();
    breaker.first_byte(&probe, ms(2500), 0.0);
    breaker.end(probe, &fault(FaultKind::Cut), ms(3000), 0.0);
    assert_eq!(state(&breaker, 3000), "open");
}

#[test]
fn a_refused_account_takes_its_lane_out_at_once_for_longer_each_time() {
    let account = || {
        let fault = Fault::of_status(401, true).unwrap();
        Outcome::Fault(fault.with_message("Incorrect API key provided"))
    };
    let mut breaker = breaker();
    call(&mut breaker, 0, &account());
    let view = breaker.view(ms(1));
    let cause = view.cause.unwrap();
    assert_eq!((cause.kind, cause.status), (FaultKind::Account, Some(401)));
    assert_eq!(cause.message, "Incorrect API key provided");
    assert_eq!(view.next_probe, Some(ms(60_001)));
    let mut now = 60_001;
    for minutes in [2, 4, 8, 16, 30, 30] {
        let probe = breaker.begin(ms(now)).unwrap();
        breaker.end(probe, &account(), ms(now), 0.0);
        now += minutes * 60_000;
        assert_eq!(breaker.view(ms(now - 1)).next_probe, Some(ms(now)));
    }
    // The operator put a new key in.
    breaker.reset(ms(now - 1));
    assert_eq!(breaker.health(ms(now - 1), 0.0), Health::Well);
}

#[test]
fn that_the_account_is_refused_is_learned_even_while_the_lane_is_open() {
    let mut breaker = breaker();
    let mut passes: Vec<Pass> = (0..4).map(|_| breaker.begin(ms(0)).unwrap()).collect();
    let last = passes.pop().unwrap();
    for pass in passes {
        breaker.end(pass, &fault(FaultKind::Status), ms(1), 0.0);
    }
    breaker.end(last, &fault(FaultKind::Account), ms(2), 0.0);
    assert_eq!(breaker.view(ms(2)).next_probe, Some(ms(60_002)));
}

#[test]
fn failures_before_do_not_lengthen_the_time_for_the_account_nor_the_other_way_round() {
    let mut breaker = breaker();
    let mut now = 0;
    for kind in [FaultKind::Status; 3] {
        call(&mut breaker, now, &fault(kind));
    }
    for (kind, open_ms) in [
        (FaultKind::Status, 4_000),
        (FaultKind::Account, 60_000),
        (FaultKind::Account, 120_000),
        (FaultKind::Status, 2_000),
    ] {
        let until = breaker.view(ms(now)).next_probe.unwrap();
        now = until.as_nanos() / 1_000_000;
        let probe = breaker.begin(until).unwrap();
        breaker.end(probe, &fault(kind), until, 0.0);
        assert_eq!(breaker.view(until).next_probe, Some(ms(now + open_ms)));
    }
}

/// A breaker whose calls usually take a tenth of a second.
fn practised() -> Breaker {
    let mut breaker = breaker();
    for at in 0..50 {
        let pass = breaker.begin(ms(at)).unwrap();
        breaker.end(pass, &Outcome::Whole, ms(at + 100), 0.0);
    }
    breaker
}

#[test]
fn a_lane_that_hangs_is_noticed_before_its_calls_time_out() {
    let mut breaker = practised();
    let passes: Vec<Pass> = (0..3)
        .map(|call| breaker.begin(ms(1000 + call)).unwrap())
        .collect();
    assert_eq!(breaker.health(ms(6001), 0.0), Health::Well);
    assert!(matches!(
        breaker.health(ms(6002), 0.0),
        Health::Ill {
            kind: FaultKind::Hang,
            ..
        }
    ));
    // One of them is answered after all: it did not hang.
    for pass in passes {
        breaker.first_byte(&pass, ms(6500), 0.0);
    }
    assert_eq!(state(&breaker, 6500), "returning");
    // Patience has doubled.
    let later: Vec<Pass> = (0..3).map(|_| breaker.begin(ms(7000)).unwrap()).collect();
    assert!(matches!(
        breaker.health(ms(12_999), 0.0),
        Health::Returning { .. }
    ));
    drop(later);
}

#[test]
fn callers_that_leave_a_silent_lane_early_are_a_sign_too() {
    let mut breaker = practised();
    for number in 0..3 {
        let pass = breaker.begin(ms(1000 + number * 3000)).unwrap();
        breaker.end(pass, &Outcome::Left, ms(4000 + number * 3000), 0.0);
    }
    assert!(matches!(
        breaker.health(ms(10_000), 0.0),
        Health::Ill {
            kind: FaultKind::Hang,
            ..
        }
    ));
}

#[test]
fn long_calls_among_short_ones_and_an_idle_lane_are_no_hang() {
    let mut breaker = practised();
    let long: Vec<Pass> = (0..20).map(|_| breaker.begin(ms(1000)).unwrap()).collect();
    for at in 0..100 {
        let pass = breaker.begin(ms(2000 + at * 100)).unwrap();
        breaker.end(pass, &Outcome::Whole, ms(2050 + at * 100), 0.0);
        assert_eq!(breaker.health(ms(2050 + at * 100), 0.0), Health::Well);
    }
    assert_eq!(breaker.health(ms(300_000), 0.0), Health::Well);
    drop(long);
}

#[test]
fn a_lane_of_unknown_latency_is_given_a_minute() {
    let mut breaker = breaker();
    let _waiting: Vec<Pass> = (0..9).map(|_| breaker.begin(ms(0)).unwrap()).collect();
    assert_eq!(breaker.health(ms(59_999), 0.0), Health::Well);
    assert!(matches!(
        breaker.health(ms(60_000), 0.0),
        Health::Ill { .. }
    ));
}

#[test]
fn lateness_trips_where_it_is_bounded() {
    let mut slow = Breaker::new(BreakerSettings {
        slow: Some(Slow::new(Duration::from_secs(3))),
        ..BreakerSettings::default()
    });
    for number in 0..10 {
        assert_eq!(slow.health(ms(number * 1000), 0.0), Health::Well);
        let pass = slow.begin(ms(number * 1000)).unwrap();
        slow.first_byte(&pass, ms(number * 1000 + 5000), 0.0);
        slow.end(pass, &Outcome::Whole, ms(number * 1000 + 5001), 0.0);
    }
    let view = slow.view(ms(14_001));
    assert_eq!(view.cause.map(|cause| cause.kind), Some(FaultKind::Slow));
    // A probe that is late does not bring it back.
    let probe = slow.begin(ms(20_000)).unwrap();
    slow.first_byte(&probe, ms(25_000), 0.0);
    assert_eq!(
        (state(&slow, 25_000), slow.view(ms(25_000)).trips),
        ("open", 2)
    );
    slow.end(probe, &Outcome::Whole, ms(26_000), 0.0);
    let probe = slow.begin(ms(29_000)).unwrap();
    slow.first_byte(&probe, ms(30_000), 0.0);
    slow.end(probe, &Outcome::Whole, ms(31_000), 0.0);
    assert_eq!(state(&slow, 31_000), "returning");
}

#[test]
fn ten_late_first_bytes_in_a_row_trip_a_lane_that_was_in_time_for_long() {
    let mut slow = Breaker::new(BreakerSettings {
        slow: Some(Slow::new(Duration::from_secs(3))),
        ..BreakerSettings::default()
    });
    let begin = |slow: &mut Breaker, at: u64, after: u64| {
        let pass = slow.begin(ms(at)).unwrap();
        slow.first_byte(&pass, ms(at + after), 0.0);
        slow.end(pass, &Outcome::Whole, ms(at + after), 0.0);
    };
    for number in 0..64 {
        begin(&mut slow, number * 100, 50);
    }
    for number in 0..9 {
        begin(&mut slow, 7000 + number * 100, 5000);
    }
    // One in time begins the count anew.
    begin(&mut slow, 13_000, 50);
    for number in 0..9 {
        begin(&mut slow, 13_000 + number * 100, 5000);
    }
    assert_eq!(state(&slow, 18_900), "closed");
    begin(&mut slow, 14_000, 5000);
    assert_eq!(state(&slow, 19_001), "open");
}

#[test]
fn settings_that_make_no_sense_are_named() {
    type Change = fn(&mut BreakerSettings);
    let good = BreakerSettings::default();
    assert_eq!(good.check(), Ok(()));
    let changes: [(&str, Change); 6] = [
        ("window", |s| s.window = Duration::ZERO),
        ("fault_share", |s| s.fault_share = f64::NAN),
        ("faults_in_a_row", |s| s.faults_in_a_row = 11),
        ("calls_min", |s| s.calls_min = 65),
        ("open_max", |s| s.open_max = Duration::from_secs(1)),
        ("hang.most", |s| {
            s.hang = Some(Hang {
                most: Duration::from_secs(1),
                ..Hang::default()
            });
        }),
    ];
    for (name, change) in changes {
        let mut settings = good.clone();
        change(&mut settings);
        assert_eq!(settings.check().unwrap_err().setting, name);
    }
}

#[test]
fn answers_that_a_second_attempt_overtook_count_as_no_quicker_than_they_were() {
    let mut breaker = breaker();
    for number in 0..200_u64 {
        let begin = number * 10_000;
        let pass = breaker.begin(ms(begin)).unwrap();
        if number % 10 == 0 {
            breaker.end(pass, &Outcome::Overtaken, ms(begin + 2000), 0.0);
        } else {
            breaker.end(pass, &Outcome::Whole, ms(begin + 100), 0.0);
        }
    }
    let p95 = breaker.latency().p95(ms(2_000_000)).unwrap();
    assert!(p95 >= Duration::from_secs(2), "{p95:?}");
    assert_eq!(state(&breaker, 2_000_000), "closed");
}

#[test]
fn one_call_that_fails_again_and_again_is_one_fault() {
    let mut breaker = breaker();
    let first = Fault::new(FaultKind::Status);
    let again = Fault {
        is_repeated: true,
        ..first.clone()
    };
    for at in 0..100 {
        call(&mut breaker, at, &Outcome::Fault(again.clone()));
    }
    assert_eq!(state(&breaker, 100), "closed");
    for at in 100..103 {
        call(&mut breaker, at, &Outcome::Fault(first.clone()));
    }
    assert_eq!(state(&breaker, 110), "open");
    // Nor do attempts that say nothing dilute the faults of a call.
    let mut breaker = self::breaker();
    for at in 0..2 {
        call(&mut breaker, at * 10, &Outcome::Fault(first.clone()));
        for retry in 1..4 {
            call(
                &mut breaker,
                at * 10 + retry,
                &Outcome::Fault(again.clone()),
            );
        }
    }
    call(&mut breaker, 20, &Outcome::Fault(first));
    assert_eq!(breaker.view(ms(110)).trips, 1);
    // A probe that fails has failed, whoever it was.
    call(&mut breaker, 3000, &Outcome::Fault(again));
    assert_eq!(breaker.view(ms(3001)).trips, 2);
}
