//! Providers that fall ill in every way, and recover.

use std::time::Duration;

use crate::world::{Illness, Report, play};

const SEEDS: u64 = 3;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Plays an illness with several seeds and returns all reports.
fn reports(illness: Illness) -> Vec<Report> {
    let reports: Vec<Report> = (0..SEEDS).map(|seed| play(illness, true, seed)).collect();
    for report in &reports {
        assert_eq!(report.trips_of_the_other, 0, "{illness:?} {report:?}");
        assert_eq!(report.calls, 4801);
    }
    reports
}

#[test]
fn a_provider_that_fails_at_once_costs_no_call_and_gets_only_probes() {
    let illnesses = [
        Illness::Errors(1.0),
        Illness::Overload(1),
        Illness::Connect,
        Illness::Garbage,
    ];
    for illness in illnesses {
        for report in reports(illness) {
            assert_eq!(report.lost, 0, "{illness:?} {report:?}");
            assert!(report.tripped_after.unwrap() < seconds(3), "{report:?}");
            assert!(report.recovered_after.unwrap() < seconds(60), "{report:?}");
            // At 2, 6, 14, 30 and 62 seconds.
            assert!(report.probes <= 6, "{illness:?} {report:?}");
            assert!(report.failed_attempts < 40, "{illness:?} {report:?}");
        }
    }
}

#[test]
fn a_provider_that_hangs_is_left_long_before_calls_time_out_and_costs_no_call() {
    for report in reports(Illness::Hang) {
        assert_eq!(report.lost, 0, "{report:?}");
        assert!(report.tripped_after.unwrap() < seconds(9), "{report:?}");
        assert!(report.recovered_after.unwrap() < seconds(90), "{report:?}");
        assert!(report.probes <= 4, "{report:?}");
        let without = play(Illness::Hang, false, 1);
        assert!(report.late < without.late / 2, "{report:?} {without:?}");
    }
}

#[test]
fn cut_answers_trip_although_their_first_bytes_came() {
    for report in reports(Illness::Cut(1.0)) {
        assert!(report.tripped_after.unwrap() < seconds(5), "{report:?}");
        assert!(report.success() > 0.98, "{report:?}");
        let without = play(Illness::Cut(1.0), false, 1);
        assert!(report.lost < without.lost / 10, "{report:?} {without:?}");
    }
}

#[test]
fn a_slow_provider_is_left_where_lateness_is_bounded() {
    for report in reports(Illness::Late(seconds(5))) {
        assert_eq!(report.lost, 0, "{report:?}");
        assert!(report.tripped_after.unwrap() < seconds(12), "{report:?}");
        let without = play(Illness::Late(seconds(5)), false, 1);
        assert!(report.late < without.late / 2, "{report:?} {without:?}");
    }
}

#[test]
fn most_answers_failing_trips_and_few_do_not() {
    for report in reports(Illness::Errors(0.8)) {
        assert!(report.tripped_after.unwrap() < seconds(4), "{report:?}");
    }
    for report in reports(Illness::Errors(0.1)) {
        assert_eq!((report.lost, report.trips), (0, 0), "{report:?}");
    }
}

#[test]
fn a_refused_key_is_tried_once() {
    for report in reports(Illness::Account) {
        assert_eq!((report.lost, report.trips), (0, 1), "{report:?}");
        // The lane is well again when the first probe goes, a minute after the trip.
        assert_eq!(report.probes, 0);
        assert!(report.recovered_after.is_some(), "{report:?}");
        assert_eq!(report.failed_attempts, 1);
    }
}

#[test]
fn the_same_seed_plays_the_same_way() {
    let once = format!("{:?}", play(Illness::Errors(0.6), true, 9));
    assert_eq!(once, format!("{:?}", play(Illness::Errors(0.6), true, 9)));
}
