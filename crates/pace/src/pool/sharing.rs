//! A pool whose limits are counted in a store.

use std::sync::Arc;

use paceline_limiter::{Admission, Domain, Event, News, Timestamp};
use tokio::runtime::Handle;

use super::Pool;
use crate::Watch;
use crate::keep::keep;
use crate::shared::{Conversation, Driver, Shared, Sharing, Store, WhenAway};

impl<W: Watch> Pool<W> {
    /// From now on the limits are counted in `store`, under a name that is the same in every process
    /// that shares them; a task on `runtime` sees to it, and on a thread of the process's own when that
    /// runtime ends. A pool is shared once.
    pub fn share(
        self: &Arc<Self>,
        store: &Store,
        name: &str,
        when_away: WhenAway,
        runtime: &Handle,
    ) {
        let first_share_ppm = store.settings().first_share_ppm;
        let shared = Arc::new(Shared::new(when_away, first_share_ppm, self.clock.now()));
        if self.shared.set(Arc::clone(&shared)).is_err() {
            return;
        }
        self.with_domain(|domain, now, _| domain.set_admission(Admission::Elsewhere, now));
        keep(Driver::new(self, shared, store, name), runtime);
    }

    /// Where the pool stands with its store; `None`: it has none.
    pub fn sharing(&self) -> Option<Sharing> {
        self.shared.get().map(|shared| shared.view())
    }

    /// What to do from now on when the store is away.
    pub fn set_when_away(&self, when_away: WhenAway) {
        if let Some(shared) = self.shared.get() {
            *shared.when_away.lock() = when_away;
        }
    }

    pub(crate) fn conversation(&self, store: &Store) -> Conversation {
        let state = self.state.lock();
        Conversation::new(
            store.instance(),
            store.settings().lease,
            state.domain.tier_shares_ppm(),
        )
    }

    pub(crate) fn news(&self) -> News {
        self.state.lock().domain.news()
    }

    /// Runs `action` on the domain and delivers what it decides.
    pub(crate) fn with_domain<T>(
        self: &Arc<Self>,
        action: impl FnOnce(&mut Domain, Timestamp, &mut Vec<Event>) -> T,
    ) -> T {
        self.act(|state, now, events| action(&mut state.domain, now, events))
    }
}
