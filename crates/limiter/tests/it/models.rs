//! Each window model against a naive provider with jitter: never over, never idle.

use std::time::Duration;

use paceline_limiter::{Limit, Metric, WindowModel};

use crate::provider::{Provider, Rule, at, refusals};
use crate::world::{Action, MS, Random, SECOND, World, request, settings, spent, tokens};

const CASES: u64 = 2_000;

/// A case: a limit, and when which sizes are submitted.
struct Case {
    random: Random,
    limit: Limit,
    submissions: Vec<(u64, u64)>,
}

fn case(seed: u64, model: impl Fn(&mut Random, u64, u64) -> WindowModel) -> Case {
    let mut random = Random(seed);
    let amount = random.within(1, 5_000);
    let window = random.within(1, 120) * 500 * MS;
    let guard = random.within(0, 1) * random.within(0, window / 20);
    let model = model(&mut random, amount, window);
    let limit = Limit {
        metric: Metric::Tokens,
        amount,
        window: Duration::from_nanos(window),
        model,
        guard: Duration::from_nanos(guard),
    };
    let largest = random.within(1, amount);
    let pause = random.within(0, 1) * random.within(0, window / 2);
    let mut time = 10 * SECOND;
    let submissions = (0..random.within(5, 40))
        .map(|_| {
            time += random.within(0, pause) * random.within(0, 1);
            (time, random.within(1, largest))
        })
        .collect();
    Case {
        random,
        limit,
        submissions,
    }
}

impl Case {
    fn world(&self) -> World {
        let mut world = World::starting_at(settings(&[self.limit]), 9 * SECOND);
        for (tag, (time, units)) in (0..).zip(&self.submissions) {
            world.submit_at(*time, tag, request(1, tokens(*units)));
        }
        world
    }

    fn guard(&self) -> u64 {
        u64::try_from(self.limit.guard.as_nanos()).unwrap()
    }

    fn check_never_over(&mut self, provider: &Provider, launches: &[(u64, u64)], seed: u64) {
        let guard = self.guard();
        let delays: [Box<dyn FnMut() -> u64>; 3] = [
            Box::new({
                let mut random = self.random.clone();
                move || random.within(0, guard)
            }),
            Box::new({
                // The extremes only.
                let mut random = self.random.clone();
                move || random.within(0, 1) * guard
            }),
            Box::new(|| 0),
        ];
        for delay in delays {
            let refused = refusals(&mut provider.clone(), launches, delay);
            assert_eq!(refused, 0, "seed {seed}: {:?} {launches:?}", self.limit);
        }
    }

    /// Everything at hand from the start: when it could be done at best, and when it is.
    fn backlog_finish(&mut self, provider: &Provider) -> (u64, u64) {
        let start = 10 * SECOND;
        self.submissions
            .iter_mut()
            .for_each(|(time, _)| *time = start);
        let sizes: Vec<_> = self.submissions.iter().map(|(_, units)| *units).collect();
        let best = provider.clone().best_finish(start, &sizes);
        let mut world = self.world();
        world.run_until(u64::MAX / 2);
        let finish = world.launches.iter().map(|launch| launch.at).max().unwrap();
        assert_eq!(world.launches.len(), sizes.len());
        (best - start, finish - start)
    }
}

fn check(model: impl Fn(&mut Random, u64, u64) -> WindowModel, slack: impl Fn(&Case, u64) -> u64) {
    for seed in 0..CASES {
        let mut case = case(seed, &model);
        let provider = Provider::of(&case.limit);
        let mut world = case.world();
        world.run();
        case.check_never_over(&provider, &world.sizes(), seed);
        let (best, finish) = case.backlog_finish(&provider);
        let slack = slack(&case, best);
        assert!(
            finish <= best + slack,
            "seed {seed}: {finish} {best} {slack} {:?}",
            case.limit
        );
    }
}

fn window_ns(case: &Case) -> u64 {
    u64::try_from(case.limit.window.as_nanos()).unwrap()
}

/// A guard's worth of refill, once, and once more for each request that needs an empty bucket.
fn bucket_slack(case: &Case, capacity: u128) -> u64 {
    let scaled = |units: u64| u128::from(units) * u128::from(window_ns(case));
    let shrunk = capacity.saturating_sub(u128::from(case.limit.amount) * u128::from(case.guard()));
    let large = case
        .submissions
        .iter()
        .filter(|(_, units)| scaled(*units) > shrunk)
        .count() as u64;
    (large + 1) * case.guard() + case.submissions.len() as u64
}

#[test]
fn a_bucket_is_never_over_and_never_idle() {
    check(
        |random, amount, _| WindowModel::Bucket {
            burst: if random.within(0, 1) == 0 {
                amount
            } else {
                random.within(1, amount)
            },
        },
        |case, _| match case.limit.model {
            WindowModel::Bucket { burst } => {
                bucket_slack(case, u128::from(burst) * u128::from(window_ns(case)))
            }
            _ => 0,
        },
    );
}

#[test]
fn a_quantised_bucket_is_never_over_and_never_idle() {
    check(
        |random, _, window| WindowModel::Quantised {
            quantum: Duration::from_nanos(random.within(1, window)),
        },
        |case, _| match case.limit.model {
            WindowModel::Quantised { quantum } => {
                bucket_slack(case, u128::from(case.limit.amount) * quantum.as_nanos())
            }
            _ => 0,
        },
    );
}

