//! Caller keys: who may call, as whom, and for which models.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use paceline_config::Settings;
use paceline_keys::{
    KeyFile, KeyRecord, KeyRing, KeyState, KeyText, ModelPattern, Priority, Secret,
};
use parking_lot::{Mutex, RwLock};

use crate::clock::unix_seconds_now;
use crate::respond::Problem;

/// How often it is looked whether the file of keys has changed.
pub(crate) const REFRESH: Duration = Duration::from_secs(1);

/// The caller keys of this gateway, if there are any.
#[derive(Debug)]
pub(crate) struct CallerKeys {
    /// `None`: callers need no key, whatever the file says.
    watched: Option<Mutex<Watched>>,
    ring: RwLock<Option<(Arc<KeyRing>, Secret)>>,
}

/// The file of keys, and what was said of it already.
#[derive(Debug)]
struct Watched {
    file: KeyFile,
    /// Why the file cannot be used now.
    broken: Option<String>,
    is_without_own_key: bool,
}

/// What is new since the file was looked at the last time.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// There are other keys than before: so many.
    Changed(usize),
    /// The file cannot be used, for this reason.
    Broken(String),
}

impl Watched {
    /// Looks at the file.
    fn look(&mut self) -> Option<News> {
        let looked = self.file.refresh().map_err(|error| error.to_string());
        let was_broken = std::mem::replace(&mut self.broken, looked.as_ref().err().cloned());
        match looked {
            Ok(false) => None,
            Ok(true) => Some(News::Changed(self.file.records().len())),
            Err(reason) => (was_broken.as_ref() != Some(&reason)).then_some(News::Broken(reason)),
        }
    }

    /// Whether it is new that callers have keys of ours and the provider is sent none at all.
    fn lacks_own_key(&mut self, settings: &Settings) -> bool {
        let lacks = self.file.keys().is_some() && settings.upstream.api_key.is_none();
        let was = std::mem::replace(&mut self.is_without_own_key, lacks);
        lacks && !was
    }
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
    pub(crate) fn open(settings: &Settings) -> Result<Self, String> {
        let folder = &settings.admin.state_dir;
        let file = KeyFile::open(folder).map_err(|error| error.to_string())?;
        let ring = RwLock::new(file.keys());
        let mut watched = Watched {
            file,
            broken: None,
            is_without_own_key: false,
        };
        tell_own_key(&mut watched, settings);
        Ok(Self {
            watched: Some(Mutex::new(watched)),
            ring,
        })
    }

    /// No caller needs a key.
    pub(crate) fn not_asked_for() -> Self {
        Self {
            watched: None,
            ring: RwLock::new(None),
        }
    }

    /// Whether callers need a key of this gateway now.
    pub(crate) fn are_asked_for(&self) -> bool {
        self.ring.read().is_some()
    }

    /// Looks whether the file has changed. One that cannot be used changes nothing.
    pub(crate) fn refresh(&self, settings: &Settings) {
        let Some(watched) = &self.watched else { return };
        let mut watched = watched.lock();
        match watched.look() {
            None => {}
            Some(News::Changed(keys)) => {
                tracing::info!(keys, "the caller keys have changed");
                *self.ring.write() = watched.file.keys();
            }
            Some(News::Broken(error)) => {
                tracing::warn!(%error, "the caller keys stay as they were");
            }
        }
        tell_own_key(&mut watched, settings);
    }

    /// What the key with this id grants; `None` where callers need no key of ours.
    ///
    /// # Errors
    /// When a key is needed, and this one is not valid any more.
    pub(crate) fn grant_of(&self, id: Option<&str>) -> Result<Option<KeyGrant>, Problem> {
        let Some((ring, _)) = self.ring.read().clone() else {
            return Ok(None);
        };
        let now = unix_seconds_now();
        let mut records = ring.records().iter();
        let record = records.find(|record| {
            id == Some(record.id.0.as_str()) && record.state(now) == KeyState::Active
        });
        match record {
            Some(record) => Ok(Some(KeyGrant::of(record))),
            None => Err(Problem::caller_key(
                "that of the batch is not valid any more",
            )),
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
            .find(&secret, &key, unix_seconds_now())
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

fn tell_own_key(watched: &mut Watched, settings: &Settings) {
    if watched.lacks_own_key(settings) {
        tracing::warn!(
            "there are caller keys and no upstream.api_key: calls go to the provider without any \
             key; set upstream.api_key or OPENAI_API_KEY"
        );
    }
}

#[cfg(test)]
mod tests;
