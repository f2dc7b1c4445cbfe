//! `[providers.NAME]`: further providers, keys and regions beside `[upstream]`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::checker::Checker;
use crate::domains::DomainRule;
use crate::node::{clip, join};
use crate::profile::ProfileName;
use crate::upstream::RawUpstream;
use crate::{Server, Upstream};

/// The name of the provider of `[upstream]`.
pub const UPSTREAM: &str = "upstream";

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A provider, or one key or region of it.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Name in files, metrics and answers.
    pub name: String,
    /// Where it is and how it is reached.
    pub upstream: Upstream,
    /// The limit pool of models that no entry of `[[domains]]` takes: its limits are learned.
    pub default_domain: DomainRule,
}

/// One entry: the keys of `[upstream]`, of which the address can be left out where the profile has
/// one.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RawProvider(RawUpstream);

impl JsonSchema for RawProvider {
    fn schema_name() -> Cow<'static, str> {
        "Provider".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = RawUpstream::json_schema(generator);
        schema.insert(
            "description".to_owned(),
            "A further provider, or a further key or region of one. It has the keys of [upstream], \
             and takes nothing over from there."
                .into(),
        );
        let keys = schema.get_mut("properties");
        if let Some(address) = keys.and_then(|keys| keys.get_mut("base_url")) {
            *address = serde_json::json!({
                "type": "string",
                "description": "Address with its version path, http or https. Left out: that of the profile.",
                "examples": ["https://api.anthropic.com/v1"],
            });
        }
        schema
    }
}

/// Checks all providers; those without an address to go on with are left out, and told.
pub(crate) fn check(
    raw: BTreeMap<String, RawProvider>,
    server: &Server,
    (own, default): (Option<&Upstream>, &DomainRule),
    checker: &mut Checker<'_>,
) -> Vec<Provider> {
    let mut providers: Vec<Provider> = Vec::new();
    for (name, entry) in raw {
        let path = join("providers", &name);
        check_name(&name, &path, checker);
        let Some(upstream) = entry.check(&path, server, checker) else {
            continue;
        };
        let known = own.map(|own| (own, default));
        let earlier = providers
            .iter()
            .map(|known| (&known.upstream, &known.default_domain));
        let known: Vec<_> = known.into_iter().chain(earlier).collect();
        let default_domain = default_domain(&name, &upstream, default, &known);
        providers.push(Provider {
            name,
            upstream,
            default_domain,
        });
    }
    providers
}

/// The pool of models that no other takes. Providers of one account have it together; others learn
/// their limits, and those at one address can turn out to have them together.
fn default_domain(
    name: &str,
    upstream: &Upstream,
    default: &DomainRule,
    known: &[(&Upstream, &DomainRule)],
) -> DomainRule {
    let is_shared = |other: &Upstream| other.account.is_some() && other.account == upstream.account;
    if let Some((_, shared)) = known.iter().find(|(other, _)| is_shared(other)) {
        return (*shared).clone();
    }
    let learns = |rule: &DomainRule| {
        rule.limits.is_empty() && rule.concurrency_max.is_none() && rule.spacing.is_zero()
    };
    let is_near = |(other, rule): &&(&Upstream, &DomainRule)| {
        other.base_url == upstream.base_url && learns(rule)
    };
    let near = known
        .iter()
        .find(is_near)
        .map(|(_, rule)| rule.name.clone());
    DomainRule {
        name: near.unwrap_or_else(|| name.to_owned()),
        provider: name.to_owned(),
        models: Vec::new(),
        limits: Vec::new(),
        learn: true,
        concurrency_max: None,
        spacing: Duration::ZERO,
        ..default.clone()
    }
}

impl RawProvider {
    fn check(mut self, path: &str, server: &Server, checker: &mut Checker<'_>) -> Option<Upstream> {
        if !checker.is_set(&join(path, "base_url")) {
            let Some(name) = self.0.profile else {
                let what = "names neither a profile nor a base_url";
                checker.problem(path, what, "profile = \"anthropic\", or an address");
                return None;
            };
            let profile = name.profile();
            let Some(address) = profile.base_url else {
                let what = format!("needs a base_url: {} is not at one place", profile.name);
                checker.problem(path, what, hint(name));
                return None;
            };
            address.clone_into(&mut self.0.base_url);
        }
        self.0.check(path, server, checker)
    }
}

fn hint(profile: ProfileName) -> &'static str {
    match profile {
        ProfileName::Azure => "as in \"https://NAME.openai.azure.com/openai/v1\"",
        ProfileName::Vertex => {
            "as in \"https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/endpoints/openapi\""
        }
        ProfileName::Bedrock => "as in \"https://bedrock-runtime.us-east-1.amazonaws.com\"",
        _ => "as in \"http://10.0.0.7:8000/v1\"",
    }
}

fn check_name(name: &str, path: &str, checker: &mut Checker<'_>) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(plain) {
        let what = format!(
            "the name must be 1 to {NAME_BYTES_MAX} letters, digits, -, _ and . (got {})",
            clip(name)
        );
        checker.problem(path, what, "it becomes part of metrics and headers");
    } else if name == UPSTREAM {
        let what = format!("{UPSTREAM:?} is the name of the provider of [upstream]");
        checker.problem(path, what, "choose another, or write its keys there");
    }
}
