//! Where a pool stands with its store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use paceline_limiter::{Admission, Closing, News, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::WhenAway;

/// The part of its share that a process uses while the store is away: what others have in flight when
/// it goes, and how far clocks and shares are apart, has to fit in the rest.
const AWAY_PERCENT: u64 = 90;

/// Who decides on a pool's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SharingMode {
    /// Nobody yet: the store is asked for the first time.
    Joining,
    /// The store.
    Exact,
    /// The store, which has lost what it knew: nobody goes until everyone has said what was used.
    Learning,
    /// This process, with its part of the quota.
    Share,
    /// This process, as if it were alone.
    Open,
    /// Nobody: everyone waits for the store.
    Closed,
}

impl SharingMode {
    /// Every mode.
    pub const ALL: [Self; 6] = [
        Self::Joining,
        Self::Exact,
        Self::Learning,
        Self::Share,
        Self::Open,
        Self::Closed,
    ];

    /// The mode in a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Exact => "exact",
            Self::Learning => "learning",
            Self::Share => "share",
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }

    /// Whether the store is out of reach.
    #[must_use]
    pub const fn is_away(self) -> bool {
        matches!(self, Self::Share | Self::Open | Self::Closed)
    }
}

/// Where a pool stands with its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Who decides.
    pub mode: SharingMode,
    /// Since when.
    pub since: Timestamp,
    /// The part of the quota that is this process's, in parts per million; `None`: the store never told.
    pub share_ppm: Option<u32>,
    /// Processes that share the quota, with this one; 0: the store never told.
    pub instances: u32,
    /// Exchanges that were answered.
    pub exchanges: u64,
    /// Exchanges that were not.
    pub failures: u64,
    /// Why the store counts as away, as it was told last.
    pub reason: Option<Arc<str>>,
}

/// What a pool keeps of its store.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Something is new that the store should hear of.
    pub(crate) news: Notify,
    pub(crate) when_away: Mutex<WhenAway>,
    pub(crate) first_share_ppm: u32,
    sharing: Mutex<Sharing>,
    /// What the task that asks the store was told last.
    announced: Mutex<News>,
    /// Exchanges that have begun.
    rounds: AtomicU64,
    /// Whether the store is asked who may go; it is not while it is away.
    asks: AtomicBool,
    /// What had ended in a pool that is no more, and was not told.
    last: Mutex<Vec<Closing>>,
}

impl Shared {
    pub(crate) fn new(when_away: WhenAway, first_share_ppm: u32, now: Timestamp) -> Self {
        Self {
            news: Notify::new(),
            when_away: Mutex::new(when_away),
            first_share_ppm,
            sharing: Mutex::new(Sharing {
                mode: SharingMode::Joining,
                since: now,
                share_ppm: None,
                instances: 0,
                exchanges: 0,
                failures: 0,
                reason: None,
            }),
            announced: Mutex::default(),
            rounds: AtomicU64::new(0),
            asks: AtomicBool::new(true),
            last: Mutex::default(),
        }
    }

    /// The number of the exchange that begins now; called under the pool's lock, as those below.
    pub(super) fn begin_round(&self) -> u64 {
        self.rounds.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of the exchange that began last; `None` while the pool decides itself.
    pub(crate) fn round(&self) -> Option<u64> {
        let asks = self.asks.load(Ordering::Relaxed);
        asks.then(|| self.rounds.load(Ordering::Relaxed))
    }

    pub(super) fn set_asks(&self, asks: bool) {
        self.asks.store(asks, Ordering::Relaxed);
    }

    /// The pool is no more; `closings` are still to be told.
    pub(crate) fn part(&self, closings: Vec<Closing>) {
        *self.last.lock() = closings;
        self.news.notify_one();
    }

    pub(super) fn parted(&self) -> Vec<Closing> {
        std::mem::take(&mut self.last.lock())
    }

    pub(crate) fn view(&self) -> Sharing {
        self.sharing.lock().clone()
    }

    /// Says that something is new, once for each degree of urgency until it is looked at.
    pub(crate) fn announce(&self, news: News) {
        let mut announced = self.announced.lock();
        if news > *announced {
            *announced = news;
            self.news.notify_one();
        }
    }

    /// What is new is looked at.
    pub(crate) fn look(&self) {
        *self.announced.lock() = News::None;
    }

    /// Changes what is known; where the pool stood before, if that is another mode.
    pub(super) fn update(&self, change: impl FnOnce(&mut Sharing)) -> Option<(Sharing, Sharing)> {
        let mut sharing = self.sharing.lock();
        let before = sharing.clone();
        change(&mut sharing);
        (before.mode != sharing.mode).then(|| (before, sharing.clone()))
    }

    /// Who decides while the store is away, and with how much.
    pub(super) fn alone(&self) -> (SharingMode, Admission) {
        match *self.when_away.lock() {
            WhenAway::Closed => (SharingMode::Closed, Admission::Elsewhere),
            WhenAway::Open => (SharingMode::Open, Admission::Alone),
            WhenAway::Share => {
                let share_ppm = self
                    .sharing
                    .lock()
                    .share_ppm
                    .unwrap_or(self.first_share_ppm);
                let kept = u64::from(share_ppm) * AWAY_PERCENT / 100;
                let share_ppm = u32::try_from(kept.max(1)).unwrap_or(u32::MAX);
                (SharingMode::Share, Admission::Part { share_ppm })
            }
        }
    }
}

/// The time of a mode, for people.
pub(super) fn lasted(sharing: &Sharing, now: Timestamp) -> Duration {
    now.saturating_since(sharing.since)
}
