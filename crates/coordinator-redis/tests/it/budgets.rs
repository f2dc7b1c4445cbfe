//! Budgets on real servers: every rule, in a cluster too; many calls at once; a store that goes away and
//! comes back empty.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use paceline_coordinator::budgets::{
    Alert, Books, Budget, BudgetSettings, Budgets, Outcome, Period, RefusalReason, Reserved, Spend,
    Unit, Window,
};
use paceline_coordinator::conformance::budgets as must;
use paceline_coordinator::{InstanceId, Later, budgets_conformance};
use paceline_coordinator_redis::{RedisBudgets, Settings};
use paceline_testkit::redis::{Certificates, RedisCluster, RedisOptions, RedisServer};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use crate::servers::RIGHTS;
use crate::talk::{PATIENCE, settings};

async fn connect(url: &str) -> RedisBudgets {
    RedisBudgets::connect(&settings(url)).await.unwrap()
}

/// One server for all cases that run in this process, each with budgets of its own.
async fn store() -> RedisBudgets {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    connect(&SERVER.get_or_init(|| RedisServer::start().unwrap()).url()).await
}

budgets_conformance!(store().await);

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_tls_and_a_user_of_few_rights_keeps_budgets() {
    let certificates = Certificates::make().unwrap();
    let user = format!("app on >secret {RIGHTS} +exists +cluster|slots +cluster|shards");
    let options = RedisOptions::new()
        .tls(&certificates)
        .user(&user)
        .setting("tls-cluster", "yes");
    let cluster = RedisCluster::start_with(&options).unwrap();
    let nodes = cluster.nodes().iter();
    let hosts: Vec<String> = nodes.map(|node| node.address().to_string()).collect();
    let url = format!("rediss+cluster://app:secret@{}", hosts.join(","));
    let settings = settings(&url).certificate_authority(certificates.authority());
    let store = RedisBudgets::connect(&settings).await.unwrap();
    must::all_budgets_hold_a_call_or_none_does(&store).await;
    must::the_refusal_that_ends_last_is_told(&store).await;
    must::a_call_that_is_never_heard_of_again_is_spent_in_full(&store).await;
    must::who_waits_is_told_and_shares_are_asked_back(&store).await;
}

fn budget(amount: u64) -> Budget {
    Budget {
        name: "cap".to_owned(),
        scope: "tenant:{acme} ü".to_owned(),
        unit: Unit::Nanousd,
        amount,
        period: Period::Forever,
        utc_offset_min: 0,
        is_hard: true,
        thresholds: vec![50, 80, 100],
    }
}

