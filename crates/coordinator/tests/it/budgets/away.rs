//! The store is away, comes back, or comes back empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use paceline_coordinator::budgets::{
    Books, Budget, BudgetAnswer, BudgetAsk, BudgetSettings, BudgetStore, BudgetWakes, Budgets,
    InProcessBudgets, Outcome, RefusalReason, Reserved, SHARE_MS, WhenUnknown, Window,
};
use paceline_coordinator::{InstanceId, Later, StoreError};
use tokio::time::sleep;

use super::{budget, tokens};

const NOON_MS: u64 = 1_795_348_800_000;

/// A store that can be cut off; what is said then may be heard all the same.
#[derive(Clone)]
struct Flaky {
    store: InProcessBudgets,
    is_away: Arc<AtomicBool>,
    hears: Arc<AtomicBool>,
}

impl Flaky {
    fn new() -> Self {
        Self {
            store: InProcessBudgets::starting_at(NOON_MS),
            is_away: Arc::default(),
            hears: Arc::default(),
        }
    }

    fn goes_away(&self, hears: bool) {
        self.hears.store(hears, Ordering::SeqCst);
        self.is_away.store(true, Ordering::SeqCst);
    }

    fn comes_back(&self) {
        self.is_away.store(false, Ordering::SeqCst);
    }
}

impl BudgetStore for Flaky {
    fn exchange<'a>(&'a self, ask: &'a BudgetAsk) -> Later<'a, BudgetAnswer> {
        Box::pin(async move {
            if !self.is_away.load(Ordering::SeqCst) {
                return self.store.exchange(ask).await;
            }
            if self.hears.load(Ordering::SeqCst) {
                let _ = self.store.exchange(ask).await;
            }
            Err(StoreError::Away {
                store: "the store".to_owned(),
                reason: "cut off".to_owned(),
            })
        })
    }

    fn wakes(&self) -> Later<'_, Box<dyn BudgetWakes>> {
        self.store.wakes()
    }
}

/// Books that are told what was spent.
#[derive(Default)]
struct Ledger(AtomicU64);

impl Books for Ledger {
    fn spent<'a>(&'a self, _: &'a Budget, _: Window) -> Later<'a, u64> {
        Box::pin(async { Ok(self.0.load(Ordering::SeqCst)) })
    }
}

struct World {
    store: Flaky,
    ledger: Arc<Ledger>,
    desks: Vec<Budgets>,
}

impl World {
    fn new(count: u64, when_unknown: WhenUnknown) -> Self {
        let (store, ledger) = (Flaky::new(), Arc::new(Ledger::default()));
        let settings = BudgetSettings {
            when_unknown,
            ..BudgetSettings::default()
        };
        let desk = |id| {
            let store = Arc::new(store.clone());
            Budgets::open(store, ledger.clone(), InstanceId(id), settings).0
        };
        Self {
            desks: (1..=count).map(desk).collect(),
            store,
            ledger,
        }
    }

    /// A call of this cost goes on an instance, and is in the books then; or it is refused.
    async fn call(&self, desk: usize, cost: u64) -> Option<RefusalReason> {
        match self.acquire(desk, cost, 2 * cost).await {
            Ok(reserved) => {
                reserved.settle(tokens(cost));
                self.ledger.0.fetch_add(cost, Ordering::SeqCst);
                None
            }
            Err(reason) => Some(reason),
        }
    }

    async fn acquire(&self, desk: usize, cost: u64, worst: u64) -> Result<Reserved, RefusalReason> {
        let desk = &self.desks[desk];
        match desk
            .acquire(vec![budget(1_000)], tokens(cost), tokens(worst))
            .await
        {
            Outcome::Go(reserved) => Ok(reserved),
            Outcome::Refused(refusal) => Err(refusal.reason),
        }
    }

    async fn settled(&self) -> u64 {
        for desk in &self.desks {
            desk.settled().await;
        }
        self.desks[0].look(&budget(1_000)).await.unwrap().spent
    }
}

