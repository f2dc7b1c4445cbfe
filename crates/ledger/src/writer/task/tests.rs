//! Writing against a store that fails on request, in virtual time.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::entry::CallId;
use crate::health::Health;
use crate::store::Later;
use crate::value::{Row, Statement};
use crate::writer::Writer;

/// What a store does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Away,
    /// Never answers.
    Frozen,
    /// Its tables are of a later version.
    Newer,
    /// Refuses whatever holds the call of this number.
    Picky(u128),
}

struct Moody {
    mood: Mutex<Mood>,
    kept: Mutex<BTreeSet<CallId>>,
    commits: Mutex<Vec<usize>>,
}

impl Store for Moody {
    fn commit<'a>(&'a self, entries: &'a [Entry]) -> Later<'a, ()> {
        Box::pin(async {
            let mood = *self.mood.lock();
            let store = || "the store".to_owned();
            let picked = |id| entries.iter().any(|entry| entry.call_id == CallId(id));
            match mood {
                Mood::Away => Err(StoreError::Away {
                    store: store(),
                    reason: "out for lunch".to_owned(),
                }),
                Mood::Newer => Err(StoreError::Newer {
                    store: store(),
                    found: 3,
                    known: 2,
                }),
                Mood::Frozen => std::future::pending().await,
                Mood::Picky(id) if picked(id) => Err(StoreError::Refused {
                    store: store(),
                    reason: "not that one".to_owned(),
                }),
                Mood::Well | Mood::Picky(_) => {
                    self.commits.lock().push(entries.len());
                    self.kept
                        .lock()
                        .extend(entries.iter().map(|entry| entry.call_id));
                    Ok(())
                }
            }
        })
    }

    fn rows(&self, _: Statement) -> Later<'_, Vec<Row>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn change(&self, _: Vec<Statement>) -> Later<'_, u64> {
        Box::pin(async { Ok(0) })
    }
}

struct Stage {
    store: Arc<Moody>,
    queue: Arc<Queue>,
    writer: Writer,
    task: JoinHandle<()>,
}

impl Stage {
    fn start(mood: Mood, queue_max: usize, folder: Option<&TempDir>) -> Self {
        let settings = WriterSettings {
            queue_max,
            batch_max: 10,
            ..WriterSettings::default()
        };
        let store = Arc::new(Moody {
            mood: Mutex::new(mood),
            kept: Mutex::default(),
            commits: Mutex::default(),
        });
        let queue = Arc::new(Queue::new(queue_max, settings.batch_max));
        let spill = folder.map(|folder| Spill::open(folder.path()).unwrap());
        let task = Task::new(queue.clone(), store.clone(), spill, settings);
        Self {
            writer: Writer::new(queue.clone()),
            task: tokio::spawn(task.run()),
            store,
            queue,
        }
    }

    fn record(&self, ids: impl IntoIterator<Item = u128>) {
        for id in ids {
            self.writer.record(entry(id)).unwrap();
        }
    }

    fn set(&self, mood: Mood) {
        *self.store.mood.lock() = mood;
    }

    fn kept(&self) -> usize {
        self.store.kept.lock().len()
    }

