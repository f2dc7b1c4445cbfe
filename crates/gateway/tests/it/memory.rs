//! What is learned outlives the process, and a file that is damaged does no harm.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use paceline_admin_api::PoolState;
use paceline_simulator::{Quota, Simulator};
use paceline_testkit::{TestGateway, chat};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::provider::settings;

/// Most calls at once while limits are not known for certain.
const PROBES: &str = "[limits]\nprobe_concurrency = 2\n";

async fn provider() -> Result<Simulator> {
    let mut slow = settings(vec![
        Quota::tokens_per_minute(60_000),
        Quota::requests_per_minute(600),
    ]);
    slow.latency.first_token = Duration::from_millis(400);
    Ok(Simulator::start(slow).await?)
}

/// Twelve calls at once, all answered; the pool before the first answer.
async fn twelve_calls(gateway: &TestGateway) -> Result<PoolState> {
    let calls = (0..12).map(|_| {
        let caller = gateway.caller();
        tokio::spawn(async move { caller.chat(&[], chat(200, false)).await })
    });
    let calls = futures_util::future::join_all(calls);
    let all_there = |pool: &PoolState| pool.in_flight + pool.waiting == 12;
    let (calls, before) = tokio::join!(calls, gateway.until_pool(all_there));
    for call in calls {
        assert_eq!(call??.status, 200);
    }
    before
}

/// A gateway that has learned, and stopped.
async fn learn(provider: SocketAddr, state: &Arc<TempDir>) -> Result<PoolState> {
    let gateway = TestGateway::start_in(Arc::clone(state), provider, PROBES, &[])?;
    let before = twelve_calls(&gateway).await?;
    assert!(before.limits.is_empty(), "{before:?}");
    let learned = gateway.assert_settled().await?;
    assert_eq!(learned.limits.len(), 2, "{learned:?}");
    gateway.stop().await?;
    Ok(learned)
}

fn amounts(pool: &PoolState) -> Vec<(String, u64, u64)> {
    let limits = pool.limits.iter();
    let mut amounts: Vec<_> = limits
        .map(|limit| (limit.metric.clone(), limit.amount, limit.window_ms))
        .collect();
    amounts.sort();
    amounts
}

