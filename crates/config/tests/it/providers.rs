//! Further providers, lanes behind names of models, routes by tag, and the breaker.

use std::time::Duration;

use paceline_config::{Choose, FallBack, HedgeRule, UPSTREAM};

use crate::loading::{load, problems};

#[test]
fn a_provider_has_the_address_of_its_profile_and_the_profile_of_its_address() {
    let text = "
[providers.claude]
profile = \"anthropic\"
[providers.region]
base_url = \"https://acme.openai.azure.com/openai/v1/\"
account = \"acme\"
[providers.own]
base_url = \"http://10.0.0.7:8000/v1\"
";
    let settings = load(text, &[]).unwrap().settings;
    let of = |name: &str| settings.reach(name).unwrap();
    assert_eq!(
        of("claude").base_url.as_str(),
        "https://api.anthropic.com/v1"
    );
    assert_eq!(of("claude").profile.name, "anthropic");
    assert_eq!(of("region").profile.name, "azure");
    assert_eq!(of("region").account.as_deref(), Some("acme"));
    assert_eq!(of("own").profile.name, "compatible");
    assert_eq!(of(UPSTREAM).profile.name, "openai");
    assert!(settings.reach("elsewhere").is_none());
}

#[test]
fn limits_belong_to_one_provider() {
    let text = "
[providers.claude]
profile = \"anthropic\"
[limits]
tokens_per_minute = 1000
[[domains]]
name = \"mini\"
models = [\"*mini*\"]
tokens_per_minute = 500
[[domains]]
name = \"haiku\"
provider = \"claude\"
models = [\"*haiku*\", \"*mini*\"]
requests_per_minute = 50
";
    let settings = load(text, &[]).unwrap().settings;
    let name = |provider, model| settings.domain_at(provider, model).name.as_str();
    assert_eq!(name(UPSTREAM, "gpt-4o-mini"), "mini");
    assert_eq!(name(UPSTREAM, "claude-haiku"), "default");
    assert_eq!(name("claude", "claude-haiku"), "haiku");
    assert_eq!(name("claude", "gpt-4o-mini"), "haiku");
    let rest = settings.domain_at("claude", "claude-opus");
    assert_eq!(
        (rest.name.as_str(), rest.limits.len(), rest.learn),
        ("claude", 0, true)
    );
}

#[test]
fn lanes_are_read_and_plain_names_are_asked_before_patterns() {
    let text = "
[upstream]
api_key = \"sk-1\"
[providers.claude]
profile = \"anthropic\"
api_key = \"sk-2\"
[models.\"*\"]
lanes = [{}]
[models.\"gpt-4o*\"]
lanes = [{ weight = 3 }, { provider = \"claude\", model = \"claude-haiku-4-5\", priority = 2, context_tokens = 200000 }]
choose = \"weighted\"
fall_back_on = [\"error\"]
fall_back_after = \"5s\"
hedge = true
hedge_after = \"2s\"
[models.gpt-4o]
lanes = [{}]
";
    let settings = load(text, &[]).unwrap().settings;
    let names: Vec<_> = settings
        .models
        .iter()
        .map(|rule| rule.name.as_str())
        .collect();
    assert_eq!(names, ["gpt-4o", "gpt-4o*", "*"]);
    let rule = &settings.models[1];
    assert_eq!(rule.choose, Choose::Weighted);
    assert_eq!(rule.fall_back_on, [FallBack::Error]);
    assert_eq!(rule.fall_back_after, Duration::from_secs(5));
    assert_eq!(
        (rule.lanes[0].provider.as_str(), rule.lanes[0].weight),
        (UPSTREAM, 3)
    );
    let second = &rule.lanes[1];
    assert_eq!(second.model.as_deref(), Some("claude-haiku-4-5"));
    assert_eq!((second.priority, second.context_tokens), (2, Some(200_000)));
    let plain = &settings.models[0];
    assert_eq!(plain.choose, Choose::Soonest);
    assert_eq!(plain.fall_back_on.len(), 4);
    let hedge = HedgeRule {
        after: Some(Duration::from_secs(2)),
        share_max: 0.05,
    };
    assert_eq!((rule.hedge, plain.hedge), (Some(hedge), None));
}

#[test]
fn what_is_wrong_with_providers_and_lanes_is_told_with_its_place() {
    for (text, expected) in [
        (
            "[providers.a]\n",
            "p.toml:1: providers.a: names neither a profile nor a base_url; profile = \"anthropic\", or an address",
        ),
        (
            "[providers.a]\nprofile = \"azure\"\n",
            "p.toml:1: providers.a: needs a base_url: azure is not at one place; as in \"https://NAME.openai.azure.com/openai/v1\"",
        ),
        (
            "[providers.upstream]\nprofile = \"groq\"\n",
            "p.toml:1: providers.upstream: \"upstream\" is the name of the provider of [upstream]; choose another, or write its keys there",
        ),
        (
            "[providers.claude]\nprofile = \"anthropic\"\n[models.a]\nlanes = [{ provider = \"cloude\" }]\n",
            "p.toml:4: models.a.lanes[0].provider: \"cloude\" is no provider; did you mean \"claude\"?",
        ),
        (
            "[upstream]\napi_key = \"sk-1\"\n[models.a]\nlanes = [{}, {}]\n",
            "p.toml:4: models.a.lanes[1]: is there already; give one of them a higher weight",
        ),
        (
            "[providers.b]\nprofile = \"groq\"\napi_key = \"gsk\"\n[models.a]\nlanes = [{}, { provider = \"b\" }]\n",
            "p.toml:5: models.a.lanes[0]: upstream has no api_key: behind a name with several lanes the gateway's own keys are used; set upstream.api_key",
        ),
        (
            "[models.a]\nlanes = []\n",
            "p.toml:2: models.a.lanes: must have 1 to 64 lanes; lanes = [{ model = \"gpt-4o-mini\" }]",
        ),
        (
            "[models.a]\nlanes = [{}]\nhedge = true\n",
            "p.toml:3: models.a.hedge: a second attempt needs a second lane; add a lane, or leave hedge out",
        ),
        (
            "[breaker]\nenabled = false\n[models.a]\nlanes = [{}, { model = \"b\" }]\nhedge = true\n",
            "p.toml:5: models.a.hedge: how late is late is not known: with breaker.enabled = false no lane is watched; set hedge_after",
        ),
        (
            "[models.a]\nlanes = [{}, { model = \"b\" }]\nhedge = true\nhedge_share_max = 2.0\n",
            "p.toml:4: models.a.hedge_share_max: must be at most 1 (got 2.0)",
        ),
        (
            "[[domains]]\nname = \"x\"\nmodels = [\"y\"]\nprovider = \"z\"\n",
            "p.toml:4: domains[0].provider: \"z\" is no provider; there are: upstream",
        ),
        (
            "[[routes]]\ntags = []\nto = \"a\"\n",
            "p.toml:2: routes[0].tags: must name the tags that a call has to have; as in [\"eu\"]",
        ),
        (
            "[models.a]\nlanes = [{ provider = \"z\" }]\n[providers.upstream]\nprofile = \"openai\"\n",
            "p.toml:2: models.a.lanes[0].provider: \"z\" is no provider; there are: upstream\n",
        ),
        (
            "[breaker]\nopen = \"1h\"\n",
            "p.toml:2: breaker.open_max: must not be less than breaker.open",
        ),
    ] {
        let found = problems(text, &[]);
        assert!(
            found.contains(expected.split_once(": ").unwrap().1),
            "{text}\n{found}"
        );
    }
}

#[test]
fn a_key_that_is_missing_is_one_problem() {
    for (text, key) in [
        ("[[routes]]\nto = \"a\"\n", "routes[0].tags"),
        ("[[routes]]\ntags = [\"a\"]\n", "routes[0].to"),
        ("[models.a]\nchoose = \"soonest\"\n", "models.a.lanes"),
    ] {
        let found = problems(text, &[]);
        assert_eq!(found.matches(key).count(), 1, "{found}");
    }
}

#[test]
fn names_that_lead_nowhere_and_lanes_that_nothing_leads_to_are_noted() {
    let text = |to: &str, rule: &str| {
        format!(
            "[providers.ghost]\nprofile = \"anthropic\"\napi_key = \"a\"\n[upstream]\napi_key = \"b\"\n\
             [models.\"x/*\"]\nlanes = [{{}}]\n[models.fast]\n{rule}\n[[routes]]\ntags = [\"t\"]\nto = \"{to}\"\n"
        )
    };
    let notices = |to: &str, rule: &str| {
        let loaded = load(&text(to, rule), &[]).unwrap();
        let notices = loaded.notices.iter().map(ToString::to_string);
        let notices = notices.filter(|notice| !notice.contains("api_key"));
        notices.collect::<Vec<_>>().join("\n")
    };
    let two = "lanes = [{}, { provider = \"ghost\", priority = 2 }]";
    for to in ["ghost/m", "upstream/m", "x/m", "fast", "gpt-4o"] {
        assert_eq!(notices(to, two), "", "{to}");
    }
    let found = notices("gosht/m", two);
    assert!(
        found.contains("routes[0].to: leads to no name of [models]"),
        "{found}"
    );
    assert!(found.contains("did you mean \"ghost\"?"), "{found}");
    let off = format!("{two}\nfall_back_on = []");
    assert!(notices("fast", &off).contains("models.fast.lanes[1]: no call falls back on it"));
    let equal = "lanes = [{}, { provider = \"ghost\" }]\nfall_back_on = []";
    assert_eq!(notices("fast", equal), "");
    let in_order = format!("{equal}\nchoose = \"in_order\"");
    assert!(notices("fast", &in_order).contains("lanes[1]: no call falls back"));
}

#[test]
fn providers_of_one_account_have_their_limits_together() {
    let text = "
[upstream]
account = \"acme\"
[providers.second]
profile = \"openai\"
account = \"acme\"
[providers.third]
profile = \"openai\"
[providers.fourth]
profile = \"openai\"
[limits]
tokens_per_minute = 1000
[[domains]]
name = \"mini\"
models = [\"*mini*\"]
tokens_per_minute = 500
";
    let settings = load(text, &[]).unwrap().settings;
    let name = |provider, model| settings.domain_at(provider, model).name.as_str();
    assert_eq!(name("second", "gpt-4o-mini"), "mini");
    assert_eq!(name("second", "gpt-4o"), "default");
    assert_eq!(settings.domain_at("second", "gpt-4o").limits.len(), 1);
    // Keys at one address may turn out to be of one project: they are learned of side by side.
    assert_eq!(name("third", "gpt-4o-mini"), "fourth");
    assert_eq!(name("fourth", "gpt-4o"), "fourth");
}
