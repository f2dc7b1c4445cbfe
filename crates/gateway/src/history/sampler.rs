//! Looks at pools once a second, and puts down what it sees.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{LimitSight, Sight};
use crate::exchange::milliseconds;
use crate::pace::Pool;
use crate::shared::Shared;

/// How often pools are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// The most pools that are remembered at a time: those that were asked for a turn last.
const POOLS_MAX: usize = 64;

/// The most limits of a pool that are remembered.
const LIMITS_MAX: usize = 8;

/// Looks at pools for as long as the gateway runs.
pub(crate) async fn watch_pools(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        look(&shared);
    }
}

/// Looks at the pools as they are now.
pub(crate) fn look(shared: &Shared) {
    let pools = shared.registry.latest_used(POOLS_MAX);
    // Whoever looks at the same time has to come before or after.
    let mut past = shared.past.lock();
    let sights: Vec<Sight> = pools.iter().map(|pool| see(shared, pool)).collect();
    past.note(shared.now_ms(), &sights);
}

fn see(shared: &Shared, pool: &Arc<Pool>) -> Sight {
    let snapshot = pool.snapshot();
    shared.changes.compare(pool, &snapshot);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let limits = snapshot.limits.iter().take(LIMITS_MAX);
    Sight {
        name: Arc::clone(pool.watch().name()),
        waiting: count(snapshot.waiting.iter().sum()),
        in_flight: count(snapshot.in_flight),
        refusals: pool.watch().take_refusals(),
        limits: limits
            .map(|limit| LimitSight {
                metric: limit.metric,
                window_ms: milliseconds(limit.window),
                used: limit.used,
                amount: limit.amount,
            })
            .collect(),
    }
}
