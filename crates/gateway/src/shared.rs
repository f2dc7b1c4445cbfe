//! What all threads of one gateway share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use paceline_config::{EstimatorKind, Settings, UPSTREAM};
use paceline_limiter::Timestamp;
use paceline_pace::Store;
use paceline_provider::{ClockOffset, ProviderClock};
use paceline_telemetry::Metrics;
use paceline_tokens::{Calibrations, Estimator, OutputLengths};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::batches::Desk;
use crate::budget::Purse;
use crate::call_id::CallIds;
use crate::caller::NameHasher;
use crate::changes::Recent;
use crate::clock::{Clock, unix_ms};
use crate::history::Past;
use crate::hot::HotMetrics;
use crate::keys::CallerKeys;
use crate::lanes::Lanes;
use crate::memory::{Memory, Recalled, common_salt};
use crate::pace::{Registry, SharedPools};
use crate::reach::Reach;
use crate::record::Recorder;
use crate::stored::Stored;
use crate::trace::Telemetry;
use crate::upstream::Places;

/// Models for which estimates are corrected and answer lengths learned, one by one.
pub(crate) const MODELS_MAX: usize = 1_000;

/// Bytes of request bodies held at once over all requests.
const BUFFERED_BYTES_MAX: u64 = 2 << 30;

/// What a reload replaces as a whole.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) settings: Settings,
    /// Rises with each reload.
    pub(crate) generation: u64,
    pub(crate) estimator: Estimator,
    /// The connections to each provider, of all threads, by the provider's name.
    places: HashMap<String, Arc<Places>>,
    /// The ways to reach models, and how each does.
    pub(crate) lanes: Lanes,
}

impl Live {
    /// What follows when other settings are put in force.
    fn after(&self, settings: Settings) -> Self {
        let lanes = self.lanes.after(&self.settings, &settings);
        Self::new(settings, lanes, self.generation + 1)
    }

    fn new(settings: Settings, lanes: Lanes, generation: u64) -> Self {
        let estimator = match settings.estimator {
            EstimatorKind::Calibrated => Estimator::Calibrated,
            EstimatorKind::Simple => Estimator::Simple,
            EstimatorKind::Generous => Estimator::Generous,
        };
        let further = settings
            .providers
            .iter()
            .map(|provider| provider.name.clone());
        let names = [UPSTREAM.to_owned()].into_iter().chain(further);
        let places = names.map(|name| (name, Arc::default())).collect();
        Self {
            settings,
            generation,
            estimator,
            places,
            lanes,
        }
    }

    /// The connections to a provider, of all threads.
    pub(crate) fn places(&self, provider: &str) -> Arc<Places> {
        self.places
            .get(provider)
            .map(Arc::clone)
            .unwrap_or_default()
    }
}

/// What is learned from the usage that answers report.
#[derive(Debug)]
pub(crate) struct Learned {
    pub(crate) calibrations: Calibrations,
    pub(crate) output_lengths: OutputLengths,
}

impl Default for Learned {
    fn default() -> Self {
        Self {
            calibrations: Calibrations::new(MODELS_MAX),
            output_lengths: OutputLengths::new(MODELS_MAX),
        }
    }
}

/// What has to be opened before a gateway can start.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) keys: CallerKeys,
    pub(crate) purse: Purse,
    pub(crate) recorder: Recorder,
    pub(crate) batches: Option<Arc<Desk>>,
}

/// What all threads of one gateway share.
#[derive(Debug)]
pub(crate) struct Shared {
    live: RwLock<Arc<Live>>,
    pub(crate) clock: Clock,
    /// When the gateway was started.
    pub(crate) started: Timestamp,
    /// What the provider's clock shows.
    provider_clock: Mutex<ProviderClock>,
    pub(crate) registry: Registry,
    /// Which provider keeps which response.
    pub(crate) stored: Stored,
    /// How full pools were.
    pub(crate) past: Mutex<Past>,
    /// What happened to pools.
    pub(crate) changes: Arc<Recent>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) hot: HotMetrics,
    /// The way to an OpenTelemetry collector, where there is one.
    pub(crate) telemetry: Option<Arc<Telemetry>>,
    pub(crate) learned: Mutex<Learned>,
    /// What outlives the process.
    pub(crate) memory: Arc<Memory>,
    pub(crate) names: NameHasher,
    /// Who may call.
    pub(crate) keys: CallerKeys,
    /// What callers may spend.
    pub(crate) purse: Purse,
    /// Keeps usage records, and knows prices.
    pub(crate) recorder: Recorder,
    /// Files and batches, where they are served here.
    pub(crate) batches: Option<Arc<Desk>>,
    /// Turns true when the gateway stops accepting.
    pub(crate) stopping: watch::Sender<bool>,
    /// Which providers were reached the last time they were tried.
    reach: Reach,
    pub(crate) connections: AtomicU64,
    buffered_bytes: AtomicU64,
    pub(crate) call_ids: CallIds,
}

