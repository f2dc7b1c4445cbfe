//! Who asks: the key, the project, and the limit pool that follows from them.

use std::sync::Arc;

use http::HeaderMap;

use crate::{
    content::Digest,
    court::Party,
    likeness::Likeness,
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
        let project = project_of_call(settings.likeness, headers, key.as_deref());
        Self::new(settings, key.as_deref(), project)
    }

    /// Checks a key that was found elsewhere.
    pub(crate) fn with_key(settings: &SimulatorSettings, key: &str) -> Result<Self, ApiError> {
        let project = project_of_key(settings.likeness, key);
        Self::new(settings, Some(key), project)
    }

    fn new(
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

    /// The project that the request, or else its key, names.
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

/// The project that a request names: in its header, or else by its key.
pub(crate) fn project_named(
    settings: &SimulatorSettings,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Option<String> {
    let key = voice::key_of(settings.likeness, headers, query);
    project_of_call(settings.likeness, headers, key.as_deref())
}

fn project_of_call(likeness: Likeness, headers: &HeaderMap, key: Option<&str>) -> Option<String> {
    let header = headers.get("openai-project");
    let header = header.and_then(|project| project.to_str().ok());
    let header = header.map(str::to_owned);
    header.or_else(|| project_of_key(likeness, key?))
}

/// The project that a key of `OpenAI`'s belongs to: here, `sk-proj-NAME-REST` is one of `proj_NAME`.
fn project_of_key(likeness: Likeness, key: &str) -> Option<String> {
    let key = key.strip_prefix("sk-proj-")?;
    let (name, _) = key.split_once('-')?;
    (likeness == Likeness::OpenAi && !name.is_empty()).then(|| format!("proj_{name}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_named_by_its_header_or_else_by_the_key() {
        let named = |likeness, key: &str, header: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            let key = format!("Bearer {key}");
            headers.insert("authorization", key.parse().unwrap());
            if let Some(header) = header {
                headers.insert("openai-project", header.parse().unwrap());
            }
            let settings = SimulatorSettings {
                likeness,
                ..SimulatorSettings::default()
            };
            let caller = Caller::identify(&settings, &headers, None).unwrap();
            let named = project_named(&settings, &headers, None);
            assert_eq!(caller.project(), named.as_deref());
            named
        };
        let of_key = |key| named(Likeness::OpenAi, key, None);
        assert_eq!(of_key("sk-proj-red-1a-b").as_deref(), Some("proj_red"));
        for key in ["sk-plain-red-1", "sk-proj-red", "sk-proj--1"] {
            assert_eq!(of_key(key), None, "{key}");
        }
        let header = named(Likeness::OpenAi, "sk-proj-red-1", Some("proj_blue"));
        assert_eq!(header.as_deref(), Some("proj_blue"));
        assert_eq!(named(Likeness::Groq, "sk-proj-red-1", None), None);
    }
}
