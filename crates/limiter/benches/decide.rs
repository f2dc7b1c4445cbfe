//! What a decision costs, beside a plain rate limiter in the same run.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use criterion::Criterion;
use governor::{Quota, RateLimiter};
use paceline_limiter::{
    Charge, Domain, DomainSettings, Event, Limit, Metric, Outcome, QueueSettings, Request,
    Reservation, Settlement, Submission, TenantId, Tier, Timestamp, WindowModel,
};

/// Requests per batch; what is not measured happens between batches.
const BATCH: u64 = 1_000;

const TENANTS: u64 = 1_000;

/// Time between two requests, so that windows move as they do in use.
const STEP_NS: u64 = 1_000_000;

fn limit(metric: Metric, window_s: u64, model: WindowModel) -> Limit {
    let window = Duration::from_secs(window_s);
    Limit {
        metric,
        amount: 1 << 40,
        window,
        model,
        guard: Duration::from_millis(50),
    }
}

fn buckets() -> Vec<Limit> {
    let model = WindowModel::Bucket { burst: 1 << 40 };
    [
        (Metric::Requests, 60),
        (Metric::Requests, 86_400),
        (Metric::Tokens, 60),
        (Metric::Tokens, 86_400),
        (Metric::InputTokens, 60),
        (Metric::OutputTokens, 60),
    ]
    .map(|(metric, window_s)| limit(metric, window_s, model))
    .to_vec()
}

fn one_of_each_model() -> Vec<Limit> {
    // Without a guard, as nothing would go in the quiet time around a boundary.
    let limit = |metric, window_s, model| Limit {
        guard: Duration::ZERO,
        ..limit(metric, window_s, model)
    };
    vec![
        limit(
            Metric::Requests,
            60,
            WindowModel::Fixed {
                phase: Timestamp::ZERO,
            },
        ),
        limit(Metric::Requests, 86_400, WindowModel::Sliding),
        limit(Metric::Tokens, 60, WindowModel::Unknown { burst: 1 << 39 }),
        limit(
            Metric::Tokens,
            86_400,
            WindowModel::Bucket { burst: 1 << 40 },
        ),
        limit(
            Metric::InputTokens,
            60,
            WindowModel::Quantised {
                quantum: Duration::from_secs(30),
            },
        ),
        limit(Metric::OutputTokens, 60, WindowModel::FixedFromFirstUse),
    ]
}

fn request(tenant: u64) -> Request {
    Request {
        tenant: TenantId(tenant),
        weight: 1,
        tier: Tier::Standard,
        charge: Charge::ZERO
            .with(Metric::Requests, 1)
            .with(Metric::Tokens, 1_400)
            .with(Metric::InputTokens, 1_000)
            .with(Metric::OutputTokens, 400),
        parts: None,
        deadline: None,
        retry: false,
    }
}

fn settlement() -> Settlement {
    let charged = request(0)
        .charge
        .with(Metric::Tokens, 1_300)
        .with(Metric::OutputTokens, 300);
    Settlement {
        actual: None,
        charged: Some(charged),
        outcome: Outcome::Success,
    }
}

/// A domain and its clock.
struct Bench {
    domain: Domain,
    now: u64,
    open: Vec<Reservation>,
    events: Vec<Event>,
}

impl Bench {
    fn new(limits: Vec<Limit>) -> Option<Self> {
        let queue = QueueSettings {
            waiting_max: 1 << 20,
            ..QueueSettings::default()
        };
        let settings = DomainSettings {
            limits,
            concurrency_max: Some(1 << 20),
            queue,
            ..DomainSettings::default()
        };
        let domain = Domain::new(settings, Timestamp::ZERO).ok()?;
        Some(Self {
            domain,
            now: 0,
            open: Vec::new(),
            events: Vec::new(),
        })
    }

    fn tick(&mut self) -> Timestamp {
        self.now += STEP_NS;
        Timestamp::from_nanos(self.now)
    }

    fn admit_batch(&mut self) -> Duration {
        let start = Instant::now();
        for _ in 0..BATCH {
            let now = self.tick();
            if let Submission::Admitted(reservation) = self.domain.submit(request(1), now) {
                self.open.push(reservation);
            }
        }
        start.elapsed()
    }

    fn settle_batch(&mut self) -> Duration {
        let start = Instant::now();
        while let Some(reservation) = self.open.pop() {
            let now = Timestamp::from_nanos(self.now);
            black_box(self.domain.settle(reservation.id, settlement(), now));
        }
        start.elapsed()
    }

