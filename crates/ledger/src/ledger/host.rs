//! The thread that a ledger works on.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};

use super::{LedgerSettings, Location, OpenError};
use crate::store::{Access, Postgres, PostgresSettings, Sqlite, Store, StoreError};
use crate::value::Statement;
use crate::writer::{Queue, Spill, Task};

/// How many threads may work on a file at once: one that writes, and readers.
const BLOCKING_THREADS: usize = 5;

/// The store, the queue, and the thread that moves records from the one to the other.
pub(super) struct Host {
    store: Arc<dyn Store>,
    queue: Arc<Queue>,
    /// Whether the writer has come to its end.
    ended: watch::Receiver<bool>,
    /// Dropped to end the thread.
    _alive: oneshot::Sender<()>,
}

/// What the thread tells when it is ready.
type Ready = Result<Arc<dyn Store>, OpenError>;

impl Host {
    /// Starts the thread, opens the store on it, and has it write.
    pub(super) async fn start(
        location: Location,
        settings: LedgerSettings,
        access: Access,
    ) -> Result<Self, OpenError> {
        let queue = Queue::new(settings.writer.queue_max, settings.writer.batch_max);
        let queue = Arc::new(queue);
        let (ready, opened) = oneshot::channel();
        let (alive, gone) = oneshot::channel();
        let (ending, ended) = watch::channel(false);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("paceline-ledger-io")
            .build()
            .map_err(OpenError::Thread)?;
        let its_queue = queue.clone();
        let work = async move {
            let handle = Handle::current();
            let opened = open(location, &settings, access, handle).await;
            let (store, spill) = match opened {
                Ok(opened) => opened,
                // Whoever asked may have left.
                Err(error) => return drop(ready.send(Err(error))),
            };
            let task = Task::new(its_queue.clone(), store.clone(), spill, settings.writer);
            if ready.send(Ok(store)).is_err() {
                return;
            }
            let closing = async {
                // Its sender is never used, only dropped.
                drop(gone.await);
                its_queue.close();
            };
            tokio::join!(
                async {
                    task.run().await;
                    ending.send_replace(true);
                },
                closing
            );
        };
        thread::Builder::new()
            .name("paceline-ledger".to_owned())
            .spawn(move || runtime.block_on(work))
            .map_err(OpenError::Thread)?;
        let store: Ready = opened.await.unwrap_or_else(|_| {
            let ended = std::io::Error::other("it has ended");
            Err(OpenError::Thread(ended))
        });
        Ok(Self {
            store: store?,
            queue,
            ended,
            _alive: alive,
        })
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Takes no more records and waits until the others are where they can be.
    pub(super) async fn close(&self) {
        self.queue.close();
        let mut ended = self.ended.clone();
        // Should the thread be gone, there is nothing left to wait for.
        drop(ended.wait_for(|ended| *ended).await);
    }
}

async fn open(
    location: Location,
    settings: &LedgerSettings,
    access: Access,
    handle: Handle,
) -> Result<(Arc<dyn Store>, Option<Spill>), OpenError> {
    let mut folder = settings.spill_folder.clone();
    let store: Arc<dyn Store> = match location {
        Location::Sqlite(path) => {
            folder = folder.or_else(|| path.parent().map(PathBuf::from));
            Arc::new(Sqlite::open(&path, access, handle)?)
        }
        Location::Postgres(address) => {
            let store = Postgres::new(PostgresSettings::read(&address)?, access, handle);
            match store
                .rows(Statement::new("SELECT name, value FROM paceline_meta"))
                .await
            {
                Err(error @ StoreError::Away { .. }) if !settings.must_be_there => {
                    tracing::warn!(%error, "the ledger's store is not there yet; records are kept");
                }
                checked => drop(checked?),
            }
            Arc::new(store)
        }
    };
    // What others left there is not taken over by those who only ask.
    let folder = folder.filter(|_| access == Access::Full);
    let spill = folder.map(|folder| {
        let folder = if folder.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            folder
        };
        Spill::open(&folder).map_err(|source| OpenError::Spill { folder, source })
    });
    Ok((store, spill.transpose()?))
}
