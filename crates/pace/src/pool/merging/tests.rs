//! Pools that let four requests be under way at once.

use paceline_limiter::{DomainSettings, Metric, Outcome, Request, TenantId, Tier};

use super::*;
use crate::{Acquired, Clock};

type Pool = crate::Pool<Named>;
type Lease = crate::Lease<Named>;
type Wait = crate::Wait<Named>;

#[derive(Debug)]
struct Named(#[expect(dead_code, reason = "shown when a test fails")] &'static str);

impl Watch for Named {
    type Who = &'static str;
}

fn pool(name: &'static str) -> Arc<Pool> {
    let settings = DomainSettings {
        concurrency_max: Some(4),
        ..DomainSettings::default()
    };
    Arc::new(Pool::new(settings, Clock::start(), Named(name)).unwrap())
}

fn ask(pool: &Arc<Pool>, id: &'static str) -> Acquired<Named> {
    let request = Request {
        tenant: TenantId(1),
        weight: 1,
        tier: Tier::Standard,
        charge: Charge::ZERO
            .with(Metric::Requests, 1)
            .with(Metric::Tokens, 100),
        parts: None,
        deadline: None,
        retry: false,
    };
    pool.acquire(request, id)
}

fn lease(pool: &Arc<Pool>) -> Lease {
    match ask(pool, "goes") {
        Acquired::Now(lease) => lease,
        _ => panic!("there is room in {pool:?}"),
    }
}

fn wait(pool: &Arc<Pool>, id: &'static str) -> Wait {
    match ask(pool, id) {
        Acquired::Later(wait, _) => wait,
        _ => panic!("there is no room in {pool:?}"),
    }
}

fn in_flight(pool: &Pool) -> (usize, usize) {
    (pool.snapshot().in_flight, pool.waiting(10).len())
}

#[tokio::test]
async fn who_waits_and_what_is_under_way_moves_to_the_heir() {
    let (heir, old) = (pool("heir"), pool("old"));
    let own: Vec<_> = (0..2).map(|_| lease(&heir)).collect();
    let mut moved: Vec<_> = (0..4).map(|_| lease(&old)).collect();
    let (first, second, third) = (wait(&old, "1"), wait(&old, "2"), wait(&old, "3"));
    old.retire(&heir);
    assert_eq!(in_flight(&old), (0, 0));
    assert_eq!(in_flight(&heir), (6, 3));
    let position = |wait: &Wait| old.outlook(wait.id()).map(|outlook| outlook.position);
    assert_eq!([&first, &second, &third].map(position), [1, 2, 3].map(Some));

    // A place that is given up is free in the heir, and the order stays.
    drop(second);
    assert_eq!(in_flight(&heir), (6, 2));
    assert_eq!(position(&third), Some(2));

    // However a lease of the old pool ends, it ends in the heir.
    for (index, mut lease) in moved.drain(..3).enumerate() {
        match index {
            0 => drop(lease),
            1 => {
                lease.dispatched();
                drop(lease);
            }
            _ => {
                lease.dispatched();
                lease.settle(None, None, Outcome::Success);
            }
        }
    }
    let Turn::Go { lease: turn, .. } = first.await else {
        panic!("it was the first one's turn")
    };
    assert!(Arc::ptr_eq(turn.pool(), &heir));
    assert_eq!(in_flight(&heir), (4, 1));
    drop((own, moved, turn));
    let Turn::Go { lease: last, .. } = third.await else {
        panic!("it was the last one's turn")
    };
    drop(last);
    assert_eq!((in_flight(&old), in_flight(&heir)), ((0, 0), (0, 0)));
    for pool in [&old, &heir] {
        let totals = pool.snapshot().totals;
        let of = |sum: &paceline_limiter::Sum| sum.get(Metric::Tokens);
        let (reserved, settled) = (of(&totals.reserved), of(&totals.settled));
        assert_eq!(reserved, settled + of(&totals.refunded), "{pool:?}");
    }
}

#[tokio::test]
async fn whoever_comes_to_a_retired_pool_is_served_by_the_last_heir() {
    let (last, middle, old) = (pool("last"), pool("middle"), pool("old"));
    let _under_way: Vec<_> = (0..4).map(|_| lease(&old)).collect();
    let waiting = wait(&old, "1");
    old.retire(&middle);
    middle.retire(&last);
    assert_eq!(in_flight(&last), (4, 1));
    let late = wait(&old, "2");
    assert_eq!(in_flight(&last), (4, 2));
    assert_eq!(old.outlook(waiting.id()).map(|at| at.position), Some(1));
    drop((waiting, late));
    assert_eq!(in_flight(&last), (4, 0));
}