#[tokio::test(start_paused = true)]
async fn instances_go_on_with_shares_that_are_never_more_than_what_is_left() {
    for hears in [false, true] {
        let world = World::new(3, WhenUnknown::Refuse);
        for round in 0..30 {
            assert_eq!(world.call(round % 3, 10).await, None);
            world.settled().await;
        }
        world.store.goes_away(hears);
        let mut went = [0; 3];
        for (desk, went) in went.iter_mut().enumerate() {
            loop {
                match world.call(desk, 10).await {
                    None => *went += 1,
                    Some(reason) => {
                        assert_eq!(reason, RefusalReason::StoreAway);
                        break;
                    }
                }
            }
        }
        assert!(
            went.iter().all(|went| *went >= 5),
            "each has a share: {went:?}"
        );
        let total = 300 + 10 * went.iter().sum::<u64>();
        assert!(total <= 1_000, "{went:?}");
        world.store.comes_back();
        assert_eq!(world.settled().await, total, "the store is told");
        while world.call(0, 10).await.is_none() {}
        assert_eq!(world.settled().await, 1_000, "and all the rest is used");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_when_the_store_goes_and_comes_is_counted_once() {
    let world = World::new(2, WhenUnknown::Refuse);
    let before = world.acquire(0, 50, 100).await.unwrap();
    world.call(1, 10).await;
    world.store.goes_away(true);
    let during = world.acquire(0, 30, 40).await.unwrap();
    before.settle(tokens(50));
    world.store.comes_back();
    sleep(Duration::from_secs(5)).await;
    let now = world.desks[1].look(&budget(1_000)).await.unwrap();
    assert_eq!((now.spent, now.held), (60, 0));
    during.settle(tokens(30));
    assert_eq!(world.settled().await, 90);
}

#[tokio::test(start_paused = true)]
async fn a_share_is_over_when_the_store_takes_it_back() {
    let world = World::new(2, WhenUnknown::Refuse);
    assert_eq!(world.call(0, 10).await, None);
    world.settled().await;
    world.store.goes_away(false);
    assert_eq!(world.call(0, 10).await, None);
    sleep(Duration::from_millis(SHARE_MS)).await;
    assert_eq!(world.call(0, 10).await, Some(RefusalReason::StoreAway));
    world.store.comes_back();
    sleep(Duration::from_secs(5)).await;
    let all = world.acquire(1, 980, 980).await.unwrap();
    all.settle(tokens(980));
    assert_eq!(world.settled().await, 1_000);
}

#[tokio::test(start_paused = true)]
async fn an_emptied_store_asks_the_books() {
    let world = World::new(2, WhenUnknown::Refuse);
    for round in 0..60 {
        assert_eq!(world.call(round % 2, 10).await, None);
    }
    let in_flight = world.acquire(1, 100, 100).await.unwrap();
    world.settled().await;
    sleep(Duration::from_millis(10)).await;
    world.store.store.forget();
    for _ in 0..20 {
        assert_eq!(world.call(0, 10).await, None);
    }
    assert_eq!(world.settled().await, 800);
    // It was let in by the account that was lost.
    in_flight.settle(tokens(100));
    assert_eq!(world.settled().await, 900);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_never_there_refuses_unless_it_is_allowed() {
    for (when_unknown, goes) in [(WhenUnknown::Refuse, false), (WhenUnknown::Allow, true)] {
        let world = World::new(1, when_unknown);
        world.store.goes_away(false);
        assert_eq!(world.call(0, 10).await.is_none(), goes);
        let soft = Budget {
            is_hard: false,
            ..budget(1)
        };
        let outcome = world.desks[0]
            .acquire(vec![soft], tokens(9), tokens(9))
            .await;
        assert!(
            matches!(outcome, Outcome::Go(_)),
            "soft budgets refuse nothing"
        );
    }
}