#[test]
fn a_fixed_window_is_never_over_and_never_idle() {
    // Only a start within the guard before a boundary costs anything.
    check(
        |random, _, window| WindowModel::Fixed {
            phase: at(random.within(0, 3 * window)),
        },
        |case, _| {
            let WindowModel::Fixed { phase } = case.limit.model else {
                return 0;
            };
            let window = window_ns(case);
            let start = i128::from(10 * SECOND) - i128::from(phase.as_nanos());
            let left = window - u64::try_from(start.rem_euclid(i128::from(window))).unwrap();
            if left <= case.guard() { window } else { 0 }
        },
    );
}

#[test]
fn a_window_from_first_use_is_never_over_and_never_idle() {
    check(
        |_, _, _| WindowModel::FixedFromFirstUse,
        |case, best| (best / window_ns(case) + 1) * case.guard(),
    );
}

#[test]
fn a_sliding_window_is_never_over_and_never_idle() {
    check(
        |_, _, _| WindowModel::Sliding,
        |case, best| (best / window_ns(case) + 1) * (case.guard() + window_ns(case) / 900),
    );
}

#[test]
fn an_unknown_window_is_never_over_under_any_provider() {
    for seed in 0..CASES {
        let mut case = case(seed, |random, amount, _| WindowModel::Unknown {
            burst: random.within(1, amount),
        });
        let WindowModel::Unknown { burst } = case.limit.model else {
            continue;
        };
        let (amount, window) = (case.limit.amount, window_ns(&case));
        let mut world = case.world();
        world.run();
        let scaled = |units: u64| u128::from(units) * u128::from(window);
        let capacity = u64::from(burst < amount) * case.random.within(0, amount - burst) + burst;
        let (provider, launches) = (|rule| Provider::new(amount, window, rule), world.sizes());
        for rule in [
            Rule::Bucket {
                capacity: scaled(amount),
            },
            Rule::Bucket {
                capacity: scaled(burst),
            },
            Rule::Bucket {
                capacity: scaled(capacity),
            },
            Rule::Fixed {
                phase: case.random.within(0, window),
            },
            Rule::FirstUse,
            Rule::Sliding,
        ] {
            case.check_never_over(&provider(rule), &launches, seed);
        }
    }
}

#[test]
fn an_unknown_window_keeps_its_own_smooth_pace() {
    for seed in 0..CASES {
        let mut case = case(seed, |random, amount, _| WindowModel::Unknown {
            burst: random.within(1, amount),
        });
        let WindowModel::Unknown { burst } = case.limit.model else {
            continue;
        };
        let window = window_ns(&case);
        let capacity = u128::from(burst) * u128::from(window);
        let provider = Provider::new(case.limit.amount, window, Rule::Bucket { capacity });
        let (smooth, finish) = case.backlog_finish(&provider);
        // The sliding window takes back the initial burst, once a window.
        let total: u64 = case.submissions.iter().map(|(_, units)| units).sum();
        let largest = case
            .submissions
            .iter()
            .map(|(_, units)| *units)
            .max()
            .unwrap();
        let pace = |units: u64| {
            u64::try_from(u128::from(units) * u128::from(window) / u128::from(case.limit.amount))
                .unwrap()
        };
        let windows = total / (case.limit.amount - largest + 1).max(1) + 1;
        let sliding = windows * (window + case.guard() + window / 900);
        let bound = smooth.max(sliding) + pace(largest) + bucket_slack(&case, capacity);
        assert!(
            finish <= bound,
            "seed {seed}: {finish} {smooth} {sliding} {:?}",
            case.limit
        );
    }
}

/// Requests that turn out smaller than reserved, under a provider that knew from the start and
/// under one that gives back at the end.
fn check_refunds(model: impl Fn(&mut Random, u64, u64) -> WindowModel) {
    for seed in 0..CASES {
        let mut case = case(seed, &model);
        let mut random = case.random.clone();
        let real: Vec<u64> = case
            .submissions
            .iter()
            .map(|(_, units)| random.within(0, *units))
            .collect();
        let longest = window_ns(&case) * 2;
        let latencies: Vec<u64> = real.iter().map(|_| random.within(0, longest)).collect();
        let charged = real.clone();
        let mut world = case.world().following(move |launch| {
            let index = usize::try_from(launch.tag).unwrap();
            let (id, real) = (launch.reservation.id, tokens(charged[index]));
            vec![(
                latencies[index],
                Action::Settle {
                    id,
                    settlement: spent(Some(real)),
                },
            )]
        });
        world.run();
        let launches: Vec<_> = world
            .launches
            .iter()
            .map(|launch| (launch.at, real[usize::try_from(launch.tag).unwrap()]))
            .collect();
        let provider = Provider::of(&case.limit);
        case.check_never_over(&provider, &launches, seed);
        let totals = world.domain.totals();
        let refunded: u64 =
            case.submissions.iter().map(|(_, units)| units).sum::<u64>() - real.iter().sum::<u64>();
        assert_eq!(totals.refunded.get(Metric::Tokens), u128::from(refunded));
        assert_eq!(totals.outstanding().get(Metric::Tokens), 0);
        assert_eq!(totals.debt.get(Metric::Tokens), 0);
    }
}

#[test]
fn refunds_never_let_a_bucket_overflow() {
    check_refunds(|random, amount, _| WindowModel::Bucket {
        burst: random.within(1, amount),
    });
}

#[test]
fn refunds_never_let_a_window_overflow() {
    check_refunds(|_, _, _| WindowModel::Sliding);
    check_refunds(|random, _, window| WindowModel::Fixed {
        phase: at(random.within(0, window)),
    });
}

#[test]
fn refunds_never_let_a_window_from_first_use_overflow() {
    check_refunds(|_, _, _| WindowModel::FixedFromFirstUse);
}

#[test]
fn refunds_never_let_an_unknown_window_overflow() {
    check_refunds(|random, amount, _| WindowModel::Unknown {
        burst: random.within(1, amount),
    });
}
