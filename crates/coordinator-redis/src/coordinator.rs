//! The store.

use std::fmt;

use paceline_coordinator::{Answer, Ask, Coordinator, InstanceId, Later, StoreError, Wakes};
use redis::Value;

use crate::budgets::RedisBudgets;
use crate::link::{Failure, Link};
use crate::plain::PlainKeys;
use crate::script::{Call, Exchange, FORMAT};
use crate::servers::Servers;
use crate::settings::{Settings, SettingsError};
use crate::{wakes, wire};

/// Shared state in Redis or Valkey. Clones share one connection.
#[derive(Clone)]
pub struct RedisCoordinator {
    name: String,
    prefix: String,
    channels: String,
    script: Exchange,
    link: Link,
    plain: Option<PlainKeys>,
}

impl fmt::Debug for RedisCoordinator {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisCoordinator")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl RedisCoordinator {
    /// Connects. A store that cannot be reached within two seconds is no error: calls fail until it
    /// can be, which a task on the present runtime finds out.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub async fn connect(settings: &Settings) -> Result<Self, SettingsError> {
        let servers = Servers::new(settings)?;
        let link = Link::open(servers, settings.time_box).await;
        let plain = || PlainKeys::new(&settings.prefix, link.clone());
        Ok(Self {
            name: settings.name(),
            prefix: settings.prefix.clone(),
            channels: format!("{}wake:", settings.prefix),
            script: Exchange::new(),
            plain: settings.plain_keys.then(plain),
            link,
        })
    }

    /// The key that holds all there is of a domain.
    #[must_use]
    pub fn key(&self, domain: &str) -> String {
        format!("{}{{{domain}}}:v{FORMAT}", self.prefix)
    }

    /// Budgets in the same place, over the same connection.
    #[must_use]
    pub fn budgets(&self) -> RedisBudgets {
        RedisBudgets::new(&self.name, &self.prefix, self.link.clone())
    }

    fn error(&self, failure: Failure) -> StoreError {
        error(&self.name, failure)
    }

    async fn ask(&self, domain: &str, ask: &Ask) -> Result<Answer, StoreError> {
        let message = wire::encode(ask);
        let key = self.key(domain);
        let call = |server| Call {
            key: &key,
            message: &message,
            server,
            channels: &self.channels,
            domain,
        };
        let by_hash = |server: &str| self.script.by_hash(&Call { server, ..call("") });
        let by_text = |server: &str| self.script.by_text(&Call { server, ..call("") });
        let answer = self.link.call(&key, by_hash, by_text).await;
        let answer = answer.map_err(|failure| self.error(failure))?;
        let decoded = match &answer {
            Value::BulkString(bytes) => wire::decode(ask, bytes),
            _ => None,
        };
        let answer = decoded.ok_or_else(|| {
            let reason = "the script's answer cannot be read".to_owned();
            self.error(Failure::Refused(reason))
        })?;
        if let Some(plain) = &self.plain {
            plain.publish(domain, &answer);
        }
        Ok(answer)
    }
}

impl Coordinator for RedisCoordinator {
    fn exchange<'a>(&'a self, domain: &'a str, ask: &'a Ask) -> Later<'a, Answer> {
        Box::pin(self.ask(domain, ask))
    }

    fn wakes(&self, instance: InstanceId) -> Later<'_, Box<dyn Wakes>> {
        let channel = format!("{}{instance}", self.channels);
        Box::pin(async move {
            let told = wakes::listen(self.link.servers().clone(), channel).await;
            let told = told.map_err(|reason| self.error(Failure::Away(reason)))?;
            Ok(Box::new(told) as Box<dyn Wakes>)
        })
    }
}

/// A failure, as those see it who use the store.
pub(crate) fn error(store: &str, failure: Failure) -> StoreError {
    let store = store.to_owned();
    match failure {
        Failure::Away(reason) => StoreError::Away { store, reason },
        Failure::Refused(reason) => StoreError::Refused {
            store,
            reason: with_remedy(reason),
        },
    }
}

/// What is to be done about a refusal, where that is known.
pub(crate) fn with_remedy(reason: String) -> String {
    let known = [
        (
            "NOPERM",
            "give the user the rights that docs/redis.md lists",
        ),
        ("NOAUTH", "give user and password in the address"),
        ("WRONGPASS", "check user and password in the address"),
        (
            "OOM",
            "give the server more memory, or evict what has an expiry",
        ),
        (
            "WRONGTYPE",
            "something else uses this key: choose another prefix",
        ),
    ];
    match known.iter().find(|(code, _)| reason.contains(code)) {
        Some((_, remedy)) => format!("{reason}; {remedy}"),
        None => reason,
    }
}