    /// One request comes and one goes, with a backlog of every tenant.
    fn queue_batch(&mut self) -> Duration {
        let start = Instant::now();
        for index in 0..BATCH {
            let now = self.tick();
            black_box(self.domain.submit(request(index % TENANTS), now));
            self.domain.poll(now, &mut self.events);
        }
        let elapsed = start.elapsed();
        for event in self.events.drain(..) {
            if let Event::Admitted { reservation, .. } = event {
                self.open.push(reservation);
            }
        }
        assert_eq!(
            self.open.len() as u64,
            BATCH,
            "one goes for each that comes"
        );
        let now = Timestamp::from_nanos(self.now);
        while let Some(reservation) = self.open.pop() {
            let spent = Settlement {
                actual: None,
                charged: None,
                outcome: Outcome::Success,
            };
            self.domain.settle(reservation.id, spent, now);
        }
        self.domain.poll(now, &mut self.events);
        elapsed
    }

    /// A domain that lets one request go per step, with several waiting per tenant.
    fn backlogged() -> Option<Self> {
        let per_second = 1_000_000_000 / STEP_NS;
        let one = WindowModel::Bucket { burst: 1 };
        let calls = Limit {
            metric: Metric::Requests,
            amount: per_second,
            window: Duration::from_secs(1),
            model: one,
            guard: Duration::ZERO,
        };
        let mut bench = Self::new(vec![calls])?;
        for index in 0..4 * TENANTS {
            bench
                .domain
                .submit(request(index % TENANTS), Timestamp::ZERO);
        }
        bench.now = STEP_NS / 2;
        Some(bench)
    }
}

/// The time of `iterations` operations, done in batches.
fn batches(iterations: u64, mut batch: impl FnMut() -> Duration) -> Duration {
    let batches = iterations.div_ceil(BATCH);
    let total: Duration = (0..batches).map(|_| batch()).sum();
    total.mul_f64(iterations as f64 / (batches * BATCH) as f64)
}

fn plain() -> impl FnMut() -> Duration {
    let plenty = NonZeroU32::MAX;
    let limiter = RateLimiter::direct(Quota::per_second(plenty).allow_burst(plenty));
    move || {
        let start = Instant::now();
        for _ in 0..BATCH {
            black_box(limiter.check().is_ok());
        }
        start.elapsed()
    }
}

fn admitting(limits: Vec<Limit>) -> impl FnMut() -> Duration {
    let mut bench = Bench::new(limits);
    move || {
        let Some(bench) = &mut bench else {
            return Duration::ZERO;
        };
        let elapsed = bench.admit_batch();
        bench.settle_batch();
        elapsed
    }
}

fn settling(limits: Vec<Limit>) -> impl FnMut() -> Duration {
    let mut bench = Bench::new(limits);
    move || {
        let Some(bench) = &mut bench else {
            return Duration::ZERO;
        };
        bench.admit_batch();
        bench.settle_batch()
    }
}

fn queueing() -> impl FnMut() -> Duration {
    let mut bench = Bench::backlogged();
    move || bench.as_mut().map_or(Duration::ZERO, Bench::queue_batch)
}

type Case = (&'static str, fn() -> Box<dyn FnMut() -> Duration>);

const CASES: [Case; 6] = [
    ("admit over 6 buckets", || Box::new(admitting(buckets()))),
    ("admit over 6 windows, one of each model", || {
        Box::new(admitting(one_of_each_model()))
    }),
    ("settle over 6 buckets", || Box::new(settling(buckets()))),
    ("settle over 6 windows, one of each model", || {
        Box::new(settling(one_of_each_model()))
    }),
    ("queue and admit one, 1000 tenants waiting", || {
        Box::new(queueing())
    }),
    ("governor, one direct check", || Box::new(plain())),
];

/// The median of many batches, in nanoseconds per operation.
fn median_ns(mut batch: impl FnMut() -> Duration) -> f64 {
    let mut times: Vec<_> = (0..501).map(|_| batch()).collect();
    times.sort_unstable();
    times[times.len() / 2].as_nanos() as f64 / BATCH as f64
}

#[expect(clippy::print_stdout, reason = "a benchmark reports on the terminal")]
fn report_ratios() {
    let governor = median_ns(plain());
    for (name, make) in CASES {
        let nanos = median_ns(make());
        println!(
            "{name}: {nanos:.1} ns, {:.1} times governor",
            nanos / governor
        );
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, make) in CASES {
        let mut batch = make();
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| batches(iterations, &mut batch));
        });
    }
    criterion.final_summary();
    report_ratios();
}
