//! What the choice of a lane costs, beside admitting the call there, in the same run.
//!
//! For each lane its breaker is asked and its limits, as the gateway does for every call of a model
//! with several lanes; then they are put in order.

use std::hint::black_box;
use std::time::{Duration, Instant};

use paceline_limiter::{
    Charge, Domain, DomainSettings, Limit, Metric, Outcome, Request, Settlement, Submission,
    TenantId, Tier, Timestamp, WindowModel,
};
use paceline_routing::{
    Breaker, BreakerSettings, Call, Lane, LaneId, LaneKey, Policy, Router, RouterSettings, Session,
    SessionKey,
};

/// Calls whose time is taken together.
const BATCH: u64 = 1_000;

/// Batches, of which the median counts.
const BATCHES: usize = 301;

/// Time between two calls.
const STEP_NS: u64 = 1_000_000;

/// One lane: its limits, its breaker.
struct Bench {
    domain: Domain,
    breaker: Breaker,
    key: LaneKey,
}

impl Bench {
    fn new(number: u32) -> Option<Self> {
        let limit = |metric| Limit {
            metric,
            amount: 1 << 40,
            window: Duration::from_secs(60),
            model: WindowModel::Bucket { burst: 1 << 40 },
            guard: Duration::ZERO,
        };
        let settings = DomainSettings {
            limits: vec![limit(Metric::Requests), limit(Metric::Tokens)],
            ..DomainSettings::default()
        };
        Some(Self {
            domain: Domain::new(settings, Timestamp::ZERO).ok()?,
            breaker: Breaker::new(BreakerSettings::default()),
            key: LaneKey::of("provider", &number.to_string()),
        })
    }

    fn view(&mut self, id: u32, now_ns: u64) -> Lane {
        let now = paceline_routing::Timestamp::from_nanos(now_ns);
        let prospect = self
            .domain
            .prospect(&request(), Timestamp::from_nanos(now_ns));
        Lane {
            health: self.breaker.health(now, 0.5),
            latency: self.breaker.latency().expected(now),
            wait: prospect.wait,
            room: f64::from(prospect.room_ppm) / 1e6,
            takes: f64::from(prospect.takes_ppm) / 1e6,
            in_flight: u32::try_from(prospect.in_flight).unwrap_or(u32::MAX),
            ..Lane::new(LaneId(id), self.key)
        }
    }

    fn admit(&mut self, now_ns: u64) {
        let now = Timestamp::from_nanos(now_ns);
        if let Submission::Admitted(reservation) = self.domain.submit(request(), now) {
            let settlement = Settlement {
                actual: None,
                charged: None,
                outcome: Outcome::Success,
            };
            black_box(self.domain.settle(reservation.id, settlement, now));
        }
    }
}

fn request() -> Request {
    Request {
        tenant: TenantId(1),
        weight: 1,
        tier: Tier::Standard,
        charge: Charge::ZERO
            .with(Metric::Requests, 1)
            .with(Metric::Tokens, 1_400),
        parts: None,
        deadline: None,
        retry: false,
    }
}

/// The median time of one call in nanoseconds.
fn median_ns(mut call: impl FnMut(u64)) -> f64 {
    let mut now_ns = 0;
    let mut times: Vec<_> = (0..BATCHES)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..BATCH {
                now_ns += STEP_NS;
                call(now_ns);
            }
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2].as_nanos() as f64 / BATCH as f64
}

/// Chooses among so many lanes and nothing else.
fn choosing(count: u32, in_session: bool) -> f64 {
    let mut lanes: Vec<_> = (0..count).filter_map(Bench::new).collect();
    let mut router = Router::new(RouterSettings {
        policy: Policy::Soonest,
        ..RouterSettings::default()
    });
    median_ns(|now_ns| {
        let views: Vec<_> = lanes
            .iter_mut()
            .zip(0..)
            .map(|(lane, id)| lane.view(id, now_ns))
            .collect();
        let session = in_session.then(|| Session {
            key: SessionKey::of(["tenant", "session"]),
            last: Some(LaneKey::of("provider", "0")),
        });
        let call = Call {
            session,
            may_probe: true,
            draw: 0.5,
        };
        black_box(router.choose(&call, &views));
    })
}

#[expect(clippy::print_stdout, reason = "a benchmark reports on the terminal")]
fn main() {
    let Some(mut only) = Bench::new(0) else {
        return;
    };
    let admit_ns = median_ns(|now_ns| only.admit(now_ns));
    println!("admit and settle over two limits: {admit_ns:.0} ns");
    for count in [1, 2, 4, 8, 64] {
        for in_session in [false, true] {
            let time_ns = choosing(count, in_session);
            let session = if in_session { ", in a session" } else { "" };
            let ratio = time_ns / admit_ns;
            println!("choose among {count} lanes{session}: {time_ns:.0} ns, {ratio:.1} times that");
        }
    }
}
