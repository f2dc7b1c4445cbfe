//! Numbers at the ends of their ranges: no overflow, no panic, and still never over.

use std::time::Duration;

use paceline_limiter::{
    CalmSettings, Charge, Domain, DomainSettings, Event, Limit, Metric, Observation,
    ProviderRefusal, RefusalKind, Request, Submission, Timestamp, WINDOW_MAX, WindowModel,
};

use crate::provider::at;
use crate::world::{Random, SECOND, request, settings, spent, tokens};

const AMOUNTS: [u64; 5] = [0, 1, 2, u64::MAX - 1, u64::MAX];

fn windows() -> [Duration; 5] {
    [
        Duration::from_nanos(1),
        Duration::from_nanos(1_000),
        Duration::from_secs(1),
        Duration::from_secs(365 * 86_400),
        WINDOW_MAX,
    ]
}

fn limits() -> Vec<Limit> {
    let mut limits = Vec::new();
    for amount in AMOUNTS {
        for window in windows() {
            for guard in [Duration::ZERO, window / 2, window - Duration::from_nanos(1)] {
                for model in [
                    WindowModel::Bucket { burst: amount },
                    WindowModel::Bucket { burst: u64::MAX },
                    WindowModel::Bucket { burst: 1 },
                    WindowModel::Fixed {
                        phase: at(u64::MAX),
                    },
                    WindowModel::Fixed {
                        phase: Timestamp::ZERO,
                    },
                    WindowModel::FixedFromFirstUse,
                    WindowModel::Sliding,
                    WindowModel::Quantised {
                        quantum: Duration::from_nanos(1),
                    },
                    WindowModel::Quantised {
                        quantum: Duration::MAX,
                    },
                    WindowModel::Unknown { burst: amount },
                ] {
                    let metric = Metric::Tokens;
                    limits.push(Limit {
                        metric,
                        amount,
                        window,
                        model,
                        guard,
                    });
                }
            }
        }
    }
    limits
}

fn exercise(domain: &mut Domain, random: &mut Random) {
    let times = [0, 1, 999, SECOND, 1 << 40, 1 << 62, u64::MAX - 1, u64::MAX];
    let mut events = Vec::new();
    for now in times {
        let now = at(now);
        for units in [0, 1, 2, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let deadline = (random.within(0, 3) == 0).then(|| at(random.next()));
            let weight = [0, 1, u32::MAX][usize::try_from(random.within(0, 2)).unwrap()];
            let request = Request {
                deadline,
                weight,
                ..request(units % 3, tokens(units))
            };
            match domain.submit(request, now) {
                Submission::Admitted(reservation) => {
                    let charged = Some(tokens(random.next()));
                    domain.settle(reservation.id, spent(charged), now);
                }
                Submission::Queued(ticket) => {
                    assert!(domain.outlook(ticket.id, now).is_some());
                }
                Submission::Refused(_) => {}
            }
        }
        let waiting: usize = domain.snapshot(now).waiting.iter().sum();
        assert_eq!(domain.waiting(now, 10).len(), waiting.min(10));
        domain.poll(now, &mut events);
        for event in events.drain(..) {
            if let Event::Admitted { reservation, .. } = event {
                domain.abandon(reservation.id, now);
            }
        }
    }
}

#[test]
fn no_numbers_make_it_panic() {
    let mut random = Random(9);
    for limit in limits() {
        let settings = settings(&[limit]);
        // What the settings refuse cannot be exercised.
        if let Ok(mut domain) = Domain::new(settings, at(0)) {
            exercise(&mut domain, &mut random);
        }
    }
}

