//! Who asks: the key, the project, and the limit pool that follows from them.

use std::sync::Arc;

use http::HeaderMap;

use crate::{
    content::Digest,
    court::Party,
    refusal::ApiError,
    settings::{PoolScope, SimulatorSettings},
    voice,
};

/// A caller with a valid key.
#[derive(Debug)]
pub(crate) struct Caller {
    key: String,
    project: Option<String>,
}

impl Caller {
    /// Reads the key from where the provider's clients put it, and checks it.
    pub(crate) fn identify(
        settings: &SimulatorSettings,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Self, ApiError> {
        let key = voice::key_of(settings.likeness, headers, query);
        let project = headers.get("openai-project");
        let project = project.and_then(|project| project.to_str().ok());
        Self::with_key(settings, key.as_deref(), project.map(str::to_owned))
    }

    /// Checks a key that was found elsewhere.
    pub(crate) fn with_key(
        settings: &SimulatorSettings,
        key: Option<&str>,
        project: Option<String>,
    ) -> Result<Self, ApiError> {
        let key = key.ok_or_else(|| voice::missing_key(settings.likeness))?;
        let is_known = key.starts_with(&settings.key_prefix)
            && !settings.invalid_keys.iter().any(|invalid| invalid == key);
        if is_known {
            Ok(Self {
                key: key.to_owned(),
                project,
            })
        } else {
            Err(voice::wrong_key(settings.likeness, &shortened(key)))
        }
    }

    /// The project that the request names.
    pub(crate) fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// The party that a request for a model is judged as.
    pub(crate) fn party(&self, settings: &SimulatorSettings, model: &str) -> Party {
        let scope = match settings.pool_scope {
            PoolScope::Organization => settings.organization.clone(),
            PoolScope::Project => self
                .project
                .clone()
                .unwrap_or_else(|| "no-project".to_owned()),
            PoolScope::Key => {
                // Keys that look the same when shortened still have pools of their own.
                let mut digest = Digest::new(0);
                digest.add(self.key.as_bytes());
                format!("{}-{:08x}", shortened(&self.key), digest.value() >> 32)
            }
        };
        let pool = if settings.pool_per_model {
            format!("{scope}/{model}")
        } else {
            scope
        };
        Party {
            pool: pool.into(),
            key: shortened(&self.key).into(),
            model: Arc::from(model),
            request: None,
        }
    }
}

/// A key as the provider's messages show it: its start and its end.
fn shortened(key: &str) -> String {
    let characters: Vec<char> = key.chars().collect();
    let part = |range: std::ops::Range<usize>| {
        characters
            .get(range)
            .unwrap_or(&[])
            .iter()
            .collect::<String>()
    };
    if characters.len() < 12 {
        return format!("{}***", part(0..characters.len().min(3)));
    }
    format!(
        "{}***{}",
        part(0..5),
        part(characters.len() - 4..characters.len())
    )
}
