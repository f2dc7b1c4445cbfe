//! The arithmetic of real messages and headers, and each kind of window against its definition.

use proptest::prelude::*;

use super::*;
use crate::{
    go_duration::go_duration_ns,
    quota::{Metric, NANOS_PER_MS, NANOS_PER_SECOND, QuotaKind},
};

/// A moment that lies on no boundary.
const START: u64 = 1_790_812_812_345_678_901;

fn pool(quotas: Vec<Quota>) -> Enforcer {
    Enforcer::new(EnforcerSettings {
        quotas,
        ..Default::default()
    })
}

fn charge_of(metric: Metric, amount: u64) -> Charge {
    match metric {
        Metric::Requests => Charge {
            requests: amount,
            ..Charge::default()
        },
        Metric::Tokens => Charge {
            tokens: amount,
            ..Charge::default()
        },
        Metric::InputTokens => Charge {
            input_tokens: amount,
            ..Charge::default()
        },
        Metric::OutputTokens => Charge {
            output_tokens: amount,
            ..Charge::default()
        },
        Metric::Images => Charge {
            images: amount,
            ..Charge::default()
        },
    }
}

fn tokens(amount: u64) -> Charge {
    charge_of(Metric::Tokens, amount)
}

fn admits(pool: &mut Enforcer, now_ns: u64, charge: &Charge) -> bool {
    matches!(pool.admit(now_ns, charge), Admission::Admitted(_))
}

fn refusal(pool: &mut Enforcer, now_ns: u64, charge: &Charge) -> Refusal {
    match pool.admit(now_ns, charge) {
        Admission::Refused(refusal) => refusal,
        Admission::Admitted(_) => panic!("admitted"),
    }
}

/// The messages that were seen from real providers: limit, used, requested, wait.
const MINUTE_MESSAGES: [(Metric, u64, u64, u64, &str); 15] = [
    (Metric::Tokens, 10_000, 9_044, 1_644, "4.128s"),
    (Metric::Tokens, 10_000, 8_339, 7_835, "37.044s"),
    (Metric::Tokens, 10_000, 3_172, 9_505, "16.062s"),
    (Metric::Tokens, 10_000, 8_710, 1_385, "570ms"),
    (Metric::Tokens, 10_000, 9_689, 333, "132ms"),
    (Metric::Tokens, 10_000, 8_641, 1_833, "2.844s"),
    (Metric::Tokens, 10_000, 9_348, 1_472, "4.92s"),
    (Metric::Tokens, 200_000, 198_168, 5_110, "983ms"),
    (Metric::Tokens, 200_000, 167_239, 189_937, "47.152s"),
    (Metric::Tokens, 200_000, 161_755, 45_096, "2.055s"),
    (Metric::Tokens, 200_000, 200_000, 119_506, "35.851s"),
    (Metric::Tokens, 30_000, 24_102, 7_758, "3.72s"),
    (Metric::Tokens, 30_000, 22_999, 12_528, "11.054s"),
    (Metric::Tokens, 30_000, 26_713, 7_669, "8.764s"),
    (Metric::Requests, 3, 3, 1, "20s"),
];

const DAY_MESSAGES: [(Metric, u64, u64, u64, &str); 5] = [
    (Metric::Requests, 200, 200, 1, "7m12s"),
    (Metric::Requests, 2_000, 2_000, 1, "43.2s"),
    (Metric::Requests, 50, 50, 1, "28m48s"),
    (Metric::Tokens, 100_000, 99_996, 484, "6m54.72s"),
    (Metric::Tokens, 200_000, 197_494, 4_035, "11m0.528s"),
];

#[test]
fn every_message_seen_from_a_provider_is_reproduced_to_the_millisecond() {
    let windowed = |window_ms, messages: &[(Metric, u64, u64, u64, &str)]| {
        for &(metric, limit, used, requested, wait) in messages {
            let mut pool = pool(vec![Quota::bucket(metric, limit, window_ms)]);
            assert!(admits(&mut pool, START, &charge_of(metric, used)));
            let refused = refusal(&mut pool, START, &charge_of(metric, requested));
            let Refusal::OverLimit {
                used: stated,
                requested: asked,
                stated_wait_ns,
                ..
            } = refused
            else {
                panic!("{refused:?}");
            };
            assert_eq!((stated, asked), (used, requested));
            assert_eq!(
                go_duration_ns(stated_wait_ns),
                wait,
                "{limit} {used} {requested}"
            );
        }
    };
    windowed(Quota::MINUTE_MS, &MINUTE_MESSAGES);
    windowed(Quota::DAY_MS, &DAY_MESSAGES);
}

