//! Pools whose limits are counted in a store that other gateways share: their names there, and what the
//! log says of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use paceline_config::{DomainRule, Upstream, WhenStoreIsAway};
use paceline_pace::{SharingChange, SharingMode, Store, WhenAway};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use url::Url;

use super::{Pool, PoolKey};
use crate::exchange::milliseconds;
use crate::memory::hex;

/// The longest name of a model that is part of a pool's name in the store, in bytes.
const MODEL_BYTES_MAX: usize = 256;

/// The store of this gateway's pools.
#[derive(Debug)]
pub(crate) struct SharedPools {
    store: Store,
    /// Whose limits are counted: the provider's host.
    provider: String,
}

impl SharedPools {
    pub(crate) fn new(store: Store, upstream: &Upstream) -> Self {
        Self {
            store,
            provider: provider_of(&upstream.base_url),
        }
    }

    /// Counts the limits of `pool` in the store from now on.
    pub(super) fn share(&self, pool: &Arc<Pool>, key: &PoolKey, rule: &DomainRule, on: &Handle) {
        let name = name_of(&self.provider, key);
        pool.share(&self.store, &name, when_away(rule), on);
    }

    /// Takes leave of the store for all pools.
    pub(crate) async fn leave(&self, patience: Duration) {
        self.store.leave(patience).await;
    }
}

/// The provider's host, with a port that is not the usual one.
fn provider_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// What a pool is called in the store. It is the same in every gateway, and has no part of a key.
fn name_of(provider: &str, key: &PoolKey) -> String {
    let name = match key {
        PoolKey::Configured { rule } => format!("{provider}/{rule}"),
        PoolKey::Learned {
            rule,
            credential,
            model,
        } => {
            let model = bounded(model);
            format!("{provider}/{rule}/{model}@{credential:016x}")
        }
    };
    // Braces mark what is hashed of a name in a cluster.
    name.replace(['{', '}'], "_")
}

/// A model's name, or what stands for one so long that it was made up: callers choose it, and it becomes
/// part of a key.
fn bounded(model: &str) -> Cow<'_, str> {
    if model.len() <= MODEL_BYTES_MAX {
        return Cow::Borrowed(model);
    }
    Cow::Owned(hex(&Sha256::digest(model)))
}

pub(super) fn when_away(rule: &DomainRule) -> WhenAway {
    match rule.when_store_is_away {
        WhenStoreIsAway::Share => WhenAway::Share,
        WhenStoreIsAway::Open => WhenAway::Open,
        WhenStoreIsAway::Closed => WhenAway::Closed,
    }
}

/// Tells who decides on a pool's requests from now on.
pub(super) fn log_change(pool: &str, change: &SharingChange) {
    let after = &change.after;
    let share_percent = after.share_ppm.map(|share| f64::from(share) / 1e4);
    let lasted_ms = milliseconds(change.lasted);
    let (before, mode) = (change.before.name(), after.mode.name());
    match after.mode {
        SharingMode::Share | SharingMode::Open | SharingMode::Closed => tracing::warn!(
            pool,
            mode,
            before,
            lasted_ms,
            share_percent,
            instances = after.instances,
            reason = after.reason.as_deref(),
            "the store is away: {}",
            instead(after.mode)
        ),
        SharingMode::Learning => tracing::warn!(
            pool,
            mode,
            before,
            lasted_ms,
            "nobody goes until all have told the store what they used"
        ),
        SharingMode::Exact | SharingMode::Joining => tracing::info!(
            pool,
            mode,
            before,
            lasted_ms,
            share_percent,
            instances = after.instances,
            "the limits are counted in the store"
        ),
    }
}

const fn instead(mode: SharingMode) -> &'static str {
    match mode {
        SharingMode::Open => "the pool goes on as if it were alone",
        SharingMode::Closed => "everyone waits",
        _ => "the pool goes on with its part of the quota",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_provider_the_rule_and_what_is_learned_for() {
        let url = "https://api.example.com/v1".parse().unwrap();
        let provider = provider_of(&url);
        let configured = PoolKey::Configured {
            rule: Arc::from("default"),
        };
        assert_eq!(name_of(&provider, &configured), "api.example.com/default");
        let learned = PoolKey::Learned {
            rule: Arc::from("default"),
            credential: 0xab,
            model: Arc::from("odd{name}"),
        };
        assert_eq!(
            name_of(&provider, &learned),
            "api.example.com/default/odd_name_@00000000000000ab"
        );
        let long = |last: char| {
            let model = "x".repeat(100_000) + &last.to_string();
            let key = PoolKey::Learned {
                rule: Arc::from("default"),
                credential: 0xab,
                model: Arc::from(model),
            };
            name_of(&provider, &key)
        };
        assert!(long('a').len() < 150 && long('a') != long('b'));
    }
}
