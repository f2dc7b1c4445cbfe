//! Which provider keeps which response: it is known there alone, so that what continues or reads it has
//! to go there.

use std::time::Duration;

use paceline_config::{Settings, UPSTREAM};
use paceline_routing::{Affinity, AffinitySettings, LaneKey, SessionKey, Timestamp};
use parking_lot::Mutex;

/// How long it is remembered after the response was answered.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

/// Where responses are that providers keep, by hashes of their tenants and ids.
#[derive(Debug)]
pub(crate) struct Stored(Mutex<Affinity>);

/// Where a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// The provider's name in the settings.
    pub(crate) provider: &'a str,
    /// Whether it was asked for with the gateway's own key.
    pub(crate) own_key: bool,
}

impl Place<'_> {
    fn key(self) -> LaneKey {
        let whose = if self.own_key { "own" } else { "caller" };
        LaneKey::of(self.provider, whose)
    }
}

impl Default for Stored {
    fn default() -> Self {
        Self(Mutex::new(Affinity::new(AffinitySettings {
            kept_for: KEPT_FOR,
            ..AffinitySettings::default()
        })))
    }
}

impl Stored {
    /// A response of a tenant was answered there.
    pub(crate) fn keep(&self, (tenant, id): (&str, &str), place: Place<'_>, now: Timestamp) {
        let mut kept = self.0.lock();
        kept.keep(SessionKey::of([tenant, id]), place.key(), now);
    }

    /// Where a response of a tenant is, as far as that is known and the provider is still there.
    pub(crate) fn place<'a>(
        &self,
        (tenant, id): (&str, &str),
        settings: &'a Settings,
        now: Timestamp,
    ) -> Option<Place<'a>> {
        let key = self.0.lock().last(SessionKey::of([tenant, id]), now)?;
        let further = settings.providers.iter();
        let further = further.map(|provider| provider.name.as_str());
        let mut places = [UPSTREAM]
            .into_iter()
            .chain(further)
            .flat_map(|provider| [true, false].map(|own_key| Place { provider, own_key }));
        places.find(|place| place.key() == key)
    }
}

/// The id of the response that a path names.
pub(crate) fn response_in_path(path: &str) -> Option<&str> {
    let id = path.strip_prefix("/v1/responses/")?.split('/').next()?;
    (!id.is_empty()).then_some(id)
}
