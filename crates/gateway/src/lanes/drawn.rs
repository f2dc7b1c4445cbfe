//! The limit pools that a lane draws on.

use std::fmt::Write as _;
use std::sync::{Arc, Weak};

use paceline_limiter::DomainSnapshot;
use parking_lot::RwLock;

use crate::pace::{Pool, window_label};

/// The most pools that are remembered of one lane. There are many where callers bring their own keys.
const POOLS_MAX: usize = 8;

/// The limit pools that a lane draws on, the one that it drew on first last.
#[derive(Default)]
pub(super) struct Drawn(RwLock<Vec<Weak<Pool>>>);

impl Drawn {
    pub(super) fn note(&self, pool: &Arc<Pool>) {
        let is_it = |known: &Weak<Pool>| std::ptr::eq(known.as_ptr(), Arc::as_ptr(pool));
        if self.0.read().iter().any(is_it) {
            return;
        }
        let mut pools = self.0.write();
        pools.retain(|known| known.strong_count() > 0 && !is_it(known));
        pools.insert(0, Arc::downgrade(pool));
        pools.truncate(POOLS_MAX);
    }

    pub(super) fn all(&self) -> Vec<Arc<Pool>> {
        self.0.read().iter().filter_map(Weak::upgrade).collect()
    }

    /// How full the limits are, in a line for the log.
    pub(super) fn told(&self) -> String {
        let pools = self.all();
        let told = pools
            .iter()
            .map(|pool| limits(pool.watch().name(), &pool.snapshot()));
        told.collect::<Vec<_>>().join("; ")
    }
}

fn limits(name: &str, snapshot: &DomainSnapshot) -> String {
    let waiting: usize = snapshot.waiting.iter().sum();
    let mut text = format!(
        "{name}: {} under way, {waiting} waiting",
        snapshot.in_flight
    );
    for limit in &snapshot.limits {
        let window = window_label(limit.window);
        let (metric, used, amount) = (limit.metric.name(), limit.used, limit.amount);
        // Writing into a string does not fail.
        let _ = write!(text, ", {used} of {amount} {metric} in {window} used");
    }
    text
}