#[test]
fn every_reset_header_seen_from_a_provider_is_reproduced() {
    let seen = [
        (Quota::requests_per_minute(10_000), 9_999, "6ms"),
        (Quota::requests_per_minute(500), 499, "120ms"),
        (Quota::requests_per_minute(60), 59, "1s"),
        (Quota::requests_per_day(10_000), 9_999, "8.64s"),
        (Quota::requests_per_day(1_000), 999, "1m26.4s"),
        (Quota::requests_per_day(1_000), 998, "2m52.8s"),
        (Quota::requests_per_day(14_400), 14_369, "3m6s"),
        (Quota::tokens_per_minute(8_000), 7_927, "547ms"),
        (Quota::tokens_per_minute(60_000), 57_000, "3s"),
    ];
    for (quota, remaining, reset) in seen {
        let mut pool = pool(vec![quota]);
        assert!(admits(
            &mut pool,
            START,
            &charge_of(quota.metric, quota.amount - remaining)
        ));
        let level = pool.levels(START)[0];
        assert_eq!(level.remaining, remaining);
        assert_eq!(go_duration_ns(level.reset_ns), reset);
    }
}

#[test]
fn a_request_larger_than_the_limit_never_passes_and_names_no_wait() {
    let mut pool = pool(vec![
        Quota::tokens_per_minute(100),
        Quota::requests_per_minute(1),
    ]);
    assert!(admits(&mut pool, START, &Charge::of_tokens(1)));
    let quota = Quota::tokens_per_minute(100);
    let refused = refusal(&mut pool, START, &Charge::of_tokens(101));
    assert_eq!(
        refused,
        Refusal::TooLarge {
            quota,
            requested: 101
        }
    );
    assert_eq!(refused.wait_ns(), u64::MAX);
}

#[test]
fn a_refused_request_takes_nothing_and_the_longest_wait_is_named() {
    let quotas = vec![Quota::tokens_per_minute(600), Quota::requests_per_minute(2)];
    let mut pool = pool(quotas.clone());
    assert!(admits(&mut pool, START, &Charge::of_tokens(300)));
    assert!(admits(&mut pool, START, &Charge::of_tokens(0)));
    let before = pool.levels(START);
    // A request slot comes back after 30 s, the tokens after 10 s.
    let Refusal::OverLimit { quota, wait_ns, .. } =
        refusal(&mut pool, START, &Charge::of_tokens(400))
    else {
        panic!("not over a limit");
    };
    assert_eq!((quota, wait_ns), (quotas[1], 30 * NANOS_PER_SECOND));
    assert_eq!(pool.levels(START), before);
    assert!(admits(
        &mut pool,
        START + 30 * NANOS_PER_SECOND,
        &Charge::of_tokens(400)
    ));
}

#[test]
fn refusals_count_against_requests_when_the_rules_say_so() {
    let quotas = vec![
        Quota::requests_per_minute(10),
        Quota::tokens_per_minute(100),
    ];
    let settings = EnforcerSettings {
        quotas,
        refusals_count: true,
        ..Default::default()
    };
    let mut pool = Enforcer::new(settings);
    assert!(admits(&mut pool, START, &Charge::of_tokens(100)));
    for _ in 0..20 {
        let _ = refusal(&mut pool, START, &Charge::of_tokens(50));
    }
    let used: Vec<u64> = pool.levels(START).iter().map(|level| level.used).collect();
    assert_eq!(used, [10, 100]);
}

#[test]
fn settlement_refunds_or_adds_only_where_the_rules_say_so() {
    for (refund, left) in [(true, [900, 700]), (false, [500, 500])] {
        let quotas = vec![Quota::tokens_per_minute(1_000)];
        let mut pool = Enforcer::new(EnforcerSettings {
            quotas,
            refund,
            ..Default::default()
        });
        for (actual, left) in [100, 300].into_iter().zip(left) {
            pool.reset();
            let Admission::Admitted(held) = pool.admit(START, &tokens(500)) else {
                panic!("refused");
            };
            let (returned, added) = pool.settle(START, held, &Outcome::Used(tokens(actual)));
            assert_eq!(pool.levels(START)[0].remaining, left);
            assert_eq!(returned.tokens, if refund { 500 - actual } else { 0 });
            assert_eq!(added.tokens, 0);
        }
    }
}

