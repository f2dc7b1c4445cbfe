//! `[[domains]]`: limit pools for named models.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{DomainRule, RawLimits};
use crate::Pattern;
use crate::checker::Checker;
use crate::node::clip;
use crate::providers::UPSTREAM;

/// The name of the pool of `[limits]`.
const DEFAULT_NAME: &str = "default";

/// The longest name or pattern, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// One entry of `[[domains]]`: a name, models, and the keys of `[limits]` beside them.
///
/// The verification says when a name or models are missing.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "toml::Table")]
pub(crate) struct RawDomain {
    name: Option<String>,
    provider: Option<String>,
    models: Option<Vec<String>>,
    limits: RawLimits,
}

impl TryFrom<toml::Table> for RawDomain {
    type Error = toml::de::Error;

    fn try_from(mut table: toml::Table) -> Result<Self, Self::Error> {
        let name = table
            .remove("name")
            .map(toml::Value::try_into)
            .transpose()?;
        let provider = table
            .remove("provider")
            .map(toml::Value::try_into)
            .transpose()?;
        let models = table
            .remove("models")
            .map(toml::Value::try_into)
            .transpose()?;
        let limits = table.try_into()?;
        Ok(Self {
            name,
            provider,
            models,
            limits,
        })
    }
}

impl JsonSchema for RawDomain {
    fn schema_name() -> Cow<'static, str> {
        "Domain".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = RawLimits::json_schema(generator);
        schema.insert(
            "description".to_owned(),
            "A limit pool for some models; the first one that names a model has it. It has the \
             keys of [limits], and takes nothing over from there."
                .into(),
        );
        schema.insert("required".to_owned(), serde_json::json!(["name", "models"]));
        if let Some(keys) = schema
            .get_mut("properties")
            .and_then(|keys| keys.as_object_mut())
        {
            keys.insert(
                "name".to_owned(),
                serde_json::json!({
                    "type": "string",
                    "description": "Name in metrics and answers. Needed.",
                    "examples": ["mini"],
                }),
            );
            keys.insert(
                "provider".to_owned(),
                serde_json::json!({
                    "type": "string",
                    "description": "The provider whose limits these are. Left out: that of [upstream].",
                    "examples": ["upstream"],
                }),
            );
            keys.insert(
                "models".to_owned(),
                serde_json::json!({
                    "type": "array",
                    "items": { "type": "string" },
                    "description": "Models that draw on this pool; * stands for any characters. \
                                    Needed.",
                    "examples": [["gpt-4o-mini*"]],
                }),
            );
        }
        schema
    }
}

/// Checks the pool of `[limits]` and those of `[[domains]]`.
pub(crate) fn check(
    limits: RawLimits,
    domains: Vec<RawDomain>,
    providers: &[&str],
    checker: &mut Checker<'_>,
) -> (DomainRule, Vec<DomainRule>) {
    let default = DomainRule {
        name: DEFAULT_NAME.to_owned(),
        ..limits.check("limits", checker)
    };
    let mut seen = Seen::default();
    let domains = domains.into_iter().enumerate().map(|(index, domain)| {
        let path = format!("domains[{index}]");
        let name = name(domain.name, &path, &mut seen, checker);
        let provider = provider(domain.provider, &path, providers, checker);
        let models = models(domain.models, (&path, &provider), &mut seen, checker);
        let rule = domain.limits.check(&path, checker);
        DomainRule {
            name,
            provider,
            models,
            ..rule
        }
    });
    (default, domains.collect())
}

/// Names of the pools so far, and patterns by provider, each with the path of its first use.
#[derive(Default)]
struct Seen {
    names: BTreeMap<String, String>,
    patterns: BTreeMap<(String, String), String>,
}

fn name(name: Option<String>, path: &str, seen: &mut Seen, checker: &mut Checker<'_>) -> String {
    let key = format!("{path}.name");
    let Some(name) = name else {
        return String::new();
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > TEXT_BYTES_MAX || !name.chars().all(plain) {
        let what = format!("must be letters, digits, -, _ and . (got {})", clip(&name));
        checker.problem(&key, what, "it becomes part of metrics");
    } else if name == DEFAULT_NAME {
        let what = format!("{DEFAULT_NAME:?} is the name of the pool of [limits]");
        checker.problem(&key, what, "choose another");
    } else if let Some(other) = seen.names.get(&name) {
        checker.problem(
            &key,
            format!("{name:?} is the name of {other} too"),
            "choose another",
        );
    }
    seen.names
        .entry(name.clone())
        .or_insert_with(|| path.to_owned());
    name
}

/// The provider that is named, which has to be there.
fn provider(
    name: Option<String>,
    path: &str,
    providers: &[&str],
    checker: &mut Checker<'_>,
) -> String {
    let name = name.unwrap_or_else(|| UPSTREAM.to_owned());
    if !providers.contains(&name.as_str()) {
        let what = format!("{} is no provider", clip(&name));
        let hint = format!("there are: {}", providers.join(", "));
        checker.problem(&format!("{path}.provider"), what, hint);
    }
    name
}

fn models(
    models: Option<Vec<String>>,
    (path, provider): (&str, &str),
    seen: &mut Seen,
    checker: &mut Checker<'_>,
) -> Vec<Pattern> {
    let key = format!("{path}.models");
    let Some(models) = models else {
        return Vec::new();
    };
    if models.is_empty() {
        let hint = "the pool of models that no other names is [limits]";
        checker.problem(&key, "must name at least one model", hint);
    }
    for (index, model) in models.iter().enumerate() {
        let key = format!("{key}[{index}]");
        if model.is_empty() || model.len() > TEXT_BYTES_MAX {
            let what = format!(
                "must be 1 to {TEXT_BYTES_MAX} characters (got {})",
                clip(model)
            );
            checker.problem(&key, what, "");
        } else if let Some(other) = seen.patterns.get(&(provider.to_owned(), model.clone())) {
            let what = format!("{} never comes here: {other} has it first", clip(model));
            checker.notice(&key, what);
        }
        seen.patterns
            .entry((provider.to_owned(), model.clone()))
            .or_insert_with(|| path.to_owned());
    }
    models.into_iter().map(Pattern::new).collect()
}
