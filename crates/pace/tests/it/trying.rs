//! Turns that are had at once or not at all, where a store decides; and how a process goes.

use std::time::Duration;

use paceline_limiter::{Charge, Metric, Outcome, Refusal, Request, TenantId, Tier};
use paceline_pace::{Acquired, Lease, NotNow, SharingMode, WhenAway};
use tokio::time::{Instant, sleep};

use crate::provider::Kind;
use crate::store::Trouble;
use crate::world::{Load, Process, World, pass};

/// The time that a store may take.
const TIME_BOX: Duration = Duration::from_millis(50);

const IDLE: Load = Load {
    callers: 0,
    tenant: 0,
    weight: 1,
    tier: Tier::Standard,
};

fn request(tokens: u64) -> Request {
    Request {
        tenant: TenantId(0),
        weight: 1,
        tier: Tier::Standard,
        charge: Charge::ZERO.with(Metric::Tokens, tokens),
        parts: None,
        deadline: None,
        retry: false,
    }
}

async fn attempt(process: &Process, tokens: u64) -> Result<Lease<()>, NotNow> {
    process.pool.try_acquire(request(tokens), ()).await
}

async fn take(process: &Process, tokens: u64) {
    let lease = attempt(process, tokens).await.unwrap();
    lease.settle(None, None, Outcome::Success);
}

fn used(process: &Process) -> u64 {
    process.pool.snapshot().limits[0].used
}

#[tokio::test(start_paused = true)]
async fn a_try_succeeds_exactly_where_there_is_room() {
    let mut world = World::new(Kind::Sliding, 1_000);
    let (first, second) = (world.start(IDLE), world.start(IDLE));
    let start = Instant::now();
    take(&first, 600).await;
    let Err(NotNow::Waits(outlook)) = attempt(&second, 600).await else {
        panic!("600 and 600 are more than 1,000");
    };
    // The place that it did not keep is in nobody's way.
    sleep(Duration::from_millis(5)).await;
    let eta = outlook.eta.unwrap().as_secs_f64();
    assert!((59.9..60.2).contains(&eta), "{eta}");
    assert_eq!(outlook.position, 1);
    take(&second, 400).await;
    sleep(Duration::from_millis(5)).await;
    assert!(attempt(&first, 1).await.is_err());
    assert!(start.elapsed() < TIME_BOX, "{:?}", start.elapsed());
    // Nobody was left behind in a queue, and both know the count.
    for process in [&first, &second] {
        assert_eq!(process.pool.waiting(10).len(), 0);
        assert_eq!(used(process), 1_000);
    }
    // What is too large for ever is known without asking.
    let refused = attempt(&first, 1_001).await.unwrap_err();
    assert!(matches!(
        refused,
        NotNow::Refused(Refusal::TooLarge { amount: 1_000, .. })
    ));
    pass(61).await;
    take(&first, 1_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_try_does_not_go_before_others_that_wait() {
    let mut world = World::new(Kind::Sliding, 1_000);
    let process = world.start(IDLE);
    take(&process, 600).await;
    let Acquired::Later(wait, _) = process.pool.acquire(request(800), ()) else {
        panic!("nobody goes before the store was asked");
    };
    pass(1).await;
    assert!(attempt(&process, 300).await.is_err());
    assert_eq!(process.pool.waiting(10).len(), 1);
    drop(wait);
    take(&process, 400).await;
}

#[tokio::test(start_paused = true)]
async fn any_number_of_tries_at_once_get_what_there_is_and_no_more() {
    let mut world = World::new(Kind::Sliding, 1_000);
    let processes = [world.start(IDLE), world.start(IDLE)];
    let start = Instant::now();
    let tries: Vec<_> = (0..120)
        .map(|index| {
            let pool = processes[index % 2].pool.clone();
            tokio::spawn(async move { pool.try_acquire(request(10), ()).await })
        })
        .collect();
    let mut leases = Vec::new();
    for attempt in tries {
        leases.extend(attempt.await.unwrap());
    }
    assert!(start.elapsed() < TIME_BOX * 2, "{:?}", start.elapsed());
    // Those that got nothing stand before those of the other process until it is told of them.
    assert!((90..=100).contains(&leases.len()), "{}", leases.len());
    sleep(Duration::from_millis(5)).await;
    while let Ok(lease) = attempt(&processes[0], 10).await {
        leases.push(lease);
    }
    assert_eq!(leases.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn without_the_store_a_try_takes_its_time_box_twice_and_then_nothing() {
    for (trouble, most) in [
        (Trouble::Frozen, TIME_BOX * 2),
        (Trouble::Cut, Duration::from_millis(3)),
    ] {
        for when_away in [WhenAway::Share, WhenAway::Open, WhenAway::Closed] {
            let mut world = World::new(Kind::Sliding, 1_000).when_away(when_away);
            let process = world.start(IDLE);
            take(&process, 10).await;
            process.way.set(trouble);
            let start = Instant::now();
            let first = attempt(&process, 10).await;
            assert!(start.elapsed() <= most, "{:?}", start.elapsed());
            assert!(process.mode().is_away());
            let start = Instant::now();
            let second = attempt(&process, 10).await;
            assert_eq!(start.elapsed(), Duration::ZERO);
            let goes_on = when_away != WhenAway::Closed;
            assert_eq!((first.is_ok(), second.is_ok()), (goes_on, goes_on));
            process.way.set(Trouble::None);
            // A store that is as new as this one lets everyone say first what was used.
            pass(5).await;
            assert_eq!(process.mode(), SharingMode::Exact);
            take(&process, 10).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_dropped_says_what_it_used_and_is_not_waited_for() {
    let mut world = World::new(Kind::Sliding, 1_000);
    let (first, second) = (world.start(IDLE), world.start(IDLE));
    take(&second, 1).await;
    let lease = attempt(&first, 800).await.unwrap();
    let charged = Charge::ZERO.with(Metric::Tokens, 99);
    lease.settle(Some(charged), None, Outcome::Success);
    drop(first);
    pass(1).await;
    assert_eq!(second.pool.sharing().unwrap().instances, 1);
    assert_eq!(used(&second), 100);
    take(&second, 900).await;
}

#[tokio::test(start_paused = true)]
async fn who_has_left_lets_nobody_in() {
    let mut world = World::new(Kind::Sliding, 1_000);
    let process = world.start(IDLE);
    take(&process, 1_000).await;
    let Acquired::Later(wait, _) = process.pool.acquire(request(1), ()) else {
        panic!("there is no room");
    };
    process.leave().await;
    let draining = |refusal| matches!(refusal, Refusal::Draining { .. });
    assert!(matches!(wait.await, paceline_pace::Turn::Refused(refusal) if draining(refusal)));
    let refused = attempt(&process, 1).await.unwrap_err();
    assert!(matches!(refused, NotNow::Refused(refusal) if draining(refusal)));
}
