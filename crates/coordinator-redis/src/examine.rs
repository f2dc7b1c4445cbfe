//! Looking at a store before it is relied on: what it is, what its user may do, how far it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use paceline_coordinator::StoreError;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};
use tokio::time::{Instant, timeout};

use crate::coordinator::with_remedy;
use crate::link::{in_its_words, is_refusal};
use crate::script::FORMAT;
use crate::servers::{Connection, PATIENCE, Servers};
use crate::settings::{Settings, SettingsError};

/// Asks for the server's time by way of a script, as decisions do: in a cluster it is the time of the
/// node that has the key.
const TELL_TIME: &str = "return redis.call('TIME')";

/// A hash that no script has: a server that lets its user call scripts by hash says so.
const NO_SCRIPT: &str = "0000000000000000000000000000000000000000";

/// How long the key that is written for a look stays at the most.
const STAY_MS: u64 = 60_000;

/// A connection of its own to a store, for looking at it. It writes under the names of one domain only.
pub struct Examination {
    name: String,
    prefix: String,
    domain: String,
    servers: Servers,
    connection: Connection,
}

/// What a server says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `redis` or `valkey`.
    pub product: String,
    /// Its version.
    pub version: String,
    /// What it does when its memory is full; empty where it does not say.
    pub eviction: String,
    /// The memory that it may use in bytes; 0: all there is.
    pub memory_max_bytes: u64,
}

/// A command that the store needs, and whether its user may give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The command as rights name it.
    pub command: &'static str,
    /// Why not, in the server's words.
    pub refusal: Option<String>,
}

/// One look at the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// From the question to the answer.
    pub round_trip: Duration,
    /// How far the server's clock is ahead of this machine's, in microseconds, to half a round trip.
    pub ahead_us: i64,
}

impl std::fmt::Debug for Examination {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Examination")
            .field("name", &self.name)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

impl Examination {
    /// Connects within two seconds. `domain` is what it may write under, and must be nobody's.
    ///
    /// # Errors
    /// When the store does not answer or lets nobody in with this user; [`StoreError::Refused`] also
    /// where the settings cannot be used.
    pub async fn open(settings: &Settings, domain: &str) -> Result<Self, StoreError> {
        let name = settings.name();
        let unusable = |error: SettingsError| StoreError::Refused {
            store: name.clone(),
            reason: error.to_string(),
        };
        let servers = Servers::new(settings).map_err(unusable)?;
        let connection = match timeout(PATIENCE, servers.connect_unasked()).await {
            Ok(connected) => connected.map_err(|error| failure(&name, &error))?,
            Err(_) => return Err(no_answer(&name)),
        };
        Ok(Self {
            prefix: settings.prefix.clone(),
            domain: domain.to_owned(),
            servers,
            connection,
            name,
        })
    }

    /// Tries every command that the store needs. What it writes it removes, as far as it may.
    ///
    /// # Errors
    /// When the store does not answer any more.
    pub async fn rights(&mut self) -> Result<Vec<Right>, StoreError> {
        let key = self.key(&self.domain);
        let channel = format!("{}wake:{:016x}", self.prefix, 0);
        let stay = STAY_MS.to_string();
        let is_cluster = matches!(self.connection, Connection::Cluster(_));
        let mut all: Vec<(&'static str, Vec<&str>)> = vec![
            ("ping", vec![]),
            ("info", vec!["server"]),
            ("time", vec![]),
            ("hset", vec![&key, "s", "1"]),
            ("hmget", vec![&key, "s"]),
            ("hget", vec![&key, "s"]),
            ("hkeys", vec![&key]),
            ("pexpire", vec![&key, &stay]),
            ("hdel", vec![&key, "s"]),
            ("publish", vec![&channel, ""]),
            ("eval", vec![TELL_TIME, "1", &key]),
            ("evalsha", vec![NO_SCRIPT, "1", &key]),
        ];
        if is_cluster {
            all.push(("exists", vec![&key]));
        }
        let mut rights = Vec::with_capacity(all.len() + 2);
        for (command, arguments) in all {
            let mut question = redis::cmd(&command.to_uppercase());
            for argument in arguments {
                question.arg(argument);
            }
            let refusal = match self.ask(&question).await {
                Ok(_) => None,
                // A script that the server does not know is one that may be called.
                Err(Trouble::Said(error)) if error.code() == Some("NOSCRIPT") => None,
                Err(Trouble::Said(error)) if is_refusal(&error) => Some(in_its_words(&error)),
                Err(trouble) => return Err(self.error(trouble)),
            };
            rights.push(Right { command, refusal });
        }
        rights.extend(self.right_to_listen(&channel).await?);
        Ok(rights)
    }

    async fn right_to_listen(&self, channel: &str) -> Result<[Right; 2], StoreError> {
        let tried = async {
            let client = self.servers.one(0).await?;
            let mut listener = client.get_async_pubsub().await?;
            let subscribed = listener.subscribe(channel).await;
            let unsubscribed = listener.unsubscribe(channel).await;
            RedisResult::Ok([("subscribe", subscribed), ("unsubscribe", unsubscribed)])
        };
        let tried = timeout(PATIENCE, tried).await;
        let tried = tried.map_err(|_| no_answer(&self.name))?;
        let tried = tried.map_err(|error| failure(&self.name, &error))?;
        Ok(tried.map(|(command, outcome)| Right {
            command,
            refusal: outcome.err().map(|error| in_its_words(&error)),
        }))
    }