const fn nanousd(nanousd: u64) -> Spend {
    Spend {
        nanousd,
        tokens: 0,
        requests: 1,
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

struct Fleet {
    ledger: Arc<Ledger>,
    desks: Vec<(Budgets, UnboundedReceiver<Alert>)>,
}

impl Fleet {
    /// Instances with connections of their own.
    async fn start(url: &str, count: u64, lease: Duration, time_box: Duration) -> Self {
        let ledger = Arc::new(Ledger::default());
        let mut desks = Vec::new();
        for id in 1..=count {
            let settings = Settings::from_url(url).unwrap();
            let settings = settings.time_box(time_box);
            let store = Arc::new(RedisBudgets::connect(&settings).await.unwrap());
            let settings = BudgetSettings {
                lease,
                ..BudgetSettings::default()
            };
            desks.push(Budgets::open(
                store,
                ledger.clone(),
                InstanceId(id),
                settings,
            ));
        }
        Self { ledger, desks }
    }

    fn desk(&self, index: usize) -> Budgets {
        self.desks[index % self.desks.len()].0.clone()
    }

    async fn acquire(
        &self,
        index: usize,
        amount: u64,
        cost: u64,
    ) -> Result<Reserved, RefusalReason> {
        let budgets = vec![budget(amount)];
        let desk = self.desk(index);
        let cost = nanousd(cost);
        match desk.acquire(budgets, cost, cost).await {
            Outcome::Go(reserved) => Ok(reserved),
            Outcome::Refused(refusal) => Err(refusal.reason),
        }
    }

    /// One call; what it did cost is in the books then.
    async fn call(&self, index: usize, amount: u64, cost: u64) -> Result<(), RefusalReason> {
        let reserved = self.acquire(index, amount, cost).await?;
        reserved.settle(nanousd(cost));
        self.ledger.0.fetch_add(cost, Ordering::SeqCst);
        Ok(())
    }

    async fn settled(&self) {
        for (desk, _) in &self.desks {
            desk.settled().await;
        }
    }

    /// What is spent and held, once the store answers.
    async fn level(&self, amount: u64) -> (u64, u64) {
        self.settled().await;
        let end = Instant::now() + PATIENCE;
        loop {
            match self.desk(0).look(&budget(amount)).await {
                Ok(now) => return (now.spent, now.held),
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// 200 calls at once, each of which can cost four times what it does cost, against a budget that is enough
/// for 50.
async fn two_hundred_against_fifty(instances: u64) {
    let server = RedisServer::start().unwrap();
    let mut fleet = Fleet::start(&server.url(), instances, PATIENCE * 10, PATIENCE).await;
    let mut calls = JoinSet::new();
    for number in 0..200 {
        let desk = fleet.desk(number);
        calls.spawn(async move {
            let budgets = vec![budget(5_000)];
            match desk.acquire(budgets, nanousd(100), nanousd(400)).await {
                Outcome::Go(reserved) => {
                    tokio::time::sleep(Duration::from_millis(number as u64 % 7)).await;
                    reserved.settle(nanousd(100));
                    true
                }
                Outcome::Refused(refusal) => {
                    assert_eq!(refusal.reason, RefusalReason::Spent);
                    false
                }
            }
        });
    }
    let went = calls.join_all().await.into_iter().filter(|went| *went);
    assert_eq!(went.count(), 50);
    assert_eq!(fleet.level(5_000).await, (5_000, 0));
    let mut told = Vec::new();
    for (_, alerts) in &mut fleet.desks {
        while let Ok(alert) = alerts.try_recv() {
            told.push(alert.percent);
        }
    }
    told.sort_unstable();
    assert_eq!(told, [50, 80, 100], "each by one instance");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_budget_is_used_and_no_more_on_one_instance() {
    two_hundred_against_fifty(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_budget_is_used_and_no_more_on_three_instances() {
    two_hundred_against_fifty(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_instance_held_is_spent_and_the_others_go_on() {
    let server = RedisServer::start().unwrap();
    let fleet = Fleet::start(&server.url(), 2, Duration::from_millis(300), PATIENCE).await;
    let killed = fleet.acquire(0, 100, 90).await.unwrap();
    std::mem::forget(killed);
    // Too much while it holds its part, and enough only for what is left of it then.
    let alive = fleet.acquire(1, 100, 10).await.unwrap();
    alive.settle(nanousd(10));
    let end = Instant::now() + PATIENCE;
    while fleet.level(100).await != (100, 0) {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = fleet.acquire(1, 100, 1).await.unwrap_err();
    assert_eq!(refused, RefusalReason::Spent);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_gone_shares_are_spent_and_when_it_is_back_empty_the_books_count() {
    let server = RedisServer::start().unwrap();
    let fleet = Fleet::start(&server.url(), 3, PATIENCE * 10, PATIENCE).await;
    // Few enough that nobody has to wait, which would have shares given back.
    for index in 0..15 {
        fleet.call(index, 1_000, 10).await.unwrap();
        fleet.settled().await;
    }
    server.stop().unwrap();
    let mut went = 0;
    for index in 0..3 {
        loop {
            match fleet.call(index, 1_000, 10).await {
                Ok(()) => went += 1,
                Err(reason) => {
                    assert_eq!(reason, RefusalReason::StoreAway);
                    break;
                }
            }
        }
    }
    assert!((10..=85).contains(&went), "of the 85 that are left: {went}");
    server.restart_empty().unwrap();
    assert_eq!(fleet.level(1_000).await, (150 + 10 * went, 0));
    let end = Instant::now() + PATIENCE;
    while fleet.ledger.0.load(Ordering::SeqCst) < 1_000 {
        assert!(Instant::now() < end);
        let _ = fleet.call(1, 1_000, 10).await;
    }
    assert_eq!(fleet.level(1_000).await, (1_000, 0));
    assert_eq!(fleet.call(2, 1_000, 10).await, Err(RefusalReason::Spent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_costs_one_time_box_and_nothing_is_counted_twice() {
    let server = RedisServer::start().unwrap();
    let fleet = Fleet::start(&server.url(), 2, PATIENCE * 10, Duration::from_secs(1)).await;
    for index in 0..2 {
        fleet.call(index, 1_000, 100).await.unwrap();
        fleet.settled().await;
    }
    server.freeze().unwrap();
    // The reservation is heard when it thaws, and its end after it.
    fleet.call(0, 1_000, 50).await.unwrap();
    server.thaw().unwrap();
    assert_eq!(fleet.level(1_000).await, (250, 0));
}
