//! From the name of a model to the lanes behind it.

use std::borrow::Cow;

use paceline_config::{LaneRule, ModelRule, Settings, UPSTREAM};
use paceline_provider::Dialect;

/// What is behind a model's name.
#[derive(Debug)]
pub(crate) struct Route<'a> {
    /// The name that leads there: the caller's, or the one that a route put in its place.
    pub(crate) name: &'a str,
    /// The rule that takes the name; `None` where no rule does.
    pub(crate) rule: Option<&'a ModelRule>,
    /// The lanes, in the order of the rule.
    pub(crate) lanes: Vec<Behind<'a>>,
}

/// One lane behind a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Behind<'a> {
    /// The provider's name in the settings.
    pub(crate) provider: &'a str,
    /// The model's name there.
    pub(crate) model: Cow<'a, str>,
    pub(crate) weight: u32,
    pub(crate) priority: u32,
    pub(crate) context_tokens: Option<u64>,
}

/// What decides where a call goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The model as the caller has it.
    pub(crate) model: &'a str,
    pub(crate) tags: &'a [String],
    /// In whose words the call is; `None` where several have them.
    pub(crate) dialect: Option<Dialect>,
}

impl<'a> Route<'a> {
    /// The lanes for a call. There is always one at least.
    ///
    /// A route by tags may put another name in the place of the caller's. Then a rule of `[models]` is
    /// looked for, then a provider's name in front of the model's, as in `claude/claude-haiku-4-5`.
    /// What is left goes to a provider of the call's dialect.
    pub(crate) fn find(settings: &'a Settings, wanted: Wanted<'a>) -> Self {
        let name = renamed(settings, &wanted).unwrap_or(wanted.model);
        if let Some(rule) = settings.models.iter().find(|rule| rule.name.matches(name)) {
            let lanes = rule.lanes.iter().map(|lane| Behind::of(lane, name));
            return Self {
                name,
                rule: Some(rule),
                lanes: lanes.collect(),
            };
        }
        let addressed = name.split_once('/').filter(|(provider, model)| {
            let is_there = settings.reach(provider).is_some();
            is_there && !model.is_empty()
        });
        let (provider, model) =
            addressed.unwrap_or_else(|| (speaking(settings, wanted.dialect), name));
        Self {
            name,
            ..Self::plain(provider, model)
        }
    }
}

impl<'a> Route<'a> {
    /// The one lane to a model that no rule speaks of.
    pub(crate) fn plain(provider: &'a str, model: &'a str) -> Self {
        Self {
            name: model,
            rule: None,
            lanes: vec![Behind {
                provider,
                model: Cow::Borrowed(model),
                weight: 1,
                priority: 1,
                context_tokens: None,
            }],
        }
    }
}

impl<'a> Behind<'a> {
    fn of(lane: &'a LaneRule, name: &'a str) -> Self {
        Self {
            provider: &lane.provider,
            model: Cow::Borrowed(lane.model.as_deref().unwrap_or(name)),
            weight: lane.weight,
            priority: lane.priority,
            context_tokens: lane.context_tokens,
        }
    }
}

/// The lanes that the settings name, as provider and model. Those of patterns are not among them, unless
/// they say which model it is: callers choose it.
pub(crate) fn configured_lanes(settings: &Settings) -> impl Iterator<Item = (&str, &str)> {
    settings.models.iter().flat_map(|rule| {
        let own = plain_name(rule);
        rule.lanes.iter().filter_map(move |lane| {
            let model = lane.model.as_deref().or(own)?;
            Some((lane.provider.as_str(), model))
        })
    })
}

/// The one name that a rule is for; `None` where it is for several.
pub(crate) fn plain_name(rule: &ModelRule) -> Option<&str> {
    let name = rule.name.as_str();
    (!name.contains('*')).then_some(name)
}

/// The names of the rules that a lane stands behind.
pub(crate) fn rules_of<'a>(settings: &'a Settings, provider: &str, model: &str) -> Vec<&'a str> {
    let is_it = |lane: &LaneRule, rule: &ModelRule| {
        lane.provider == provider
            && match &lane.model {
                Some(name) => name == model,
                None => rule.name.matches(model),
            }
    };
    let rules = settings.models.iter();
    let rules = rules.filter(|rule| rule.lanes.iter().any(|lane| is_it(lane, rule)));
    rules.map(|rule| rule.name.as_str()).collect()
}

