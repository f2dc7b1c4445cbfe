//! Forecasts of known pictures, worked out by hand.

use paceline_limiter::{
    Charge, Domain, DomainSettings, Limit, LimitSource, Outcome, Request, Settlement, Submission,
    TenantId, Tier, Timestamp,
};

use super::super::demand::Demand;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// 60,000 tokens a minute, which is 1,000 a second.
fn limit(model: WindowModel, used: u64, clear_in_seconds: u64) -> LimitView {
    LimitView {
        belief: None,
        metric: Metric::Tokens,
        amount: 60_000,
        configured_amount: None,
        window: MINUTE,
        model,
        guard: Duration::ZERO,
        used,
        source: LimitSource::Configured,
        clear_in: Duration::from_secs(clear_in_seconds),
    }
}

fn bucket(used: u64) -> LimitView {
    limit(WindowModel::Bucket { burst: 60_000 }, used, used / 1_000)
}

/// `requests` a second of 100 tokens each: quick and slow rate.
fn rates(short: f64, long: f64) -> Rates {
    let mut rates = Rates::default();
    for (rate, requests) in [(&mut rates.short, short), (&mut rates.long, long)] {
        let units = rate.iter_mut().zip(Metric::ALL);
        for (unit, metric) in units {
            *unit = match metric {
                Metric::Requests => requests,
                Metric::Tokens => requests * 100.0,
                _ => 0.0,
            };
        }
    }
    rates
}

fn seconds(limit: &LimitView, demand: f64) -> Option<f64> {
    hit_in(limit, demand).map(|time| time.as_secs_f64())
}

#[test]
fn a_bucket_is_hit_when_demand_has_outrun_its_refill() {
    assert_eq!(seconds(&bucket(30_000), 2_000.0), Some(30.0));
    assert_eq!(seconds(&bucket(0), 1_600.0), Some(100.0));
    assert_eq!(
        seconds(&bucket(59_000), 1_000.0),
        None,
        "just what is refilled"
    );
    assert_eq!(seconds(&bucket(59_000), 0.0), None);
    let small = limit(WindowModel::Bucket { burst: 6_000 }, 0, 0);
    assert_eq!(seconds(&small, 2_000.0), Some(6.0), "the burst decides");
}

#[test]
fn a_fixed_window_is_hit_before_its_end_or_in_the_next_one() {
    let half = |clear_in| limit(WindowModel::FixedFromFirstUse, 30_000, clear_in);
    assert_eq!(seconds(&half(40), 1_000.0), Some(30.0));
    assert_eq!(seconds(&half(20), 1_000.0), None, "the window ends before");
    assert_eq!(
        seconds(&half(20), 1_200.0),
        Some(70.0),
        "20 s and 50 s of the next"
    );
    assert_eq!(
        seconds(&limit(WindowModel::FixedFromFirstUse, 0, 0), 1_200.0),
        Some(50.0)
    );
}

#[test]
fn a_sliding_window_is_hit_when_more_comes_than_expires() {
    let half = |clear_in| limit(WindowModel::Sliding, 30_000, clear_in);
    assert_eq!(
        seconds(&half(60), 1_500.0),
        Some(30.0),
        "500 a second expire"
    );
    assert_eq!(seconds(&half(60), 1_000.0), None);
    assert_eq!(
        seconds(&half(10), 1_200.0),
        Some(50.0),
        "what is counted now is gone by then"
    );
}

#[test]
fn an_unknown_window_is_hit_when_its_small_burst_is_gone() {
    let unknown = limit(WindowModel::Unknown { burst: 1_000 }, 0, 0);
    assert_eq!(seconds(&unknown, 1_500.0), Some(2.0));
    assert_eq!(seconds(&unknown, 900.0), None);
}

#[test]
fn a_limit_that_is_used_up_is_hit_now_at_any_demand() {
    assert_eq!(seconds(&bucket(60_000), 0.0), Some(0.0));
    let pieces = limit(
        WindowModel::Quantised {
            quantum: Duration::from_secs(6),
        },
        5_000,
        5,
    );
    assert_eq!(seconds(&pieces, 2_000.0), Some(1.0), "6,000 fit at once");
    let nothing = LimitView {
        amount: 0,
        ..bucket(0)
    };
    assert_eq!(seconds(&nothing, 5.0), Some(0.0));
}

#[test]
fn the_quick_rate_speaks_for_the_next_half_minute_and_the_slow_one_for_later() {
    // At 2,000 tokens a second 20,000 units last 20 s.
    let near = limit_forecast(&bucket(40_000), &rates(20.0, 5.0), 1.0);
    assert_eq!(near.hit_in, Some(Duration::from_secs(20)));
    assert_eq!(near.demand_ratio, 2.0);
    assert_eq!(
        near.surplus_per_minute, 600.0,
        "half of 20 a second are too many"
    );
    // At 60 s the burst of the last seconds is no witness, and the slow rate keeps below.
    let far = limit_forecast(&bucket(0), &rates(20.0, 5.0), 1.0);
    assert_eq!(
        (far.hit_in, far.demand_ratio, far.surplus_per_minute),
        (None, 0.5, 0.0)
    );
    let lasting = limit_forecast(&bucket(0), &rates(20.0, 20.0), 1.0);
    assert_eq!(lasting.hit_in, Some(MINUTE));
}