#[test]
fn use_beyond_the_charge_leaves_debt_that_must_drain() {
    let quotas = vec![Quota::tokens_per_minute(60)];
    let mut pool = Enforcer::new(EnforcerSettings {
        quotas,
        refund: true,
        ..Default::default()
    });
    let Admission::Admitted(held) = pool.admit(START, &tokens(10)) else {
        panic!("refused")
    };
    let _ = pool.settle(START, held, &Outcome::Used(tokens(90)));
    let level = pool.levels(START)[0];
    assert_eq!((level.used, level.remaining), (90, 0));
    let Refusal::OverLimit { used, wait_ns, .. } = refusal(&mut pool, START, &tokens(1)) else {
        panic!("not over a limit");
    };
    assert_eq!((used, wait_ns), (60, 31 * NANOS_PER_SECOND));
}

#[test]
fn a_failure_keeps_its_charge_unless_failures_are_free() {
    for (failures_are_free, left) in [(false, 40), (true, 100)] {
        let quotas = vec![Quota::tokens_per_minute(100)];
        let settings = EnforcerSettings {
            quotas,
            failures_are_free,
            ..Default::default()
        };
        let mut pool = Enforcer::new(settings);
        let Admission::Admitted(held) = pool.admit(START, &tokens(60)) else {
            panic!("refused")
        };
        let _ = pool.settle(START, held, &Outcome::Failed);
        assert_eq!(pool.levels(START)[0].remaining, left);
    }
}

#[test]
fn no_more_requests_are_in_flight_than_the_limit_on_them() {
    let settings = EnforcerSettings {
        max_in_flight: Some(2),
        ..Default::default()
    };
    let mut pool = Enforcer::new(settings);
    let Admission::Admitted(first) = pool.admit(START, &tokens(1)) else {
        panic!("refused")
    };
    assert!(admits(&mut pool, START, &tokens(1)));
    assert_eq!(
        refusal(&mut pool, START, &tokens(1)),
        Refusal::Concurrency { limit: 2 }
    );
    let _ = pool.settle(START, first, &Outcome::Used(tokens(1)));
    assert!(admits(&mut pool, START, &tokens(1)));
    assert_eq!(pool.in_flight(), 2);
}

#[test]
fn traffic_may_grow_only_by_its_share_from_period_to_period() {
    let ramp = RampLimit {
        metric: Metric::Tokens,
        floor: 100,
        growth_percent: 50,
        step_ms: 60_000,
        period_ms: 900_000,
    };
    let mut pool = Enforcer::new(EnforcerSettings {
        ramp: Some(ramp),
        ..Default::default()
    });
    let period = 900 * NANOS_PER_SECOND;
    let start = START - START % period;
    let mut reached = Vec::new();
    for index in 0..4 {
        let now = start + index * period;
        reached.push(
            (0..1_000)
                .take_while(|_| admits(&mut pool, now, &tokens(10)))
                .count()
                * 10,
        );
        let expected = Refusal::SlowDown {
            wait_ns: 60 * NANOS_PER_SECOND,
        };
        assert_eq!(refusal(&mut pool, now, &tokens(10)), expected);
    }
    assert_eq!(reached, [100, 150, 220, 330]);
    // A period without traffic starts from the floor again.
    let later = start + 6 * period;
    let again = (0..1_000)
        .take_while(|_| admits(&mut pool, later, &tokens(10)))
        .count()
        * 10;
    assert_eq!(again, 100);
}

#[test]
fn others_take_their_part_of_the_limit() {
    let foreign = vec![ForeignTraffic {
        metric: Metric::Tokens,
        amount: 10,
        every_ms: 1_000,
    }];
    let quotas = vec![Quota::tokens_per_minute(1_200)];
    let mut pool = Enforcer::new(EnforcerSettings {
        quotas,
        foreign,
        ..Default::default()
    });
    let minute = 60 * NANOS_PER_SECOND;
    pool.levels(START);
    // Twenty a second come back and ten are taken, so that a full level loses ten a second.
    assert!(admits(&mut pool, START, &tokens(1_200)));
    let later = pool.levels(START + minute)[0];
    assert!((600..=610).contains(&later.used), "{later:?}");
    assert!((59..=61).contains(&(pool.foreign_taken()[0] / 10)));
    // After days of silence the level is what others keep it at, and the pool answers at once.
    let much_later = pool.levels(START + 10_000 * minute)[0];
    assert!(much_later.used <= 10, "{much_later:?}");
}