/// The name that the first route for these tags and this model puts in the place of the caller's.
fn renamed<'a>(settings: &'a Settings, wanted: &Wanted<'_>) -> Option<&'a str> {
    let mut routes = settings.routes.iter();
    let route = routes.find(|route| {
        let models = &route.models;
        let is_meant = models.is_empty() || models.iter().any(|model| model.matches(wanted.model));
        is_meant && route.tags.iter().all(|tag| wanted.tags.contains(tag))
    })?;
    Some(&route.to)
}

/// The provider for calls that nothing else says where to send: that of `[upstream]`, unless it does
/// not speak the call's dialect and another does.
pub(crate) fn speaking(settings: &Settings, dialect: Option<Dialect>) -> &str {
    let Some(dialect) = dialect else {
        return UPSTREAM;
    };
    let own = settings.upstream.profile;
    if own.dialect == dialect || !own.is_known() {
        return UPSTREAM;
    }
    let mut providers = settings.providers.iter();
    let found = providers.find(|provider| provider.upstream.profile.dialect == dialect);
    found.map_or(UPSTREAM, |provider| provider.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        crate::test_settings::settings(text).unwrap()
    }

    const TEXT: &str = "
[providers.claude]
profile = \"anthropic\"
api_key = \"sk-ant\"
[providers.second]
base_url = \"https://api.openai.com/v1\"
api_key = \"sk-2\"
[upstream]
api_key = \"sk-1\"
[models.fast]
lanes = [{ model = \"gpt-4o-mini\", weight = 3 }, { provider = \"claude\", model = \"claude-haiku-4-5\", priority = 2 }]
[models.\"gpt-*\"]
lanes = [{}, { provider = \"second\" }]
[[routes]]
tags = [\"cheap\"]
models = [\"gpt-4o\"]
to = \"fast\"
[[routes]]
tags = [\"eu\", \"prod\"]
to = \"second/gpt-4o\"
";

    fn lanes(settings: &Settings, model: &str, tags: &[&str], dialect: Dialect) -> Vec<String> {
        let tags: Vec<_> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let wanted = Wanted {
            model,
            tags: &tags,
            dialect: Some(dialect),
        };
        let route = Route::find(settings, wanted);
        let shown = route.lanes.iter();
        shown
            .map(|lane| format!("{}/{}", lane.provider, lane.model))
            .collect()
    }

    #[test]
    fn names_lead_to_the_lanes_of_their_rule_and_else_to_one() {
        let settings = settings(TEXT);
        let openai = |model, tags: &[&str]| lanes(&settings, model, tags, Dialect::OpenAi);
        assert_eq!(
            openai("fast", &[]),
            ["upstream/gpt-4o-mini", "claude/claude-haiku-4-5"]
        );
        assert_eq!(openai("gpt-4o", &[]), ["upstream/gpt-4o", "second/gpt-4o"]);
        assert_eq!(openai("o3", &[]), ["upstream/o3"]);
        assert_eq!(
            openai("claude/claude-opus-5", &[]),
            ["claude/claude-opus-5"]
        );
        assert_eq!(openai("upstream/fast", &[]), ["upstream/fast"]);
        assert_eq!(openai("acme/model", &[]), ["upstream/acme/model"]);
        assert_eq!(openai("claude/", &[]), ["upstream/claude/"]);
    }

    #[test]
    fn routes_take_calls_that_have_all_their_tags() {
        let settings = settings(TEXT);
        let openai = |model, tags: &[&str]| lanes(&settings, model, tags, Dialect::OpenAi);
        assert_eq!(openai("gpt-4o", &["cheap"]).len(), 2);
        assert_eq!(openai("gpt-4o", &["cheap"])[0], "upstream/gpt-4o-mini");
        assert_eq!(openai("o3", &["cheap"]), ["upstream/o3"]);
        assert_eq!(openai("o3", &["eu"]), ["upstream/o3"]);
        assert_eq!(openai("o3", &["prod", "x", "eu"]), ["second/gpt-4o"]);
    }

    #[test]
    fn what_no_rule_takes_goes_to_who_speaks_its_dialect() {
        let settings = settings(TEXT);
        let of = |dialect| lanes(&settings, "claude-opus-5", &[], dialect);
        assert_eq!(of(Dialect::Anthropic), ["claude/claude-opus-5"]);
        assert_eq!(of(Dialect::OpenAi), ["upstream/claude-opus-5"]);
        // Nobody speaks it: the provider of [upstream] says so.
        assert_eq!(of(Dialect::Gemini), ["upstream/claude-opus-5"]);
    }
}
