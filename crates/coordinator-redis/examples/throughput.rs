//! Decisions per second on one Redis core, beside plain INCR on the same server.
//!
//! `cargo run --release -p paceline-coordinator-redis --example throughput [SECONDS]`
//!
//! Each instance has one exchange under way at a time: it closes what went before and asks for the
//! next. With its own connection each waits for the answer on it; on one connection for all of them
//! they are pipelined, as the instances' domains are in one process.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement ends at the first thing that is not as it should be, and is read"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use paceline_coordinator::{
    Ask, Closed, Coordinator as _, CountKind, End, Head, InstanceId, LimitId, Terms, TicketId,
};
use paceline_coordinator_redis::{RedisCoordinator, Settings};
use paceline_limiter::{Charge, Metric, Tier};
use paceline_testkit::redis::RedisServer;
use redis::Cmd;
use redis::aio::MultiplexedConnection;

/// What is measured of one way to ask.
struct Figures {
    decisions: u64,
    calls: u64,
    wall: Duration,
    server: Duration,
    latencies: Vec<Duration>,
}

impl Figures {
    fn print(mut self, name: &str, plain_per_core: Option<f64>) -> f64 {
        self.latencies.sort_unstable();
        let at = |part: f64| {
            let index = (self.latencies.len() - 1) as f64 * part;
            self.latencies[index as usize].as_secs_f64() * 1e3
        };
        let per_second = self.decisions as f64 / self.wall.as_secs_f64();
        let per_core = self.decisions as f64 / self.server.as_secs_f64();
        let ratio = plain_per_core.map_or(1.0, |plain| per_core / plain);
        println!(
            "| {name} | {per_second:.0} | {per_core:.0} | {ratio:.3} | {:.0} | {:.2} | {:.2} |",
            self.server.as_secs_f64() * 1e6 / self.calls as f64,
            at(0.5),
            at(0.99),
        );
        per_core
    }
}

/// One way to use the store.
#[derive(Clone, Copy)]
struct Way {
    kind: CountKind,
    instances: u64,
    heads: u64,
    is_shared: bool,
    /// Units a minute; what is small is used up, so that everybody waits.
    amount: u64,
}

fn terms(way: Way) -> Vec<Terms> {
    let one = |metric, amount| Terms {
        id: LimitId {
            metric,
            window_ms: 60_000,
        },
        amount,
        kind: way.kind,
        since_us: 1,
        burst: amount,
        guard_us: 0,
        reserve: 0,
        ends_us: None,
        used: 0,
        spent: 0,
    };
    vec![
        one(Metric::Requests, way.amount),
        one(Metric::Tokens, way.amount * 1_000),
    ]
}

fn message(id: u64, way: Way) -> Ask {
    Ask {
        instance: InstanceId(id),
        sequence: 0,
        epoch: None,
        lease_us: 10_000_000,
        pause_us: 0,
        spacing_us: 0,
        in_flight_max: None,
        demand: 100,
        shares_ppm: [500_000, 250_000, 50_000],
        terms: terms(way),
        closed: Vec::new(),
        corrections: Vec::new(),
        heads: Vec::new(),
        knows: 0,
        teaches: None,
        leaves: false,
    }
}

fn fill(ask: &mut Ask, next: &mut u64, way: Way) {
    while (ask.heads.len() as u64) < way.heads {
        *next += 1;
        ask.heads.push(Head {
            id: TicketId(*next),
            tenant: ask.instance.0 % 7,
            weight: 1,
            tier: Tier::Standard,
            charge: Charge::ZERO
                .with(Metric::Requests, 1)
                .with(Metric::Tokens, 500),
            behind: Charge::ZERO,
        });
    }
}

