//! The one task that writes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::queue::Item;
use super::{Lost, Queue, Spill, WriterSettings};
use crate::entry::Entry;
use crate::store::{Store, StoreError};

/// The first pause after a failure; each further one is twice as long.
const RETRY_MIN: Duration = Duration::from_millis(50);

/// Writes what is in the queue, until it is closed and empty.
pub(crate) struct Task {
    queue: Arc<Queue>,
    store: Arc<dyn Store>,
    /// `None`: there is no folder for one.
    spill: Option<Spill>,
    settings: WriterSettings,
    away: Option<Away>,
}

/// The store does not take records.
struct Away {
    pause: Duration,
    retry_at: Instant,
}

impl Task {
    pub(crate) fn new(
        queue: Arc<Queue>,
        store: Arc<dyn Store>,
        spill: Option<Spill>,
        settings: WriterSettings,
    ) -> Self {
        let left = spill.as_ref().map_or(0, Spill::lines);
        queue.change_health(|health| health.spilled = left);
        Self {
            queue,
            store,
            spill,
            settings,
            away: None,
        }
    }

    /// Writes until the queue is closed. What the store does not take then goes to the file.
    pub(crate) async fn run(mut self) {
        loop {
            self.replay_if_due().await;
            if !self.wait().await {
                break;
            }
            let items = self.queue.take(self.settings.batch_max);
            if !items.is_empty() {
                self.write(items).await;
            }
        }
    }

    /// Waits for records, and for company for them; or for the time to ask the store again. `false`:
    /// there will be no more.
    async fn wait(&self) -> bool {
        if self.queue.is_empty() {
            if self.queue.is_closed() {
                return false;
            }
            let spilled = self.spill.as_ref().map_or(0, Spill::lines);
            match &self.away {
                Some(away) => tokio::select! {
                    () = self.queue.filled.notified() => {}
                    () = tokio::time::sleep_until(away.retry_at) => return true,
                },
                None if spilled > 0 => return true,
                None => self.queue.filled.notified().await,
            }
        }
        if !self.queue.is_closed() {
            tokio::select! {
                () = self.queue.urgent.notified() => {}
                () = tokio::time::sleep(self.settings.gather) => {}
            }
        }
        true
    }

    /// Commits records, or puts them into the file if the store has been failing for long enough; as
    /// often as it takes.
    async fn write(&mut self, items: Vec<Item>) {
        let (entries, told): (Vec<Entry>, Vec<_>) = items
            .into_iter()
            .map(|item| (item.entry.bounded(), item.told))
            .unzip();
        // While the file is in use, asking the store again is done with what is in it.
        let to_file = self.away.is_some() && self.spill.as_ref().is_some_and(|s| s.lines() > 0);
        let deadline = Instant::now() + self.settings.spill_after;
        let mut early = 0;
        let mut refused = Vec::new();
        loop {
            if to_file && self.spill_entries(&entries) {
                break;
            }
            let is_due = self
                .away
                .as_ref()
                .is_none_or(|away| away.retry_at <= Instant::now());
            if is_due && self.commit(&entries, &mut early, &mut refused).await {
                break;
            }
            let closing = self.queue.is_closed();
            let waited = Instant::now() >= deadline || self.queue.is_high() || closing;
            if waited && self.spill_entries(&entries) {
                break;
            }
            if closing {
                self.lose(entries.len());
                refused = vec![true; entries.len()];
                break;
            }
            self.pause().await;
        }
        for (index, told) in told.into_iter().enumerate() {
            let lost = refused.get(index).copied().unwrap_or(false);
            if let Some(told) = told {
                // Whoever asked may have left.
                let _ = told.send(if lost { Err(Lost::Refused) } else { Ok(()) });
            }
        }
        self.queue.settle(entries.len() + early);
    }

    /// Whether the store has taken them, or refused them for good. While it is at it and the queue
    /// runs full, what waits there goes to the file; `early` counts that.
    async fn commit(
        &mut self,
        entries: &[Entry],
        early: &mut usize,
        refused: &mut Vec<bool>,
    ) -> bool {
        let (store, commit_max) = (self.store.clone(), self.settings.commit_max);
        let mut commit = Box::pin(in_time(store.as_ref(), entries, commit_max));
        let result = loop {
            tokio::select! {
                biased;
                result = &mut commit => break result,
                () = self.queue.high.notified() => *early += self.relieve(),
            }
        };
        drop(commit);
        match result {
            Ok(()) => {
                self.back();
                self.committed(entries.len());
                true
            }
            Err(error) if !error.is_about_records() => {
                self.failed(&error);
                false
            }
            Err(error) if entries.len() == 1 => {
                self.report(&error);
                self.lose(1);
                *refused = vec![true];
                true
            }
            Err(error) => self.commit_singly(entries, &error, refused).await,
        }
    }

    /// Something among them is refused: each by itself, so that only that is lost.
    async fn commit_singly(
        &mut self,
        entries: &[Entry],
        error: &StoreError,
        refused: &mut Vec<bool>,
    ) -> bool {
        self.report(error);
        refused.clear();
        for entry in entries {
            let result = self.commit_now(std::slice::from_ref(entry)).await;
            match result {
                Ok(()) => refused.push(false),
                Err(error) if !error.is_about_records() => {
                    // Those that were committed are passed over when all are tried again.
                    refused.clear();
                    self.failed(&error);
                    return false;
                }
                Err(_) => refused.push(true),
            }
        }
        let lost = refused.iter().filter(|refused| **refused).count();
        self.lose(lost);
        self.committed(entries.len() - lost);
        true
    }

