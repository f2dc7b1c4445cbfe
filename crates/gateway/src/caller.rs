//! Who calls, and what they ask of the queue: the `x-paceline-*` request headers.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use paceline_config::{Settings, Tier};
use paceline_keys::Priority;
use paceline_limiter::TenantId;
use paceline_provider::KeyHeader;
use sha2::{Digest, Sha256};

use crate::keys::KeyGrant;
use crate::memory::Salt;
use crate::respond::Problem;

/// Longest value of a header of ours, in bytes.
const VALUE_BYTES_MAX: usize = 256;

/// How long a request may wait for its turns.
const MAX_WAIT: &str = "x-paceline-max-wait";

/// How long the provider may take to begin an answer.
const ATTEMPT_TIMEOUT: &str = "x-paceline-attempt-timeout";

/// Names of the request headers that are read here and never forwarded.
pub(crate) const PREFIX: &str = "x-paceline-";

/// Who calls and what they ask for.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The tenant: as named, or else a short hash of the caller's key.
    pub(crate) tenant: Arc<str>,
    pub(crate) tenant_id: TenantId,
    pub(crate) weight: u32,
    pub(crate) tier: Tier,
    pub(crate) session: Option<Arc<str>>,
    /// The longest that the request may wait for its turn.
    pub(crate) max_wait: Duration,
    /// The longest that the provider may take to begin its answer, where the caller says so.
    pub(crate) attempt_timeout: Option<Duration>,
    /// Whether a stream is to tell its place in the queue while it waits.
    pub(crate) announce: bool,
    pub(crate) tags: Option<Arc<str>>,
    /// Hash of the key, organisation and project that the caller sent.
    pub(crate) credential: u64,
    /// What the caller's key of this gateway grants, where callers need one.
    pub(crate) key: Option<KeyGrant>,
}

/// Hashes names with keys that nobody knows, so that nobody can choose names that collide.
#[derive(Clone, Debug)]
pub(crate) struct NameHasher {
    /// Differs from process to process.
    names: RandomState,
    /// Is kept, so that a credential's hash is the same after a restart.
    credentials: Salt,
}

impl NameHasher {
    pub(crate) fn new(credentials: Salt) -> Self {
        Self {
            names: RandomState::new(),
            credentials,
        }
    }

    fn name(&self, name: &str) -> u64 {
        self.names.hash_one(name)
    }

    /// Cannot be turned back: it goes into names of pools and into the state folder.
    pub(crate) fn credential(&self, parts: &[&[u8]]) -> u64 {
        let mut hash = Sha256::new_with_prefix(self.credentials);
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let bytes = hash.finalize();
        bytes
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl Caller {
    /// Reads a request's headers.
    ///
    /// # Errors
    /// A [`Problem`] that names the first header that is wrong.
    pub(crate) fn identify(
        headers: &HeaderMap,
        settings: &Settings,
        hasher: &NameHasher,
        key: Option<KeyGrant>,
    ) -> Result<Self, Problem> {
        // With keys of ours, all calls go upstream with the gateway's own.
        let of_caller = |name: &'static str| match &key {
            Some(_) => &b""[..],
            None => bytes_of(headers, name),
        };
        let mut parts = vec![
            of_caller(AUTHORIZATION.as_str()),
            of_caller("api-key"),
            bytes_of(headers, "openai-organization"),
            bytes_of(headers, "openai-project"),
        ];
        let others = ["x-api-key", "x-goog-api-key"].map(of_caller);
        parts.extend(others.into_iter().filter(|key| !key.is_empty()));
        let credential = hasher.credential(&parts);
        let named = text(headers, "x-paceline-tenant")?;
        let tenant: Arc<str> = match (&key, named) {
            (Some(key), Some(name)) if *key.tenant != *name => {
                return Err(Problem::tenant_not_allowed(name, &key.id));
            }
            (Some(key), _) => Arc::clone(&key.tenant),
            (None, Some(name)) => Arc::from(name),
            (None, None) => Arc::from(anonymous(headers, credential)),
        };
        let tier = match text(headers, "x-paceline-priority")? {
            Some(name) => parse_tier(name)?,
            None => key_tier(key.as_ref()).unwrap_or_else(|| settings.tier_of(&tenant)),
        };
        let max_wait = match text(headers, MAX_WAIT)? {
            Some(wait) => parse_duration(MAX_WAIT, wait)?.min(settings.queue.max_wait),
            None => settings.queue.max_wait,
        };
        let attempt_timeout = text(headers, ATTEMPT_TIMEOUT)?
            .map(|time| parse_duration(ATTEMPT_TIMEOUT, time))
            .transpose()?;
        Ok(Self {
            tenant_id: TenantId(hasher.name(&tenant)),
            weight: settings
                .tenants
                .get(&*tenant)
                .map(|known| known.weight)
                .or_else(|| key.as_ref().and_then(|key| key.weight))
                .unwrap_or(1),
            tier,
            session: text(headers, "x-paceline-session")?.map(Arc::from),
            max_wait,
            attempt_timeout,
            announce: parse_announce(text(headers, "x-paceline-announce")?)?,
            tags: text(headers, "x-paceline-tags")?.map(Arc::from),
            credential,
            tenant,
            key,
        })
    }
}

fn key_tier(key: Option<&KeyGrant>) -> Option<Tier> {
    let priority = key?.priority?;
    Some(match priority {
        Priority::Interactive => Tier::Interactive,
        Priority::Standard => Tier::Standard,
        Priority::Batch => Tier::Batch,
    })
}

/// Tenants that do not name themselves are told apart by their keys, without showing any of them.
fn anonymous(headers: &HeaderMap, credential: u64) -> String {
    let sends_one = KeyHeader::ALL
        .iter()
        .any(|header| headers.contains_key(header.name()));
    if sends_one {
        format!("key-{:08x}", credential >> 32)
    } else {
        "anonymous".to_owned()
    }
}

fn bytes_of<'a>(headers: &'a HeaderMap, name: &str) -> &'a [u8] {
    headers.get(name).map_or(b"", |value| value.as_bytes())
}

