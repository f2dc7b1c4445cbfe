//! The gateway's pools: what each is called, what is counted of it, and who waits in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use paceline_limiter::{
    Charge, DomainSettings, DomainSnapshot, Episode, Metric, SettingsError, Timestamp,
};
use paceline_pace::{SharingChange, Watch};
use paceline_telemetry::{Bounded, Counter, Metrics};
use parking_lot::{Mutex, MutexGuard};

use super::demand::{Demand, Rates};
use super::{episode, store};
use crate::changes::{Recent, Seen};
use crate::clock::Clock;

/// One limit pool.
pub(crate) type Pool = paceline_pace::Pool<Watched>;
/// The guard of a reservation in a pool.
pub(crate) type Lease = paceline_pace::Lease<Watched>;
/// What a waiting request is told in the end.
pub(crate) type Turn = paceline_pace::Turn<Watched>;
/// Answer to a request for a turn.
pub(crate) type Acquired = paceline_pace::Acquired<Watched>;

/// Who waits, for those who look at the queue.
#[derive(Clone, Debug)]
pub(crate) struct WaitingRequest {
    pub(crate) request_id: Arc<str>,
    pub(crate) tenant: Arc<str>,
    pub(crate) session: Option<Arc<str>>,
    pub(crate) model: Arc<str>,
    /// How long the answer will probably be; 0 where nothing is known of it.
    pub(crate) expected_output_tokens: u64,
}

/// What the gateway keeps of a pool beside its state.
pub(crate) struct Watched {
    name: Arc<str>,
    tokens: TokenCounters,
    demand: Mutex<Demand>,
    mode_changes: Arc<Bounded<Counter>>,
    clock: Clock,
    changes: Arc<Recent>,
    /// As it was looked at last.
    seen: Mutex<Seen>,
    /// Attempts that the provider refused since it was looked at.
    refusals: AtomicU32,
}

/// Counters of one pool, resolved once.
#[derive(Debug)]
struct TokenCounters {
    reserved: Counter,
    settled: Counter,
    refunded: Counter,
    debt: Counter,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// A pool of this name.
pub(super) fn named(
    name: Arc<str>,
    settings: DomainSettings,
    clock: Clock,
    (metrics, changes): (&Metrics, &Arc<Recent>),
) -> Result<Pool, SettingsError> {
    let tokens = TokenCounters {
        reserved: metrics.tokens.of(&[&name, "reserved"]),
        settled: metrics.tokens.of(&[&name, "settled"]),
        refunded: metrics.tokens.of(&[&name, "refunded"]),
        debt: metrics.tokens.of(&[&name, "debt"]),
    };
    let watched = Watched {
        name,
        tokens,
        demand: Mutex::default(),
        mode_changes: Arc::clone(&metrics.store_mode_changes),
        clock,
        changes: Arc::clone(changes),
        seen: Mutex::default(),
        refusals: AtomicU32::new(0),
    };
    Pool::new(settings, clock, watched)
}

impl Watched {
    /// The pool's name in metrics, logs and answers.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How much is asked of the pool.
    pub(crate) fn demand(&self, now: Timestamp) -> Rates {
        self.demand.lock().rates(now)
    }

    /// When a turn was asked for last.
    pub(super) fn last_asked(&self) -> Timestamp {
        self.demand.lock().latest()
    }

    /// How the pool was when it was looked at last.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock()
    }

    /// Counts an attempt that the provider refused.
    pub(crate) fn count_refusal(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were since the last time.
    pub(crate) fn take_refusals(&self) -> u32 {
        self.refusals.swap(0, Ordering::Relaxed)
    }
}

impl Watch for Watched {
    type Who = WaitingRequest;

    fn asked(&self, charge: Charge, now: Timestamp) {
        self.demand.lock().record(charge, now);
    }

    fn reserved(&self, charge: Charge) {
        self.tokens.reserved.inc_by(token_count(charge));
    }

    fn closed(&self, reserved: Charge, refunded: Charge, debt: Charge) {
        let spent = token_count(reserved).saturating_sub(token_count(refunded));
        self.tokens.settled.inc_by(spent);
        self.tokens.refunded.inc_by(token_count(refunded));
        self.tokens.debt.inc_by(token_count(debt));
    }

    fn episode_began(&self, pool: &DomainSnapshot, words: &str) {
        episode::log_begin(&self.name, pool, words);
        if let Some(episode) = &pool.episode {
            self.changes.episode_began(&self.name, episode, &self.clock);
        }
    }

    fn episode_ended(&self, episode: &Episode) {
        episode::log_end(&self.name, episode);
        self.changes.episode_over(&self.name, episode, &self.clock);
    }

    fn sharing_changed(&self, change: &SharingChange) {
        self.mode_changes
            .of(&[&self.name, change.after.mode.name()])
            .inc();
        store::log_change(&self.name, change);
        self.changes.store_mode(&self.name, change, &self.clock);
    }
}

/// Tokens of a charge, whichever way its pool counts them.
fn token_count(charge: Charge) -> u64 {
    let total = charge.get(Metric::Tokens);
    if total > 0 {
        return total;
    }
    charge
        .get(Metric::InputTokens)
        .saturating_add(charge.get(Metric::OutputTokens))
}