fn all_verified(pool: &PoolState, verified: bool) -> bool {
    let beliefs = pool.limits.iter().map(|limit| limit.belief.as_ref());
    beliefs
        .into_iter()
        .all(|belief| belief.is_some_and(|belief| belief.verified == verified))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_starts_again_knows_the_limits_and_probes_until_an_answer_confirms_them()
-> Result<()> {
    let provider = provider().await?;
    let state = Arc::new(tempfile::tempdir()?);
    let learned = learn(provider.address(), &state).await?;

    let gateway = TestGateway::start_in(Arc::clone(&state), provider.address(), PROBES, &[])?;
    assert!(gateway.pools().await?.is_empty(), "pools come with traffic");
    let before = twelve_calls(&gateway).await?;
    assert_eq!(before.name, learned.name, "a credential keeps its pool");
    assert_eq!(amounts(&before), amounts(&learned));
    assert!(all_verified(&before, false), "{before:?}");
    assert_eq!(before.probe_concurrency, Some(2));
    assert!(before.in_flight <= 2, "{before:?}");
    let after = gateway.assert_settled().await?;
    assert!(all_verified(&after, true), "{after:?}");
    assert_eq!(after.probe_concurrency, None);
    assert_eq!(amounts(&after), amounts(&learned));
    assert_eq!(provider.state().counters.refused_in_total(), 0);
    let estimates = gateway.admin("/monitoring/estimates").await?.text();
    assert!(estimates.contains("\"answers\":24"), "{estimates}");
    Ok(())
}

#[tokio::test]
async fn what_is_kept_holds_no_key() -> Result<()> {
    let provider = provider().await?;
    let state = Arc::new(tempfile::tempdir()?);
    let gateway = TestGateway::start_in(Arc::clone(&state), provider.address(), PROBES, &[])?;
    let headers = [("authorization", "Bearer sk-do-not-keep-this")];
    let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
    assert_eq!(answer.status, 200);
    gateway.stop().await?;
    let kept = fs::read_to_string(state.path().join("learned.json"))?;
    assert!(kept.contains("\"amount\":60000"), "{kept}");
    assert!(!kept.contains("do-not-keep-this"), "{kept}");
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_has_learned_nothing_writes_nothing() -> Result<()> {
    let provider = provider().await?;
    let state = Arc::new(tempfile::tempdir()?);
    let gateway = TestGateway::start_in(Arc::clone(&state), provider.address(), PROBES, &[])?;
    gateway.stop().await?;
    assert!(!state.path().join("learned.json").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_gateways_on_one_folder_the_second_writes_nothing_until_the_first_has_ended()
-> Result<()> {
    let provider = provider().await?;
    let state = Arc::new(tempfile::tempdir()?);
    let start = || TestGateway::start_in(Arc::clone(&state), provider.address(), PROBES, &[]);
    let file = state.path().join("learned.json");
    let first = start()?;
    let (second, log) = logged(start);
    let second = second?;
    assert!(
        log.contains("another gateway keeps what it learns"),
        "{log}"
    );
    assert!(log.contains(&state.path().display().to_string()), "{log}");
    twelve_calls(&second).await?;
    second.stop().await?;
    assert!(
        !file.exists(),
        "the second one wrote into the first one's folder"
    );
    let third = start()?;
    twelve_calls(&third).await?;
    first.stop().await?;
    third.stop().await?;
    assert!(
        file.exists(),
        "the folder was free, and what was learned was not kept"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_on_a_full_disk_goes_on_and_the_earlier_memory_stays() -> Result<()> {
    let provider = provider().await?;
    let state = Arc::new(tempfile::tempdir()?);
    learn(provider.address(), &state).await?;
    let file = state.path().join("learned.json");
    let before = fs::read(&file)?;
    // A process that can write to no file, as on a full disk.
    let mut child = std::process::Command::new("sh");
    child
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(std::env::current_exe()?)
        .args([
            "--exact",
            "memory::serves_on_a_full_disk",
            "--ignored",
            "--nocapture",
        ])
        .env("FULL_DISK_FILE", &file)
        .env("FULL_DISK_PROVIDER", provider.address().to_string());
    let child = tokio::task::spawn_blocking(move || child.output()).await??;
    let log = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(
        child.status.success() && log.contains("1 passed"),
        "{child:?}"
    );
    assert_eq!(log.matches("cannot be kept").count(), 1, "{log}");
    assert_eq!(log.matches("the ledger cannot be used").count(), 1, "{log}");
    assert!(log.contains("--state-dir"), "{log}");
    assert_eq!(fs::read(&file)?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test of a full disk, in a process of its own"]
async fn serves_on_a_full_disk() -> Result<()> {
    let (Some(kept), Ok(provider)) = (
        std::env::var_os("FULL_DISK_FILE"),
        std::env::var("FULL_DISK_PROVIDER"),
    ) else {
        return Ok(());
    };
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::io::stdout)
        .init();
    // No file can be made here, but another name for one that is there.
    let state = Arc::new(tempfile::tempdir()?);
    let file = state.path().join("learned.json");
    fs::hard_link(kept, &file)?;
    let before = fs::read(&file)?;
    let gateway = TestGateway::start_in(Arc::clone(&state), provider.parse()?, PROBES, &[])?;
    for tokens in [200, 300] {
        let answer = gateway.caller().chat(&[], chat(tokens, false)).await?;
        assert_eq!(answer.status, 200);
    }
    gateway.assert_settled().await?;
    gateway.stop().await?;
    assert_eq!(fs::read(&file)?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_or_emptied_memory_is_one_line_in_the_log_and_no_burst() -> Result<()> {
    let provider = provider().await?;
    let state = Arc::new(tempfile::tempdir()?);
    learn(provider.address(), &state).await?;
    let file = state.path().join("learned.json");
    let whole = fs::read(&file)?;
    for length in [whole.len() / 2, 0] {
        fs::write(&file, whole.get(..length).unwrap_or_default())?;
        let (gateway, log) =
            logged(|| TestGateway::start_in(Arc::clone(&state), provider.address(), PROBES, &[]));
        let gateway = gateway?;
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains("starts without memory"), "{log}");
        assert!(state.path().join("learned.json.bad").exists());
        let before = twelve_calls(&gateway).await?;
        assert!(before.limits.is_empty(), "{before:?}");
        assert!(before.in_flight <= 2, "{before:?}");
        let after = gateway.assert_settled().await?;
        assert_eq!(after.limits.len(), 2, "{after:?}");
        gateway.stop().await?;
        assert!(file.exists(), "it learns, and keeps, again");
    }
    assert_eq!(provider.state().counters.refused_in_total(), 0);
    Ok(())
}

/// What `action` logs at once, in this thread.
fn logged<T>(action: impl FnOnce() -> T) -> (T, String) {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let result = tracing::subscriber::with_default(subscriber, action);
    let text = String::from_utf8_lossy(&log.0.lock()).into_owned();
    (result, text)
}
