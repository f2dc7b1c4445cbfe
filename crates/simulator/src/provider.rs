//! The shared state of a running provider.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    content::{Digest, Draw, identifier},
    court::Court,
    faults::{Fault, FaultBook, FaultRule, InvalidFault},
    quota::NANOS_PER_SECOND,
    settings::{OutputLength, SimulatorSettings},
    state::SimulatorState,
};

mod shelf;

pub(crate) use shelf::{KeptFile, KeptResponse, Shelf};

/// Responses that stay retrievable.
const MOST_RESPONSES: usize = 10_000;
/// Beginnings of prompts that are cached at once.
const MOST_PREFIXES: usize = 100_000;
/// Files that stay retrievable.
const MOST_FILES: usize = 10_000;
/// Bytes of files that stay retrievable.
const MOST_FILE_BYTES: usize = 512 * 1024 * 1024;
/// Bytes of responses that stay retrievable.
const MOST_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Provider {
    settings: SimulatorSettings,
    court: Arc<Court>,
    faults: Mutex<FaultBook>,
    has_rules: AtomicBool,
    responses: Mutex<Shelf<KeptResponse>>,
    /// When the beginnings of prompts leave the cache, in nanoseconds, by digest.
    prefixes: Mutex<HashMap<u64, u64>>,
    files: Mutex<Shelf<KeptFile>>,
    refusals: watch::Sender<Duration>,
    connections: Arc<AtomicU64>,
    serial: AtomicU64,
}

impl Provider {
    pub(crate) fn new(settings: SimulatorSettings) -> Result<Self, InvalidFault> {
        let faults = FaultBook::new(settings.seed, settings.faults.clone())?;
        let court = Court::new(&settings);
        Ok(Self {
            has_rules: AtomicBool::new(!faults.is_empty()),
            faults: Mutex::new(faults),
            court: Arc::new(court),
            responses: Mutex::new(Shelf::new(MOST_RESPONSES, MOST_RESPONSE_BYTES)),
            prefixes: Mutex::default(),
            files: Mutex::new(Shelf::new(MOST_FILES, MOST_FILE_BYTES)),
            refusals: watch::Sender::new(Duration::ZERO),
            connections: Arc::default(),
            serial: AtomicU64::new(1),
            settings,
        })
    }

    pub(crate) const fn settings(&self) -> &SimulatorSettings {
        &self.settings
    }

    pub(crate) const fn court(&self) -> &Arc<Court> {
        &self.court
    }

    pub(crate) const fn responses(&self) -> &Mutex<Shelf<KeptResponse>> {
        &self.responses
    }

    /// Whether the beginning of a prompt is in the cache.
    pub(crate) fn has_prefix(&self, digest: u64) -> bool {
        let until_ns = self.prefixes.lock().get(&digest).copied();
        until_ns.is_some_and(|until_ns| self.court.now_ns() < until_ns)
    }

    /// Keeps beginnings of prompts, each for its time in nanoseconds; one that is there is kept anew.
    pub(crate) fn keep_prefixes(&self, prefixes: &[(u64, u64)]) {
        let now_ns = self.court.now_ns();
        let mut kept = self.prefixes.lock();
        if kept.len() >= MOST_PREFIXES {
            kept.retain(|_, until_ns| *until_ns > now_ns);
        }
        for (digest, time_ns) in prefixes {
            if kept.len() < MOST_PREFIXES || kept.contains_key(digest) {
                kept.insert(*digest, now_ns.saturating_add(*time_ns));
            }
        }
    }

    pub(crate) const fn files(&self) -> &Mutex<Shelf<KeptFile>> {
        &self.files
    }

    pub(crate) fn state(&self) -> SimulatorState {
        let (pools, counters) = self.court.pools();
        let connections = self.connections.load(Ordering::Relaxed);
        SimulatorState {
            time_ns: self.court.now_ns(),
            pools,
            counters,
            connections,
        }
    }

    pub(crate) fn reset(&self) {
        self.court.reset();
        self.faults.lock().forget_orders();
        self.prefixes.lock().clear();
    }