#[test]
fn a_changed_limit_keeps_the_level_and_applies_from_its_moment_on() {
    let mut pool = pool(vec![Quota::tokens_per_minute(600)]);
    assert!(admits(&mut pool, START, &tokens(500)));
    let later = START + 10 * NANOS_PER_SECOND;
    pool.set_quotas(
        later,
        vec![Quota::tokens_per_minute(300), Quota::requests_per_minute(5)],
    );
    let levels = pool.levels(later);
    // Ten seconds at the old pace drained 100.
    assert_eq!((levels[0].used, levels[0].remaining), (400, 0));
    assert_eq!(levels[1].used, 0);
    let levels = pool.levels(later + 20 * NANOS_PER_SECOND);
    assert_eq!((levels[0].used, levels[0].remaining), (300, 0));
}

#[test]
fn a_request_larger_than_a_quantum_passes_alone_and_leaves_debt() {
    let quantised = QuotaKind::Quantised { quantum_ms: 1_000 };
    let mut pool = pool(vec![Quota::tokens_per_minute(6_000).kept_as(quantised)]);
    assert!(admits(&mut pool, START, &tokens(100)));
    assert!(!admits(&mut pool, START, &tokens(1)));
    let empty = START + NANOS_PER_SECOND;
    assert!(!admits(&mut pool, empty - 1, &tokens(600)));
    assert!(admits(&mut pool, empty, &tokens(600)));
    assert_eq!(
        refusal(&mut pool, empty, &tokens(100)).wait_ns(),
        6 * NANOS_PER_SECOND
    );
    assert!(admits(
        &mut pool,
        empty + 6 * NANOS_PER_SECOND,
        &tokens(100)
    ));
    let never = refusal(&mut pool, empty, &tokens(6_001));
    assert!(matches!(never, Refusal::TooLarge { .. }));
}

#[test]
fn the_headers_of_a_quantised_limit_look_like_those_of_a_whole_minute() {
    let quantised = QuotaKind::Quantised { quantum_ms: 1_000 };
    let mut hidden = pool(vec![Quota::tokens_per_minute(6_000).kept_as(quantised)]);
    let mut plain = pool(vec![Quota::tokens_per_minute(6_000)]);
    assert!(admits(&mut hidden, START, &tokens(70)) && admits(&mut plain, START, &tokens(70)));
    let (hidden, plain) = (hidden.levels(START)[0], plain.levels(START)[0]);
    assert_eq!(
        (hidden.remaining, hidden.reset_ns),
        (plain.remaining, plain.reset_ns)
    );
}

#[test]
fn the_stated_wait_follows_from_the_stated_level_for_every_bucket() {
    let kinds = [
        QuotaKind::Bucket,
        QuotaKind::BucketBurst { burst: 2_000 },
        QuotaKind::BucketBurst { burst: 300 },
        QuotaKind::Quantised { quantum_ms: 10_000 },
    ];
    for kind in kinds {
        let quota = Quota::tokens_per_minute(600).kept_as(kind);
        let mut pool = pool(vec![quota]);
        while admits(&mut pool, START, &tokens(7)) {}
        let Refusal::OverLimit {
            used,
            requested,
            stated_wait_ns,
            ..
        } = refusal(&mut pool, START, &tokens(50))
        else {
            panic!("not over a limit");
        };
        let expected = (used + requested - 600) * quota.window_ns() / 600;
        assert_eq!(stated_wait_ns, expected, "{kind:?}");
    }
}

/// What each kind of window means, stated as plainly and as slowly as possible.
struct Naive {
    quota: Quota,
    taken: Vec<(u64, u64)>,
}

impl Naive {
    fn fits(&self, now: u64, amount: u64) -> bool {
        let Quota {
            amount: limit,
            kind,
            ..
        } = self.quota;
        let window = self.quota.window_ns();
        let sum = |from: &dyn Fn(u64) -> bool| -> u64 {
            self.taken
                .iter()
                .filter(|(at, _)| from(*at))
                .map(|(_, taken)| *taken)
                .sum()
        };
        match kind {
            QuotaKind::Bucket => self.level(now) + self.fine(amount) <= self.fine(limit),
            QuotaKind::BucketBurst { burst } => {
                self.level(now) + self.fine(amount) <= self.fine(burst)
            }
            QuotaKind::Quantised { quantum_ms } => {
                let capacity = u128::from(limit) * u128::from(quantum_ms * NANOS_PER_MS);
                let level = self.level(now);
                let alone = amount <= limit && level == 0;
                alone || level + self.fine(amount) <= capacity
            }
            QuotaKind::Fixed => sum(&|at| at / window == now / window) + amount <= limit,
            QuotaKind::Sliding => sum(&|at| now - at < window) + amount <= limit,
            QuotaKind::FixedFromFirstUse => {
                let mut opened: Option<u64> = None;
                for (at, _) in self.taken.iter().chain([&(now, 0)]) {
                    if opened.is_none_or(|opened| *at >= opened + window) {
                        opened = Some(*at);
                    }
                }
                sum(&|at| opened.is_some_and(|opened| at >= opened)) + amount <= limit
            }
        }
    }