#[test]
fn what_settlement_gives_back_is_no_demand() {
    let mostly_refunded = limit_forecast(&bucket(40_000), &rates(20.0, 20.0), 0.25);
    assert_eq!(
        (mostly_refunded.hit_in, mostly_refunded.demand_ratio),
        (None, 0.5)
    );
}

#[test]
fn absurd_numbers_do_no_harm() {
    for demand in [f64::NAN, f64::INFINITY, f64::MAX, -1.0, f64::MIN_POSITIVE] {
        for model in [
            WindowModel::Bucket { burst: u64::MAX },
            WindowModel::Sliding,
            WindowModel::FixedFromFirstUse,
            WindowModel::Unknown { burst: 0 },
            WindowModel::Quantised {
                quantum: Duration::ZERO,
            },
        ] {
            let absurd = LimitView {
                amount: u64::MAX,
                window: Duration::ZERO,
                clear_in: Duration::MAX,
                ..limit(model, u64::MAX - 1, 0)
            };
            let _ = hit_in(&absurd, demand);
            let _ = hit_in(&limit(model, 0, 0), demand);
        }
    }
}

/// A real domain under a real demand: the forecast made early comes true.
#[test]
fn what_is_foretold_happens() {
    for (model, every_ms, seconds_off) in [
        (WindowModel::Bucket { burst: 60_000 }, 50, 2),
        // What is in the window is taken to be spread over it; here all of it is young.
        (WindowModel::Sliding, 60, 10),
        (WindowModel::FixedFromFirstUse, 70, 2),
        (WindowModel::Quantised { quantum: MINUTE }, 50, 2),
    ] {
        let start = Timestamp::ZERO + Duration::from_hours(1);
        let settings = DomainSettings {
            limits: vec![Limit {
                metric: Metric::Tokens,
                amount: 60_000,
                window: MINUTE,
                model,
                guard: Duration::ZERO,
            }],
            ..DomainSettings::default()
        };
        let mut domain = Domain::new(settings, start).unwrap();
        let (mut demand, mut foretold) = (Demand::default(), None);
        for index in 0..10_000_u64 {
            let now = start + Duration::from_millis(index * every_ms);
            let charge = Charge::ZERO
                .with(Metric::Requests, 1)
                .with(Metric::Tokens, 100);
            demand.record(charge, now);
            let request = Request {
                parts: None,
                tenant: TenantId(1),
                weight: 1,
                tier: Tier::Standard,
                charge,
                deadline: None,
                retry: false,
            };
            match domain.submit(request, now) {
                Submission::Admitted(reservation) => {
                    let spent = Settlement {
                        actual: None,
                        charged: None,
                        outcome: Outcome::Success,
                    };
                    domain.settle(reservation.id, spent, now);
                }
                _ => {
                    let real = now;
                    let foretold: Timestamp = foretold.expect("a forecast was made");
                    let off = foretold
                        .saturating_since(real)
                        .max(real.saturating_since(foretold));
                    assert!(
                        off < Duration::from_secs(seconds_off),
                        "{model:?}: {off:?} off"
                    );
                    break;
                }
            }
            if index == 400 {
                let made = forecast(&domain.snapshot(now), &demand.rates(now), None);
                let hit_in = made.limits.first().and_then(|limit| limit.hit_in);
                foretold = hit_in.map(|hit_in| now + hit_in);
                assert!(made.queue_growth_per_minute >= 0.0);
            }
            assert!(index < 9_999, "{model:?} was never hit");
        }
    }
}

#[test]
fn the_limit_that_holds_back_the_queue_is_hit_now() {
    let start = Timestamp::ZERO + Duration::from_hours(1);
    let snapshot = DomainSnapshot {
        limits: vec![
            bucket(30_000),
            LimitView {
                window: Duration::from_hours(1),
                ..bucket(0)
            },
        ],
        ..Domain::new(DomainSettings::default(), start)
            .unwrap()
            .snapshot(start)
    };
    let binding = Binding::Limit {
        metric: Metric::Tokens,
        amount: 60_000,
        window: MINUTE,
    };
    let made = forecast(&snapshot, &rates(1.0, 1.0), Some(binding));
    let hits: Vec<_> = made.limits.iter().map(|limit| limit.hit_in).collect();
    assert_eq!(hits.first(), Some(&Some(Duration::ZERO)));
    assert!(
        hits.get(1)
            .is_some_and(|hit| hit.is_some_and(|hit| !hit.is_zero()))
    );
    let other = forecast(&snapshot, &rates(1.0, 1.0), Some(Binding::Spacing));
    assert_eq!(other.limits.first().and_then(|limit| limit.hit_in), None);
}
