//! A real gateway in this process, in front of an upstream of the test's choice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use http::Method;
use paceline_admin_api::{PoolState, QueueStatus, RateLimits};
use paceline_config::{Overrides, Secret, Settings, SourceFile, Sources};
use paceline_coordinator::Coordinator;
use paceline_coordinator::budgets::{BudgetStore, InProcessBudgets};
use paceline_gateway::{Connect, Gateway, Stores};
use paceline_ledger::Ledger;
use paceline_limiter::DomainSnapshot;
use paceline_telemetry::Metrics;
use tempfile::TempDir;

use crate::{Answer, Caller};

const ADMIN_TOKEN: &str = "0123456789abcdef-test";

/// A gateway that listens on a free port until it is dropped.
#[derive(Debug)]
pub struct TestGateway {
    gateway: Option<Gateway>,
    address: SocketAddr,
    upstream: String,
    state: Arc<TempDir>,
}

impl TestGateway {
    /// Starts a gateway in front of `upstream`, with the given configuration file.
    ///
    /// # Errors
    /// When the configuration is wrong or nothing can be listened on.
    pub fn start(upstream: SocketAddr, configuration: &str) -> Result<Self> {
        Self::start_with(upstream, configuration, &[])
    }

    /// The same, with environment variables as well.
    ///
    /// # Errors
    /// As [`TestGateway::start`].
    pub fn start_with(
        upstream: SocketAddr,
        configuration: &str,
        env: &[(&str, String)],
    ) -> Result<Self> {
        Self::start_in(Arc::new(tempfile::tempdir()?), upstream, configuration, env)
    }

    /// Starts a gateway in front of a provider whose base URL has a path of its own.
    ///
    /// # Errors
    /// As [`TestGateway::start`].
    pub fn start_at(base_url: &str, configuration: &str) -> Result<Self> {
        let state = Arc::new(tempfile::tempdir()?);
        let settings = settings(base_url, configuration, &[], &state)?;
        Self::run(settings, base_url.to_owned(), state, None)
    }

    /// The same, with a folder for its state that may hold what an earlier gateway has left there.
    ///
    /// # Errors
    /// As [`TestGateway::start`].
    pub fn start_in(
        state: Arc<TempDir>,
        upstream: SocketAddr,
        configuration: &str,
        env: &[(&str, String)],
    ) -> Result<Self> {
        let upstream = format!("http://{upstream}/v1");
        let settings = settings(&upstream, configuration, env, &state)?;
        Self::run(settings, upstream, state, None)
    }

    /// The same, with limits counted in a store that others share.
    ///
    /// # Errors
    /// As [`TestGateway::start`].
    pub fn start_sharing(
        upstream: SocketAddr,
        configuration: &str,
        store: Arc<dyn Coordinator>,
    ) -> Result<Self> {
        Self::start_with_stores(
            upstream,
            configuration,
            store,
            Arc::new(InProcessBudgets::new()),
        )
    }

    /// The same, with budgets in a store that others share too.
    ///
    /// # Errors
    /// As [`TestGateway::start`].
    pub fn start_with_stores(
        upstream: SocketAddr,
        configuration: &str,
        limits: Arc<dyn Coordinator>,
        budgets: Arc<dyn BudgetStore>,
    ) -> Result<Self> {
        let state = Arc::new(tempfile::tempdir()?);
        let upstream = format!("http://{upstream}/v1");
        // Pools and tenants have common names where the settings know of a store.
        let configuration = format!("{configuration}\n[store]\nurl = \"redis://in.memory\"\n");
        let settings = settings(&upstream, &configuration, &[], &state)?;
        let connect: Connect = Box::new(move |_| Ok(Stores { limits, budgets }));
        Self::run(settings, upstream, state, Some(connect))
    }

    fn run(
        settings: Settings,
        upstream: String,
        state: Arc<TempDir>,
        connect: Option<Connect>,
    ) -> Result<Self> {
        let metrics = Arc::new(Metrics::new("test"));
        let token = Secret::new(ADMIN_TOKEN);
        let gateway = Gateway::start_with(settings, metrics, token, connect)?;
        Ok(Self {
            address: gateway.address(),
            gateway: Some(gateway),
            upstream,
            state,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its admin plane listens, if that has an address of its own.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.gateway.as_ref().and_then(Gateway::admin_address)
    }

    /// A caller of this gateway.
    pub fn caller(&self) -> Caller {
        Caller::new(self.address)
    }

    /// Puts another configuration in force.
    ///
    /// # Errors
    /// When the configuration is wrong.
    pub fn reload(&self, configuration: &str) -> Result<()> {
        let settings = settings(&self.upstream, configuration, &[], &self.state)?;
        let gateway = self.gateway.as_ref().context("the gateway has stopped")?;
        Ok(gateway.reload(settings)?)
    }

    /// Its usage records, with all that was handed in before.
    ///
    /// # Errors
    /// When none are kept, or the gateway has stopped.
    pub async fn ledger(&self) -> Result<Ledger> {
        let gateway = self.gateway.as_ref().context("the gateway has stopped")?;
        let ledger = gateway.ledger().context("no records are kept")?;
        ledger.writer().flush().await;
        Ok(ledger)
    }

    /// Stops it in good order, as on SIGTERM.
    ///
    /// # Errors
    /// When the thread that stops it panics.
    pub async fn stop(mut self) -> Result<()> {
        let Some(gateway) = self.gateway.take() else {
            return Ok(());
        };
        let stopped = tokio::task::spawn_blocking(move || gateway.stop()).await;
        stopped.map_err(|error| anyhow!("stopping failed: {error}"))
    }

    /// A path of the admin plane, asked for with the token.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn admin(&self, path: &str) -> Result<Answer> {
        let authorization = format!("Bearer {ADMIN_TOKEN}");
        let headers = [("authorization", authorization.as_str())];
        self.caller().get(path, &headers).await
    }

    /// The same by another method, with a body.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn admin_order(&self, method: Method, path: &str, body: &str) -> Result<Answer> {
        let authorization = format!("Bearer {ADMIN_TOKEN}");
        let headers = [("authorization", authorization.as_str())];
        let caller = self.caller();
        let request = caller.request(method, path, &headers, body.to_owned())?;
        caller.send(request).await
    }

