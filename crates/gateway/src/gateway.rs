//! A running gateway: its threads, its reloads and its end.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use paceline_config::{Secret, Settings, UPSTREAM};
use paceline_coordinator::budgets::BudgetStore;
use paceline_coordinator::{Coordinator, InstanceId};
use paceline_ledger::Ledger;
use paceline_limiter::DomainSnapshot;
use paceline_pace::{Store, StoreSettings};
use paceline_telemetry::Metrics;
use tokio::runtime::{Handle, Runtime};

use crate::admin::{AdminPlane, serve_alone};
use crate::batches::{Desk, keep_house};
use crate::budget::Purse;
use crate::history::watch_pools;
use crate::keys::{self, CallerKeys};
use crate::memory::keep;
use crate::pace::Together;
use crate::probe::check_upstream;
use crate::record::{RecordError, Recorder, retention, wait_for};
use crate::server::{ListenError, Worker, bind, run};
use crate::shared::{Opened, Shared};
use crate::trace;
use crate::upstream::{TargetError, Upstream};

/// How often pools are compared with each other.
const COMPARISON: Duration = Duration::from_secs(1);

/// How often old usage records are removed.
const PRUNING: Duration = Duration::from_secs(600);

/// How long it may take to tell the store that this gateway leaves.
const LEAVE_PATIENCE: Duration = Duration::from_millis(500);

/// How long batches may take to put down where they stand, once nothing of them is under way.
const BATCHES_PATIENCE: Duration = Duration::from_secs(5);

/// How long what is left may take to reach an OpenTelemetry collector at the end.
const TELEMETRY_PATIENCE: Duration = Duration::from_secs(2);

/// Where the admin plane goes when the gateway itself listens to the network and nothing else was
/// said: it is not for the network.
const ADMIN_LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4101);

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A thread or its runtime cannot be made.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The upstream's address or certificate authorities cannot be used.
    #[error("{0}")]
    Upstream(String),
    /// The store cannot be used.
    #[error("{0}")]
    Store(String),
    /// The file of caller keys cannot be used.
    #[error("{0}")]
    Keys(String),
    /// The ledger or the prices cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The folder of files and batches cannot be used.
    #[error("{0}")]
    Batches(String),
    /// The OpenTelemetry collector's address cannot be used.
    #[error("{0}")]
    Telemetry(String),
}

/// Reaches the store that gateways share, on the runtime that it is given. A store that is away is no
/// error.
pub type Connect = Box<dyn FnOnce(&Handle) -> Result<Stores, String> + Send>;

/// What gateways share by one store.
pub struct Stores {
    /// Limits.
    pub limits: Arc<dyn Coordinator>,
    /// Budgets.
    pub budgets: Arc<dyn BudgetStore>,
}

/// Why new settings were not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The upstream's address or certificate authorities cannot be used.
    #[error("{0}")]
    Upstream(String),
    /// The limiter refuses the limits.
    #[error("{0}")]
    Limits(String),
    /// The file of prices cannot be used.
    #[error("{0}")]
    Prices(String),
}

/// A running gateway. [`Gateway::stop`] ends it in good order; dropping it cuts what is under way.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
    control: Option<Control>,
}

