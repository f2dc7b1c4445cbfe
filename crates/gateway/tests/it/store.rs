//! Gateways that share their limits through a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use paceline_coordinator::{
    Answer, Ask, Coordinator, InProcess, InstanceId, Later, StoreError, Wakes,
};
use paceline_simulator::{Metric, Quota, QuotaKind};
use paceline_testkit::{TestGateway, chat};

use crate::provider::provider;

/// A way to a store that can be cut.
#[derive(Clone, Default)]
struct Way {
    store: InProcess,
    is_cut: Arc<AtomicBool>,
}

impl Coordinator for Way {
    fn exchange<'a>(&'a self, domain: &'a str, ask: &'a Ask) -> Later<'a, Answer> {
        if self.is_cut.load(Ordering::Relaxed) {
            return Box::pin(std::future::ready(Err(StoreError::Away {
                store: "the store".to_owned(),
                reason: "connection refused".to_owned(),
            })));
        }
        self.store.exchange(domain, ask)
    }

    fn wakes(&self, instance: InstanceId) -> Later<'_, Box<dyn Wakes>> {
        self.store.wakes(instance)
    }
}

const LIMITS: &str = "[limits]\ntokens_per_minute = 1000\nwindow = \"bucket\"\nguard = \"0ms\"\n";

#[tokio::test]
async fn what_one_gateway_has_used_another_cannot_use_again() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let way = Way::default();
    let first = TestGateway::start_sharing(simulator.address(), LIMITS, Arc::new(way.clone()))?;
    let second = TestGateway::start_sharing(simulator.address(), LIMITS, Arc::new(way))?;
    assert_eq!(
        first.caller().chat(&[], chat(900, false)).await?.status,
        200
    );
    let patience = [("x-paceline-max-wait", "2s")];
    // The second has to ask once before it knows what is used.
    assert_eq!(
        second
            .caller()
            .chat(&patience, chat(50, false))
            .await?
            .status,
        200
    );
    let refused = second.caller().chat(&patience, chat(500, false)).await?;
    assert_eq!(refused.error_code(), "wait_too_long");
    let pool = second.until_pool(|pool| pool.limits[0].used > 900).await?;
    let sharing = pool.sharing.unwrap();
    assert_eq!((sharing.mode.as_str(), sharing.instances), ("exact", 2));
    assert!(
        sharing.exchanges >= 2 && sharing.failures == 0,
        "{sharing:?}"
    );
    let modes = second
        .metric("paceline_store_mode", "mode=\"exact\"")
        .await?;
    assert!((modes - 1.0).abs() < f64::EPSILON);
    assert_eq!(simulator.state().counters.received, 2);
    first.stop().await?;
    second
        .until_pool(|pool| pool.sharing.as_ref().is_some_and(|s| s.instances == 1))
        .await?;
    Ok(())
}

#[tokio::test]
async fn without_the_store_a_gateway_goes_on_with_its_part_and_says_so() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let way = Way::default();
    let gateway = TestGateway::start_sharing(simulator.address(), LIMITS, Arc::new(way.clone()))?;
    let caller = gateway.caller();
    assert_eq!(caller.chat(&[], chat(100, false)).await?.status, 200);
    way.is_cut.store(true, Ordering::Relaxed);
    assert_eq!(caller.chat(&[], chat(100, false)).await?.status, 200);
    let of_mode = |mode: &'static str| {
        move |pool: &paceline_admin_api::PoolState| {
            pool.sharing
                .as_ref()
                .is_some_and(|sharing| sharing.mode == mode)
        }
    };
    let pool = gateway.until_pool(of_mode("share")).await?;
    let sharing = pool.sharing.unwrap();
    assert_eq!(sharing.reason.as_deref(), Some("connection refused"));
    // Alone it has all of the quota, of which a tenth is kept back.
    assert_eq!(sharing.share, Some(1.0));
    let patience = [("x-paceline-max-wait", "1s")];
    let kept_back = caller.chat(&patience, chat(750, false)).await?;
    assert_eq!(kept_back.error_code(), "wait_too_long");
    way.is_cut.store(false, Ordering::Relaxed);
    gateway.until_pool(of_mode("exact")).await?;
    assert_eq!(caller.chat(&patience, chat(750, false)).await?.status, 200);
    let changes = gateway
        .metric("paceline_store_mode_changes_total", "mode=\"share\"")
        .await?;
    assert!((changes - 1.0).abs() < f64::EPSILON);
    gateway.assert_settled().await?;
    Ok(())
}

#[tokio::test]
async fn limits_that_one_gateway_is_given_anew_hold_for_all() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let way = Way::default();
    let first = TestGateway::start_sharing(simulator.address(), LIMITS, Arc::new(way.clone()))?;
    let second = TestGateway::start_sharing(simulator.address(), LIMITS, Arc::new(way))?;
    for gateway in [&first, &second] {
        assert_eq!(
            gateway.caller().chat(&[], chat(100, false)).await?.status,
            200
        );
    }
    first.reload(&LIMITS.replace("1000", "400"))?;
    let patience = [("x-paceline-max-wait", "1s")];
    // The news has to go round.
    first
        .until_pool(|pool| pool.limits[0].amount == 400)
        .await?;
    let refused = first.caller().chat(&patience, chat(300, false)).await?;
    assert_eq!(refused.error_code(), "wait_too_long");
    let end = tokio::time::Instant::now() + Duration::from_secs(5);
    while second
        .caller()
        .chat(&patience, chat(250, false))
        .await?
        .status
        == 200
    {
        assert!(
            tokio::time::Instant::now() < end,
            "the second does not hear of it"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_finds_no_store_begins_with_a_small_part() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let way = Way::default();
    way.is_cut.store(true, Ordering::Relaxed);
    let gateway = TestGateway::start_sharing(simulator.address(), LIMITS, Arc::new(way))?;
    let patience = [("x-paceline-max-wait", "1s")];
    let caller = gateway.caller();
    assert_eq!(caller.chat(&patience, chat(200, false)).await?.status, 200);
    let beyond = caller.chat(&patience, chat(100, false)).await?;
    assert_eq!(beyond.error_code(), "wait_too_long");
    Ok(())
}

#[tokio::test]
async fn what_one_gateway_has_learned_another_knows() -> Result<()> {
    let quota = Quota {
        metric: Metric::Tokens,
        amount: 60_000,
        window_ms: 60_000,
        kind: QuotaKind::Bucket,
    };
    let simulator = provider(vec![quota]).await?;
    let way = Way::default();
    let first = TestGateway::start_sharing(simulator.address(), "", Arc::new(way.clone()))?;
    for _ in 0..40 {
        assert_eq!(first.caller().chat(&[], chat(20, false)).await?.status, 200);
    }
    let known = first
        .until_pool(|pool| {
            let belief = pool.limits.first().and_then(|limit| limit.belief.as_ref());
            belief.is_some_and(|belief| belief.kind.as_deref() == Some("bucket"))
        })
        .await?;
    // It is told at most once in a second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(first.caller().chat(&[], chat(20, false)).await?.status, 200);
    let second = TestGateway::start_sharing(simulator.address(), "", Arc::new(way))?;
    assert_eq!(
        second.caller().chat(&[], chat(20, false)).await?.status,
        200
    );
    let pool = second.pool().await?;
    assert_eq!(pool.limits.len(), known.limits.len());
    assert_eq!(pool.limits[0].amount, 60_000);
    assert_eq!(pool.limits[0].kind, "bucket");
    Ok(())
}