    /// Lets time pass until the writer is as wanted.
    async fn until(&self, wanted: impl Fn(&Health) -> bool) -> Health {
        for _ in 0..10_000 {
            let health = self.writer.health();
            if wanted(&health) {
                return health;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never so: {:?}", self.writer.health());
    }

    async fn close(self) -> Health {
        self.queue.close();
        self.task.await.unwrap();
        self.writer.health()
    }
}

fn entry(id: u128) -> Entry {
    Entry::new(CallId(id), 5, "tenant")
}

#[tokio::test(start_paused = true)]
async fn records_that_come_together_are_committed_together() {
    let stage = Stage::start(Mood::Well, 100, None);
    stage.record(0..25);
    stage.writer.flush().await;
    assert_eq!(*stage.store.commits.lock(), [10, 10, 5]);
    let health = stage.writer.health();
    assert_eq!((health.queued, health.committed), (0, 25));
}

#[tokio::test(start_paused = true)]
async fn what_a_store_does_not_take_goes_to_the_file_and_from_there_to_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(Mood::Away, 100, Some(&folder));
    let durable = stage.writer.record_durably(entry(0));
    stage.record(1..30);
    assert_eq!(durable.await, Ok(()), "on disk is durable");
    let health = stage.until(|health| health.spilled == 30).await;
    assert!(health.last_error.unwrap().contains("out for lunch"));
    assert!(health.since_ms.is_some());
    stage.set(Mood::Well);
    let health = stage.until(|health| health.spilled == 0).await;
    assert_eq!((health.committed, health.lost, stage.kept()), (30, 0, 30));
    assert!(health.is_well() && health.since_ms.is_none());
}

#[tokio::test(start_paused = true)]
async fn tables_of_a_later_version_cost_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(Mood::Newer, 100, Some(&folder));
    stage.record(0..30);
    let health = stage.until(|health| health.spilled == 30).await;
    assert!(health.lost == 0 && !health.is_well(), "{health:?}");
    stage.set(Mood::Well);
    let health = stage.until(|health| health.committed == 30).await;
    assert_eq!((health.lost, health.spilled), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_short_absence_is_waited_for_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(Mood::Away, 100, Some(&folder));
    stage.record(0..5);
    stage.until(|health| !health.is_well()).await;
    stage.set(Mood::Well);
    let health = stage.until(|health| health.committed == 5).await;
    assert_eq!(health.spilled, 0);
    assert!(health.is_well());
}

#[tokio::test(start_paused = true)]
async fn without_a_file_memory_holds_them_and_what_finds_no_room_is_counted_as_lost() {
    let stage = Stage::start(Mood::Away, 20, None);
    stage.record(0..5);
    stage.until(|health| !health.is_well()).await;
    stage.record(5..25);
    let late = stage.writer.record_durably(entry(25));
    assert_eq!(late.await, Err(Lost::Full));
    assert_eq!(stage.writer.record(entry(26)), Err(Lost::Full));
    stage.set(Mood::Well);
    let health = stage.until(|health| health.queued == 0).await;
    assert_eq!((health.committed, health.lost, stage.kept()), (25, 2, 25));
}

#[tokio::test(start_paused = true)]
async fn a_frozen_store_does_not_let_the_queue_run_over() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(Mood::Frozen, 40, Some(&folder));
    for id in 0..500 {
        stage.record([id]);
        tokio::task::yield_now().await;
    }
    stage.writer.flush().await;
    let health = stage.writer.health();
    assert_eq!((health.lost, health.spilled), (0, 500));
    stage.set(Mood::Well);
    stage.until(|health| health.spilled == 0).await;
    assert_eq!(stage.kept(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_refused_costs_no_other() {
    let stage = Stage::start(Mood::Picky(3), 100, None);
    let durable: Vec<_> = (0..10)
        .map(|id| stage.writer.record_durably(entry(id)))
        .collect();
    for (id, durable) in durable.into_iter().enumerate() {
        let wanted = if id == 3 { Err(Lost::Refused) } else { Ok(()) };
        assert_eq!(durable.await, wanted, "{id}");
    }
    let health = stage.writer.health();
    assert_eq!((health.committed, health.lost, health.queued), (9, 1, 0));
    assert!(health.last_error.unwrap().contains("not that one"));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_refused_does_not_stay_in_the_file_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(Mood::Away, 100, Some(&folder));
    stage.record(0..10);
    stage.until(|health| health.spilled == 10).await;
    stage.set(Mood::Picky(4));
    let health = stage.until(|health| health.spilled == 0).await;
    assert_eq!((health.committed, health.lost, stage.kept()), (9, 1, 9));
}

#[tokio::test(start_paused = true)]
async fn closing_leaves_nothing_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(Mood::Away, 100, Some(&folder));
    stage.record(0..25);
    let writer = stage.writer.clone();
    let health = stage.close().await;
    assert_eq!((health.queued, health.spilled, health.lost), (0, 25, 0));
    assert_eq!(writer.record(entry(30)), Err(Lost::Closed));
    let next = Stage::start(Mood::Well, 100, Some(&folder));
    assert_eq!(next.writer.health().spilled, 25);
    next.until(|health| health.spilled == 0).await;
    assert_eq!(next.kept(), 25);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_when_closing_is_counted() {
    let stage = Stage::start(Mood::Away, 100, None);
    stage.record(0..7);
    let health = stage.close().await;
    assert_eq!((health.queued, health.lost), (0, 7));
}
