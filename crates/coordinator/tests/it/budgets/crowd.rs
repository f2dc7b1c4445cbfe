//! Many calls at once, on one instance and on several.

use std::sync::Arc;
use std::time::Duration;

use paceline_coordinator::InstanceId;
use paceline_coordinator::budgets::{
    Alert, BudgetSettings, Budgets, InProcessBudgets, NoBooks, Outcome, RefusalReason,
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{budget, tokens};

const NOON_MS: u64 = 1_795_348_800_000;
const MIDNIGHT_MS: u64 = 1_795_392_000_000;

pub(crate) fn desks(
    store: &InProcessBudgets,
    count: u64,
) -> Vec<(Budgets, UnboundedReceiver<Alert>)> {
    let store: Arc<InProcessBudgets> = Arc::new(store.clone());
    let desk = |id| {
        let settings = BudgetSettings::default();
        Budgets::open(store.clone(), Arc::new(NoBooks), InstanceId(id), settings)
    };
    (1..=count).map(desk).collect()
}

/// 200 calls at once, each of which can cost four times what it does cost, against a budget that is enough
/// for 50.
async fn two_hundred_against_fifty(instances: u64) {
    let store = InProcessBudgets::starting_at(NOON_MS);
    let mut desks = desks(&store, instances);
    let mut calls = JoinSet::new();
    for number in 0..200_u64 {
        let index = usize::try_from(number % instances).unwrap();
        let desk = desks[index].0.clone();
        calls.spawn(async move {
            let budgets = vec![budget(5_000)];
            match desk.acquire(budgets, tokens(100), tokens(400)).await {
                Outcome::Go(reserved) => {
                    sleep(Duration::from_millis(50 + number * 7 % 100)).await;
                    reserved.settle(tokens(100));
                    true
                }
                Outcome::Refused(refusal) => {
                    assert_eq!(refusal.budget.name, "cap");
                    assert_eq!(refusal.reason, RefusalReason::Spent);
                    assert_eq!(refusal.free_at_ms, Some(MIDNIGHT_MS));
                    false
                }
            }
        });
    }
    let went = calls.join_all().await.into_iter().filter(|went| *went);
    assert_eq!(went.count(), 50);
    for (desk, _) in &desks {
        desk.settled().await;
    }
    let now = desks[0].0.look(&budget(5_000)).await.unwrap();
    assert_eq!((now.spent, now.held), (5_000, 0));
    let mut told = Vec::new();
    for (_, alerts) in &mut desks {
        while let Ok(alert) = alerts.try_recv() {
            told.push(alert.percent);
        }
    }
    told.sort_unstable();
    assert_eq!(told, [50, 80, 100], "each by one instance");
}

#[tokio::test(start_paused = true)]
async fn all_of_a_budget_is_used_and_no_more_on_one_instance() {
    two_hundred_against_fifty(1).await;
}

#[tokio::test(start_paused = true)]
async fn all_of_a_budget_is_used_and_no_more_on_three_instances() {
    two_hundred_against_fifty(3).await;
}

async fn goes(desk: &Budgets, amount: u64, worst: u64) -> paceline_coordinator::budgets::Reserved {
    let outcome = desk.acquire(vec![budget(amount)], tokens(1), tokens(worst));
    outcome.await.into_result().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_large_call_is_not_passed_by_small_ones_that_come_later() {
    let store = InProcessBudgets::starting_at(NOON_MS);
    let desk = desks(&store, 1).remove(0).0;
    let first = goes(&desk, 100, 60).await;
    let (large, small) = (desk.clone(), desk.clone());
    let large = tokio::spawn(async move { goes(&large, 100, 90).await });
    sleep(Duration::from_millis(1)).await;
    let small = tokio::spawn(async move { goes(&small, 100, 20).await });
    sleep(Duration::from_secs(60)).await;
    assert!(!small.is_finished(), "there would be room for it");
    first.settle(tokens(1));
    let large = large.await.unwrap();
    assert!(!small.is_finished());
    large.settle(tokens(1));
    small.await.unwrap().release();
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_holds_nothing_and_lets_the_next_go() {
    let store = InProcessBudgets::starting_at(NOON_MS);
    let desk = desks(&store, 1).remove(0).0;
    let first = goes(&desk, 100, 60).await;
    let waits = timeout(Duration::from_secs(1), goes(&desk, 100, 90)).await;
    assert!(waits.is_err());
    let second = goes(&desk, 100, 40).await;
    first.release();
    second.release();
    desk.settled().await;
    let now = desk.look(&budget(100)).await.unwrap();
    assert_eq!((now.spent, now.held), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_unsettled_counts_as_its_worst() {
    let store = InProcessBudgets::starting_at(NOON_MS);
    let desk = desks(&store, 1).remove(0).0;
    drop(goes(&desk, 100, 30).await);
    desk.settled().await;
    assert_eq!(desk.look(&budget(100)).await.unwrap().spent, 30);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_dead_instance_go_when_its_lease_is_over() {
    let store = InProcessBudgets::starting_at(NOON_MS);
    let mut desks = desks(&store, 2);
    let (dead, _) = desks.remove(0);
    let held = goes(&dead, 100, 90).await;
    // It is never heard of again.
    std::mem::forget(held);
    let began = Instant::now();
    let (alive, _) = &desks[0];
    let reserved = goes(alive, 100, 50).await;
    let waited = began.elapsed();
    let lease = BudgetSettings::default().lease;
    assert!(
        waited >= lease && waited < lease + Duration::from_secs(1),
        "{waited:?}"
    );
    reserved.release();
    alive.settled().await;
    assert_eq!(alive.look(&budget(100)).await.unwrap().spent, 90);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_budgets_goes() {
    let store = InProcessBudgets::new();
    let desk = desks(&store, 1).remove(0).0;
    let outcome = desk.acquire(Vec::new(), tokens(1), tokens(1)).await;
    assert!(matches!(outcome, Outcome::Go(_)));
}
