//! Caller keys: who may call, as whom, and for which models.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use paceline_keys::{KeyFile, KeyRecord, KeyRing, KeyText, ModelPattern, Priority, Secret};
use parking_lot::{Mutex, RwLock};

use crate::respond::Problem;

/// How often it is looked whether the file of keys has changed.
pub(crate) const REFRESH: Duration = Duration::from_secs(1);

/// The caller keys of this gateway, if there are any.
#[derive(Debug)]
pub(crate) struct CallerKeys {
    file: Mutex<Option<KeyFile>>,
    ring: RwLock<Option<(Arc<KeyRing>, Secret)>>,
}

/// What a caller's key says of its calls.
#[derive(Clone, Debug)]
pub(crate) struct KeyGrant {
    pub(crate) id: Arc<str>,
    pub(crate) tenant: Arc<str>,
    pub(crate) models: Arc<[ModelPattern]>,
    pub(crate) budgets: Arc<[String]>,
    pub(crate) weight: Option<u32>,
    pub(crate) priority: Option<Priority>,
}

impl KeyGrant {
    fn of(record: &KeyRecord) -> Self {
        Self {
            id: Arc::from(record.id.0.as_str()),
            tenant: Arc::from(record.tenant.as_str()),
            models: record.models.clone().into(),
            budgets: record.budgets.clone().into(),
            weight: record.weight,
            priority: record.priority,
        }
    }

    /// Whether it may be used for a model.
    pub(crate) fn allows(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(model))
    }
}

impl CallerKeys {
    /// Reads the keys in the state folder.
    ///
    /// # Errors
    /// When there is a file and it cannot be used: then nobody would be asked for a key.
    pub(crate) fn open(folder: &Path) -> Result<Self, String> {
        let file = KeyFile::open(folder).map_err(|error| error.to_string())?;
        Ok(Self {
            ring: RwLock::new(file.keys()),
            file: Mutex::new(Some(file)),
        })
    }

    /// Looks whether the file has changed. One that cannot be used changes nothing.
    pub(crate) fn refresh(&self) {
        let mut file = self.file.lock();
        let Some(file) = file.as_mut() else { return };
        match file.refresh() {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(keys = file.records().len(), "the caller keys have changed");
                *self.ring.write() = file.keys();
            }
            Err(error) => tracing::warn!(%error, "the caller keys stay as they were"),
        }
    }

    /// What the key of a caller grants; `None` where callers need no key of ours.
    ///
    /// # Errors
    /// When a key is needed and this is none that is valid. Callers are not told why.
    pub(crate) fn grant(&self, headers: &HeaderMap) -> Result<Option<KeyGrant>, Problem> {
        let Some((ring, secret)) = self.ring.read().clone() else {
            return Ok(None);
        };
        let Some(text) = presented(headers) else {
            return Err(Problem::caller_key("there is none in this call"));
        };
        let key = KeyText::parse(text)
            .map_err(|_| Problem::caller_key("it is not one, or was not copied in full"))?;
        let found = ring
            .find(&secret, &key, unix_seconds())
            .map_err(|unknown| {
                tracing::warn!(key = key.shown(), reason = %unknown, "a caller key is refused");
                Problem::caller_key("it is not known, or not valid any more")
            })?;
        Ok(Some(KeyGrant::of(found.record)))
    }
}

/// The key in the headers: as a bearer token, or as Azure and Anthropic clients send theirs.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|text| {
        let (scheme, key) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let other = ["api-key", "x-api-key"];
    let mut others = other.into_iter().filter_map(|name| headers.get(name));
    bearer.or_else(|| others.next().and_then(|value| value.to_str().ok()))
}

fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