    pub(crate) fn set_faults(&self, rules: Vec<FaultRule>) -> Result<(), InvalidFault> {
        let mut faults = self.faults.lock();
        faults.set_rules(rules)?;
        self.has_rules.store(!faults.is_empty(), Ordering::Release);
        Ok(())
    }

    /// The fault that happens to a request: the one it orders, or else the one that a rule calls for.
    pub(crate) fn fault(
        &self,
        order: Option<&str>,
        path: &str,
        model: &str,
    ) -> Result<Option<Fault>, InvalidFault> {
        if let Some(order) = order {
            return self.faults.lock().ordered(order);
        }
        if !self.has_rules.load(Ordering::Acquire) {
            return Ok(None);
        }
        Ok(self.faults.lock().ruled(path, model))
    }

    pub(crate) fn refuse_connections(&self, time: Duration) {
        self.refusals.send_replace(time);
    }

    pub(crate) fn watch_refusals(&self) -> watch::Receiver<Duration> {
        self.refusals.subscribe()
    }

    /// Counts an open connection until the guard is dropped.
    pub(crate) fn count_connection(&self) -> OpenConnection {
        self.connections.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(&self.connections))
    }

    /// A number that no other call gets.
    pub(crate) fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// An id for the header `x-request-id`, unique to the request.
    pub(crate) fn request_id(&self) -> String {
        let mut draw = Draw::new(self.serial() ^ self.settings.seed.rotate_left(32));
        format!("req_{:016x}{:016x}", draw.next(), draw.next())
    }

    /// How long the next request is on its way.
    pub(crate) fn arrival(&self) -> Duration {
        let latency = &self.settings.latency;
        if latency.arrival_min.max(latency.arrival_max).is_zero() {
            return Duration::ZERO;
        }
        let seed = self.settings.seed.rotate_left(32) ^ 0x0061_7272_6976_616c;
        latency.arrival(Draw::new(self.serial() ^ seed).unit())
    }

    /// A digest that the seed of the settings varies.
    pub(crate) const fn digest(&self) -> Digest {
        Digest::new(self.settings.seed)
    }

    /// What makes ids and times of an answer: the request's digest, or chance and the clock.
    pub(crate) fn seal(&self, digest: u64) -> Seal {
        if self.settings.deterministic {
            let created = SOME_DAY_IN_2026 + digest % SECONDS_OF_A_DAY;
            return Seal {
                seed: digest,
                created,
            };
        }
        let now_ns = self.court.now_ns();
        let seed = Draw::new(digest ^ now_ns ^ self.serial().rotate_left(40)).next();
        Seal {
            seed,
            created: now_ns / NANOS_PER_SECOND,
        }
    }

    /// How many tokens an answer has under a limit, and whether the limit cut it.
    pub(crate) fn output_tokens(&self, digest: u64, limit: u64) -> (u64, bool) {
        let wanted = match self.settings.output_length {
            OutputLength::Exactly(tokens) => tokens,
            OutputLength::Mean(mean) => {
                let unit = Draw::new(digest ^ 0x006c_656e_6774_6873).unit();
                let drawn = -(1.0 - unit).ln() * mean as f64;
                (drawn.round() as u64).max(1)
            }
        };
        let limit = limit.min(self.settings.context_tokens);
        (wanted.min(limit), wanted > limit)
    }
}

/// 1 October 2026 in seconds since the Unix epoch.
const SOME_DAY_IN_2026: u64 = 1_790_812_800;
const SECONDS_OF_A_DAY: u64 = 86_400;

/// What the ids and times in an answer are made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal {
    seed: u64,
    /// Seconds since the Unix epoch.
    pub(crate) created: u64,
}

impl Seal {
    /// An id with a prefix, such as `chatcmpl-`.
    pub(crate) fn id(&self, prefix: &str) -> String {
        identifier(prefix, self.seed, 29)
    }

    /// What ids that are written otherwise are made from.
    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    /// An id for the `index`-th part of an answer.
    pub(crate) fn part_id(&self, prefix: &str, index: u64) -> String {
        identifier(prefix, self.seed ^ (index + 1).rotate_left(17), 24)
    }
}

#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<AtomicU64>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