    /// What the server says about itself.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn identity(&mut self) -> Result<Identity, StoreError> {
        let mut identity = Identity::default();
        for section in ["server", "memory"] {
            let mut info = Cmd::new();
            info.arg("INFO").arg(section);
            let told = self.ask(&info).await;
            let told = told.map_err(|trouble| self.error(trouble))?;
            for text in texts(&told) {
                identity.take(&text);
            }
        }
        Ok(identity)
    }

    /// Looks at the server's clock, once.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn clock(&mut self) -> Result<ClockReading, StoreError> {
        let key = self.key(&self.domain);
        let mut question = Cmd::new();
        question.arg("EVAL").arg(TELL_TIME).arg(1).arg(&key);
        let (began, began_at) = (Instant::now(), SystemTime::now());
        let told = self.ask(&question).await;
        let round_trip = began.elapsed();
        let told = told.map_err(|trouble| self.error(trouble))?;
        let [seconds, micros] = redis::from_redis_value::<[i64; 2]>(told)
            .map_err(|_| self.refused("the answer about the time cannot be read"))?;
        let server_us = seconds.saturating_mul(1_000_000).saturating_add(micros);
        let own = began_at.duration_since(UNIX_EPOCH).unwrap_or_default() + round_trip / 2;
        let own_us = i64::try_from(own.as_micros()).unwrap_or(i64::MAX);
        Ok(ClockReading {
            round_trip,
            ahead_us: server_us.saturating_sub(own_us),
        })
    }

    /// Removes all that there is of a domain, its plain keys as well.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn remove(&mut self, domain: &str) -> Result<(), StoreError> {
        let plain = format!("{}{domain}", self.prefix);
        let keys = [self.key(domain), format!("{plain}:tokens"), plain];
        for key in keys {
            // The rights that the store needs have no DEL; what has no time left is gone as well.
            let mut expire = Cmd::new();
            expire.arg("PEXPIRE").arg(&key).arg(0);
            let gone = self.ask(&expire).await;
            gone.map_err(|trouble| self.error(trouble))?;
        }
        Ok(())
    }

    fn key(&self, domain: &str) -> String {
        format!("{}{{{domain}}}:v{FORMAT}", self.prefix)
    }

    async fn ask(&mut self, question: &Cmd) -> Result<Value, Trouble> {
        match timeout(PATIENCE, self.connection.ask(question)).await {
            Ok(answer) => answer.map_err(Trouble::Said),
            Err(_) => Err(Trouble::Silence),
        }
    }

    fn error(&self, trouble: Trouble) -> StoreError {
        match trouble {
            Trouble::Said(error) => failure(&self.name, &error),
            Trouble::Silence => no_answer(&self.name),
        }
    }

    fn refused(&self, reason: &str) -> StoreError {
        StoreError::Refused {
            store: self.name.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// Why a question has no answer of use.
enum Trouble {
    Said(RedisError),
    Silence,
}

impl Identity {
    /// Takes what is of interest from a section of INFO; the first server of a cluster is told of.
    fn take(&mut self, section: &str) {
        for line in section.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let place = match name {
                // Valkey says it is compatible with a version of Redis, too.
                "valkey_version" => {
                    "valkey".clone_into(&mut self.product);
                    value.clone_into(&mut self.version);
                    continue;
                }
                "redis_version" if self.version.is_empty() => {
                    "redis".clone_into(&mut self.product);
                    &mut self.version
                }
                "maxmemory_policy" if self.eviction.is_empty() => &mut self.eviction,
                "maxmemory" => {
                    self.memory_max_bytes = value.parse().unwrap_or_default();
                    continue;
                }
                _ => continue,
            };
            value.clone_into(place);
        }
    }
}

/// The texts of an answer: one, or in a cluster one of each node.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::BulkString(bytes) => vec![String::from_utf8_lossy(bytes).into_owned()],
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => vec![text.clone()],
        Value::Map(pairs) => pairs.iter().flat_map(|(_, value)| texts(value)).collect(),
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn failure(name: &str, error: &RedisError) -> StoreError {
    let store = name.to_owned();
    if error.kind() == ErrorKind::AuthenticationFailed {
        // The client has the server's own words for itself.
        let reason = "it does not know this user or password; check both in the address".to_owned();
        StoreError::Refused { store, reason }
    } else if is_refusal(error) {
        let reason = with_remedy(in_its_words(error));
        StoreError::Refused { store, reason }
    } else {
        let reason = error.to_string();
        StoreError::Away { store, reason }
    }
}

fn no_answer(name: &str) -> StoreError {
    StoreError::Away {
        store: name.to_owned(),
        reason: format!("no answer within {} s", PATIENCE.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_products_are_told_by_name_and_version() {
        let mut redis = Identity::default();
        redis.take("# Server\r\nredis_version:7.0.15\r\nrun_id:x\r\n");
        redis.take("maxmemory:1048576\r\nmaxmemory_policy:allkeys-lru\r\n");
        let expected = Identity {
            product: "redis".to_owned(),
            version: "7.0.15".to_owned(),
            eviction: "allkeys-lru".to_owned(),
            memory_max_bytes: 1_048_576,
        };
        assert_eq!(redis, expected);
        let mut valkey = Identity::default();
        valkey.take("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n");
        assert_eq!((&*valkey.product, &*valkey.version), ("valkey", "8.0.1"));
    }
}