async fn instance(
    store: RedisCoordinator,
    way: Way,
    id: u64,
    end: Instant,
) -> (u64, Vec<Duration>) {
    let mut ask = message(id, way);
    let (mut next, mut decisions, mut latencies) = (0, 0, Vec::new());
    while Instant::now() < end {
        fill(&mut ask, &mut next, way);
        ask.sequence += 1;
        let began = Instant::now();
        let answer = store.exchange("measured", &ask).await.unwrap();
        latencies.push(began.elapsed());
        decisions += answer.grants.len() as u64;
        ask.heads
            .retain(|head| answer.grants.iter().all(|grant| grant.id != head.id));
        let charge = Charge::ZERO
            .with(Metric::Requests, 1)
            .with(Metric::Tokens, 450);
        let closed = answer.grants.iter().map(|grant| Closed {
            id: grant.id,
            end: End::Charged(charge),
        });
        ask.closed = closed.collect();
    }
    (decisions, latencies)
}

async fn decisions(server: &RedisServer, way: Way, time: Duration) -> Figures {
    server.command(&["FLUSHALL"]).unwrap();
    let settings = Settings::from_url(&server.url())
        .unwrap()
        .time_box(Duration::from_secs(5));
    let shared = RedisCoordinator::connect(&settings).await.unwrap();
    let mut stores = Vec::new();
    for _ in 0..way.instances {
        stores.push(if way.is_shared {
            shared.clone()
        } else {
            RedisCoordinator::connect(&settings).await.unwrap()
        });
    }
    let (began, cpu) = (Instant::now(), server.cpu_time().unwrap());
    let tasks: Vec<_> = stores
        .into_iter()
        .zip(1..)
        .map(|(store, id)| tokio::spawn(instance(store, way, id, began + time)))
        .collect();
    let (mut decisions, mut latencies) = (0, Vec::new());
    for task in tasks {
        let (one, mut more) = task.await.unwrap();
        decisions += one;
        latencies.append(&mut more);
    }
    Figures {
        decisions,
        calls: latencies.len() as u64,
        wall: began.elapsed(),
        server: server.cpu_time().unwrap() - cpu,
        latencies,
    }
}

async fn count_up(mut connection: MultiplexedConnection, end: Instant) -> Vec<Duration> {
    let mut command = Cmd::new();
    command.arg("INCR").arg("counter");
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        let _: i64 = command.query_async(&mut connection).await.unwrap();
        latencies.push(began.elapsed());
    }
    latencies
}

async fn plain(server: &RedisServer, clients: u64, is_shared: bool, time: Duration) -> Figures {
    let client = redis::Client::open(server.url()).unwrap();
    let shared = client.get_multiplexed_async_connection().await.unwrap();
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(if is_shared {
            shared.clone()
        } else {
            client.get_multiplexed_async_connection().await.unwrap()
        });
    }
    let (began, cpu) = (Instant::now(), server.cpu_time().unwrap());
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|connection| tokio::spawn(count_up(connection, began + time)))
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.append(&mut task.await.unwrap());
    }
    let calls = latencies.len() as u64;
    Figures {
        decisions: calls,
        calls,
        wall: began.elapsed(),
        server: server.cpu_time().unwrap() - cpu,
        latencies,
    }
}

#[tokio::main]
async fn main() {
    let seconds = std::env::args()
        .nth(1)
        .map_or(3, |text| text.parse().unwrap());
    let time = Duration::from_secs(seconds);
    let server = Arc::new(RedisServer::start().unwrap());
    println!(
        "| what | per second | per second of Redis' core | to INCR | us of it a call | p50 ms | p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|");
    for instances in [1, 10, 100] {
        for is_shared in [false, true] {
            let way = if is_shared {
                "pipelined"
            } else {
                "own connections"
            };
            let figures = plain(&server, instances, is_shared, time).await;
            let base = figures.print(&format!("INCR, {instances} clients, {way}"), None);
            let ways = [
                (CountKind::Bucket, 1, 1_000_000_000, "bucket"),
                (CountKind::Unknown, 1, 1_000_000_000, "unknown kind"),
                (
                    CountKind::Bucket,
                    8,
                    1_000_000_000,
                    "bucket, 8 heads a message",
                ),
                (CountKind::Bucket, 1, 600, "bucket, all wait"),
            ];
            for (kind, heads, amount, name) in ways {
                let set_up = Way {
                    kind,
                    instances,
                    heads,
                    is_shared,
                    amount,
                };
                let figures = decisions(&server, set_up, time).await;
                let name = format!("{name}, {instances} instances, {way}");
                figures.print(&name, Some(base));
            }
        }
    }
}
