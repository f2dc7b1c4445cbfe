//! Weights and priorities on the whole path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use paceline_simulator::{Metric, Quota};
use paceline_testkit::{TestGateway, chat};

use crate::provider::provider;

/// Keeps `callers` calls of a tenant under way until `end`; counts the tokens that were served.
fn backlog(
    gateway: &TestGateway,
    headers: &'static [(&'static str, &'static str)],
    callers: usize,
    tokens_each: u64,
    end: Instant,
) -> Arc<AtomicU64> {
    let served = Arc::new(AtomicU64::new(0));
    for _ in 0..callers {
        let (caller, served) = (gateway.caller(), Arc::clone(&served));
        tokio::spawn(async move {
            while Instant::now() < end {
                let answer = caller.chat(headers, chat(tokens_each, false)).await;
                if answer.is_ok_and(|answer| answer.status == 200) && Instant::now() < end {
                    served.fetch_add(tokens_each, Ordering::Relaxed);
                }
            }
        });
    }
    served
}

const LIMITS: &str = r#"
[limits]
tokens_per_second = 20000
window = "bucket"
burst = 2000
guard = "5ms"
settle = "at_admission"

[tenants.one]
weight = 1
[tenants.three]
weight = 3
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_shared_by_weight_whatever_the_size_of_requests() -> Result<()> {
    let quota = Quota::bucket(Metric::Tokens, 20_000, 1_000);
    let simulator = provider(vec![quota]).await?;
    let gateway = TestGateway::start(simulator.address(), LIMITS)?;
    let end = Instant::now() + Duration::from_secs(8);
    let one = backlog(&gateway, &[("x-paceline-tenant", "one")], 16, 200, end);
    let three = backlog(&gateway, &[("x-paceline-tenant", "three")], 16, 500, end);
    // The burst at the start goes to whoever comes first; shares are for those who wait.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = (one.load(Ordering::Relaxed), three.load(Ordering::Relaxed));
    tokio::time::sleep_until(end.into()).await;
    let one = one.load(Ordering::Relaxed) - before.0;
    let three = three.load(Ordering::Relaxed) - before.1;
    let ratio = three as f64 / one as f64;
    assert!(
        (ratio / 3.0 - 1.0).abs() < 0.05,
        "three got {three}, one got {one}: {ratio:.3}"
    );
    assert_eq!(simulator.state().counters.refused_in_total(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interactive_calls_go_before_a_batch_that_takes_all() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), LIMITS)?;
    let end = Instant::now() + Duration::from_secs(5);
    let batch = [
        ("x-paceline-tenant", "jobs"),
        ("x-paceline-priority", "batch"),
    ];
    let batch: &'static [_] = Box::leak(Box::new(batch));
    let served = backlog(&gateway, batch, 100, 1_000, end);
    let chat_headers = [
        ("x-paceline-tenant", "chat"),
        ("x-paceline-priority", "interactive"),
    ];
    let mut waits_ms = Vec::new();
    while Instant::now() < end - Duration::from_millis(300) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer = gateway
            .caller()
            .chat(&chat_headers, chat(400, false))
            .await?;
        waits_ms.push(answer.header("x-paceline-wait-ms").parse::<u64>()?);
    }
    waits_ms.sort_unstable();
    let p95 = waits_ms[waits_ms.len() * 95 / 100];
    // 400 tokens come back in 20 ms.
    assert!(p95 <= 20 + 100, "p95 {p95} ms of {waits_ms:?}");
    assert!(
        served.load(Ordering::Relaxed) > 50_000,
        "the batch must not starve"
    );
    Ok(())
}