    /// Puts all that waits into the file, and says how much that was.
    fn relieve(&mut self) -> usize {
        if self.spill.is_none() || !self.queue.is_high() {
            return 0;
        }
        let items = self.queue.take(usize::MAX);
        let count = items.len();
        let (entries, told): (Vec<Entry>, Vec<_>) = items
            .into_iter()
            .map(|item| (item.entry.bounded(), item.told))
            .unzip();
        if self.spill_entries(&entries) {
            for told in told.into_iter().flatten() {
                let _ = told.send(Ok(()));
            }
        } else {
            self.lose(count);
            for told in told.into_iter().flatten() {
                let _ = told.send(Err(Lost::Full));
            }
        }
        count
    }

    /// Whether they are in the file.
    fn spill_entries(&mut self, entries: &[Entry]) -> bool {
        let Some(spill) = &mut self.spill else {
            return false;
        };
        match spill.append(entries.iter()) {
            Ok(()) => {
                let count = entries.len() as u64;
                self.queue.change_health(|health| {
                    health.queued -= count;
                    health.spilled += count;
                });
                true
            }
            Err(error) => {
                self.report(&error);
                false
            }
        }
    }

    /// Gives the store some of what is in the file, if it may take it.
    async fn replay_if_due(&mut self) {
        if let Some(away) = &self.away
            && (away.retry_at > Instant::now() || self.queue.is_closed())
        {
            return;
        }
        let Some(spill) = &mut self.spill else {
            return;
        };
        if spill.lines() == 0 {
            return;
        }
        let chunk = match spill.next(self.settings.batch_max) {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return,
            Err(error) => return self.failed(&error),
        };
        let entries: Vec<Entry> = chunk.entries.iter().cloned().map(Entry::bounded).collect();
        let mut refused = Vec::new();
        let taken = match self.commit_now(&entries).await {
            Ok(()) => true,
            Err(error) if !error.is_about_records() => {
                self.failed(&error);
                false
            }
            Err(error) => self.commit_replayed(&entries, &error, &mut refused).await,
        };
        if !taken {
            return;
        }
        let lost = refused.iter().filter(|refused| **refused).count() as u64;
        let committed = entries.len() as u64 - lost;
        if let Some(spill) = &mut self.spill {
            let done = spill.taken(&chunk);
            let left = spill.lines();
            self.queue.change_health(|health| {
                health.committed += committed;
                health.lost += lost + chunk.damaged;
                health.spilled = left;
            });
            match done {
                Ok(()) => self.back(),
                Err(error) => self.failed(&error),
            }
        }
    }

    async fn commit_replayed(
        &mut self,
        entries: &[Entry],
        error: &StoreError,
        refused: &mut Vec<bool>,
    ) -> bool {
        self.report(error);
        for entry in entries {
            match self.commit_now(std::slice::from_ref(entry)).await {
                Ok(()) => refused.push(false),
                Err(error) if !error.is_about_records() => {
                    self.failed(&error);
                    return false;
                }
                Err(_) => refused.push(true),
            }
        }
        true
    }

    async fn commit_now(&self, entries: &[Entry]) -> Result<(), StoreError> {
        in_time(self.store.as_ref(), entries, self.settings.commit_max).await
    }

    fn committed(&self, count: usize) {
        self.queue.change_health(|health| {
            health.queued -= count as u64;
            health.committed += count as u64;
        });
    }

    fn lose(&self, count: usize) {
        self.queue.change_health(|health| {
            health.queued -= count as u64;
            health.lost += count as u64;
        });
    }

    fn failed(&mut self, error: &dyn std::error::Error) {
        self.report(error);
        let pause = self.away.as_ref().map_or(RETRY_MIN, |away| away.pause * 2);
        let pause = pause.min(self.settings.retry_max);
        self.away = Some(Away {
            pause,
            retry_at: Instant::now() + pause,
        });
    }

    fn report(&self, error: &dyn std::error::Error) {
        if self.queue.ill(error) {
            tracing::warn!(%error, "the ledger's store does not take records; they are kept");
        }
    }

    fn back(&mut self) {
        self.away = None;
        let spilled = self.spill.as_ref().map_or(0, Spill::lines);
        if spilled == 0 && self.queue.well() {
            tracing::info!("the ledger's store takes records again");
        }
    }

    /// Until the store is to be asked again, or the queue runs full.
    async fn pause(&self) {
        let Some(away) = &self.away else {
            return;
        };
        let is_high = self.queue.is_high();
        tokio::select! {
            () = tokio::time::sleep_until(away.retry_at) => {}
            () = self.queue.high.notified(), if !is_high => {}
            () = self.queue.closed.notified() => {}
        }
    }
}

/// Commits; one that takes too long has failed. It may happen all the same, which does no harm: the
/// same records are passed over when they come again.
async fn in_time(store: &dyn Store, entries: &[Entry], max: Duration) -> Result<(), StoreError> {
    let commit = tokio::time::timeout(max, store.commit(entries));
    commit.await.unwrap_or_else(|_| {
        Err(StoreError::Away {
            store: "the ledger's store".to_owned(),
            reason: format!("a commit took longer than {} ms", max.as_millis()),
        })
    })
}

#[cfg(test)]
mod tests;
