//! What a proxy has seen.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use parking_lot::{Condvar, Mutex};

/// What has passed a proxy since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted.
    pub connections: u64,
    /// Those of them that are open.
    pub open: u64,
    /// Bytes that clients have sent.
    pub from_client: u64,
    /// Those of them that were passed on.
    pub to_server: u64,
    /// Bytes that the server has sent.
    pub from_server: u64,
    /// Those of them that were passed on.
    pub to_client: u64,
}

/// Counts that can be waited for.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedCounts {
    shared: Arc<(Mutex<Counts>, Condvar)>,
}

impl SharedCounts {
    pub(super) fn change(&self, change: impl FnOnce(&mut Counts)) {
        let (counts, changed) = &*self.shared;
        change(&mut counts.lock());
        changed.notify_all();
    }

    pub(super) fn now(&self) -> Counts {
        *self.shared.0.lock()
    }

    pub(super) fn wait_until(
        &self,
        patience: Duration,
        holds: impl Fn(&Counts) -> bool,
    ) -> Result<Counts> {
        let (counts, changed) = &*self.shared;
        let mut counts = counts.lock();
        changed.wait_while_for(&mut counts, |counts| !holds(counts), patience);
        if !holds(&counts) {
            bail!("the counts did not come to the expected state: {counts:?}");
        }
        Ok(*counts)
    }
}