    /// Every limit pool.
    ///
    /// # Errors
    /// When there is no proper answer.
    pub async fn pools(&self) -> Result<Vec<PoolState>> {
        let answer = self.admin("/monitoring/rate-limits").await?;
        let limits: RateLimits = serde_json::from_slice(&answer.body)?;
        Ok(limits.pools)
    }

    /// All that is known of the one limit pool that there is, as the limiter itself tells it.
    ///
    /// # Errors
    /// When there is not exactly one.
    pub fn snapshot(&self) -> Result<DomainSnapshot> {
        let gateway = self.gateway.as_ref().context("the gateway has stopped")?;
        let mut pools = gateway.pools();
        match (pools.pop(), pools.len()) {
            (Some((_, snapshot)), 0) => Ok(snapshot),
            (_, others) => bail!("there is not exactly one pool but {others} and one"),
        }
    }

    /// The one limit pool that there is.
    ///
    /// # Errors
    /// When there is not exactly one.
    pub async fn pool(&self) -> Result<PoolState> {
        let mut pools = self.pools().await?;
        match (pools.pop(), pools.len()) {
            (Some(pool), 0) => Ok(pool),
            (_, others) => bail!("there is not exactly one pool but {others} and one"),
        }
    }

    /// Who waits.
    ///
    /// # Errors
    /// When there is no proper answer.
    pub async fn queue(&self) -> Result<QueueStatus> {
        let answer = self.admin("/monitoring/queue-status").await?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// The sum of all series of a metric whose labels contain `labels`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn metric(&self, name: &str, labels: &str) -> Result<f64> {
        let answer = self.admin("/metrics").await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let series = text.lines().filter(|line| {
            let (id, _) = line.rsplit_once(' ').unwrap_or_default();
            id.split('{').next() == Some(name) && id.contains(labels)
        });
        let values = series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// Waits until `holds` is true of the one pool, for at most five seconds.
    ///
    /// # Errors
    /// When it does not come true in time; the last state is in the message.
    pub async fn until_pool(&self, holds: impl Fn(&PoolState) -> bool) -> Result<PoolState> {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let pool = self.pool().await;
            if let Ok(pool) = &pool
                && holds(pool)
            {
                return Ok(pool.clone());
            }
            if Instant::now() > end {
                bail!("the pool did not come to the expected state: {pool:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until nothing is under way and checks that everything was settled; the one pool.
    ///
    /// # Errors
    /// As [`TestGateway::assert_settled_everywhere`], or when there is not exactly one pool.
    pub async fn assert_settled(&self) -> Result<PoolState> {
        self.assert_settled_everywhere().await?;
        self.pool().await
    }

    /// Waits until nothing is under way in any pool and checks that everything was settled.
    ///
    /// # Errors
    /// When something stays outstanding for five seconds or the books do not balance.
    pub async fn assert_settled_everywhere(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(5);
        let idle = |pool: &PoolState| pool.in_flight == 0 && pool.waiting == 0;
        let pools = loop {
            let pools = self.pools().await?;
            if pools.iter().all(idle) {
                break pools;
            }
            if Instant::now() > end {
                bail!("calls are still under way: {pools:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        for pool in pools {
            let tokens = pool.tokens;
            let balanced = tokens.reserved == tokens.settled + tokens.refunded;
            if tokens.outstanding != 0 || !balanced {
                bail!("the books of {} do not balance: {tokens:?}", pool.name);
            }
        }
        Ok(())
    }
}

fn settings(
    upstream: &str,
    configuration: &str,
    env: &[(&str, String)],
    state: &TempDir,
) -> Result<Settings> {
    // The check at the start is a request of its own, which tests that count would see.
    let quiet = [("PACELINE_UPSTREAM_CHECK", "false".to_owned())];
    let env = quiet
        .iter()
        .chain(env)
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let sources = Sources {
        file: Some(SourceFile {
            name: "test.toml".into(),
            content: configuration.as_bytes().to_vec(),
        }),
        env: &env,
        overrides: Overrides {
            listen: Some("127.0.0.1:0".to_owned()),
            upstream: Some(upstream.to_owned()),
            state_dir: Some(state.path().display().to_string()),
            ..Overrides::default()
        },
    };
    let loaded = Settings::load(sources).map_err(|problems| anyhow!("{problems}"))?;
    Ok(loaded.settings)
}
