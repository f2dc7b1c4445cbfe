//! A store in Redis.

use std::future::IntoFuture;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use paceline_coordinator_redis::{RedisCoordinator, Settings, SettingsError};
use paceline_pace::{StoreSettings, TimerError, own_runtime};

use super::Store;

const TIME_BOX: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(10));
const LEASE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(10));

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address, the prefix or the certificates cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A time that cannot work.
    #[error("the store's {what} is {given:?}; it must be from {:?} to {:?}", .bounds.0, .bounds.1)]
    Time {
        /// Which one.
        what: &'static str,
        /// As it was given.
        given: Duration,
        /// The least and the most.
        bounds: (Duration, Duration),
    },
    /// The first share is no part of a quota.
    #[error("the first share is {share}; it must be above 0 and at most 1")]
    FirstShare {
        /// As it was given.
        share: f64,
    },
    /// The thread that speaks to the store cannot be started.
    #[error(transparent)]
    Thread(#[from] TimerError),
}

/// Sets up a [`Store`] in Redis or Valkey, which is ready when this is awaited. Made by
/// [`Store::redis`].
#[derive(Clone, Debug)]
#[must_use = "a store is connected to when this is awaited"]
pub struct RedisStore {
    url: String,
    prefix: Option<String>,
    certificates: Option<PathBuf>,
    plain_keys: bool,
    time_box: Duration,
    lease: Duration,
    first_share: f64,
}

impl Store {
    /// A store in Redis or Valkey, at an address as `redis://127.0.0.1:6379`: one server, a master that
    /// sentinels know, or a cluster, with TLS and users if need be. `docs/redis.md` has all forms, and
    /// says what is kept.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use paceline::{Pacer, Store, WhenStoreIsAway};
    ///
    /// let store = Store::redis("redis://127.0.0.1:6379").await?;
    /// let pacer = Pacer::builder()
    ///     .requests_per_minute(500)
    ///     .tokens_per_minute(200_000)
    ///     .shared(&store, "OpenAI")
    ///     .when_store_is_away(WhenStoreIsAway::Share)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn redis(url: impl Into<String>) -> RedisStore {
        let settings = StoreSettings::default();
        RedisStore {
            url: url.into(),
            prefix: None,
            certificates: None,
            plain_keys: true,
            time_box: settings.time_box,
            lease: settings.lease,
            first_share: f64::from(settings.first_share_ppm) / 1e6,
        }
    }
}

impl RedisStore {
    /// What keys and channels begin with; `ratelimit:` where it is not said. It has no braces.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// How long the store may take to answer before it counts as away, from 1 ms to 10 s; 50 ms where
    /// it is not said.
    pub fn time_box(mut self, time_box: Duration) -> Self {
        self.time_box = time_box;
        self
    }

    /// How long a pacer may be silent before the others take it to be gone, from 2 s to 10 minutes; 3 s
    /// where it is not said.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// The part of a quota, up to 1, that a pacer uses which has never been in touch with the store;
    /// 0.25 where it is not said.
    pub fn first_share(mut self, share: f64) -> Self {
        self.first_share = share;
        self
    }

    /// A file with the certificates (PEM) of those who may vouch for the servers; those that the system
    /// trusts where it is not said.
    pub fn certificate_authority(mut self, file: impl Into<PathBuf>) -> Self {
        self.certificates = Some(file.into());
        self
    }

    /// Whether the present counts are also written under plain names for dashboards and scripts:
    /// `ratelimit:<name>` for requests and `ratelimit:<name>:tokens` for tokens. They are where it is
    /// not said.
    pub fn plain_keys(mut self, are_written: bool) -> Self {
        self.plain_keys = are_written;
        self
    }

    /// Connects, which awaiting does too. A store that does not answer within two seconds is no error:
    /// pacers go on without it, and it is looked for.
    ///
    /// # Errors
    /// What cannot work whether the store answers or not, such as an address that cannot be read.
    pub async fn connect(self) -> Result<Store, StoreError> {
        let redis = self.settings()?;
        let runtime = own_runtime()?;
        // It is spoken to on a thread of its own, so that a program that keeps its runtime busy does
        // not take the store to be slow, and none that ends its runtime loses it.
        let connecting = runtime.spawn(async move { RedisCoordinator::connect(&redis).await });
        let connected = connecting.await.map_err(io::Error::other);
        let coordinator = Arc::new(connected.map_err(TimerError::from)??);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 1 to 1,000,000"
        )]
        let settings = StoreSettings {
            time_box: self.time_box,
            lease: self.lease,
            first_share_ppm: (self.first_share * 1e6).round().clamp(1.0, 1e6) as u32,
        };
        Ok(Store::new(coordinator, settings, Some(runtime)))
    }

    /// [`connect`](Self::connect) for programs without async.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    /// Inside an asynchronous task. Await it there.
    pub fn blocking_connect(self) -> Result<Store, StoreError> {
        own_runtime()?.block_on(self.connect())
    }

    fn settings(&self) -> Result<Settings, StoreError> {
        let mut settings = Settings::from_url(&self.url)?
            .time_box(self.time_box)
            .plain_keys(self.plain_keys);
        if let Some(prefix) = &self.prefix {
            settings = settings.prefix(prefix)?;
        }
        if let Some(file) = &self.certificates {
            settings = settings.certificate_authority(file);
        }
        for (what, given, bounds) in [
            ("time box", self.time_box, TIME_BOX),
            ("lease", self.lease, LEASE),
        ] {
            if !(bounds.0..=bounds.1).contains(&given) {
                return Err(StoreError::Time {
                    what,
                    given,
                    bounds,
                });
            }
        }
        let share = self.first_share;
        if share > 0.0 && share <= 1.0 {
            Ok(settings)
        } else {
            Err(StoreError::FirstShare { share })
        }
    }
}

impl IntoFuture for RedisStore {
    type Output = Result<Store, StoreError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}
