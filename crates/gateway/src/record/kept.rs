//! Where records go: into the ledger, or into memory until it can be opened.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use paceline_config::{Secret, Settings};
use paceline_ledger::{
    Entry, Health, Ledger, LedgerSettings, Location, Lost, OpenError, Writer, WriterSettings,
};
use parking_lot::Mutex;

use crate::clock::unix_ms_now;

/// The file of the ledger in the state folder.
const FILE_NAME: &str = "ledger.db";

/// Records that wait for a ledger; about a kilobyte each. The queue of a ledger has room for them all.
const WAITING_MAX: usize = 32_768;

/// The first pause before a ledger that could not be opened is tried again; it doubles.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The ledger, or what waits for it.
#[derive(Debug)]
pub(crate) struct Kept {
    place: Place,
    opened: OnceLock<(Ledger, Writer)>,
    waiting: Mutex<Waiting>,
}

/// Where the ledger is; it stays as long as the process runs.
#[derive(Debug)]
struct Place {
    location: Location,
    folder: PathBuf,
}

/// Records that came while there was no ledger to take them.
#[derive(Debug, Default)]
struct Waiting {
    records: VecDeque<Entry>,
    lost: u64,
    /// Why the ledger cannot be opened.
    reason: Option<String>,
    since_ms: Option<i64>,
}

/// Where the ledger of a gateway with these settings is.
pub fn ledger_location(settings: &Settings) -> Location {
    let database = settings.ledger.database.as_ref().map(Secret::expose);
    match database {
        Some(address) => Location::Postgres(address.to_owned()),
        None => Location::Sqlite(settings.admin.state_dir.join(FILE_NAME)),
    }
}

impl Kept {
    /// Opens the ledger if there is to be one. Where a disk is in the way, calls go on and their records
    /// wait; but not where there are budgets, of which nothing would be known.
    pub(super) async fn open(settings: &Settings) -> Result<Option<Arc<Self>>, OpenError> {
        if !settings.ledger.enabled {
            return Ok(None);
        }
        let kept = Self::at(Place {
            location: ledger_location(settings),
            folder: settings.admin.state_dir.clone(),
        });
        match kept.place.open().await {
            Ok(ledger) => {
                kept.arrived(ledger);
            }
            Err(error) if is_passing(&error) && settings.budgets.is_empty() => {
                tracing::error!(
                    %error,
                    "the ledger cannot be used: calls are served, and usage records wait in memory \
                     until it can; it is tried again"
                );
                kept.is_away(&error);
            }
            Err(error) => return Err(error),
        }
        Ok(Some(Arc::new(kept)))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            opened: OnceLock::new(),
            waiting: Mutex::default(),
        }
    }

    /// The ledger, where it could be opened.
    pub(crate) fn ledger(&self) -> Option<&Ledger> {
        self.opened.get().map(|(ledger, _)| ledger)
    }

    /// Why there is no ledger yet.
    pub(crate) fn reason(&self) -> String {
        let reason = self.waiting.lock().reason.clone();
        reason.unwrap_or_else(|| "it is being opened".to_owned())
    }

    /// How writing goes.
    pub(crate) fn health(&self) -> Health {
        let waiting = self.waiting.lock();
        if let Some(ledger) = self.ledger() {
            let health = ledger.health();
            return Health {
                lost: health.lost + waiting.lost,
                ..health
            };
        }
        Health {
            queued: waiting.records.len() as u64,
            lost: waiting.lost,
            last_error: waiting.reason.clone(),
            since_ms: waiting.since_ms,
            ..Health::default()
        }
    }

    /// Hands in a record; returns at once.
    pub(super) fn record(&self, entry: Entry) -> Result<(), Lost> {
        if let Some((_, writer)) = self.opened.get() {
            return writer.record(entry);
        }
        let mut waiting = self.waiting.lock();
        // It may have come while this waited, and have taken what was there.
        if let Some((_, writer)) = self.opened.get() {
            return writer.record(entry);
        }
        if waiting.records.len() >= WAITING_MAX {
            waiting.lost += 1;
            return Err(Lost::Full);
        }
        waiting.records.push_back(entry);
        Ok(())
    }

    /// The ledger is open: it gets what waits. How many records that were.
    fn arrived(&self, ledger: Ledger) -> usize {
        let writer = ledger.writer();
        // Should another have come first, that one is as good.
        drop(self.opened.set((ledger, writer)));
        let mut waiting = self.waiting.lock();
        (waiting.reason, waiting.since_ms) = (None, None);
        let records = std::mem::take(&mut waiting.records);
        let count = records.len();
        if let Some((_, writer)) = self.opened.get() {
            let lost = records
                .into_iter()
                .filter_map(|record| writer.record(record).err());
            // They are counted by the ledger.
            let lost = lost.count();
            if lost > 0 {
                tracing::error!(lost, "usage records that waited for the ledger are lost");
            }
        }
        count
    }

    /// Notes why the ledger cannot be opened. Whether that is another reason than before.
    fn is_away(&self, error: &OpenError) -> bool {
        let reason = error.to_string();
        let mut waiting = self.waiting.lock();
        let now_ms = i64::try_from(unix_ms_now()).unwrap_or(i64::MAX);
        waiting.since_ms.get_or_insert(now_ms);
        let former = waiting.reason.replace(reason);
        former != waiting.reason
    }

    /// Tries to open a ledger that could not be opened before. Whether there is one now.
    async fn try_again(&self) -> bool {
        if self.ledger().is_some() {
            return true;
        }
        match self.place.open().await {
            Ok(ledger) => {
                let records = self.arrived(ledger);
                tracing::info!(records, "the ledger is there, and has what waited for it");
                true
            }
            Err(error) => {
                if self.is_away(&error) {
                    tracing::warn!(%error, "the ledger can still not be used");
                }
                false
            }
        }
    }

    /// Takes no more records, and waits until the others are where they can be.
    pub(crate) async fn close(&self) -> Health {
        self.try_again().await;
        match self.ledger() {
            Some(ledger) => {
                ledger.close().await;
                self.health()
            }
            None => {
                let health = self.health();
                Health {
                    queued: 0,
                    lost: health.lost + health.queued,
                    ..health
                }
            }
        }
    }
}