#[test]
fn no_answers_or_refusals_make_it_panic() {
    let mut random = Random(10);
    let extremes = [0, 1, 1_000, u64::MAX / 2, u64::MAX];
    let signed = [i64::MIN, -1, 0, 1, i64::MAX];
    let durations = [
        None,
        Some(Duration::ZERO),
        Some(Duration::from_nanos(1)),
        Some(Duration::MAX),
    ];
    for limit in limits().into_iter().step_by(7) {
        let settings = DomainSettings {
            calm: CalmSettings {
                stabilisation: Duration::from_secs(1 << 40),
                growth_percent: u32::MAX,
                ..CalmSettings::default()
            },
            ..settings(&[limit])
        };
        let Ok(mut domain) = Domain::new(settings, at(0)) else {
            continue;
        };
        for amount in extremes {
            for remaining in signed {
                for reset in durations {
                    let now = at(random.within(0, 1 << 50));
                    for metric in [Metric::Tokens, Metric::Requests] {
                        domain.observe(
                            Observation {
                                metric,
                                limit: amount,
                                remaining,
                                reset,
                                as_of: at(random.within(0, 1 << 50)),
                                reservation: None,
                                window: None,
                                processing: reset,
                            },
                            now,
                        );
                    }
                }
            }
            let kinds = [
                RefusalKind::Quota,
                RefusalKind::Overload,
                RefusalKind::Acceleration,
            ];
            for (retry_after, kind) in durations.into_iter().zip(kinds.into_iter().cycle()) {
                let refusal = ProviderRefusal {
                    metric: Some(Metric::Tokens),
                    limit: Some(amount),
                    used: Some(amount),
                    level: Some(amount / 2),
                    requested: Some(amount),
                    window: None,
                    sent_at: at(random.next()),
                    retry_after,
                    wait_named: true,
                    jitter: Duration::MAX,
                    penalty: Charge::ZERO,
                    kind,
                };
                domain.refused(refusal, at(0));
            }
        }
        exercise(&mut domain, &mut random);
    }
}

#[test]
fn huge_limits_are_exact_to_the_unit() {
    let limit = |model| Limit {
        metric: Metric::Tokens,
        amount: u64::MAX,
        window: Duration::from_secs(365 * 86_400),
        model,
        guard: Duration::ZERO,
    };
    for model in [
        WindowModel::Bucket { burst: u64::MAX },
        WindowModel::Fixed {
            phase: Timestamp::ZERO,
        },
        WindowModel::FixedFromFirstUse,
        WindowModel::Sliding,
        WindowModel::Unknown { burst: u64::MAX },
    ] {
        let mut domain = Domain::new(settings(&[limit(model)]), at(0)).unwrap();
        let admitted = |domain: &mut Domain, units| {
            matches!(
                domain.submit(request(1, tokens(units)), at(0)),
                Submission::Admitted(_)
            )
        };
        assert!(admitted(&mut domain, u64::MAX - 1), "{model:?}");
        assert!(admitted(&mut domain, 1), "{model:?}");
        assert!(!admitted(&mut domain, 1), "{model:?}");
    }
}

#[test]
fn a_window_of_a_nanosecond_lets_its_amount_go_each_nanosecond() {
    for model in [
        WindowModel::Bucket { burst: 2 },
        WindowModel::Fixed {
            phase: Timestamp::ZERO,
        },
        WindowModel::FixedFromFirstUse,
        WindowModel::Sliding,
    ] {
        let window = Duration::from_nanos(1);
        let metric = Metric::Tokens;
        let limit = Limit {
            metric,
            amount: 2,
            window,
            model,
            guard: Duration::ZERO,
        };
        let mut domain = Domain::new(settings(&[limit]), at(0)).unwrap();
        for _ in 0..10 {
            domain.submit(request(1, tokens(1)), at(100));
        }
        let mut events = Vec::new();
        for now in 101..105 {
            events.clear();
            domain.poll(at(now), &mut events);
            assert_eq!(events.len(), 2, "{model:?}");
        }
    }
}

#[test]
fn a_day_takes_no_more_memory_than_a_thousand_granules_show() {
    // Launches all day long: what counts is right to a thousandth of a day.
    let limit = Limit {
        metric: Metric::Requests,
        amount: 1_000_000,
        window: Duration::from_secs(86_400),
        model: WindowModel::Sliding,
        guard: Duration::ZERO,
    };
    let mut domain = Domain::new(settings(&[limit]), at(0)).unwrap();
    let call = request(1, Charge::ZERO.with(Metric::Requests, 1));
    for second in 0..2 * 86_400 {
        let Submission::Admitted(reservation) = domain.submit(call, at(second * SECOND)) else {
            panic!("there is room")
        };
        domain.settle(reservation.id, spent(None), at(second * SECOND));
    }
    let used = domain.snapshot(at(2 * 86_400 * SECOND)).limits[0].used;
    assert!((86_400..86_400 + 90).contains(&used), "{used}");
}