    /// The level of a leaky bucket, walked from the first drop to now.
    fn level(&self, now: u64) -> u128 {
        let mut level = 0_u128;
        let mut last = 0;
        for (at, amount) in self.taken.iter().copied().chain([(now, 0)]) {
            let drained = u128::from(at - last) * u128::from(self.quota.amount);
            level = level.saturating_sub(drained) + self.fine(amount);
            last = at;
        }
        level
    }

    fn fine(&self, amount: u64) -> u128 {
        u128::from(amount) * u128::from(self.quota.window_ns())
    }
}

fn kinds() -> impl Strategy<Value = QuotaKind> {
    prop_oneof![
        Just(QuotaKind::Bucket),
        (1_u64..300).prop_map(|burst| QuotaKind::BucketBurst { burst }),
        Just(QuotaKind::Fixed),
        Just(QuotaKind::FixedFromFirstUse),
        Just(QuotaKind::Sliding),
        (1_u64..1_500).prop_map(|quantum_ms| QuotaKind::Quantised { quantum_ms }),
    ]
}

proptest! {
    #[test]
    fn each_kind_decides_as_its_definition_does_and_its_wait_is_exact(
        kind in kinds(),
        limit in 1_u64..150,
        steps in proptest::collection::vec((0_u64..900_000_000, 1_u64..80), 1..60),
    ) {
        let quota = Quota::bucket(Metric::Tokens, limit, 1_500).kept_as(kind);
        let mut pool = pool(vec![quota]);
        let mut naive = Naive { quota, taken: Vec::new() };
        let mut now = START;
        for (elapsed, amount) in steps {
            now += elapsed;
            let expected = naive.fits(now, amount);
            match pool.admit(now, &tokens(amount)) {
                Admission::Admitted(_) => {
                    prop_assert!(expected, "admitted {} at {}", amount, now);
                    naive.taken.push((now, amount));
                }
                Admission::Refused(Refusal::OverLimit { wait_ns, stated_wait_ns, .. }) => {
                    prop_assert!(!expected, "refused {} at {}", amount, now);
                    prop_assert!(naive.fits(now + wait_ns, amount), "the wait is too short");
                    prop_assert!(!naive.fits(now + wait_ns - 1, amount), "the wait is too long");
                    prop_assert!(stated_wait_ns >= wait_ns);
                }
                Admission::Refused(_) => {
                    prop_assert!(!expected, "refused {} at {}", amount, now);
                    prop_assert!(!naive.fits(now + 1_000 * NANOS_PER_SECOND, amount));
                }
            }
        }
    }

    #[test]
    fn what_is_left_can_be_taken_at_once_and_one_more_cannot(
        kind in prop_oneof![
            Just(QuotaKind::Bucket),
            Just(QuotaKind::Fixed),
            Just(QuotaKind::FixedFromFirstUse),
            Just(QuotaKind::Sliding),
        ],
        steps in proptest::collection::vec((0_u64..900_000_000, 1_u64..80), 1..30),
    ) {
        let quota = Quota::bucket(Metric::Tokens, 100, 1_500).kept_as(kind);
        let mut pool = pool(vec![quota]);
        let mut now = START;
        for (elapsed, amount) in steps {
            now += elapsed;
            let _ = pool.admit(now, &tokens(amount));
            let level = pool.levels(now)[0];
            prop_assert_eq!(level.used + level.remaining, 100);
            prop_assert!(!admits(&mut pool.clone(), now, &tokens(level.remaining + 1)));
            prop_assert!(admits(&mut pool.clone(), now, &tokens(level.remaining)));
            let empty = pool.clone().levels(now + level.reset_ns)[0];
            prop_assert_eq!(empty.used, 0);
        }
    }
}
