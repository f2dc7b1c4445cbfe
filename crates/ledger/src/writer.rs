//! The way of records to the store: a bounded queue, commits in groups, and a file for when the store
//! does not take them.
//!
//! Handing in never waits. One task takes what has gathered and commits it at once; it is *durable*
//! when the store has committed it, or when it is forced to disk in the spill file. A store that
//! fails is asked again after growing pauses; what comes meanwhile goes to the file after a moment,
//! and from there to the store as soon as that takes records again. Where the file fails too, records
//! stay in memory until the queue is full. Only what comes then is lost, and counted.

mod queue;
mod spill;
mod task;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

pub(crate) use queue::Queue;
pub(crate) use spill::Spill;
pub(crate) use task::Task;

use crate::entry::Entry;
use crate::health::Health;

/// How records are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterSettings {
    /// The most records in memory; about a kilobyte each.
    pub queue_max: usize,
    /// The most records of one commit.
    pub batch_max: usize,
    /// How long a commit waits for company.
    pub gather: Duration,
    /// How long a commit may take; then it is tried again, as after any failure.
    pub commit_max: Duration,
    /// How long a failing store is asked again before records go to the file.
    pub spill_after: Duration,
    /// The longest pause before a store that is away is asked again.
    pub retry_max: Duration,
}

impl Default for WriterSettings {
    fn default() -> Self {
        Self {
            queue_max: 65_536,
            batch_max: 1_000,
            gather: Duration::from_millis(5),
            commit_max: Duration::from_secs(10),
            spill_after: Duration::from_secs(1),
            retry_max: Duration::from_secs(5),
        }
    }
}

/// A record that was not taken, or that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The queue is full, since neither the store nor the disk takes records.
    #[error("the record is lost: the ledger's queue is full; see its health for the reason")]
    Full,
    /// The ledger is closed.
    #[error("the record is lost: the ledger is closed")]
    Closed,
    /// The store refuses this very record.
    #[error("the record is lost: the store refuses it; see the ledger's health for the reason")]
    Refused,
}

/// Hands records to the ledger. Cheap to clone. It does not keep the ledger open: when that is closed,
/// or its last handle dropped, nothing more is taken.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: Arc<Queue>,
}

impl Writer {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// Hands in a record. Returns at once; nobody is told when it is durable.
    ///
    /// # Errors
    /// There is no room, or the ledger is closed: the record is lost, and counted.
    pub fn record(&self, entry: Entry) -> Result<(), Lost> {
        self.queue.push(entry, None)
    }

    /// Hands in a record at once, and tells when it is durable: it survives the loss of this process
    /// and of power from then on.
    ///
    /// # Errors
    /// There is no room, the ledger is closed, or it is so before the record was durable.
    pub fn record_durably(
        &self,
        entry: Entry,
    ) -> impl Future<Output = Result<(), Lost>> + Send + use<> {
        let (told, waiting) = oneshot::channel();
        let pushed = self.queue.push(entry, Some(told));
        async move {
            pushed?;
            waiting.await.unwrap_or(Err(Lost::Closed))
        }
    }

    /// Waits until everything that was handed in before is durable or lost. While neither store nor
    /// disk takes records that may be long.
    pub async fn flush(&self) {
        self.queue.flush().await;
    }

    /// How writing goes.
    pub fn health(&self) -> Health {
        self.queue.health()
    }
}