/// Tries until the ledger is open, for as long as anybody needs it.
pub(crate) async fn wait_for(kept: Weak<Kept>) {
    let mut pause = PAUSE_MIN;
    loop {
        match kept.upgrade() {
            Some(kept) if kept.ledger().is_none() => {}
            _ => return,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
        if let Some(kept) = kept.upgrade() {
            kept.try_again().await;
        }
    }
}

impl Place {
    async fn open(&self) -> Result<Ledger, OpenError> {
        let made = std::fs::create_dir_all(&self.folder);
        made.map_err(|source| OpenError::Spill {
            folder: self.folder.clone(),
            source,
        })?;
        let kept = LedgerSettings {
            writer: WriterSettings::default(),
            spill_folder: Some(self.folder.clone()),
            must_be_there: false,
        };
        Ledger::open_with(self.location.clone(), kept).await
    }
}

/// Whether it is no fault of the settings: a disk that is full or must not be written.
fn is_passing(error: &OpenError) -> bool {
    match error {
        OpenError::Store(error) => error.is_transient(),
        OpenError::Spill { .. } => true,
        OpenError::Address(_) | OpenError::Thread(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use paceline_ledger::{CallId, Filter};

    use super::*;

    fn entry(number: usize) -> Entry {
        Entry::new(CallId(number as u128), 1_795_000_000_000, "acme")
    }

    #[tokio::test]
    async fn what_waits_is_bounded_counted_and_handed_to_the_ledger_when_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        std::fs::create_dir(&file).unwrap();
        let kept = Kept::at(Place {
            location: Location::Sqlite(file.clone()),
            folder: folder.path().to_owned(),
        });
        assert!(!kept.try_again().await);
        let taken = (0..WAITING_MAX + 3).filter(|number| kept.record(entry(*number)).is_ok());
        assert_eq!(taken.count(), WAITING_MAX);
        let health = kept.health();
        assert_eq!((health.queued, health.lost), (WAITING_MAX as u64, 3));
        assert!(!health.is_well() && health.since_ms.is_some());
        std::fs::remove_dir(&file).unwrap();
        assert!(kept.try_again().await);
        kept.record(entry(WAITING_MAX)).unwrap();
        let health = kept.close().await;
        assert_eq!((health.queued, health.lost), (0, 3));
        assert_eq!(health.committed, WAITING_MAX as u64 + 1);
        assert!(health.is_well());
    }

    #[tokio::test]
    async fn a_ledger_is_tried_once_more_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        let place = || Place {
            location: Location::Sqlite(file.clone()),
            folder: folder.path().to_owned(),
        };
        std::fs::create_dir(&file).unwrap();
        for (is_mended, lost) in [(false, 1), (true, 0)] {
            let kept = Kept::at(place());
            kept.record(entry(1)).unwrap();
            if is_mended {
                std::fs::remove_dir(&file).unwrap();
            }
            assert_eq!(kept.close().await.lost, lost);
        }
        let ledger = place().open().await.unwrap();
        let page = ledger.entries(&Filter::default(), None, 10).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        ledger.close().await;
    }
}