/// The value of a header of ours: given once, visible ASCII and spaces, of bounded length.
fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::invalid_header(name, "one value, not several"));
    }
    let plain = value.to_str().ok().map(str::trim);
    match plain {
        // A tab is let through by headers, and is not kept to the letter by ledgers.
        Some(text) if (1..=VALUE_BYTES_MAX).contains(&text.len()) && !text.contains('\t') => {
            Ok(Some(text))
        }
        _ => Err(Problem::invalid_header(
            name,
            "1 to 256 characters of visible ASCII",
        )),
    }
}

fn parse_tier(name: &str) -> Result<Tier, Problem> {
    let found = Tier::ALL.into_iter().find(|tier| tier.name() == name);
    found.ok_or_else(|| {
        Problem::invalid_header("x-paceline-priority", "interactive, standard or batch")
    })
}

fn parse_announce(value: Option<&str>) -> Result<bool, Problem> {
    match value {
        None | Some("none") => Ok(false),
        Some("comments") => Ok(true),
        Some(_) => Err(Problem::invalid_header(
            "x-paceline-announce",
            "comments or none",
        )),
    }
}

/// `30`, `30s`, `1.5s`, `250ms`, `10m`: plain numbers are seconds.
fn parse_duration(name: &'static str, text: &str) -> Result<Duration, Problem> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit_seconds = match unit {
        "" | "s" => Some(1.0),
        "ms" => Some(0.001),
        "m" => Some(60.0),
        "h" => Some(3_600.0),
        _ => None,
    };
    let number = number.trim().parse::<f64>().ok();
    let seconds = number.zip(unit_seconds).map(|(number, unit)| number * unit);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| {
            Problem::invalid_header(
                name,
                "a duration such as 30s, 250ms, 10m, or a number of seconds",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_with_and_without_units() {
        for (text, milliseconds) in [
            ("30", 30_000),
            ("0", 0),
            ("1.5s", 1_500),
            ("250ms", 250),
            ("10m", 600_000),
            ("1h", 3_600_000),
        ] {
            let wait = parse_duration(MAX_WAIT, text).map(|wait| wait.as_millis());
            assert_eq!(wait.ok(), Some(milliseconds), "{text}");
        }
        for text in ["", "s", "-1", "1d", "NaN", "inf", "1e400", "soon", "1 2"] {
            assert!(parse_duration(MAX_WAIT, text).is_err(), "{text}");
        }
    }
}
