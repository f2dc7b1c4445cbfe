//! The way to the store that gateways share.

use std::sync::Arc;

use paceline_config::Store;
use paceline_coordinator_redis::{RedisCoordinator, Settings, SettingsError};
use paceline_gateway::{Connect, Stores};

/// Reaches the store once the gateway has a runtime. One that is away is tried again and again.
pub(crate) fn connect(store: &Store) -> Connect {
    let store = store.clone();
    Box::new(move |runtime| {
        let settings = settings(&store).map_err(|error| error.to_string())?;
        let connected = runtime.block_on(RedisCoordinator::connect(&settings));
        let coordinator = connected.map_err(|error| error.to_string())?;
        Ok(Stores {
            budgets: Arc::new(coordinator.budgets()),
            limits: Arc::new(coordinator),
        })
    })
}

/// The store as its client is told of it.
pub(crate) fn settings(store: &Store) -> Result<Settings, SettingsError> {
    let mut settings = Settings::from_url(store.url.expose())?
        .prefix(&store.prefix)?
        .time_box(store.time_box);
    if let Some(file) = &store.ca_file {
        settings = settings.certificate_authority(file);
    }
    Ok(settings)
}
