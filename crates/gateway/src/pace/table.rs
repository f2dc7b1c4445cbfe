//! Which pool each key leads to. Keys that share a pool lead to the same one; when calls come to share,
//! one pool goes on for all of them, with what the others have.

use std::collections::HashMap;
use std::sync::Arc;

use super::sharing::Sharing;
use super::{Pool, PoolKey};

/// References to a pool that nobody uses: the table's own, and its timer's.
const IDLE_REFERENCES: usize = 2;

/// A pool that requests are sent through.
#[derive(Debug)]
struct Home {
    pool: Arc<Pool>,
    /// Counts up: older pools have smaller numbers.
    born: u64,
}

/// All pools, and who uses them.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By the keys that requests have.
    routes: HashMap<PoolKey, Arc<Pool>>,
    /// By the keys that [`Sharing::home`] gives.
    homes: HashMap<PoolKey, Home>,
    /// Pools that others go on for; who holds a lease of theirs still gives it back through them.
    retired: Vec<Arc<Pool>>,
    pub(super) sharing: Sharing,
    /// What people call holders of quotas. Bounded by the configuration, which names them.
    holders: HashMap<u64, Arc<str>>,
    born: u64,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.homes.len()
    }

    /// Notes what people call the holder of a quota.
    pub(super) fn call(&mut self, credential: u64, holder: &Arc<str>) {
        self.holders.insert(credential, Arc::clone(holder));
    }

    /// What people call the pool of a key.
    pub(super) fn name_of(&self, key: &PoolKey) -> Arc<str> {
        let holder = match key {
            PoolKey::Learned { credential, .. } => self.holders.get(credential),
            PoolKey::Configured { .. } => None,
        };
        key.name(holder.map(|holder| &**holder))
    }

    /// The pool of requests with this key, where it is known.
    pub(super) fn route(&self, key: &PoolKey) -> Option<&Arc<Pool>> {
        self.routes.get(key)
    }

    /// The pool that a new key is to use, where it exists.
    pub(super) fn adopt(&mut self, key: &PoolKey) -> Option<Arc<Pool>> {
        let home = self.homes.get(&self.sharing.home(key))?;
        let pool = Arc::clone(&home.pool);
        self.routes.insert(key.clone(), Arc::clone(&pool));
        Some(pool)
    }

    pub(super) fn insert(&mut self, key: &PoolKey, pool: &Arc<Pool>) {
        self.born += 1;
        let home = Home {
            pool: Arc::clone(pool),
            born: self.born,
        };
        self.homes.insert(self.sharing.home(key), home);
        self.routes.insert(key.clone(), Arc::clone(pool));
    }

    /// Makes room when there are `most` keys or pools: drops pools that nobody uses.
    pub(super) fn prune(&mut self, most: usize) {
        if self.homes.len() < most && self.routes.len() < most {
            return;
        }
        self.routes.clear();
        self.drop_finished();
        self.homes.retain(|_, home| !is_unused(&home.pool));
    }

    /// Brings the pools in line with what is known of sharing; `why` it has changed.
    pub(super) fn regroup(&mut self, why: &str) {
        let mut old: Vec<_> = self.homes.drain().collect();
        // A pool that is where it belongs comes first, then older before newer.
        old.sort_by_key(|(key, home)| (self.sharing.home(key) != *key, home.born));
        for (key, home) in old {
            match self.homes.get(&self.sharing.home(&key)) {
                None => {
                    self.homes.insert(self.sharing.home(&key), home);
                }
                Some(heir) => {
                    tracing::info!(
                        pool = %home.pool.watch().name(),
                        into = %heir.pool.watch().name(),
                        why,
                        "limit pools are one"
                    );
                    home.pool.retire(&heir.pool);
                    self.retired.push(home.pool);
                }
            }
        }
        let keys: Vec<_> = self.routes.drain().map(|(key, _)| key).collect();
        for key in keys {
            self.adopt(&key);
        }
        self.drop_finished();
    }

    fn drop_finished(&mut self) {
        self.retired.retain(|pool| !is_unused(pool));
    }

    /// Every pool that is in use or has requests to finish.
    pub(super) fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        let finishing = self.retired.iter().filter(|pool| !pool.is_idle());
        self.homes.values().map(|home| &home.pool).chain(finishing)
    }

    /// The pools that requests are sent through, with their keys, older before newer.
    pub(super) fn homes(&self) -> Vec<(&PoolKey, &Arc<Pool>)> {
        let mut homes: Vec<_> = self.homes.iter().collect();
        homes.sort_by_key(|(_, home)| home.born);
        homes
            .into_iter()
            .map(|(key, home)| (key, &home.pool))
            .collect()
    }

    /// Whether requests are sent through a pool of this very key.
    pub(super) fn has_home(&self, key: &PoolKey) -> bool {
        self.homes.contains_key(key)
    }

    /// The names of what each pool serves, by the pool's address.
    pub(super) fn served(&self) -> HashMap<*const Pool, Vec<String>> {
        let mut served: HashMap<_, Vec<String>> = HashMap::new();
        let keys = self.routes.iter().filter(|(key, _)| key.is_learned());
        for (key, pool) in keys {
            let names = served.entry(Arc::as_ptr(pool)).or_default();
            let long = self.sharing.long_users(key);
            if long.is_empty() {
                names.push(self.name_of(key).to_string());
            }
            names.extend(
                long.iter()
                    .map(|user| format!("{} (long)", self.name_of(user))),
            );
        }
        served.values_mut().for_each(|names| names.sort());
        served
    }
}

fn is_unused(pool: &Arc<Pool>) -> bool {
    Arc::strong_count(pool) <= IDLE_REFERENCES && pool.is_idle()
}