impl Shared {
    /// Reads what an earlier run has learned, which blocks.
    pub(crate) fn new(
        settings: Settings,
        metrics: Arc<Metrics>,
        store: Option<Store>,
        books: Opened,
        control: Handle,
    ) -> Self {
        let clock = Clock::start();
        let folder = &settings.admin.state_dir;
        let upstream = settings.upstream.base_url.as_str();
        // Pools and tenants have the same names in every gateway that shares them.
        let prefix = settings.store.as_ref().map(|store| store.prefix.as_str());
        let salt = prefix.map(|prefix| common_salt(prefix, upstream));
        let Recalled {
            mut memory,
            learned,
        } = Memory::load(folder, upstream);
        // What is learned is written now and then; owners have to be found again after any end.
        let kept = books.batches.as_ref();
        let kept = kept.map(|desk| desk.keep_salt(salt.unwrap_or_else(|| memory.salt())));
        if let Some(salt) = salt.or(kept) {
            memory.hash_with(salt);
        }
        let memory = Arc::new(memory);
        let sharing = store.map(|store| SharedPools::new(store, &settings.upstream));
        let hot = HotMetrics::new(&metrics);
        let changes = Arc::new(Recent::default());
        let lanes = Lanes::new(clock, Arc::clone(&metrics), &settings);
        let telemetry = Telemetry::start(settings.telemetry.as_ref(), &metrics, &control);
        Self {
            live: RwLock::new(Arc::new(Live::new(settings, lanes, 0))),
            clock,
            started: clock.now(),
            provider_clock: Mutex::default(),
            registry: Registry::new(
                clock,
                (Arc::clone(&metrics), Arc::clone(&changes)),
                Arc::clone(&memory),
                sharing,
                control,
            ),
            stored: Stored::default(),
            past: Mutex::default(),
            changes,
            hot,
            telemetry,
            metrics,
            learned: Mutex::new(learned),
            names: NameHasher::new(memory.salt()),
            memory,
            keys: books.keys,
            purse: books.purse,
            recorder: books.recorder,
            batches: books.batches,
            stopping: watch::Sender::new(false),
            reach: Reach::default(),
            connections: AtomicU64::new(0),
            buffered_bytes: AtomicU64::new(0),
            call_ids: CallIds::new(),
        }
    }

    /// The settings in force.
    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read())
    }

    /// Puts other settings in force for requests that come from now on.
    pub(crate) fn replace_settings(&self, settings: Settings) {
        let mut live = self.live.write();
        let next = live.after(settings);
        *live = Arc::new(next);
    }

    /// Waits until the gateway stops.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // An error means that the sender is gone, and with it the gateway.
        drop(stopping.wait_for(|stopping| *stopping).await);
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        unix_ms(self.clock.date(self.clock.now()))
    }

    /// Notes whether a provider was reached.
    pub(crate) fn note_reached(&self, provider: &str, is_reached: bool) {
        if self.reach.note(provider, is_reached) {
            let any = self.may_reach_any();
            self.metrics.upstream_reachable.set(i64::from(any));
        }
    }

    /// Whether any provider may be there, as far as is known.
    pub(crate) fn may_reach_any(&self) -> bool {
        self.reach.may_any(&self.live().settings)
    }

    /// Takes in the date of an answer to a request that was sent at `sent`.
    pub(crate) fn note_date(&self, headers: &HeaderMap, sent: Timestamp) {
        let (sent, received) = (self.clock.date(sent), self.clock.date(self.clock.now()));
        self.provider_clock.lock().observe(headers, sent, received);
    }

    /// The earliest that the provider's clock can show now; `None` before it has told a date.
    pub(crate) fn provider_now(&self) -> Option<SystemTime> {
        let now = self.clock.date(self.clock.now());
        self.provider_clock.lock().earliest(now)
    }

    /// How far the provider's clock is ahead of what ours shows now, which may have been set meanwhile.
    pub(crate) fn provider_clock(&self) -> Option<ClockOffset> {
        let now = self.clock.date(self.clock.now());
        let offset = self.provider_clock.lock().offset(now)?;
        let wall = SystemTime::now();
        let set_by = |distance: Duration| i64::try_from(distance.as_nanos()).unwrap_or(i64::MAX);
        let set_ns = match wall.duration_since(now) {
            Ok(ahead) => set_by(ahead),
            Err(behind) => -set_by(behind.duration()),
        };
        Some(ClockOffset {
            ahead_ns: offset.ahead_ns.saturating_sub(set_ns),
            ..offset
        })
    }

    /// Takes room for `bytes` of a request body; `None` when there is none.
    pub(crate) fn reserve_bytes(self: &Arc<Self>, bytes: u64) -> Option<BufferedBytes> {
        let taken = self.buffered_bytes.fetch_add(bytes, Ordering::Relaxed);
        let guard = BufferedBytes {
            shared: Arc::clone(self),
            bytes,
        };
        (taken.saturating_add(bytes) <= BUFFERED_BYTES_MAX).then_some(guard)
    }
}

/// Room taken for a request body; given back when dropped.
#[derive(Debug)]
pub(crate) struct BufferedBytes {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Drop for BufferedBytes {
    fn drop(&mut self) {
        self.shared
            .buffered_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
