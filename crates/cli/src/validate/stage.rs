//! Gateways of this command's own, and what they write into the store: all of it goes at the end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use paceline_config::{Overrides, Secret, Settings, SourceFile, Sources, Store, WhenStoreIsAway};
use paceline_coordinator_redis::Examination;
use paceline_gateway::Gateway;
use paceline_telemetry::Metrics;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::exit::Failure;
use crate::serve::store;

/// Everything that was started. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// Part of every name in the store: nobody else's.
    tag: String,
    folder: Arc<TempDir>,
    /// The store of the user's settings.
    store: Option<Store>,
    used: Arc<Mutex<Used>>,
}

#[derive(Debug, Default)]
struct Used {
    gateways: Vec<Gateway>,
    /// Names in the store.
    domains: Vec<String>,
}

/// How a gateway of this command is set.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The provider's address with its version path.
    pub(super) base_url: String,
    /// The keys of its limit pool, as in a file.
    pub(super) limits: String,
    /// What its pool's name begins with.
    pub(super) pool: &'static str,
    /// Where it counts its limits with others.
    pub(super) store: Option<Store>,
    pub(super) when_away: WhenStoreIsAway,
}

impl Stage {
    pub(super) fn new(store: Option<Store>) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()
            .map_err(|error| Failure::other(format!("cannot make a temporary folder: {error}")))?;
        let number = getrandom::u64()
            .map_err(|error| Failure::other(format!("cannot draw a random name: {error}")))?;
        Ok(Self {
            tag: format!("{number:016x}"),
            folder: Arc::new(folder),
            store,
            used: Arc::default(),
        })
    }

    pub(super) fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// A name that nobody else has.
    pub(super) fn name(&self, what: &str) -> String {
        format!("validate-{what}-{}", self.tag)
    }

    /// Has all there is of a name in the store removed at the end.
    pub(super) async fn claim(&self, name: &str) {
        self.used.lock().await.domains.push(name.to_owned());
    }

    /// There is nothing of this name in the store any more.
    pub(super) async fn release(&self, name: &str) {
        self.used.lock().await.domains.retain(|other| other != name);
    }

    /// Starts a gateway; where it listens, and what its pool is called in the store.
    pub(super) async fn gateway(&self, plan: Plan) -> Result<(SocketAddr, String), String> {
        let pool = self.name(plan.pool);
        let settings = settings(&plan, &pool, self.folder.path())?;
        let domain = domain_of(&settings, &pool);
        let url = |store: &Option<Store>| store.as_ref().map(|store| store.url.expose().to_owned());
        let is_ours = plan.store.is_some() && url(&plan.store) == url(&self.store);
        let claimed = is_ours.then(|| domain.clone());
        let address = self.start(settings, claimed).await?;
        Ok((address, domain))
    }

    /// Starts a gateway as the user has set it, but for this machine alone and without the store.
    pub(super) async fn gateway_as_set(&self, settings: &Settings) -> Result<SocketAddr, String> {
        let mut settings = settings.clone();
        settings.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.server.threads = Some(1);
        settings.server.shutdown_grace = Duration::from_millis(500);
        settings.admin.enabled = false;
        settings.admin.state_dir = self.folder.path().join("as-set");
        settings.upstream.check = false;
        settings.store = None;
        self.start(settings, None).await
    }

    async fn start(
        &self,
        settings: Settings,
        domain: Option<String>,
    ) -> Result<SocketAddr, String> {
        let used = Arc::clone(&self.used);
        // In a task of its own, so that a gateway whose starter is gone is known all the same.
        let started = tokio::spawn(async move {
            let mut used = used.lock_owned().await;
            used.domains.extend(domain);
            let gateway = spawn_blocking(move || {
                let connect = settings.store.as_ref().map(store::connect);
                let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
                // Nothing asks for the token: the admin plane is switched off.
                Gateway::start_with(settings, metrics, Secret::new(""), connect)
            });
            let gateway = gateway.await.map_err(|error| error.to_string())?;
            let gateway = gateway.map_err(|error| error.to_string())?;
            let address = gateway.address();
            used.gateways.push(gateway);
            Ok(address)
        });
        started.await.map_err(|error| error.to_string())?
    }

    /// Ends everything that was started and removes what it has written into the store; what of that
    /// could not be done.
    pub(super) async fn clear(&self) -> Result<(), String> {
        let used = std::mem::take(&mut *self.used.lock().await);
        for gateway in used.gateways {
            let stopped = spawn_blocking(|| gateway.stop()).await;
            stopped.map_err(|error| format!("stopping a gateway failed: {error}"))?;
        }
        let Some(store) = self.store.as_ref().filter(|_| !used.domains.is_empty()) else {
            return Ok(());
        };
        let settings = store::settings(store).map_err(|error| error.to_string())?;
        let opened = Examination::open(&settings, "").await;
        let mut examination = opened.map_err(|error| error.to_string())?;
        for domain in &used.domains {
            let removed = examination.remove(domain).await;
            removed.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// What the pool is called in the store: the provider's host, and its name.
fn domain_of(settings: &Settings, pool: &str) -> String {
    let url = &settings.upstream.base_url;
    let (host, port) = (url.host_str().unwrap_or_default(), url.port());
    match port {
        Some(port) => format!("{host}:{port}/{pool}"),
        None => format!("{host}/{pool}"),
    }
}

/// Settings as an operator would write them.
fn settings(plan: &Plan, pool: &str, folder: &Path) -> Result<Settings, String> {
    let away = match plan.when_away {
        WhenStoreIsAway::Share => "share",
        WhenStoreIsAway::Open => "open",
        WhenStoreIsAway::Closed => "closed",
    };
    let toml = format!(
        "server = {{ listen = \"127.0.0.1:0\", threads = 1, shutdown_grace = \"500ms\" }}\n\
         upstream = {{ base_url = \"{}\", check = false }}\n\
         admin = {{ enabled = false }}\n\
         [[domains]]\nname = \"{pool}\"\nmodels = [\"*\"]\ncharge = \"max\"\n\
         settle = \"at_admission\"\nwhen_store_is_away = \"{away}\"\n{}",
        plan.base_url, plan.limits
    );
    let overrides = Overrides {
        state_dir: Some(folder.join(pool).display().to_string()),
        ..Overrides::default()
    };
    let sources = Sources {
        file: Some(SourceFile {
            name: "validate.toml".into(),
            content: toml.into_bytes(),
        }),
        env: &[].into(),
        overrides,
    };
    let loaded = Settings::load(sources).map_err(|problems| problems.to_string())?;
    let mut settings = loaded.settings;
    settings.store = plan.store.clone();
    Ok(settings)
}
