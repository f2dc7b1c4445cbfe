//! Who asks: the key, the project, and the limit pool that follows from them.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header::AUTHORIZATION};

use crate::{
    content::Digest,
    court::Party,
    refusal::ApiError,
    settings::{PoolScope, SimulatorSettings},
};

/// A caller with a valid key.
#[derive(Debug)]
pub(crate) struct Caller {
    key: String,
    project: Option<String>,
}

impl Caller {
    /// Reads the key from `Authorization: Bearer` or `api-key`, and checks it.
    pub(crate) fn identify(
        settings: &SimulatorSettings,
        headers: &HeaderMap,
    ) -> Result<Self, ApiError> {
        let bearer = text(headers, AUTHORIZATION.as_str()).and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
        });
        let key = bearer
            .or_else(|| text(headers, "api-key"))
            .filter(|key| !key.is_empty());
        let project = text(headers, "openai-project").map(str::to_owned);
        Self::with_key(settings, key, project)
    }

    /// Checks a key that was found elsewhere.
    pub(crate) fn with_key(
        settings: &SimulatorSettings,
        key: Option<&str>,
        project: Option<String>,
    ) -> Result<Self, ApiError> {
        let key = key.ok_or_else(missing_key)?;
        let is_known = key.starts_with(&settings.key_prefix)
            && !settings.invalid_keys.iter().any(|invalid| invalid == key);
        if is_known {
            Ok(Self {
                key: key.to_owned(),
                project,
            })
        } else {
            Err(wrong_key(key))
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

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
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

fn missing_key() -> ApiError {
    let message = "You didn't provide an API key. You need to provide your API key in an \
                   Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), \
                   or as the password field (with blank username) if you're accessing the API from \
                   your browser and are prompted for a username and password. You can obtain an \
                   API key from https://platform.openai.com/account/api-keys.";
    ApiError::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message)
}

fn wrong_key(key: &str) -> ApiError {
    let message = format!(
        "Incorrect API key provided: {}. You can find your API key at \
         https://platform.openai.com/account/api-keys.",
        shortened(key)
    );
    ApiError::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message)
        .code("invalid_api_key")
}
