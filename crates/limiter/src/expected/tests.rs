//! What is expected after which requests.

use super::*;

const SECOND: u64 = 1_000_000_000;

fn tokens(units: u64) -> Charge {
    Charge::ZERO.with(Metric::Tokens, units)
}

/// What a batch leaves of tokens for interactive requests of `units` every second for two minutes.
fn claim_after_two_minutes(units: u64, now: u64) -> Option<Claim> {
    let mut expected = Expected::default();
    for second in 0..=120 {
        expected.note(Tier::Interactive, &tokens(units), second * SECOND);
    }
    let claims = expected.above(Tier::Batch, 950_000, now)?;
    claims.get(Metric::Tokens).copied()
}

#[test]
fn the_rate_is_that_of_the_latest_requests() {
    let claim = claim_after_two_minutes(300, 120 * SECOND).unwrap();
    let in_ten_seconds = claim.within(10 * SECOND, 0.0);
    assert!((3_000..3_200).contains(&in_ten_seconds), "{in_ten_seconds}");
    assert!(claim.within(10 * SECOND, f64::INFINITY) > 4_000);
    assert!((claim.size() - 300.0).abs() < 1e-6);
}

#[test]
fn what_is_asked_for_lasts_as_long_as_it_is_enough() {
    let claim = claim_after_two_minutes(300, 120 * SECOND).unwrap();
    for spread_max in [0.0, 700.0, f64::INFINITY] {
        for seconds in [1, 7, 30] {
            let units = claim.within(seconds * SECOND, spread_max);
            let lasts = claim.lasts(units, spread_max);
            let off = lasts.abs_diff(seconds * SECOND);
            assert!(off < SECOND / 100, "{spread_max} {seconds}: {lasts}");
        }
    }
}

#[test]
fn surges_grow_with_the_load() {
    let claim = claim_after_two_minutes(300, 120 * SECOND).unwrap();
    let surge = |refill_per_second: f64| claim.surge(refill_per_second / 1e9, HORIZON_NS);
    assert!(surge(3_000.0) < 300.0);
    assert!(surge(600.0) > surge(3_000.0));
    assert!(surge(350.0) > 2.0 * surge(600.0));
    assert!(surge(0.0).is_finite());
}

#[test]
fn expectation_fades_in_steps_after_the_last_request() {
    let rate = |after: u64| {
        let claim = claim_after_two_minutes(300, (120 + after) * SECOND);
        claim.map_or(0, |claim| claim.within(SECOND, 0.0) / 10)
    };
    assert_eq!(rate(0), rate(9));
    let steps = [9, 10, 15, 20, 25, 100].map(rate);
    assert!(steps.windows(2).take(4).all(|pair| pair[0] > pair[1]));
    assert_eq!((steps[4], steps[5]), (0, 0));
}

#[test]
fn only_more_urgent_tiers_are_expected() {
    let mut expected = Expected::default();
    expected.note(Tier::Standard, &tokens(10), 0);
    expected.note(Tier::Batch, &tokens(10), 0);
    assert!(expected.above(Tier::Interactive, 0, 0).is_none());
    assert!(expected.above(Tier::Standard, 0, 0).is_none());
    let claims = expected.above(Tier::Batch, 0, 0).unwrap();
    assert!(claims.get(Metric::Tokens).is_some());
    assert!(claims.get(Metric::Requests).is_none());
}

#[test]
fn the_largest_numbers_do_no_harm() {
    let mut expected = Expected::default();
    for time in [0, 1, u64::MAX - 1, u64::MAX] {
        expected.note(Tier::Interactive, &tokens(u64::MAX), time);
    }
    let claims = expected.above(Tier::Batch, 1_000_000, u64::MAX).unwrap();
    let claim = claims.get(Metric::Tokens).unwrap();
    assert_eq!(claim.within(u64::MAX, f64::INFINITY), u64::MAX);
    assert_eq!(claim.lasts(0, 0.0), 0);
}