/// The runtime beside the threads that serve. Dropped, it does not wait for what runs on it, so that it
/// can be dropped anywhere.
#[derive(Debug)]
struct Control {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Control {
    fn start() -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("paceline-control")
            .enable_all()
            .build();
        let runtime = runtime.map_err(StartError::Thread)?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits a little for what runs on it.
    fn end(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Gateway {
    /// Starts listening with checked settings. `admin_token` opens the admin plane.
    ///
    /// # Errors
    /// When an address is taken, the upstream's address cannot be used, or a thread cannot be made.
    pub fn start(
        settings: Settings,
        metrics: Arc<Metrics>,
        admin_token: Secret,
    ) -> Result<Self, StartError> {
        Self::start_with(settings, metrics, admin_token, None)
    }

    /// The same, with limits counted in a store that `connect` reaches from the gateway's own runtime;
    /// how it is used is in the settings.
    ///
    /// # Errors
    /// As [`start`](Self::start), and what `connect` says.
    pub fn start_with(
        settings: Settings,
        metrics: Arc<Metrics>,
        admin_token: Secret,
        connect: Option<Connect>,
    ) -> Result<Self, StartError> {
        let keys = CallerKeys::open(&settings).map_err(StartError::Keys)?;
        Self::start_keyed(settings, metrics, admin_token, connect, keys)
    }

    /// As [`start_with`](Self::start_with), for a process that is the only caller itself: caller keys are not asked for, as nobody else
    /// has a key for the provider to send.
    ///
    /// # Errors
    /// As [`start_with`](Self::start_with).
    pub fn start_for_own_use(
        settings: Settings,
        metrics: Arc<Metrics>,
        admin_token: Secret,
        connect: Option<Connect>,
    ) -> Result<Self, StartError> {
        let keys = CallerKeys::not_asked_for();
        // Files and batches are for callers, and belong to one gateway at a time.
        let mut settings = settings;
        settings.batches.enabled = false;
        Self::start_keyed(settings, metrics, admin_token, connect, keys)
    }

    fn start_keyed(
        settings: Settings,
        metrics: Arc<Metrics>,
        admin_token: Secret,
        connect: Option<Connect>,
        keys: CallerKeys,
    ) -> Result<Self, StartError> {
        usable(&settings).map_err(|error| StartError::Upstream(error.to_string()))?;
        trace::usable(settings.telemetry.as_ref()).map_err(StartError::Telemetry)?;
        let threads = settings.server.threads.unwrap_or_else(cpu_count).max(1);
        let listeners = bind(settings.server.listen, threads)?;
        let address = local_address(&listeners, settings.server.listen);
        let control = Control::start()?;
        let admin_listener = admin_listener(&settings, address)?;
        let check = settings.upstream.check;
        let admin_enabled = settings.admin.enabled;
        let stores = connect.map(|connect| connect(control.handle()));
        let (limits, budgets) = match stores.transpose().map_err(StartError::Store)? {
            Some(stores) => (Some(stores.limits), Some(stores.budgets)),
            None => (None, None),
        };
        let store = limits.map(|limits| open_store(&settings, limits, control.handle()));
        let store = store.transpose()?;
        let handle = control.handle().clone();
        let mut opened = open_books((&settings, &metrics), keys, budgets, &handle)?;
        let own = own_address(address);
        opened.batches = open_batches(&settings, own, &opened.recorder, &handle)?;
        let shared = Arc::new(Shared::new(settings, metrics, store, opened, handle));
        let admin = admin_enabled.then(|| AdminPlane::new(Arc::clone(&shared), admin_token, own));
        let mut gateway = Self {
            shared: Arc::clone(&shared),
            address,
            admin_address: None,
            threads: Vec::with_capacity(threads),
            control: None,
        };
        let beside = match admin_listener {
            None => admin,
            Some(listener) => {
                gateway.admin_address = listener.local_addr().ok();
                if let Some(plane) = &admin {
                    let _entered = control.handle().enter();
                    let listener =
                        tokio::net::TcpListener::from_std(listener).map_err(StartError::Thread)?;
                    control.handle().spawn(serve_alone(
                        plane.clone(),
                        Arc::clone(&shared),
                        listener,
                    ));
                }
                // Probes of orchestrators come to the main address wherever the rest is.
                admin.map(AdminPlane::health_only)
            }
        };
        for (index, listener) in listeners.into_iter().enumerate() {
            let worker = Arc::new(Worker::new(Arc::clone(&shared), beside.clone()));
            gateway.threads.push(spawn_worker(index, worker, listener)?);
        }
        shared.memory.is_up_to_date(&shared);
        control.handle().spawn(keep(Arc::clone(&shared)));
        control
            .handle()
            .spawn(compare_pools(Arc::downgrade(&shared)));
        control
            .handle()
            .spawn(prune_ledger(Arc::downgrade(&shared)));
        control.handle().spawn(watch_pools(Arc::downgrade(&shared)));
        control.handle().spawn(watch_keys(Arc::downgrade(&shared)));
        control.handle().spawn(keep_house(Arc::downgrade(&shared)));
        if let Some(kept) = shared.recorder.kept() {
            control.handle().spawn(wait_for(Arc::downgrade(kept)));
        }
        if check {
            control.handle().spawn(note_reachability(shared));
        }
        gateway.control = Some(control);
        Ok(gateway)
    }

    /// The address that callers reach.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin plane's own address, if it has one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Every limit pool at this moment, with its name: all that the admin plane shows, and what is
    /// believed of the provider.
    pub fn pools(&self) -> Vec<(String, DomainSnapshot)> {
        let pools = self.shared.registry.all();
        let named =
            |pool: &Arc<crate::pace::Pool>| (pool.watch().name().to_string(), pool.snapshot());
        pools.iter().map(named).collect()
    }

    /// Whether another gateway works with the same state folder: what both send draws on one quota, and
    /// neither counts what the other does unless they share a store.
    pub fn has_neighbour(&self) -> bool {
        self.shared.memory.is_theirs()
    }

    /// The usage records, if any are kept.
    pub fn ledger(&self) -> Option<Ledger> {
        self.shared.recorder.ledger().cloned()
    }

    /// Puts other settings in force for requests that come from now on; nothing is dropped.
    ///
    /// Addresses and threads stay as they were; what else cannot change is for the caller to tell.
    ///
    /// # Errors
    /// When the settings cannot be used; the old ones stay in force then.
    pub fn reload(&self, settings: Settings) -> Result<(), ReloadError> {
        let counter = &self.shared.metrics.config_reloads;
        if let Err(error) = usable(&settings) {
            counter.of(&["refused"]).inc();
            return Err(ReloadError::Upstream(error.to_string()));
        }
        if let Err(error) = self.shared.recorder.reload(&settings) {
            counter.of(&["refused"]).inc();
            return Err(ReloadError::Prices(error));
        }
        if let Err(error) = self.shared.registry.reconfigure(&settings) {
            counter.of(&["refused"]).inc();
            return Err(ReloadError::Limits(error.to_string()));
        }
        self.shared.replace_settings(settings);
        counter.of(&["applied"]).inc();
        Ok(())
    }

    /// Ends the gateway: no new connections, what waits is answered with 503, what runs may finish
    /// within the grace period, everything is settled, and what was learned is written down.
    pub fn stop(mut self) {
        self.shared.stopping.send_replace(true);
        if let Some(batches) = &self.shared.batches {
            batches.stop();
        }
        for pool in self.shared.registry.all() {
            pool.drain();
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the gateway panicked");
            }
        }
        if let (Some(control), Some(batches)) = (&self.control, &self.shared.batches) {
            let batches = Arc::clone(batches);
            let stopped = async move {
                // What does not get that far goes on from its journal.
                drop(tokio::time::timeout(BATCHES_PATIENCE, batches.stopped()).await);
            };
            drop(control.handle().block_on(control.handle().spawn(stopped)));
        }
        if let Some(control) = &self.control {
            let shared = Arc::clone(&self.shared);
            let leave = async move { shared.registry.leave_store(LEAVE_PATIENCE).await };
            drop(control.handle().block_on(control.handle().spawn(leave)));
        }
        if let Some(control) = &self.control {
            let shared = Arc::clone(&self.shared);
            let settled = async move {
                let settled = shared.purse.settled();
                // What the store was not told counts there as it was reserved.
                drop(tokio::time::timeout(LEAVE_PATIENCE, settled).await);
            };
            drop(control.handle().block_on(control.handle().spawn(settled)));
        }
        if let (Some(control), Some(kept)) = (&self.control, self.shared.recorder.kept()) {
            let health = control.handle().block_on(kept.close());
            if health.lost > 0 {
                let lost = health.lost;
                tracing::error!(lost, reason = health.last_error, "usage records are lost");
            }
        }
        self.shared.memory.save(&self.shared);
        self.shared.memory.let_go();
        if let (Some(control), Some(telemetry)) = (&self.control, &self.shared.telemetry) {
            let telemetry = Arc::clone(telemetry);
            let close = async move { telemetry.close(TELEMETRY_PATIENCE).await };
            drop(control.handle().block_on(control.handle().spawn(close)));
        }
        if let Some(control) = self.control.take() {
            control.end();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shared.stopping.send_replace(true);
        if let Some(batches) = &self.shared.batches {
            batches.stop();
        }
    }
}

/// Finds out, for as long as the gateway runs, which pools the provider counts as one.
async fn compare_pools(shared: Weak<Shared>) {
    let mut together = Together::default();
    loop {
        tokio::time::sleep(COMPARISON).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.registry.compare(&mut together);
    }
}

/// Looks for changed caller keys, for as long as the gateway runs.
async fn watch_keys(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(keys::REFRESH).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        // One look at the file, and seldom more.
        let looked = tokio::task::spawn_blocking(move || {
            let live = shared.live();
            shared.keys.refresh(&live.settings);
        });
        drop(looked.await);
    }
}

/// Removes what the ledger need not keep any longer, for as long as the gateway runs.
async fn prune_ledger(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(PRUNING).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let Some(ledger) = shared.recorder.ledger() else {
            continue;
        };
        let kept = retention(&shared.live().settings);
        if let Err(error) = ledger.prune(shared.now_ms(), &kept).await {
            tracing::warn!(%error, "old usage records cannot be removed now");
        }
    }
}

/// Opens what keeps usage records, from wherever a gateway is started.
fn open_books(
    (settings, metrics): (&Settings, &Arc<Metrics>),
    keys: CallerKeys,
    budgets: Option<Arc<dyn BudgetStore>>,
    control: &Handle,
) -> Result<Opened, StartError> {
    let recorder = open_recorder(settings, control)?;
    let records = recorder.kept().cloned();
    let purse = Purse::open(budgets, records, (settings, metrics), control);
    let purse = purse.map_err(StartError::Upstream)?;
    Ok(Opened {
        keys,
        purse,
        recorder,
        batches: None,
    })
}

/// Opens files and batches, where they are served here.
fn open_batches(
    settings: &Settings,
    own: SocketAddr,
    recorder: &Recorder,
    control: &Handle,
) -> Result<Option<Arc<Desk>>, StartError> {
    if !settings.batches.enabled {
        return Ok(None);
    }
    let url = format!("http://{own}/v1").parse();
    let url = url.map_err(|error| StartError::Batches(format!("{own}: {error}")))?;
    let (book, provider) = recorder.prices();
    let pricing = paceline_batch::Pricing { book, provider };
    let desk = Desk::open(settings.batches.clone(), url, pricing, control);
    Ok(Some(Arc::new(desk.map_err(StartError::Batches)?)))
}

fn open_recorder(settings: &Settings, control: &Handle) -> Result<Recorder, StartError> {
    let (told, opened) = std::sync::mpsc::channel();
    let settings = settings.clone();
    control.spawn(async move {
        // Whoever waits for it is there.
        drop(told.send(Recorder::open(&settings).await));
    });
    let opened = opened.recv();
    let opened = opened.map_err(|error| StartError::Thread(io::Error::other(error)))?;
    Ok(opened?)
}

fn open_store(
    settings: &Settings,
    coordinator: Arc<dyn Coordinator>,
    control: &Handle,
) -> Result<Store, StartError> {
    let number = getrandom::u64().map_err(|error| StartError::Thread(io::Error::other(error)))?;
    let defaults = StoreSettings::default();
    let store = settings.store.as_ref();
    let settings = store.map_or(defaults, |store| StoreSettings {
        time_box: store.time_box,
        lease: store.lease,
        first_share_ppm: store.first_share_ppm,
    });
    Ok(Store::new(
        coordinator,
        InstanceId(number),
        settings,
        control,
    ))
}

fn usable(settings: &Settings) -> Result<(), TargetError> {
    let further = settings.providers.iter().map(|provider| &provider.upstream);
    let mut all = [&settings.upstream].into_iter().chain(further);
    all.try_for_each(|upstream| Upstream::new(upstream).map(drop))
}

fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn local_address(listeners: &[std::net::TcpListener], asked: SocketAddr) -> SocketAddr {
    let first = listeners
        .first()
        .and_then(|listener| listener.local_addr().ok());
    first.unwrap_or(asked)
}

/// The address under which the gateway reaches itself.
fn own_address(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// The admin plane's own listener, where it does not share the main one.
fn admin_listener(
    settings: &Settings,
    main: SocketAddr,
) -> Result<Option<std::net::TcpListener>, ListenError> {
    if !settings.admin.enabled {
        return Ok(None);
    }
    let address = match settings.admin.listen {
        Some(address) => address,
        None if main.ip().is_loopback() => return Ok(None),
        None => ADMIN_LISTEN_DEFAULT,
    };
    Ok(bind(address, 1)?.pop())
}

fn spawn_worker(
    index: usize,
    worker: Arc<Worker>,
    listener: std::net::TcpListener,
) -> Result<JoinHandle<()>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Thread)?;
    std::thread::Builder::new()
        .name(format!("paceline-{index}"))
        .spawn(move || {
            if let Err(error) = runtime.block_on(run(worker, listener)) {
                tracing::error!(%error, "a thread of the gateway ended");
            }
        })
        .map_err(StartError::Thread)
}

async fn note_reachability(shared: Arc<Shared>) {
    let live = shared.live();
    match check_upstream(&live.settings.upstream).await {
        Ok(status) => {
            shared.note_reached(UPSTREAM, true);
            tracing::info!(upstream = %live.settings.upstream.base_url, status, "the provider answers");
        }
        Err(error) => {
            shared.note_reached(UPSTREAM, false);
            tracing::warn!(
                upstream = %live.settings.upstream.base_url,
                %error,
                "the provider does not answer; requests are tried all the same"
            );
        }
    }
}
